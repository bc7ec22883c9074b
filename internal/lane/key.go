package lane

import (
	"container/heap"
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// key is an idempotency key and what was accepted under it.
type key struct {
	Accepted
	name string
	slot int // in the heap

	listed bool // among what changed
}

// CheckKey tells whether a request under an idempotency key may be stamped. It returns [fault.ErrKeyReused] if the key
// was used for other content, and [fault.ErrOverloaded] for a new key in a full table.
func (t *Table) CheckKey(name string, content uint64) (Verdict, error) {
	k, ok := t.keys[name]
	switch {
	case !ok && len(t.keys) >= t.opts.MaxKeys:
		return Verdict{}, fmt.Errorf("keep key %q beside %d others: %w", name, len(t.keys), fault.ErrOverloaded)
	case !ok:
		return Verdict{}, nil
	case k.Content != content:
		return Verdict{}, fmt.Errorf("check key %q: %w", name, fault.ErrKeyReused)
	}
	return Verdict{Duplicate: true, Position: k.Position, Count: k.Count}, nil
}

// AcceptKey enters a key of a request when it is applied; its answer is as that of [Table.Accept].
func (t *Table) AcceptKey(name string, a Accepted) Meeting {
	a.check()
	k, ok := t.keys[name]
	if !ok {
		k = &key{Accepted: a, name: strings.Clone(name)}
		t.keys[k.name] = k
		heap.Push(&t.keysByAge, k)
		t.changedKey(k)
		return Meeting{}
	}
	if k.Position == a.Position {
		return Meeting{} // the same record again
	}
	meeting, stays := meet(&k.Accepted, &a)
	if !stays {
		k.Accepted = a
		heap.Fix(&t.keysByAge, k.slot)
		t.changedKey(k)
	}
	return meeting
}

// keyHeap is a heap by stamp and then name, in which each key knows its slot.
type keyHeap []*key

func (h keyHeap) Len() int { return len(h) }
func (h keyHeap) Less(i, j int) bool {
	if h[i].HLC != h[j].HLC {
		return h[i].HLC < h[j].HLC
	}
	return h[i].name < h[j].name
}

func (h keyHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i, j
}

// Push and Pop are for package heap.
func (h *keyHeap) Push(x any) {
	k := x.(*key)
	k.slot = len(*h)
	*h = append(*h, k)
}

func (h *keyHeap) Pop() any {
	old := *h
	k := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return k
}
