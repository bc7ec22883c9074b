package engine

import (
	"slices"

	"github.com/tidaldb/tidal/internal/id"
)

// positions is a set of positions that can be had in order. Most enter in order and leave in order, and then each step
// is cheap.
type positions struct {
	in    map[id.Position]struct{}
	order []id.Position // sorted; those that aren't in the map have left
}

func (s *positions) has(p id.Position) bool {
	_, ok := s.in[p]
	return ok
}

func (s *positions) add(p id.Position) {
	if s.has(p) {
		return
	}
	if s.in == nil {
		s.in = map[id.Position]struct{}{}
	}
	s.in[p] = struct{}{}
	if n := len(s.order); n == 0 || s.order[n-1].Compare(p) < 0 {
		s.order = append(s.order, p)
	} else if at, left := slices.BinarySearchFunc(s.order, p, id.Position.Compare); !left {
		s.order = slices.Insert(s.order, at, p)
	}
}

func (s *positions) remove(p id.Position) {
	if !s.has(p) {
		return
	}
	delete(s.in, p)
	for len(s.order) > 0 && !s.has(s.order[0]) {
		s.order = s.order[1:]
	}
	if len(s.order) > 2*len(s.in)+64 {
		s.order = slices.DeleteFunc(slices.Clone(s.order), func(p id.Position) bool { return !s.has(p) })
	}
}

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
