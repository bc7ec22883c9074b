package harness_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/sim/harness"
)

// split cuts two regions off from each other and from the third.
func split(t *testing.T, c *harness.SimulatedCluster) (heal func()) {
	t.Helper()
	var cuts []*harness.NetworkPartition
	for _, r := range three[:2] {
		cuts = append(cuts, got(c.Isolate(r))(t)...)
	}
	return func() {
		for _, p := range cuts {
			p.Release()
		}
	}
}

// TestBothSidesOfASplitAreAdded: what each side counted while it was alone counts once, in any order.
func TestBothSidesOfASplitAreAdded(t *testing.T) {
	for seed := range uint64(5) {
		c := build(t, harness.Config{Seed: seed})
		heal := split(t, c)
		writes := []struct {
			region string
			n      int
		}{{usEast, 30}, {euWest, 20}, {apSouth, 10}}
		for _, w := range writes {
			signals := make([]harness.Signal, w.n)
			for i := range signals {
				signals[i] = harness.Signal{Item: "song", Type: "view", At: start}
			}
			got(c.WriteSignals(w.region, signals))(t)
		}
		do(t, c.Advance(time.Second))
		heal()
		converges(t, c, 15*time.Second)
		sameScore(t, c, "song", "view", 60*decayed(6*time.Hour, []time.Duration{c.Elapsed()}))
	}
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestAKeyThatTwoRegionsAcceptedCountsOnce: the copy with the larger stamp is taken back by the region that made it.
func TestAKeyThatTwoRegionsAcceptedCountsOnce(t *testing.T) {
	c := build(t, harness.Config{Seed: 7})
	heal := split(t, c)
	for _, r := range three {
		for i := range 5 {
			s := harness.Signal{Item: "song", Type: "view", At: start, Key: fmt.Sprintf("key-%d", i)}
			got(c.WriteSignal(r, s))(t)
		}
	}
	heal()
	converges(t, c, 15*time.Second)
	sameScore(t, c, "song", "view", 5*decayed(6*time.Hour, []time.Duration{c.Elapsed()}))
}

// TestAnUndoElsewhereTakesBackOnce: two regions take back what a third one stamped, while they can't hear of each other.
func TestAnUndoElsewhereTakesBackOnce(t *testing.T) {
	c := build(t, harness.Config{Seed: 8})
	at := got(c.WriteSignal(usEast, harness.Signal{Item: "song", Type: "view", At: start}))(t)
	got(c.WriteSignal(usEast, harness.Signal{Item: "song", Type: "view", At: start}))(t)
	converges(t, c, 5*time.Second)
	heal := split(t, c)
	do(t, c.Undo(euWest, "song", at))
	if err := c.Undo(euWest, "song", at); !errors.Is(err, fault.ErrUndone) {
		t.Errorf("a second undo in the same region ends with %v", err)
	}
	do(t, c.Undo(apSouth, "song", at))
	heal()
	converges(t, c, 15*time.Second)
	sameScore(t, c, "song", "view", decayed(6*time.Hour, []time.Duration{c.Elapsed()}))
	for _, r := range three {
		if err := c.Undo(r, "song", at); !errors.Is(err, fault.ErrUndone) {
			t.Errorf("an undo in %s of what was taken back ends with %v", r, err)
		}
	}
}

// TestAHideRulesOverAnOlderUnhide: hides of all regions are united while they converge; only what is shown again later is.
func TestAHideRulesOverAnOlderUnhide(t *testing.T) {
	c := build(t, harness.Config{Seed: 9})
	shown := func(item string, want bool) {
		t.Helper()
		for _, r := range three {
			if hidden := got(c.Hidden(r, "ann", item))(t); hidden == want {
				t.Errorf("%s is hidden in %s: %v", item, r, hidden)
			}
		}
	}
	heal := split(t, c)
	do(t, c.SetHidden(euWest, "ann", "song", false)) // before the hide
	do(t, c.Advance(time.Second))
	do(t, c.SetHidden(usEast, "ann", "song", true))
	do(t, c.SetHidden(usEast, "ann", "tune", true))
	heal()
	converges(t, c, 15*time.Second)
	shown("song", false)
	shown("tune", false)
	do(t, c.SetHidden(apSouth, "ann", "tune", false))
	converges(t, c, 5*time.Second)
	shown("tune", true)
	shown("song", false)
}

// TestOneWayPartitionsHeal: what gets through one way is there, and the rest comes behind the heal.
func TestOneWayPartitionsHeal(t *testing.T) {
	c := build(t, harness.Config{Seed: 10, Regions: three[:2]})
	p := got(c.Partition(usEast, euWest, harness.OneWay))(t)
	for range 10 {
		got(c.WriteSignal(usEast, harness.Signal{Item: "song", Type: "view"}))(t)
		got(c.WriteSignal(euWest, harness.Signal{Item: "tune", Type: "view"}))(t)
	}
	do(t, c.Advance(3*time.Second))
	if s := got(c.ReadDecayScore(euWest, "song", "view"))(t); s != 0 {
		t.Errorf("eu-west reads %v through a cut", s)
	}
	p.Release()
	converges(t, c, 15*time.Second)
	if p.Dropped() == 0 {
		t.Error("it dropped nothing")
	}
	for _, item := range []string{"song", "tune"} {
		if a, b := got(c.ReadDecayScore(usEast, item, "view"))(t), got(c.ReadDecayScore(euWest, item, "view"))(t); a != b || a < 9 {
			t.Errorf("%s has %v and %v", item, a, b)
		}
	}
}
