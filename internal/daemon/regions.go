package daemon

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/cluster"
)

// regions is what the API asks of the regions of a replica's database. The name of the own one is kept, since every answer
// has it.
type regions struct {
	member *cluster.Member

	mu    sync.Mutex
	asked time.Time
	name  string
}

// keepRegion is how often it's looked whether there has come to be a second region, before which the own one has no name.
const keepRegion = 100 * time.Millisecond

// Region implements [server.Regions].
func (x *regions) Region() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.name == "" && time.Since(x.asked) > keepRegion {
		x.asked = time.Now()
		for _, r := range x.Status() {
			if r.Own {
				x.name = r.Name
			}
		}
	}
	return x.name
}

// Status implements [server.Regions].
func (x *regions) Status() []tidal.RegionStatus { return x.member.Regions() }

// Promote implements [server.Regions].
func (x *regions) Promote(ctx context.Context, name string) error { return x.member.Promote(ctx, name) }

// Remove implements [server.Regions].
func (x *regions) Remove(ctx context.Context, name, successor string) error {
	return x.member.RemoveRegion(ctx, name, successor)
}

// regionFigures are what metrics ask of the regions.
func (d *daemon) regionFigures() []tidal.RegionStatus {
	if db := d.late.Load(); db != nil {
		return db.Regions()
	}
	return nil
}

// check says why a replica is too far behind other regions.
func (x *regions) check(most time.Duration) error { return lagging(x.Status(), most) }

// lagging says why a server is too far behind other regions, nil if it isn't. Of a region that isn't heard of nobody knows
// what is missing here. It's left out as long as this region and those heard of are most of them, or half with the home
// region among them: then it is that one that is cut off, and not this one.
func lagging(all []tidal.RegionStatus, most time.Duration) error {
	regions, heard, home := 0, 0, false
	var lost, behind []string
	for i := range all {
		r := &all[i]
		if r.Role == tidal.RegionRemoved {
			continue
		}
		regions++
		switch {
		case !r.Own && (!r.Known || r.Heard > silent):
			lost = append(lost, r.Name)
			continue
		case !r.Own && r.WeLack.Time > most:
			behind = append(behind, fmt.Sprintf("%v behind %s", r.WeLack.Time.Round(time.Millisecond), r.Name))
		}
		heard++
		home = home || r.Role == tidal.RegionHome
	}
	switch {
	case len(behind) > 0:
		return fmt.Errorf("it is %s, more than %v", strings.Join(behind, " and "), most)
	case 2*heard < regions, 2*heard == regions && !home:
		return fmt.Errorf("it is cut off: nothing is heard of %s", strings.Join(lost, ", "))
	}
	return nil
}

// silent is after how long without word a region isn't heard of any more.
const silent = 5 * time.Second
