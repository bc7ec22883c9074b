package sim_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim"
	"github.com/tidaldb/tidal/internal/sim/oracle"
	"github.com/tidaldb/tidal/internal/sim/workload"
)

var (
	seeds  = flag.Uint64("sim.seeds", 240, "how many seeds TestInterleaving runs")
	update = flag.Bool("update", false, "rewrite golden files")
)

// TestInterleaving: state is a function of the set of events. Whatever the order in which logs are interleaved, and
// whatever is offered twice or too early, replicas at one version vector have one digest, and it is that of the state
// that the definition gives. TIDAL_SEED=n runs one seed, and
// go test ./internal/sim -sim.seeds=n more of them (the package first: go test doesn't know the flag).
func TestInterleaving(t *testing.T) {
	first, count := uint64(1), *seeds
	if testing.Short() {
		count = min(count, 40)
	}
	if s := os.Getenv("TIDAL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, count = n, 1
	}
	var all sim.Report
	for seed := first; seed < first+count; seed++ {
		r, err := sim.Interleave(seed, sim.Orders{})
		if err != nil {
			t.Fatalf("%v\nreplay: TIDAL_SEED=%d go test ./internal/sim -run '^TestInterleaving$'", err, seed)
		}
		all.Events += r.Events
		all.Batches += r.Batches
		all.Records += r.Records
		all.Duplicates += r.Duplicates
		all.Gaps += r.Gaps
		all.Parked += r.Parked
		all.Same += r.Same
	}
	t.Logf("%d seeds: %d events in %d batches, %d records at the end; offered %d duplicates and %d gaps, parked %d; "+
		"%d vectors were met again",
		count, all.Events, all.Batches, all.Records, all.Duplicates, all.Gaps, all.Parked, all.Same)
	n := int(count)
	hard := all.Events >= 150*n && all.Duplicates >= 5*n && all.Gaps >= 5*n && all.Parked >= 5*n && all.Same >= 6*n
	if n >= 40 && !hard {
		t.Error("too tame to mean anything")
	}
}

// TestOneSeedReplaysByteForByte: a seed is a whole run, from the bytes of the logs to every step and digest.
func TestOneSeedReplaysByteForByte(t *testing.T) {
	for seed := uint64(1); seed <= 8; seed++ {
		var logs, traces [2]string
		for i := range 2 {
			w := workload.Generate(seed)
			var b strings.Builder
			for _, log := range w.Logs {
				for _, batch := range log.Batches {
					b.Write(batch.Data)
				}
			}
			if err := w.Trace(&b); err != nil {
				t.Fatal(err)
			}
			logs[i] = b.String()
			r, err := sim.Interleave(seed, sim.Orders{Trace: true})
			if err != nil {
				t.Fatal(err)
			}
			traces[i] = r.Trace + fmt.Sprintln(r.Digest, r.Cells)
		}
		if logs[0] != logs[1] || len(logs[0]) < 10_000 {
			t.Errorf("seed %d: two generations give %d and %d bytes that differ, or too few",
				seed, len(logs[0]), len(logs[1]))
		}
		if traces[0] != traces[1] || strings.Count(traces[0], "\n") < 100 {
			t.Errorf("seed %d: two runs take different steps, or hardly any", seed)
		}
	}
}

