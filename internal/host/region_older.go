package host

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/ship"
)

// What a region looks at that may have been taken back to an older state: its table may lack what it, or home, had written in
// it. See docs/decisions/0053-a-region-learns-of-others-from-who-asks.md.

// highestNumber is the highest number of a region that is known of in any way, beside the table: by what it stamped, or because it
// subscribes here. While somebody does who isn't in the table, what the table lacks is on its way, and no number is given.
func (r *Replica) highestNumber() (number id.Region, err error) {
	var seen ship.Status
	if at := r.loop.regions.Load(); at != nil {
		seen = at.Status
	}
	err = r.Read(func(e *engine.Engine) error {
		known := func(n id.Region) bool {
			_, ok := e.Region(n)
			return ok
		}
		number, err = highestOf(e.Vector(), &seen, known)
		return err
	})
	return number, err
}

func highestOf(own id.VersionVector, seen *ship.Status, known func(id.Region) bool) (number id.Region, err error) {
	raise := func(v id.VersionVector) {
		for o := range v.All {
			number = max(number, o.Region)
		}
	}
	raise(own)
	for i := range seen.Regions {
		x := &seen.Regions[i]
		if x.Reachable && !known(x.Number) {
			return 0, fmt.Errorf("region %d is one of this database and not in the table here, which is older than it was: what it lacks "+
				"is on its way, and no number is given before: %w", x.Number, fault.ErrNotLeader)
		}
		number = max(number, x.Number)
		raise(x.Vector)
	}
	return number, nil
}

// sameName refuses a member of another region under whose number the table has a region of another name. An empty name says
// nothing.
func (r *Replica) sameName(number id.Region, name string) error {
	all, _ := r.table()
	i := slices.IndexFunc(all, func(x engine.Region) bool { return x.Number == number })
	if i < 0 || name == "" || all[i].Name == "" || all[i].Name == name {
		return nil
	}
	return fmt.Errorf("number %d was given twice: to region %q, which asks, and to %q, as the table here has it, since home had been taken "+
		"back to before it gave it; keep one of them, and begin the other one anew, with an empty directory and under another name: %w",
		number, name, all[i].Name, fault.ErrForeign)
}
