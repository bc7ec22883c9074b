package retention

import (
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
)

// Report is what another region said that it holds, as of some moment.
type Report struct {
	Region id.Region
	Vector id.VersionVector
}

// Stable reports whether an event is known everywhere, and nothing that was stamped without knowledge of it can still arrive here:
// every region has reported a vector that covers it, and ours covers what each of these had stamped itself by then. What only
// guards against such late comers may be forgotten then.
//
// ours is the vector of the own region, reports those of all others, one of each: of a region that was never heard of an empty one,
// so that nothing is stable.
func Stable(p id.Position, ours id.VersionVector, reports []Report) bool {
	if !ours.Covers(p) {
		return false
	}
	for _, r := range reports {
		if !r.Vector.Covers(p) {
			return false
		}
		for o, seq := range r.Vector.All {
			if o.Region == r.Region && ours.Get(o) < seq {
				return false
			}
		}
		if planted.TombstoneEarly {
			return true
		}
	}
	return true
}
