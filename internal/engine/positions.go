package engine

import (
	"slices"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// positions is a set of positions, each with a stamp, that can be had in order. Most enter in order and leave in order,
// and then each step is cheap.
type positions struct {
	in    map[id.Position]hlc.Timestamp
	order []id.Position // sorted; those that aren't in the map have left
}

func (s *positions) has(p id.Position) bool {
	_, ok := s.in[p]
	return ok
}

// add adds a position and reports whether it is new. One that is there keeps its stamp.
func (s *positions) add(p id.Position, stamp hlc.Timestamp) bool {
	if s.has(p) {
		return false
	}
	if s.in == nil {
		s.in = map[id.Position]hlc.Timestamp{}
	}
	s.in[p] = stamp
	if n := len(s.order); n == 0 || s.order[n-1].Compare(p) < 0 {
		s.order = append(s.order, p)
	} else if at, left := slices.BinarySearchFunc(s.order, p, id.Position.Compare); !left {
		s.order = slices.Insert(s.order, at, p)
	}
	return true
}

// remove removes a position and reports whether it was there.
func (s *positions) remove(p id.Position) bool {
	if !s.has(p) {
		return false
	}
	delete(s.in, p)
	for len(s.order) > 0 && !s.has(s.order[0]) {
		s.order = s.order[1:]
	}
	if len(s.order) > 2*len(s.in)+64 {
		s.order = slices.DeleteFunc(slices.Clone(s.order), func(p id.Position) bool { return !s.has(p) })
	}
	return true
}

// all calls yield with all positions, in order. The set may lose the one that is yielded.
func (s *positions) all(yield func(id.Position) bool) { s.after(id.Position{}, yield) }

// after calls yield with the positions above p, in order.
func (s *positions) after(p id.Position, yield func(id.Position) bool) {
	at, found := slices.BinarySearchFunc(s.order, p, id.Position.Compare)
	if found {
		at++
	}
	for _, q := range s.order[at:] {
		if s.has(q) && !yield(q) {
			return
		}
	}
}
