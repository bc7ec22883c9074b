package vector

import (
	"cmp"
	"slices"
)

// top collects the k best hits behind what a slice holds already. The hits are a heap with the worst at its root, so
// that one comparison turns most candidates away.
type top struct {
	out  []Hit
	from int // where the heap begins in out
	k    int
}

func newTop(k int, out []Hit) top { return top{out: out, from: len(out), k: k} }

func (t *top) full() bool { return len(t.out)-t.from == t.k }

// wants says whether a hit would be among the best so far. It wants no NaN.
func (t *top) wants(h Hit) bool {
	if !t.full() {
		return h.Similarity == h.Similarity
	}
	return h.Similarity >= t.out[t.from].Similarity && worse(t.out[t.from], h)
}

// add takes a hit that is wanted.
func (t *top) add(h Hit) {
	if !t.full() {
		t.out = append(t.out, h)
		t.up()
		return
	}
	t.out[t.from] = h
	t.down()
}

func (t *top) up() {
	heap := t.out[t.from:]
	for i := len(heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !worse(heap[i], heap[parent]) {
			return
		}
		heap[i], heap[parent] = heap[parent], heap[i]
		i = parent
	}
}

func (t *top) down() {
	heap := t.out[t.from:]
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && worse(heap[child+1], heap[child]) {
			child++
		}
		if !worse(heap[child], heap[i]) {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}

// sorted ends the collection.
func (t *top) sorted() []Hit {
	slices.SortFunc(t.out[t.from:], order)
	return t.out
}

// order is that of answers: the most similar first, then the lowest ordinal. There are no two hits with one ordinal.
func order(a, b Hit) int {
	if c := cmp.Compare(b.Similarity, a.Similarity); c != 0 {
		return c
	}
	return cmp.Compare(a.Ord, b.Ord)
}

func worse(a, b Hit) bool {
	if a.Similarity != b.Similarity {
		return a.Similarity < b.Similarity
	}
	return a.Ord > b.Ord
}
