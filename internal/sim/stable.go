package sim

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/sim/workload"
)

// A leader may take a delete for stable by what others reported, however old that is, and whoever can't be reached: retention.Stable.
// What it takes for that, every region of its table must hold. Runs know what each holds.

// stableEvery is how often a leader is asked.
const stableEvery = 100 * milli

// unsure are the deletes and erases that a region's leaders didn't take for stable yet.
type unsure struct {
	asked int64 // when
	known int   // how many of the books' there are in it, or were
	left  []id.Position
}

// deletes reports whether an event leaves a generation behind.
func deletes(e *workload.Event) bool {
	return e.Body.Kind == record.KindDelete || e.Body.Kind == record.KindErase
}

// stable asks a leader which deletes are stable, and holds its answer against what the regions hold.
func (p *resident) stable() error {
	v := p.m.f.province
	if v == nil || p.led == 0 || p.m.f.now-v.unsure.asked < stableEvery {
		return nil
	}
	u, g := &v.unsure, v.globe
	u.asked = p.m.f.now
	u.left = append(u.left, g.books.deletes[u.known:]...)
	u.known = len(g.books.deletes)
	if len(u.left) == 0 {
		return nil
	}
	ours, reports := p.base.Engine.Vector(), p.base.Reports()
	var wrong error
	u.left = slices.DeleteFunc(u.left, func(at id.Position) bool {
		if !retention.Stable(at, ours, reports) || slices.ContainsFunc(reports, func(r retention.Report) bool { return g.isDown(r.Region) }) {
			return false
		}
		g.report.Regions.Stable++
		for _, r := range reports {
			// Whose disk was taken back held it once, and that nobody else may know yet.
			if f := g.region(r.Region); f != nil && f.province.back == nil && !g.books.held(f).Covers(at) && wrong == nil {
				wrong = fmt.Errorf("delete %v is stable for %s, and %s lacks it", at, v.name, f.province.name)
			}
		}
		return true
	})
	return wrong
}

// isDown reports whether a machine of a region has no process. One that lost its power in the midst of a step may have told others of
// what it applied in that step, and its log has that; the books learn it when it's started again.
func (g *globe) isDown(region id.Region) bool {
	f := g.region(region)
	return f != nil && slices.ContainsFunc(f.machines, func(m *machine) bool { return m.process == nil })
}
