package heads

import (
	"math"

	"github.com/tidaldb/tidal/internal/state"
)

// head holds the items whose value is above a bar, in no order, and finds each of them by its number.
type head struct {
	// bar is the highest value that was left out. The members are exactly those above it.
	bar  int64
	none int64 // the bar that leaves nothing out
	keep int   // how many members it is cut to

	ords   []state.Ord
	scores []int64 // of as many items
	slots  slots

	// credit is for how many items of a walk was paid since it was built.
	credit int
}

func (h *head) init(keep int, none int64) { h.keep, h.none, h.bar = keep, none, none }

// most is how many members a head has before it is cut.
func (h *head) most() int { return h.keep + h.keep/2 + 1 }

// complete reports whether nothing was left out.
func (h *head) complete() bool { return h.bar == h.none }

// update makes an item's change from one value to another.
func (h *head) update(n state.Ord, old, v int64, scratch *[]int64) {
	switch {
	case v > h.bar && old > h.bar:
		h.scores[h.find(n)] = v
	case v > h.bar:
		h.add(n, v, scratch)
	case old > h.bar:
		h.remove(n)
	}
}

// find returns the place of a member. That there is none is our mistake.
func (h *head) find(n state.Ord) int {
	i := h.slots.find(n, h.ords)
	if i < 0 {
		panic("heads: an item above the bar isn't a member")
	}
	return i
}

// add takes a new member in, whose value is above the bar.
func (h *head) add(n state.Ord, v int64, scratch *[]int64) {
	if len(h.ords) >= h.most() {
		h.cut(scratch)
		if v <= h.bar {
			return
		}
	}
	h.ords = append(h.ords, n)
	h.scores = append(h.scores, v)
	h.slots.add(len(h.ords)-1, h.ords)
}

// remove lets a member go that sank to the bar or below.
func (h *head) remove(n state.Ord) {
	h.removeAt(h.find(n))
	h.credit += departurePays
}

// removeAt puts the last member in the place of another.
func (h *head) removeAt(i int) {
	last := len(h.ords) - 1
	h.slots.remove(i, h.ords)
	if i != last {
		h.slots.move(last, i, h.ords)
		h.ords[i], h.scores[i] = h.ords[last], h.scores[last]
	}
	h.ords, h.scores = h.ords[:last], h.scores[:last]
}

// cut raises the bar to the best value that is left out when at most keep members stay. Members that tie with it go as
// well, however many they are: who of them stayed would depend on the order in which they came. Once every keep/2
// additions it takes time in proportion to keep.
func (h *head) cut(scratch *[]int64) {
	s := append((*scratch)[:0], h.scores...)
	*scratch = s
	h.bar = highest(s, h.keep)
	kept := 0
	for i, v := range h.scores {
		if v > h.bar {
			h.ords[kept], h.scores[kept] = h.ords[i], v
			kept++
		}
	}
	h.ords, h.scores = h.ords[:kept], h.scores[:kept]
	h.slots.fill(h.ords)
}

// departurePays is for how many items of a walk one member that sank pays.
const departurePays = 1024

// short reports whether members are few and the walk over so many items, to build the head anew, is paid for. A head
// that was full has lost at least three quarters of what it keeps, and half of that is enough to pay for any number of
// items: else the members of a small head could all leave and not be enough.
func (h *head) short(items, pays int) bool {
	return len(h.ords) <= h.keep/4 && !h.complete() && h.credit >= min(items, h.keep/2*pays)
}

// unknown reports whether it answers nothing, see forget.
func (h *head) unknown() bool { return h.bar == math.MaxInt64 }

// forget makes it a head that nothing is known about, which answers nothing.
func (h *head) forget() {
	*h = head{none: h.none, keep: h.keep, bar: math.MaxInt64}
}

func (h *head) memory() int64 {
	return int64(cap(h.ords))*4 + int64(cap(h.scores))*8 + int64(cap(h.slots))*2
}
