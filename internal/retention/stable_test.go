package retention_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/retention"
	"pgregory.net/rapid"
)

// region is one of a model: what it holds, the vector that each of its events was stamped under, and what others last reported to it.
type region struct {
	number  id.Region
	vector  id.VersionVector
	reports map[id.Region]id.VersionVector
}

func (r *region) origin() id.Origin { return id.Origin{Region: r.number} }

// TestNothingStampedWithoutAStableEventComesLater lets regions write, ship and report in any order, and looks at every event that a
// region takes for stable: whoever stamps or has stamped something that isn't here yet knew of it.
func TestNothingStampedWithoutAStableEventComesLater(t *testing.T) {
	stable := 0
	rapid.Check(t, func(t *rapid.T) {
		var regions []*region
		for n := range rapid.IntRange(2, 4).Draw(t, "regions") {
			regions = append(regions, &region{number: id.Region(n), reports: map[id.Region]id.VersionVector{}})
		}
		known := map[id.Position]id.VersionVector{} // what the stamping region held
		any := func(what string) *region {
			return regions[rapid.IntRange(0, len(regions)-1).Draw(t, what)]
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			x, y := any("one"), any("other")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0: // x writes
				p := x.origin().At(x.vector.Get(x.origin()) + 1)
				known[p] = x.vector
				x.vector = x.vector.With(p.Origin(), p.Seq)
			case 1, 2: // y gets some of an origin from x
				o := any("origin").origin()
				if have, there := y.vector.Get(o), x.vector.Get(o); there > have {
					y.vector = y.vector.With(o, have+1+id.Seq(rapid.Uint64Range(0, uint64(there-have-1)).Draw(t, "more")))
				}
			case 3: // y hears what x has
				y.reports[x.number] = x.vector
			}
		}
		for _, us := range regions {
			var reports []retention.Report
			for _, r := range regions {
				if r != us {
					reports = append(reports, retention.Report{Region: r.number, Vector: us.reports[r.number]})
				}
			}
			for p := range known {
				if !retention.Stable(p, us.vector, reports) {
					continue
				}
				stable++
				for _, r := range regions {
					if !r.vector.Covers(p) {
						t.Fatalf("%v is stable for %d, and region %d lacks it", p, us.number, r.number)
					}
				}
				for e, held := range known {
					if !us.vector.Covers(e) && !held.Covers(p) {
						t.Fatalf("%v is stable for %d, and %v, stamped without it, is still to come", p, us.number, e)
					}
				}
			}
		}
	})
	if stable == 0 {
		t.Error("nothing was ever stable")
	}
}

func TestARegionThatWasNeverHeardOfHoldsUpAll(t *testing.T) {
	p := id.Origin{Region: 1}.At(3)
	ours := id.VersionVector{}.With(p.Origin(), 5)
	has := retention.Report{Region: 2, Vector: ours}
	if !retention.Stable(p, ours, []retention.Report{has}) {
		t.Error("what both regions have isn't stable")
	}
	if retention.Stable(p, ours, []retention.Report{has, {Region: 3}}) {
		t.Error("it's stable although nobody heard of region 3")
	}
	if retention.Stable(p.Origin().At(6), ours, nil) {
		t.Error("what isn't here is stable")
	}
}
