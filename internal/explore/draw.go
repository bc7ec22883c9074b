package explore

import (
	"slices"

	"github.com/tidaldb/tidal/schema"
)

// Pool is what a slot draws from: a list of items, none of them twice. Its order is part of what a seed decides:
// replicas that should draw alike put their pools in an order that they share, such as that of ids.
type Pool interface {
	// Len is how many items there are.
	Len() int
	// At is the item at an index, from 0.
	At(index int) uint32
	// Index is where an item is, −1 if it isn't in the pool.
	Index(item uint32) int
}

// List is a small pool. [List.Index] looks at every item, which is asked for each of the items that are excluded and
// each that is drawn.
type List []uint32

// Len implements [Pool].
func (l List) Len() int { return len(l) }

// At implements [Pool].
func (l List) At(index int) uint32 { return l[index] }

// Index implements [Pool].
func (l List) Index(item uint32) int { return slices.Index(l, item) }

// Pick is an item that was drawn for a place.
type Pick struct {
	Place
	Item uint32
	// Propensity is the probability with which this item was drawn, in (0, 1], given that this place belongs to this
	// slot, what the pool was, and what was excluded and drawn before: one over the number of items that were left. A
	// reward that is divided by it stands for the same reward of the whole pool on average (D. Horvitz, D. Thompson, A
	// Generalisation of Sampling Without Replacement from a Finite Universe, JASA 47, 1952).
	Propensity float64
}

// Draw draws an item for each place, in the order of the places as [Places] returns them, from the pool of its slot:
// all items are equally likely that aren't excluded and weren't drawn for a place before, of whichever slot. Pools are
// those of the slots, by index; nil is an empty one. Excluded are items that the list has already; they may be in pools
// or not.
//
// A place for which nothing is left in the pool goes back to whoever ranks: those are returned as empty.
func Draw(
	places []Place, slots []schema.Slot, pools []Pool, excluded []uint32, seed uint64,
) (picks []Pick, empty []Place) {
	hats := make([]hat, len(slots))
	for i, slot := range slots {
		if i < len(pools) && pools[i] != nil {
			hats[i] = hat{pool: pools[i], generator: newGenerator(seed, slot.Name)}
		}
		for _, item := range excluded {
			hats[i].remove(item)
		}
	}
	for _, place := range places {
		h := &hats[place.Slot]
		left := h.left()
		if left == 0 {
			empty = append(empty, place)
			continue
		}
		item := h.pool.At(h.skip(h.generator.below(left)))
		for i := range hats {
			hats[i].remove(item)
		}
		picks = append(picks, Pick{Place: place, Item: item, Propensity: 1 / float64(left)})
	}
	return picks, empty
}

// hat is a pool that items are taken out of.
type hat struct {
	pool      Pool
	generator generator
	gone      []int // indexes of the pool that can't be drawn any more, rising
}

func (h *hat) left() int {
	if h.pool == nil {
		return 0
	}
	return h.pool.Len() - len(h.gone)
}

// remove takes an item out, if it is in.
func (h *hat) remove(item uint32) {
	if h.pool == nil {
		return
	}
	if index := h.pool.Index(item); index >= 0 {
		if at, there := slices.BinarySearch(h.gone, index); !there {
			h.gone = slices.Insert(h.gone, at, index)
		}
	}
}

// skip is the index in the pool of the n-th item that is left.
func (h *hat) skip(n int) int {
	for _, gone := range h.gone {
		if gone > n {
			break
		}
		n++
	}
	return n
}
