package ranker

import "github.com/tidaldb/tidal/internal/state"

// table maps ordinals, or other small numbers, to values. It's emptied quickly and keeps its memory, which a map of Go's
// doesn't do for what it held last. Order never shows.
type table[V any] struct {
	keys   []uint32 // key + 1; 0 is empty
	values []V
	used   []uint32 // places that are taken
}

const leastTable = 64

func (t *table[V]) reset() {
	for _, at := range t.used {
		t.keys[at] = 0
	}
	t.used = t.used[:0]
}

func (t *table[V]) len() int { return len(t.used) }

// find returns the place of a key, or the empty one where it would be.
func (t *table[V]) find(key uint32) uint32 {
	mask := uint32(len(t.keys) - 1)
	at := (key * 0x9e3779b1) >> 7 & mask
	for t.keys[at] != 0 && t.keys[at] != key+1 {
		at = (at + 1) & mask
	}
	return at
}

// get returns the value of a key, the zero value if there's none.
func (t *table[V]) get(key uint32) (v V, ok bool) {
	if len(t.used) == 0 {
		return v, false
	}
	at := t.find(key)
	if t.keys[at] == 0 {
		return v, false
	}
	return t.values[at], true
}

// at returns the value of a key to be changed, the zero value at first. It's good until the next call.
func (t *table[V]) at(key uint32) *V {
	if 2*(len(t.used)+1) > len(t.keys) {
		t.grow()
	}
	at := t.find(key)
	if t.keys[at] == 0 {
		t.keys[at] = key + 1
		var zero V
		t.values[at] = zero
		t.used = append(t.used, at)
	}
	return &t.values[at]
}

func (t *table[V]) grow() {
	old := *t
	size := max(leastTable, 2*len(old.keys))
	t.keys, t.values, t.used = make([]uint32, size), make([]V, size), make([]uint32, 0, size/2)
	for _, at := range old.used {
		*t.at(old.keys[at] - 1) = old.values[at]
	}
}

// each calls yield with every key and value, in the order in which the keys came.
func (t *table[V]) each(yield func(key uint32, v *V)) {
	for _, at := range t.used {
		yield(t.keys[at]-1, &t.values[at])
	}
}

// ordSet is a set of ordinals.
type ordSet struct{ table[struct{}] }

func (s *ordSet) has(n state.Ord) bool {
	_, ok := s.get(uint32(n))
	return ok
}

// add reports whether n is new.
func (s *ordSet) add(n state.Ord) bool {
	before := len(s.used)
	s.at(uint32(n))
	return len(s.used) > before
}
