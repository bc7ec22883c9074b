package sim_test

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/sim"
)

var regionSeeds = flag.Uint64("sim.regions", 30, "how many seeds TestRegionsKeepTheirPromises runs")

// TestRegionsKeepTheirPromises runs three regions through everything that goes wrong. TIDAL_SEED=n runs one seed and prints its
// story.
func TestRegionsKeepTheirPromises(t *testing.T) {
	o := sim.ClusterOptions{Regions: 3, Seconds: 8}
	first, last := uint64(1), *regionSeeds
	if testing.Short() {
		last = min(last, 3)
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
			t.Fatalf("%v\n%s\n%s\nreplay: TIDAL_SEED=%d go test ./internal/sim -run '^TestRegionsKeepTheirPromises$'", err,
				strings.Join(r.Schedule, "\n"), strings.Join(r.Last, "\n"), seed)
		}
		total.Count(r)
	}
	t.Logf("%+v", total)
	f, b := total.Faults.Regions, total.Regions
	hard := f.Down > 0 && f.Cut > 0 && f.Pair > 0 && f.OneWay > 0 && f.Weather > 0 && f.Promoted > 0 && f.Newcomer > 0
	busy := b.Twins > last/2 && b.Compensated > 0 && b.Undone > 0 && b.Moved > 0 && b.Geo > last && b.Shipped > 0 && b.Stable > last && total.Reads > last
	if last >= 30 && (!hard || !busy) {
		t.Errorf("too tame to mean anything: %+v", total)
	}
}

// TestWhatNobodyElseHadIsStampedAnew: in this seed a region's disk is taken back, its last events are nobody's, and what it takes
// back by itself gets their positions.
func TestWhatNobodyElseHadIsStampedAnew(t *testing.T) {
	r, err := sim.Cluster(224, sim.ClusterOptions{Regions: 3, Seconds: 20})
	if err != nil {
		t.Fatal(err)
	}
	if r.Faults.Regions.Back == 0 || r.Regions.Restamped == 0 {
		t.Errorf("nothing of the kind happens: %+v, %+v", r.Faults.Regions, r.Regions)
	}
}

// TestWhatWasNeverSeenOfAnEndedIncarnationCounts: in this seed a region's disk is slow, and put back with a request in its log that nobody
// has seen applied; the region goes on as a new incarnation, and the request counts where the one before had it.
func TestWhatWasNeverSeenOfAnEndedIncarnationCounts(t *testing.T) {
	r, err := sim.Cluster(2871, sim.ClusterOptions{Regions: 3, Seconds: 20})
	if err != nil {
		t.Fatal(err)
	}
	if r.Faults.Regions.Back == 0 || r.Faults.SlowSync == 0 {
		t.Errorf("nothing of the kind happens: %+v", r.Faults)
	}
}

// TestHomeForgetsWhoThereIs: in these seeds home's disk is taken back to before it heard of all others, or of some. It's told by them,
// or goes on as a new incarnation at once; in 531 it is to take back what its lost tail has taken back.
func TestHomeForgetsWhoThereIs(t *testing.T) {
	var total sim.ClusterTotals
	for _, seed := range []uint64{219, 328, 531} {
		r, err := sim.Cluster(seed, sim.ClusterOptions{Regions: 3, Seconds: 20})
		if err != nil {
			t.Fatal(err)
		}
		total.Count(r)
	}
	if f := total.Faults.Regions; f.Fewer < 2 || f.Ahead == 0 {
		t.Errorf("nothing of the kind happens: %+v", f)
	}
}

// TestWhoCannotAskIsFoundOut: in these seeds a region's disk is taken back while nobody who holds what it lost can be reached for longer
// than it listens: in 1921 the only one is down. It stamps other events in these places, and all who should know so do in the end.
func TestWhoCannotAskIsFoundOut(t *testing.T) {
	for _, seed := range []uint64{13, 1921} {
		r, err := sim.Cluster(seed, sim.ClusterOptions{Regions: 3, Seconds: 20})
		if err != nil {
			t.Fatal(err)
		}
		if r.Faults.Regions.Unasked == 0 || r.Faults.Regions.Forked == 0 {
			t.Errorf("seed %d: nothing of the kind happens: %+v", seed, r.Faults.Regions)
		}
	}
}

// TestOneSeedIsOneStoryOfRegions: the same seed takes the same steps, to the nanosecond and the byte, also when the room was
// used before.
func TestOneSeedIsOneStoryOfRegions(t *testing.T) {
	var room sim.Room
	seen := map[uint64]bool{}
	for seed := uint64(1); seed <= 4; seed++ {
		o := sim.ClusterOptions{Regions: 3, Seconds: 5, Story: true}
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
		if a.Ops != b.Ops || a.Faults != b.Faults || a.Regions != b.Regions || a.Records != b.Records || a.Packets != b.Packets {
			t.Errorf("seed %d: two runs report %+v and %+v", seed, a, b)
		}
		if seen[a.Hash] {
			t.Errorf("seed %d tells a story that another seed told", seed)
		}
		seen[a.Hash] = true
	}
}
