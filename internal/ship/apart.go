package ship

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Two ranges may overlap so that neither can be taken out of the other: one begins inside of what the log here has as a range
// itself. From an event on at which ranges begin on both sides the sums of both can be made. So what the source has is asked
// for from where the own range begins, though it is here; what comes of it is kept, and goes with the range that
// ends behind what is here. If its first range begins earlier still, the same is done once more.

// Earlier is the error of a range that can't be taken out of what is here, which has its beginning in a range that begins at
// First: with what lies between it can.
type Earlier struct {
	Origin id.Origin
	First  id.Seq
	Range  string // the own one
}

// Error implements error.
func (e *Earlier) Error() string {
	return fmt.Sprintf("the log has %v in range %s alone", e.Origin.At(e.First), e.Range)
}

// Unwrap says that what is wanted isn't held.
func (e *Earlier) Unwrap() error { return fault.ErrGone }

// apart is what is asked for again of an origin, since it goes with what is here.
type apart struct {
	after id.Seq // behind this number
	have  id.Seq // what was here then; once there's more it's over
	// parts are what came in a session, one adjoining the other, up to end.
	session uint64
	parts   []Item
	bytes   int
	end     id.Seq
}

// maxApart is how many bytes of what is here already are kept to take a range apart: of an entry's greatest length half is left
// for the range itself.
const maxApart = 4 << 20

// apartFrom has an origin asked for from an earlier event on.
func (c *Core) apartFrom(e *Earlier) {
	c.apart[e.Origin] = &apart{after: e.First - 1, have: c.vector.Get(e.Origin), end: e.First - 1}
}

// collect keeps an item that is here already, if it's wanted for that, and reports whether there is room for more.
func (x *apart) collect(s *source, it *Item) bool {
	if x.session != s.session {
		x.session, x.parts, x.bytes, x.end = s.session, nil, 0, x.after
	}
	adjoins := it.First == x.end+1 || len(x.parts) == 0 && it.Range && it.First <= x.end+1
	if !adjoins || it.Last <= x.end {
		return true
	}
	x.parts, x.bytes, x.end = append(x.parts, *it), x.bytes+len(it.Data), it.Last
	return x.bytes <= maxApart
}

// with returns what goes with a range, as far as it came in the same session and adjoins.
func (x *apart) with(s *source, it *Item) []Item {
	if x == nil || x.session != s.session || it.First != x.end+1 {
		return nil
	}
	return x.parts
}

// apartAfter is behind what an origin is wanted, if that isn't what is here.
func (c *Core) apartAfter(after id.VersionVector) id.VersionVector {
	for o, x := range c.apart {
		switch {
		case c.vector.Get(o) != x.have:
			delete(c.apart, o)
		case c.expect[o] == 0:
			after = after.With(o, x.after)
		}
	}
	return after
}
