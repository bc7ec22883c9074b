package ship

import (
	"testing"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/testseed"
)

func TestWhateverTheNetworkDoesEveryRegionGetsEverythingOnceAndInOrder(t *testing.T) {
	runs := 24
	if testing.Short() {
		runs = 8
	}
	seed := testseed.Of(t)
	for i := range uint64(runs) {
		regions, replicas := 2+int(i%3), 1+int(i%2)
		w := newWorld(t, seed+i, regions, replicas)
		w.lose, w.repeat, w.shuffle = w.rng.IntN(20), w.rng.IntN(10), w.rng.IntN(50)
		for range 2000 {
			w.mishap()
			w.step()
		}
		w.mustAgree(60 * second)
		if w.largest > 1<<20 {
			t.Errorf("%d bytes waited in one core", w.largest)
		}
	}
}

// mishap lets something go wrong now and then.
func (w *world) mishap() {
	x := w.towns[w.rng.IntN(len(w.towns))]
	switch w.rng.IntN(300) {
	case 0:
		a, b := w.towns[w.rng.IntN(len(w.towns))].number, x.number
		w.cut[[2]id.Region{a, b}] = true
		if w.rng.IntN(2) == 0 {
			w.cut[[2]id.Region{b, a}] = true
		}
	case 1, 2:
		w.cut = map[[2]id.Region]bool{}
	case 3:
		x.elect(w.rng.IntN(len(x.houses)))
	case 4:
		h := x.houses[w.rng.IntN(len(x.houses))]
		h.start()
	case 5:
		x.ranges, x.released = true, x.houses[0].applied*w.rng.IntN(100)/100
		for _, h := range x.houses {
			x.released = min(x.released, h.applied)
		}
	}
}

func TestAnotherRegionRelaysWhatCantBeHadDirectly(t *testing.T) {
	w := newWorld(t, 1, 3, 1)
	w.mustAgree(second)
	w.cut[[2]id.Region{0, 2}], w.cut[[2]id.Region{2, 0}] = true, true
	for range 5 {
		w.towns[0].write()
		w.towns[2].write()
	}
	w.calm(20 * second)
	if !w.agreed() {
		t.Fatalf("nobody relays:\n%s", w.picture())
	}
	s := w.towns[2].houses[0].core.Status()
	if s.Regions[0].Reachable || len(s.Regions[1].Relays) != 1 || s.Regions[1].Relays[0].Region != 0 {
		t.Errorf("region 2 takes region 0's by %+v", s.Regions)
	}
	// Back on the direct way nothing is missing, and nothing is sent twice any more.
	w.cut = map[[2]id.Region]bool{}
	for range 20 * second {
		w.tick()
		w.still()
	}
	w.dataSent = 0
	for range 10 {
		w.towns[0].write()
		w.tick()
		w.still()
	}
	if !w.agreed() || w.dataSent != 20 {
		t.Errorf("10 batches were sent %d times to two regions:\n%s", w.dataSent, w.picture())
	}
	if s := w.towns[2].houses[0].core.Status(); len(s.Regions[1].Relays) != 0 || !s.Regions[0].Reachable {
		t.Errorf("region 2 takes region 0's by %+v", s.Regions)
	}
}

func TestInNormalTimesEachBatchIsSentOnceToEachRegion(t *testing.T) {
	w := newWorld(t, 1, 3, 2)
	w.mustAgree(second)
	for range 5 * second {
		w.tick()
		w.still()
	}
	w.dataSent = 0
	for i := range 300 {
		w.towns[i%3].write()
		w.still()
		if i%7 == 0 {
			w.tick()
		}
	}
	w.calm(second)
	if !w.agreed() || w.dataSent != 600 {
		t.Errorf("300 batches were sent %d times:\n%s", w.dataSent, w.picture())
	}
}

func TestWhoStopsListeningIsForgottenAndMemoryStaysBounded(t *testing.T) {
	w := newWorld(t, 1, 2, 1)
	w.mustAgree(second)
	w.cut[[2]id.Region{1, 0}] = true // what region 1 says isn't heard
	for range 2000 {
		w.towns[0].write()
		w.still()
	}
	if w.largest > 256<<10 {
		t.Errorf("%d bytes waited", w.largest)
	}
	for range 10 * second {
		w.tick()
		w.still()
	}
	if s := w.towns[0].houses[0].core.Status(); len(s.Subscribers) != 0 || s.Regions[0].Reachable {
		t.Errorf("region 0 still serves %v", s.Subscribers)
	}
	w.mustAgree(20 * second)
}

func TestAWindowBoundsWhatIsOnItsWay(t *testing.T) {
	w := newWorld(t, 1, 2, 1)
	w.mustAgree(second)
	for range 3000 {
		w.towns[0].write() // nothing is delivered
	}
	n := 0
	for _, p := range w.wire {
		if p.to.Region == 1 {
			n += len(p.bytes)
		}
	}
	if n > 160<<10 {
		t.Errorf("%d bytes are on their way in a window of 64 KiB", n)
	}
	w.mustAgree(20 * second)
}

func TestLagIsWhatIsMissingAndSinceWhen(t *testing.T) {
	w := newWorld(t, 1, 2, 1)
	w.mustAgree(second)
	home, away := w.towns[0], w.towns[1]
	home.write()
	w.still()
	w.tick()
	w.still()
	for range 2 * second {
		w.tick()
		w.still()
	}
	if x := away.houses[0].core.Status().Regions[0]; x.Behind != (Lag{}) || !x.Reachable {
		t.Errorf("behind %+v when nothing is missing", x.Behind)
	}
	// The disk of region 1 stands still: it hears of what it lacks, and can't take it.
	for range 2 * second {
		home.write()
		for len(w.wire) > 0 {
			w.deliver()
		}
		w.tick()
	}
	behind := away.houses[0].core.Status().Regions[0].Behind
	lacks := home.houses[0].core.Status().Regions[0].Lacks
	for name, x := range map[string]Lag{"behind": behind, "lacks": lacks} {
		if x.Events == 0 || x.Time < 1_800_000_000 || x.Time > 2_400_000_000 {
			t.Errorf("%s: %+v after two seconds", name, x)
		}
	}
	if lacks.Batches < 40 { // as many as 32 KiB of memory keep
		t.Errorf("it lacks %d batches of 80", lacks.Batches)
	}
	w.mustAgree(20 * second)
	if x := home.houses[0].core.Status().Regions[0].Lacks; x.Events != 0 {
		w.tick()
		w.still()
		if x := home.houses[0].core.Status().Regions[0].Lacks; x != (Lag{}) {
			t.Errorf("lacks %+v in the end", x)
		}
	}
}

func TestCoveredCountsRegionsThatHaveAPosition(t *testing.T) {
	w := newWorld(t, 1, 3, 1)
	w.mustAgree(second)
	w.cut[[2]id.Region{0, 2}] = true
	home := w.towns[0]
	home.write()
	p := home.origin.At(home.committed.Get(home.origin))
	if n := home.houses[0].core.Covered(p); n != 0 {
		t.Errorf("%d regions have what was just written", n)
	}
	w.still()
	if n := home.houses[0].core.Covered(p); n != 1 {
		t.Errorf("%d regions have it, of two one can be reached", n)
	}
	w.mustAgree(20 * second)
	w.tick()
	w.still()
	if n := home.houses[0].core.Covered(p); n != 2 {
		t.Errorf("%d regions have it in the end", n)
	}
}