// TestGoldenDigests: the same state has the same digest on every machine, today and in a year. -update rewrites, which
// means that replicas of the builds before and after disagree.
func TestGoldenDigests(t *testing.T) {
	var got strings.Builder
	for seed := uint64(1); seed <= 5; seed++ {
		r, err := sim.Interleave(seed, sim.Orders{Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "seed %d: %d events, %d records\n  digest %v\n  cells  %v\n",
			seed, r.Events, r.Records, r.Digest, r.Cells)
	}
	const file = "testdata/digests.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

// TestMistakesAreNoticed: with any one rule of the definition turned, the comparison fails, and says where.
func TestMistakesAreNoticed(t *testing.T) {
	for _, m := range []struct {
		name string
		turn func(*oracle.Rules)
		want string // in the error
	}{
		{"four epochs are kept", func(r *oracle.Rules) { r.Epochs = 4 }, "epoch"},
		{"six epochs are kept", func(r *oracle.Rules) { r.Epochs = 6 }, "epoch"},
		{"59 minutes are kept", func(r *oracle.Rules) { r.Minutes = 59 }, "minute"},
		{"61 minutes are kept", func(r *oracle.Rules) { r.Minutes = 61 }, ""},
		{"167 hours are kept", func(r *oracle.Rules) { r.Hours = 167 }, "hour"},
		{"29 days are kept", func(r *oracle.Rules) { r.Days = 29 }, "day"},
		{"lists hold 63", func(r *oracle.Rules) { r.ListLength = 63 }, "entries"},
		{"lists keep two years", func(r *oracle.Rules) { r.ListRetention *= 2 }, "entr"},
		{"a user engages twice", func(r *oracle.Rules) { r.EngagersTwice = true }, "engagers"},
		{"an item is recent twice", func(r *oracle.Rules) { r.RecentsTwice = true }, "recents"},
		{"every generation counts", func(r *oracle.Rules) { r.AnyGeneration = true }, ""},
		{"compensations leave the mark alone", func(r *oracle.Rules) { r.MarkOfEvents = true }, "mark is"},
		{"compensations take users back", func(r *oracle.Rules) { r.UndoUnique = true }, "unique users"},
		{"compensations empty lists", func(r *oracle.Rules) { r.UndoListed = true }, "entr"},
		{"neutral signals are recent", func(r *oracle.Rules) { r.NeutralIsRecent = true }, "recents"},
		{"interactions go by stamp", func(r *oracle.Rules) { r.OrderByStamp = true }, ""},
		{"registers go by event time", func(r *oracle.Rules) { r.RegistersByTime = true }, ""},
		{"a patch resets", func(r *oracle.Rules) { r.PatchResets = true }, "entity"},
		{"the newest schema counts", func(r *oracle.Rules) { r.CurrentShape = true }, ""},
	} {
		rules := oracle.Definition()
		m.turn(&rules)
		noticed, tried := "", uint64(1)
		for ; tried <= 60 && noticed == ""; tried++ {
			if _, err := sim.Interleave(tried, sim.Orders{Count: 1, Rules: &rules}); err != nil {
				noticed = err.Error()
			}
		}
		switch {
		case noticed == "":
			t.Errorf("%s: not noticed in %d seeds", m.name, tried-1)
		case !strings.Contains(noticed, m.want):
			t.Errorf("%s: noticed as %q, want a word of %q", m.name, noticed, m.want)
		default:
			t.Logf("%s: %s", m.name, noticed)
		}
	}
}

// TestEveryEventCounts: a replica that lost one event, or counted one twice, doesn't get past the oracle.
func TestEveryEventCounts(t *testing.T) {
	lost, twice := 0, 0
	for seed := uint64(1); seed <= 60; seed++ {
		e, events := replay(t, workload.Generate(seed))
		check := func(events []*workload.Event) error {
			want, err := oracle.Fold(events, oracle.Definition())
			if err != nil {
				t.Fatal(err)
			}
			return want.Compare(e.Records)
		}
		if err := check(events); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		i := rng.IntN(len(events))
		for !counts(e, events[i]) {
			i = rng.IntN(len(events))
		}
		if check(append(slices.Clone(events[:i]), events[i+1:]...)) != nil {
			lost++
		}
		if check(append(slices.Clone(events), events[i])) != nil {
			twice++
		}
	}
	if lost < 60 || twice < 60 {
		t.Errorf("of 60 lost signals %d were noticed, of 60 counted twice %d", lost, twice)
	}
}

// counts reports whether an event is a signal that is in its item's cell.
func counts(e *engine.Engine, x *workload.Event) bool {
	s := &x.Body.Signal
	return x.Body.Kind == record.KindSignal && e.Generation(id.KindItem, s.Item) == s.ItemGen
}

// replay applies the logs one after the other.
func replay(t *testing.T, w *workload.Workload) (*engine.Engine, []*workload.Event) {
	t.Helper()
	e := engine.New(engine.Config{Origin: id.Origin{Region: 9}})
	var events []*workload.Event
	for _, log := range w.Logs {
		for _, b := range log.Batches {
			if _, err := e.Apply(b.Data); err != nil {
				t.Fatal(err)
			}
			for i := range b.Events {
				events = append(events, &b.Events[i])
			}
		}
	}
	return e, events
}
