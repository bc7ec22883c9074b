package ship

import (
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/testseed"
)

// known is what a house knows of a region.
func (h *house) known(n id.Region) RegionStatus {
	all := h.core.Status().Regions
	return all[slices.IndexFunc(all, func(x RegionStatus) bool { return x.Number == n })]
}

// TestWhoIsStartedAnewLearnsOfADeadRegionFromAnother: while that one goes on writing, so that it has hardly a reason to give signs of
// life; and from the one that learned of it that way, once the first is started anew, too.
func TestWhoIsStartedAnewLearnsOfADeadRegionFromAnother(t *testing.T) {
	w := newWorld(t, testseed.Of(t), 3, 1)
	for range 5 {
		for _, x := range w.towns {
			x.write()
		}
	}
	w.mustAgree(10 * second)
	for range second {
		w.tick()
		w.still()
	}
	dead := w.towns[2].houses[0]
	dead.down = true
	for n := range 4 {
		h := w.towns[n%2].houses[0]
		h.start()
		for ticks := 0; !h.known(2).Known; ticks++ {
			if ticks > 3*second {
				t.Fatalf("start %d: nobody tells it of region 2\n%s", n, w.picture())
			}
			w.towns[1-n%2].write()
			w.tick()
			w.still()
		}
		if x := h.known(2); !x.Vector.Equal(dead.vector) || x.Recalled || x.Reachable {
			t.Errorf("start %d: region 2 had %v, and it's told of %+v", n, dead.vector, x)
		}
	}
}

// TestWhatIsRecalledIsShownAndPromisesNothing, until somebody says something: then that counts.
func TestWhatIsRecalledIsShownAndPromisesNothing(t *testing.T) {
	c := New(Config{Self: self, Cluster: [16]byte{1}, Seed: 1})
	x := &lone{t: t, now: 1, core: c}
	had := id.VersionVector{}.With(id.Origin{}, 7).With(id.Origin{Region: 2}, 3)
	for n := range id.Region(2) {
		c.Recall(x.clock(), Report{Region: 1 + n, Vector: had, Age: 60_000})
	}
	c.Applied(x.clock(), had.With(id.Origin{}, 9), nil)
	c.Regions(x.clock(), []Region{{Number: 0, Replicas: []uint64{1}}, {Number: 1, Replicas: []uint64{1}}, {Number: 2}})
	c.Lead(x.clock(), true, 1)
	x.tick()
	for i, s := range c.Status().Regions {
		if !s.Known || !s.Recalled || s.Heard || s.Reachable || !s.Vector.Equal(had) || s.Age < time.Minute || s.Age > 2*time.Minute || s.Lacks.Events != 2 {
			t.Errorf("of region %d it shows %+v", i+1, s)
		}
	}
	at := id.Origin{}.At(7)
	words := slices.Collect(c.Words)
	if n := c.Covered(at); n != 0 || len(words) != 0 || c.CaughtUp() {
		t.Errorf("by %d regions it is confirmed, %v was heard, and it has caught up: %v", n, words, c.CaughtUp())
	}
	x.subscribe()
	if p := x.ask(1<<32 | 1); slices.ContainsFunc(p.Pulse.Knows, func(r Report) bool { return r.Region == 2 }) {
		t.Errorf("it tells others of region 2: %v", p.Pulse.Knows)
	}
	less := had.With(id.Origin{}, 5) // it's restored from a backup
	x.give(Packet{Kind: PacketData, Pulse: Pulse{Leads: true, Vector: less, Knows: []Report{{Region: 2, Vector: had, Age: 90_000}}}})
	one, two := c.Status().Regions[0], c.Status().Regions[1]
	if one.Recalled || !one.Vector.Equal(less) || !two.Recalled || c.Covered(id.Origin{}.At(5)) != 1 || c.Covered(at) != 0 || !c.CaughtUp() {
		t.Errorf("once one has said that it has %v, it is %+v, and of the other one, of which older is told, %+v", less, one, two)
	}
	x.give(Packet{Kind: PacketData, Pulse: Pulse{Leads: true, Vector: had, Knows: []Report{{Region: 2, Vector: had.With(id.Origin{}, 8), Age: 30_000}}}})
	if two := c.Status().Regions[1]; two.Recalled || two.Vector.Get(id.Origin{}) != 8 || len(slices.Collect(c.Words)) != 2 {
		t.Errorf("what is newer is told of the other one, and it is %+v", two)
	}
	more := had.With(id.Origin{Region: 1}, 4)
	if c.region(1).greeting = more; c.CaughtUp() {
		t.Error("it lacks something that region 1 had, and says that it has caught up")
	}
}
