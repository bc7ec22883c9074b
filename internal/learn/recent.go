package learn

import "container/list"

// recent is a map that holds so many entries at most, and forgets those that nobody touched for longest.
type recent[K comparable, V any] struct {
	most    int
	entries map[K]*list.Element
	order   *list.List // newest first
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, entries: map[K]*list.Element{}, order: list.New()}
}

// get returns an entry, which it touches.
func (r *recent[K, V]) get(k K) (v V, ok bool) {
	e := r.entries[k]
	if e == nil {
		return v, false
	}
	r.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// put sets an entry, which it touches. If there are too many then, the oldest goes and is returned.
func (r *recent[K, V]) put(k K, v V) (oldest V, went bool) {
	if e := r.entries[k]; e != nil {
		e.Value.(*entry[K, V]).value = v
		r.order.MoveToFront(e)
		return oldest, false
	}
	r.entries[k] = r.order.PushFront(&entry[K, V]{k, v})
	if len(r.entries) <= r.most {
		return oldest, false
	}
	last := r.order.Back().Value.(*entry[K, V])
	r.remove(last.key)
	return last.value, true
}

func (r *recent[K, V]) remove(k K) {
	if e := r.entries[k]; e != nil {
		r.order.Remove(e)
		delete(r.entries, k)
	}
}
