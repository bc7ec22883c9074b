package sim_test

import (
	"context"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/sim"
)

var nodeSeeds = flag.Uint64("sim.nodes", 60, "how many seeds TestANodeKeepsItsPromises runs")

// TestANodeKeepsItsPromises runs one node through crashes and faults. TIDAL_SEED=n runs one seed and prints its story.
func TestANodeKeepsItsPromises(t *testing.T) {
	o := sim.NodeOptions{Seconds: 10}
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		o.Story = true
		r, err := sim.Node(seed, o)
		t.Log(r.Story)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	last := *nodeSeeds
	if testing.Short() {
		last = min(last, 6)
	}
	total, broken := sim.Nodes(context.Background(), 1, last, 2, o, nil)
	if broken != nil {
		t.Fatalf("%v\n%s\nreplay: TIDAL_SEED=%d go test ./internal/sim -run '^TestANodeKeepsItsPromises$'",
			broken.Err, strings.Join(broken.Report.Last, "\n"), broken.Seed)
	}
	t.Logf("%+v", total)
	f := total.Faults
	perSecond := float64(total.Ops) / (float64(total.Simulated) / 1e9)
	hard := f.Power > 0 && f.Kill > 0 && f.InDisk > 0 && f.FailSync > 0 && f.FailWrite > 0 && f.Full > 0 &&
		f.FlipRead > 0 && f.Rot > 0 && f.Store > 0 && total.Checkpoints > last && total.Released > last/4 && f.Named > 0 && f.SlowSync > 0 && f.Clock > 0 && f.Grown > last
	if last >= 40 && (!hard || perSecond < 50) {
		t.Errorf("too tame to mean anything: %.0f requests a second, %+v", perSecond, f)
	}
}

// TestOneSeedIsOneStory: the same seed takes the same steps, to the nanosecond and the byte.
func TestOneSeedIsOneStory(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := uint64(1); seed <= 4; seed++ {
		var stories [2]*sim.NodeReport
		for i := range stories {
			r, err := sim.Node(seed, sim.NodeOptions{Seconds: 4, Story: true})
			if err != nil {
				t.Fatal(err)
			}
			stories[i] = r
		}
		a, b := stories[0], stories[1]
		if a.Story != b.Story || a.Hash != b.Hash || strings.Count(a.Story, "\n") < 200 {
			t.Errorf("seed %d: two runs tell stories of %d and %d bytes that differ, or hardly any", seed,
				len(a.Story), len(b.Story))
		}
		if a.Ops != b.Ops || a.Faults != b.Faults || a.Events != b.Events || a.Records != b.Records {
			t.Errorf("seed %d: two runs report %+v and %+v", seed, a, b)
		}
		if seen[a.Hash] {
			t.Errorf("seed %d tells a story that another seed told", seed)
		}
		seen[a.Hash] = true
	}
}

// TestSeedsEndWithTheContext: what was run by then is what is reported.
func TestSeedsEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	total, broken := sim.Nodes(ctx, 1, 1000, 1, sim.NodeOptions{Seconds: 1}, func(seed uint64) {
		if seed == 2 {
			cancel()
		}
	})
	if broken != nil || total.Seeds != 2 {
		t.Errorf("%d seeds were run, want 2; violation %v", total.Seeds, broken)
	}
}

// TestSeedsDontMeet: runs share memory, one after another and side by side, and no run sees another.
func TestSeedsDontMeet(t *testing.T) {
	o := sim.NodeOptions{Seconds: 2}
	var alone sim.NodeTotals
	for seed := uint64(1); seed <= 12; seed++ {
		r, err := sim.Node(seed, o)
		if err != nil {
			t.Fatal(err)
		}
		alone.Ops += r.Ops
		alone.Events += uint64(r.Events)
		alone.Records += uint64(r.Records)
		alone.Simulated += r.Simulated
		alone.Faults.Add(r.Faults)
	}
	for _, workers := range []int{1, 3} {
		got, broken := sim.Nodes(context.Background(), 1, 12, workers, o, nil)
		if broken != nil {
			t.Fatal(broken.Err)
		}
		if got.Ops != alone.Ops || got.Events != alone.Events || got.Records != alone.Records ||
			got.Simulated != alone.Simulated || got.Faults != alone.Faults {
			t.Errorf("%d workers: %+v, want %+v", workers, got, alone)
		}
	}
}
