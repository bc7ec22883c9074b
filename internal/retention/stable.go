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

// Stable reports whether an event is known everywhere, and what others had applied of their own when they learned of it is here, too:
// every region has reported a vector that covers it, and ours covers what each of these had stamped itself by then. What
// was stamped without knowledge of it can still arrive here, as far as it was under way in the log of its group at that time; that
// is behind us, too, when a second event is stable that was written once the first one was ([Turn]).
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
