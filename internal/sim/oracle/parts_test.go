package oracle

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/sim/workload"
)

// TestPartsGiveTheSameState: a state that events are added to, part by part in the order in which a replica learns
// them, is at every step the one that all of them give at once.
func TestPartsGiveTheSameState(t *testing.T) {
	seeds, steps, raised := uint64(60), 0, 0
	if testing.Short() {
		seeds = 12
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		w := workload.Generate(seed)
		rng := rand.New(rand.NewPCG(seed, 0))
		e := engine.New(engine.Config{Origin: id.Origin{Region: 9}})
		parts := New()
		var all []*workload.Event
		for deliver(t, rng, w, e) {
			if rng.IntN(4) > 0 {
				continue
			}
			known := len(all)
			all = learnt(all, w, e)
			if err := parts.Add(all[known:]); err != nil {
				t.Fatal(err)
			}
			if err := parts.Compare(e.Records); err != nil {
				t.Fatalf("seed %d, %d of %d events added: %v", seed, len(all)-known, len(all), err)
			}
			once, err := Fold(all, Definition())
			if err != nil {
				t.Fatal(err)
			}
			if err := once.Compare(e.Records); err != nil {
				t.Fatalf("seed %d, %d events at once: %v", seed, len(all), err)
			}
			steps++
			for _, o := range parts.owners {
				if o.gen > 0 {
					raised++
				}
			}
		}
	}
	if n := 5 * int(seeds); steps < n || raised < n {
		t.Errorf("too tame to mean anything: %d steps, %d generations", steps, raised)
	}
}

// deliver gives the engine one batch of an origin that has any left, false if none has.
func deliver(t *testing.T, rng *rand.Rand, w *workload.Workload, e *engine.Engine) bool {
	t.Helper()
	var ready []*workload.Batch
	for i := range w.Logs {
		for n := range w.Logs[i].Batches {
			b := &w.Logs[i].Batches[n]
			if e.Vector().Covers(b.Origin.At(b.Last)) {
				continue
			}
			// What the engine doesn't know the schema of would be parked.
			if s, _ := e.Schema(); b.Schema == nil || s != nil && b.Schema.Version <= s.Version {
				ready = append(ready, b)
			}
			break
		}
	}
	if len(ready) == 0 {
		return false
	}
	b := ready[rng.IntN(len(ready))]
	if got, err := e.Apply(b.Data); err != nil || got.Outcome != engine.Applied {
		t.Fatalf("%v: %v, %v", b.Origin.At(b.First), got.Outcome, err)
	}
	return true
}

// learnt appends the events that the engine has and the list doesn't.
func learnt(all []*workload.Event, w *workload.Workload, e *engine.Engine) []*workload.Event {
	have := map[id.Position]bool{}
	for _, x := range all {
		have[x.Position] = true
	}
	for _, log := range w.Logs {
		for _, b := range log.Batches {
			for i := range b.Events {
				if x := &b.Events[i]; e.Vector().Covers(x.Position) && !have[x.Position] {
					all = append(all, x)
				}
			}
		}
	}
	return all
}

// TestWhatWasRightIsComparedAgain: a record that was right is noticed when its bytes change, when it is gone, and when
// an event is added that it doesn't have.
func TestWhatWasRightIsComparedAgain(t *testing.T) {
	e, events := replay(t, workload.Generate(2))
	last := len(events)
	for counted := false; !counted; {
		last--
		x := &events[last].Body.Signal
		counted = x.Item != "" && e.Generation(id.KindItem, x.Item) == x.ItemGen
	}
	fresh := func() *State {
		s, err := Fold(events, Definition())
		if err == nil {
			err = s.Compare(e.Records)
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	total := 0
	for range e.Records {
		total++
	}
	for victim := range total {
		// records are the replica's, but for one that is changed, or left out if change is nil.
		records := func(change func(*engine.Record)) func(func(engine.Record) bool) {
			return func(yield func(engine.Record) bool) {
				at := 0
				for r := range e.Records {
					hit := at == victim
					at++
					if hit && change == nil {
						continue
					}
					if hit {
						change(&r)
					}
					if !yield(r) {
						return
					}
				}
			}
		}
		s := fresh()
		if s.Compare(records(func(r *engine.Record) { r.Value = append(r.Value, 0) })) == nil {
			t.Fatalf("record %d has a byte more than when it was right, and is right", victim)
		}
		if err := s.Compare(records(nil)); err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Fatalf("record %d is missing: %v", victim, err)
		}
		if err := s.Compare(e.Records); err != nil {
			t.Fatalf("record %d is back: %v", victim, err)
		}
	}
	s := fresh()
	if err := s.Add(events[last : last+1]); err != nil {
		t.Fatal(err)
	}
	if err := s.Compare(e.Records); err == nil || !strings.Contains(err.Error(), algebra.KindCell.String()) {
		t.Errorf("an event that isn't in the replica's cell was added: %v", err)
	}
}
