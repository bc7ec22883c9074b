package reconcile

import (
	"github.com/tidaldb/tidal/internal/id"
)

// Log is where the events of each origin lie on one side, as far as they are applied there. What is returned is the caller's,
// and never changes.
type Log interface {
	// First is the number from which on all batches of an origin are there, up to the last event; one above that if none are.
	First(o id.Origin) id.Seq
	// Read returns the batches of an origin behind a number, in order, one at least, unless nothing follows. It stops in front of
	// a compacted range, and when there are about maxBytes. [fault.ErrGone] says that no batch follows right behind the number.
	Read(o id.Origin, after id.Seq, maxBytes int) (batches [][]byte, err error)
	// Bytes is about how many bytes the batches of an origin behind a number have.
	Bytes(o id.Origin, after id.Seq) int64
	// Range returns, as an entry of a log, a compacted stretch of an origin that begins right behind a number or earlier, and
	// ends behind it; of about maxBytes at most. [fault.ErrGone] says that there is none.
	Range(o id.Origin, after id.Seq, maxBytes int) (entry []byte, err error)
}

// Place says which events a range entry holds.
type Place func(entry []byte) (o id.Origin, first, last id.Seq, err error)

// Supply is what one side can give of an origin behind a number.
type Supply struct {
	Origin id.Origin
	// After is that number, and Last the last one there is.
	After, Last id.Seq
	// Batches and Ranges are about how many bytes it has as batches, and as compacted ranges; below 0 if it can't be had so.
	Batches, Ranges int64
}

// Unknown says that something can't be had.
const Unknown = -1

// State is what one side has, and what it can give of what the other side lacks.
type State struct {
	Vector   id.VersionVector
	Supplies []Supply // by origin
}

const (
	// worthFolding is from how many bytes of batches on it's looked at whether ranges would be fewer: folding costs about as
	// much as applying.
	worthFolding = 4 << 20
	// RangeBytes is how many bytes a range has at most, about, so that it fits an entry of a log with room to spare.
	RangeBytes = 1 << 20
)

// Survey returns the state of a side, whose log has what here says, for another one that has there.
func Survey(log Log, place Place, here, there id.VersionVector) State {
	out := State{Vector: here}
	for o, last := range here.All {
		if after := there.Get(o); after < last {
			s, _ := Look(log, place, o, after, last)
			out.Supplies = append(out.Supplies, s)
		}
	}
	return out
}

// Look says what a log can give of an origin behind a number. Where it made a range to find out, that is returned, too.
//
// How many bytes ranges would have is judged by the first one, if there are so many batches that it matters.
func Look(log Log, place Place, o id.Origin, after, last id.Seq) (Supply, []byte) {
	s := Supply{Origin: o, After: after, Last: last, Batches: Unknown, Ranges: Unknown}
	if log.First(o) <= after+1 {
		s.Batches = log.Bytes(o, after)
		if s.Batches < worthFolding {
			return s, nil
		}
	}
	entry, err := log.Range(o, after, RangeBytes)
	if err != nil {
		return s, nil
	}
	from, first, end, err := place(entry)
	if err != nil || from != o || first > after+1 || end <= after {
		return s, nil
	}
	s.Ranges = int64(len(entry))
	if s.Batches == Unknown {
		return s, entry
	}
	if covered := s.Batches - log.Bytes(o, end); covered > 0 {
		s.Ranges = int64(float64(s.Ranges) * (float64(s.Batches) / float64(covered)))
	}
	return s, entry
}
