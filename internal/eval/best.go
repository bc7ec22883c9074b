package eval

import "slices"

// scored is an item with what ranks it.
type scored struct {
	item  uint32
	score float64
}

// before reports whether a stands above b: by score, and at equal scores the item that was met first in the log.
func (a scored) before(b scored) bool {
	return a.score > b.score || a.score == b.score && a.item < b.item
}

// best keeps the k best of any number of items, the worst of them on top of a heap.
type best struct {
	k    int
	heap []scored
}

func (b *best) offer(s scored) {
	if len(b.heap) == b.k {
		if b.k == 0 || !s.before(b.heap[0]) {
			return
		}
		b.heap[0] = s
		b.sink()
		return
	}
	b.heap = append(b.heap, s)
	for i := len(b.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !b.heap[parent].before(b.heap[i]) {
			return
		}
		b.heap[i], b.heap[parent] = b.heap[parent], b.heap[i]
		i = parent
	}
}

func (b *best) sink() {
	for i := 0; ; {
		worst := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(b.heap) && b.heap[worst].before(b.heap[child]) {
				worst = child
			}
		}
		if worst == i {
			return
		}
		b.heap[i], b.heap[worst] = b.heap[worst], b.heap[i]
		i = worst
	}
}

// take returns what was kept, best first, and begins anew. The list is valid until the next offer.
func (b *best) take() []scored {
	out := b.heap
	b.heap = b.heap[:0]
	slices.SortFunc(out, func(x, y scored) int {
		if x.before(y) {
			return -1
		}
		return 1
	})
	return out
}
