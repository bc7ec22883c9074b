package sim_test

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/sim"
)

var clusterSeeds = flag.Uint64("sim.clusters", 40, "how many seeds TestAGroupKeepsItsPromises runs")

// TestAGroupKeepsItsPromises runs a group of three through everything that goes wrong. TIDAL_SEED=n runs one seed and
// prints its story.
func TestAGroupKeepsItsPromises(t *testing.T) {
	o := sim.ClusterOptions{Nodes: 3, Seconds: 10}
	first, last := uint64(1), *clusterSeeds
	if testing.Short() {
		last = min(last, 4)
	}
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		o.Story, first, last = true, seed, seed
	}
	var total sim.ClusterTotals
	var room sim.Room
	for seed := first; seed <= last; seed++ {
		r, err := room.Cluster(seed, o)
		if o.Story {
			t.Log(r.Story)
		}
		if err != nil {
			t.Fatalf("%v\n%s\n%s\nreplay: TIDAL_SEED=%d go test ./internal/sim -run '^TestAGroupKeepsItsPromises$'", err,
				strings.Join(r.Schedule, "\n"), strings.Join(r.Last, "\n"), seed)
		}
		total.Count(r)
	}
	t.Logf("%+v", total)
	f := total.Faults
	perSecond := float64(total.Ops) / (float64(total.Simulated) / 1e9)
	hard := f.Power > 0 && f.Kill > 0 && f.InDisk > 0 && f.Blackout > 0 && f.Close > 0 && f.Outage > 0 && f.FailSync > 0 &&
		f.Full > 0 && f.Stall > 0 && f.Fenced > 0 && f.Clock > 0 && f.Split > 0 && f.OneWay > 0 && f.Weather > 0 &&
		f.Transfer > 0 && f.Replace+f.DiskLost+f.Rot > 0 && f.Grown > last
	busy := total.Strong > 0 && total.Unknown > 0 && total.Leaders > 2*last && total.Joined > 3*last && total.Removed > 0
	if last >= 40 && (!hard || !busy || perSecond < 40) {
		t.Errorf("too tame to mean anything: %.0f requests a second, %+v", perSecond, total)
	}
}

// TestAGroupOfFiveKeepsItsPromises is the same with more members.
func TestAGroupOfFiveKeepsItsPromises(t *testing.T) {
	var room sim.Room
	for seed := uint64(1); seed <= 6; seed++ {
		if r, err := room.Cluster(seed, sim.ClusterOptions{Nodes: 5, Seconds: 6}); err != nil {
			t.Fatalf("%v\n%s\n%s", err, strings.Join(r.Schedule, "\n"), strings.Join(r.Last, "\n"))
		}
	}
}

// TestOneSeedIsOneStoryOfAGroup: the same seed takes the same steps, to the nanosecond and the byte, also when the room
// was used before.
func TestOneSeedIsOneStoryOfAGroup(t *testing.T) {
	var room sim.Room
	seen := map[uint64]bool{}
	for seed := uint64(1); seed <= 6; seed++ {
		o := sim.ClusterOptions{Nodes: 3, Seconds: 5, Story: true}
		a, err := sim.Cluster(seed, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := room.Cluster(seed, o)
		if err != nil {
			t.Fatal(err)
		}
		if a.Story != b.Story || a.Hash != b.Hash || strings.Count(a.Story, "\n") < 200 {
			t.Errorf("seed %d: two runs tell stories of %d and %d bytes that differ, or hardly any", seed, len(a.Story), len(b.Story))
		}
		if a.Ops != b.Ops || a.Faults != b.Faults || a.Events != b.Events || a.Records != b.Records || a.Packets != b.Packets {
			t.Errorf("seed %d: two runs report %+v and %+v", seed, a, b)
		}
		if seen[a.Hash] {
			t.Errorf("seed %d tells a story that another seed told", seed)
		}
		seen[a.Hash] = true
	}
}

// TestWhatDoesNotGoWrongIsLeftOut: a run without its mishaps meets none of them.
func TestWhatDoesNotGoWrongIsLeftOut(t *testing.T) {
	o := sim.ClusterOptions{Nodes: 3, Seconds: 10, Without: map[int]bool{}}
	whole, err := sim.Cluster(3, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole.Schedule {
		o.Without[i] = true
	}
	calm, err := sim.Cluster(3, o)
	if err != nil {
		t.Fatal(err)
	}
	f := calm.Faults
	if len(whole.Schedule) == 0 || len(calm.Schedule) != 0 || f.Power+f.Kill+f.Split+f.OneWay+f.Stall+f.Close+f.Clock > 0 {
		t.Errorf("of %d mishaps %d are left: %+v", len(whole.Schedule), len(calm.Schedule), f)
	}
}
