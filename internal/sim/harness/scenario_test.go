package harness_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/sim/harness"
)

// The regions of the acceptance scenario.
const (
	usEast  = "us-east"
	euWest  = "eu-west"
	apSouth = "ap-south"
)

var three = []string{usEast, euWest, apSouth}

// build makes a cluster.
func build(t testing.TB, cfg harness.Config) *harness.SimulatedCluster {
	t.Helper()
	if cfg.Regions == nil {
		cfg.Regions = three
	}
	c, err := harness.Build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got is a value of a call that must not fail.
func got[T any](x T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

// converges waits until all regions hold the same, byte for byte.
func converges(t testing.TB, c *harness.SimulatedCluster, limit time.Duration) time.Duration {
	t.Helper()
	took, err := c.AwaitConvergence(limit)
	if err != nil {
		t.Fatalf("after %v: %v", took, err)
	}
	return took
}

// sameScore checks that an item's score is the same everywhere, and what the formula says.
func sameScore(t testing.TB, c *harness.SimulatedCluster, item, typeName string, want float64) {
	t.Helper()
	for _, r := range three {
		if s := got(c.ReadDecayScore(r, item, typeName))(t); math.Abs(s-want) > 1e-6*max(1, want) {
			t.Errorf("%s in %s has %v, the formula gives %v", item, r, s, want)
		}
	}
}

// decayed is what signals of weight 1 come to after some times, with a half-life.
func decayed(halfLife time.Duration, ages []time.Duration) (sum float64) {
	for _, a := range ages {
		sum += math.Exp2(-float64(a) / float64(halfLife))
	}
	return sum
}

// TestTheFourStepsOfTheAcceptanceScenario is the original's: write here and read there; lose a whole primary; ask while a
// region is cut off; heal.
func TestTheFourStepsOfTheAcceptanceScenario(t *testing.T) {
	c := build(t, harness.Config{Seed: 1, Shards: 2, Replicas: 3})
	const halfLife = 6 * time.Hour
	at := map[string][]time.Duration{} // when each item was viewed, since the beginning
	view := func(region, item string) {
		t.Helper()
		s := harness.Signal{Item: item, Type: "view", User: "ann", Cohorts: []string{"young"}}
		got(c.WriteSignal(region, s))(t)
		at[item] = append(at[item], c.Elapsed())
	}
	scores := func() {
		t.Helper()
		for item, times := range at {
			ages := make([]time.Duration, len(times))
			for i := range times {
				ages[i] = c.Elapsed() - times[i]
			}
			sameScore(t, c, item, "view", decayed(halfLife, ages))
		}
	}

	// 1. What is written in us-east is read in eu-west.
	for i := range 20 {
		view(usEast, fmt.Sprintf("song-%d", i%5))
	}
	if took := converges(t, c, 2*time.Second); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	scores()

	// 2. A whole primary is lost: a follower is promoted, and every acknowledged signal is there.
	for shard := range 2 {
		if !c.HasLeader(usEast, 0) || !c.HasLeader(usEast, 1) {
			t.Fatal("a shard has no leader")
		}
		crash := got(c.Crash(usEast, idShard(shard)))(t)
		if took := got(crash.Promoted(10 * time.Second))(t); took > 10*time.Second {
			t.Errorf("it took %v until a follower led shard %d", took, shard)
		}
	}
	for i := range 10 {
		view(usEast, fmt.Sprintf("song-%d", i%5))
	}
	converges(t, c, 10*time.Second)
	scores()

	// 3. ap-south is cut off: a cohort's ranking answers from what can be reached, and says so.
	cuts := got(c.Isolate(apSouth))(t)
	hidden := "song-4"
	do(t, c.SetHidden(usEast, "ann", hidden, true))
	for i := range 10 {
		view(usEast, fmt.Sprintf("song-%d", i%5))
		view(apSouth, fmt.Sprintf("tune-%d", i%3))
	}
	do(t, c.Advance(6*time.Second))
	here := got(c.Rank(usEast, "young", "view", "ann", 10))(t)
	if len(here.Items) != 4 || len(here.Unreachable) != 1 || here.Unreachable[0] != apSouth {
		t.Errorf("us-east answers %+v", here)
	}
	there := got(c.Rank(apSouth, "young", "view", "ann", 10))(t)
	if len(there.Items) != 8 || len(there.Unreachable) != 2 {
		t.Errorf("ap-south answers %+v", there)
	}

	// 4. It heals: nothing counts twice, nothing hidden leaks, all scores are the formula's and all digests the same.
	dropped := uint64(0)
	for _, p := range cuts {
		p.Release()
		dropped += p.Dropped()
	}
	if dropped == 0 {
		t.Error("the partition dropped nothing")
	}
	converges(t, c, 15*time.Second)
	scores()
	do(t, c.Advance(5*time.Second)) // what was relayed goes its own way again
	for _, r := range three {
		a := got(c.Rank(r, "young", "view", "ann", 10))(t)
		if len(a.Items) != 7 || len(a.Unreachable) != 0 {
			t.Errorf("%s answers %+v", r, a)
		}
		for _, x := range a.Items {
			if x.Item == hidden {
				t.Errorf("%s shows %s, which ann has hidden", r, hidden)
			}
		}
	}
}
