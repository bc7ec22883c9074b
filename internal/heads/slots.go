package heads

import (
	"math/bits"

	"github.com/tidaldb/tidal/internal/state"
)

// slots finds the place of an item in a list of at most 6,145: an open-addressing table of places, counted from 1, with
// 0 for none. It is at most half full, two bytes a slot, and the numbers themselves are read from the list. Its length
// is a power of two.
type slots []uint16

const minSlots = 16

// home is where the search for an item begins: the upper bits of a product (Knuth, "The Art of Computer Programming",
// volume 3, section 6.4).
func (s slots) home(n state.Ord) int {
	return int(uint32(n) * 2654435769 >> (32 - bits.Len(uint(len(s)-1))))
}

// first returns what the search for an item meets first: the place of the right one most often, counted from 1, or 0.
func (s slots) first(n state.Ord) uint16 {
	if len(s) == 0 {
		return 0
	}
	return s[s.home(n)]
}

// find returns the place of an item, −1 if it isn't in the list.
func (s slots) find(n state.Ord, list []state.Ord) int {
	if len(s) == 0 {
		return -1
	}
	mask := len(s) - 1
	for i := s.home(n); ; i = (i + 1) & mask {
		place := int(s[i]) - 1
		if place < 0 || list[place] == n {
			return place
		}
	}
}

// at returns the slot that holds a place.
func (s slots) at(place int, list []state.Ord) int {
	mask := len(s) - 1
	i := s.home(list[place])
	for int(s[i])-1 != place {
		i = (i + 1) & mask
	}
	return i
}

// add enters the item that was put at a place, and grows.
func (s *slots) add(place int, list []state.Ord) {
	if len(list)*2 > len(*s) {
		*s = make(slots, max(minSlots, 2*len(*s)))
		s.fill(list)
		return
	}
	s.enter(place, list)
}

func (s slots) enter(place int, list []state.Ord) {
	mask := len(s) - 1
	i := s.home(list[place])
	for s[i] != 0 {
		i = (i + 1) & mask
	}
	s[i] = uint16(place + 1)
}

// fill enters a whole list and nothing else.
func (s slots) fill(list []state.Ord) {
	clear(s)
	for place := range list {
		s.enter(place, list)
	}
}

// move says that the item at one place is about to lie at another.
func (s slots) move(from, to int, list []state.Ord) { s[s.at(from, list)] = uint16(to + 1) }

// remove takes the item at a place out, and moves up what was displaced by it, so that no search ends too early.
func (s slots) remove(place int, list []state.Ord) {
	mask := len(s) - 1
	hole := s.at(place, list)
	for i := (hole + 1) & mask; s[i] != 0; i = (i + 1) & mask {
		// What lies at i may move to the hole unless its home is behind the hole.
		home := s.home(list[s[i]-1])
		if (i-home)&mask >= (i-hole)&mask {
			s[hole] = s[i]
			hole = i
		}
	}
	s[hole] = 0
}
