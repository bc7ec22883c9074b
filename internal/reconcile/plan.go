package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/id"
)

// Mode is how a gap is closed.
type Mode uint8

// The modes.
const (
	// Nothing is to be done.
	Nothing Mode = iota
	// Batches go as they were stamped.
	Batches
	// Ranges go in their place.
	Ranges
	// Impossible: neither is there. Who lacks it begins anew with a copy of the whole state.
	Impossible
)

// String returns the mode as a word.
func (m Mode) String() string {
	return [...]string{"nothing", "batches", "ranges", "impossible"}[min(m, Impossible)]
}

// Choose returns the way with fewer bytes; of two alike it's the batches, which carry more.
func (s *Supply) Choose() Mode {
	switch {
	case s.Last <= s.After:
		return Nothing
	case s.Batches < 0 && s.Ranges < 0:
		return Impossible
	case s.Ranges < 0 || s.Batches >= 0 && s.Batches <= s.Ranges:
		return Batches
	}
	return Ranges
}

// bytes is how many a way takes.
func (s *Supply) bytes(m Mode) int64 {
	switch m {
	case Batches:
		return s.Batches
	case Ranges:
		return s.Ranges
	case Nothing, Impossible:
	}
	return 0
}

// Move is what one side gives the other of one origin.
type Move struct {
	Origin id.Origin
	// The events behind After, up to Last.
	After, Last id.Seq
	Mode        Mode
	Bytes       int64 // about
}

// Events is how many it moves.
func (m *Move) Events() uint64 { return uint64(m.Last - m.After) }

// String says what goes, in one line.
func (m *Move) String() string {
	return fmt.Sprintf("%v to %d as %v (%d bytes)", m.Origin.At(m.After+1), m.Last, m.Mode, m.Bytes)
}

// Plan is what goes which way, by origin.
type Plan struct {
	ToLocal, ToRemote []Move
}

// Bytes is about how many bytes it moves, and Events how many events.
func (p *Plan) Bytes() (n int64) {
	for _, list := range [2][]Move{p.ToLocal, p.ToRemote} {
		for i := range list {
			n += list[i].Bytes
		}
	}
	return n
}

// Events is how many events it moves.
func (p *Plan) Events() (n uint64) {
	for _, list := range [2][]Move{p.ToLocal, p.ToRemote} {
		for i := range list {
			n += list[i].Events()
		}
	}
	return n
}

// String says what goes which way, a line each.
func (p *Plan) String() string {
	var b strings.Builder
	for i := range p.ToLocal {
		fmt.Fprintf(&b, "to local: %v\n", &p.ToLocal[i])
	}
	for i := range p.ToRemote {
		fmt.Fprintf(&b, "to remote: %v\n", &p.ToRemote[i])
	}
	return b.String()
}

// Plan says what each side is to be given. The same states give the same plan, and states exchanged its mirror image.
func (e *ReconciliationEngine) Plan(local, remote State) Plan {
	return Plan{ToLocal: moves(&remote, local.Vector), ToRemote: moves(&local, remote.Vector)}
}

// moves is what one side gives another that has a vector.
func moves(from *State, has id.VersionVector) []Move {
	var out []Move
	for o, last := range from.Vector.All {
		after := has.Get(o)
		if after >= last {
			continue
		}
		s := Supply{Origin: o, After: after, Last: last, Batches: Unknown, Ranges: Unknown}
		i, ok := slices.BinarySearchFunc(from.Supplies, o, func(s Supply, o id.Origin) int { return s.Origin.Compare(o) })
		if ok && from.Supplies[i].After == after {
			s = from.Supplies[i]
		}
		m := Move{Origin: o, After: after, Last: last, Mode: s.Choose()}
		m.Bytes = s.bytes(m.Mode)
		out = append(out, m)
	}
	return out
}
