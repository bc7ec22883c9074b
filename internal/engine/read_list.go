package engine

import (
	"container/heap"
	"slices"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
)

// Listing collects the ids of existing entities of one kind in order: the first ones behind a given id. Create it with
// [NewListing] and hand it to [Engine.Advance] until that is through.
//
// An entity that exists from the first call to the last is found if its id belongs to the list; one that is made or
// deleted in between may be found or not.
type Listing struct {
	kind  id.Kind
	after string
	limit int
	next  state.Ord
	best  idHeap
}

// NewListing begins a list of at most limit ids, 1 or more, that lie behind after.
func NewListing(kind id.Kind, after string, limit int) *Listing {
	return &Listing{kind: kind, after: after, limit: limit}
}

// Advance looks at the next so many ids of the kind, in the order in which they became known, and reports whether that
// were the last ones. So a list of a large database can be made in parts, with writes in between.
func (e *Engine) Advance(l *Listing, parts int) (done bool) {
	known := e.table.Owners(l.kind)
	end := min(known, l.next+state.Ord(parts))
	for ; l.next < end; l.next++ {
		name := e.table.Name(l.kind, l.next)
		if !l.wants(name) || !e.exists(l.kind, l.next) {
			continue
		}
		heap.Push(&l.best, name)
		if len(l.best) > l.limit {
			heap.Pop(&l.best)
		}
	}
	return end == known
}

// IDs returns the list, in ascending order of bytes. The listing is used up.
func (l *Listing) IDs() []string {
	slices.Sort(l.best)
	return l.best
}

func (l *Listing) wants(name string) bool {
	return name > l.after && (len(l.best) < l.limit || name < l.best[0])
}

func (e *Engine) exists(kind id.Kind, n state.Ord) bool {
	_, ok, err := e.entity(kind, n)
	return ok || err != nil // what can't be read is found, so that reading it says why
}

// idHeap has the highest id at its root.
type idHeap []string

func (h idHeap) Len() int           { return len(h) }
func (h idHeap) Less(i, j int) bool { return h[i] > h[j] }
func (h idHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *idHeap) Push(x any)        { *h = append(*h, x.(string)) }
func (h *idHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
