package workload_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/schema"
)

// TestBatchesSayWhatTheirEventsMean: the bytes decode to the events that the author meant, sequence numbers have no
// gaps, stamps rise, and no two writes of an origin share a stamp.
func TestBatchesSayWhatTheirEventsMean(t *testing.T) {
	for seed := uint64(1); seed <= 40; seed++ {
		for _, log := range workload.Generate(seed).Logs {
			next, last, stamps := id.Seq(1), hlc.Timestamp(0), map[hlc.Timestamp]bool{}
			for _, b := range log.Batches {
				if b.First != next || b.Origin != log.Origin {
					t.Fatalf("seed %d: batch %v of the log of %v follows %d", seed, b.Origin.At(b.First), log.Origin, next-1)
				}
				next = b.Last + 1
				if err := compareBatch(&b); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				for i := range b.Events {
					e := &b.Events[i]
					if e.Meta.HLC <= last || stamps[e.Stamp()] {
						t.Fatalf("seed %d: stamp %v of %v doesn't rise, or comes twice", seed, e.Stamp(), e.Position)
					}
					last, stamps[e.Meta.HLC], stamps[e.Stamp()] = e.Meta.HLC, true, true
				}
			}
		}
	}
}

// compareBatch holds a batch's bytes against its events.
func compareBatch(b *workload.Batch) error {
	opened, err := record.Open(b.Data)
	if err != nil {
		return err
	}
	var version schema.Hash
	if b.Schema != nil {
		version = b.Schema.Hash()
	}
	h := opened.Header
	if h.First != b.First || h.Last != b.Last || opened.Origin() != b.Origin || opened.Ext.Schema != version {
		return fmt.Errorf("batch %v…%d has header %+v and extension %+v", b.Origin.At(b.First), b.Last, h, opened.Ext)
	}
	i := 0
	for rec, err := range opened.Records() {
		if err != nil {
			return err
		}
		e := &b.Events[i]
		if rec.Seq != e.Position.Seq || !reflect.DeepEqual(rec.Meta, e.Meta) || rec.Kind != e.Body.Kind {
			return fmt.Errorf("%v holds %v %+v, want %v %+v", e.Position, rec.Kind, rec.Meta, e.Body.Kind, e.Meta)
		}
		if rec.Kind == record.KindSignal {
			var s record.Signal
			if err := record.DecodeSignal(rec.Body, &s); err != nil {
				return fmt.Errorf("%v: %w", e.Position, err)
			}
			if !sameSignal(s, e.Body.Signal) {
				return fmt.Errorf("%v holds %+v, want %+v", e.Position, s, e.Body.Signal)
			}
		}
		i++
	}
	if i != len(b.Events) {
		return fmt.Errorf("batch %v has %d records, want %d", b.Origin.At(b.First), i, len(b.Events))
	}
	return nil
}

func sameSignal(a, b record.Signal) bool {
	same := strings.Join(a.Cohorts, "\n") == strings.Join(b.Cohorts, "\n")
	a.Cohorts, b.Cohorts = nil, nil
	return same && reflect.DeepEqual(a, b)
}

// TestRunsMeetEverythingHard: over a few seeds every kind of record comes, stamps of different origins tie, times lie
// before 1970, an incarnation undoes what another one stamped, undone positions lie on both sides of a page, and both
// schema versions are used.
func TestRunsMeetEverythingHard(t *testing.T) {
	met := map[string]int{}
	for seed := uint64(1); seed <= 60; seed++ {
		w := workload.Generate(seed)
		stamps := map[hlc.Timestamp]id.Origin{}
		for _, log := range w.Logs {
			for _, b := range log.Batches {
				if b.Schema != nil {
					met["schema "+b.Schema.Name+string('0'+rune(b.Schema.Version))]++
				}
				for i := range b.Events {
					e := &b.Events[i]
					met[e.Body.Kind.String()]++
					if o, ok := stamps[e.Stamp()]; ok && o != log.Origin {
						met["tie"]++
					}
					stamps[e.Stamp()] = log.Origin
					if e.Meta.Time < 0 {
						met["before 1970"]++
					}
					note(met, e)
				}
			}
		}
	}
	for _, what := range []string{
		"signal", "mark", "relation", "put", "patch", "delete", "erase", "compensate", "schema", "level", "annotation",
		"undo", "duplicate", "region", "endpoints", "home", "void",
		"schema sim1", "schema sim2", "tie", "before 1970", "undone by a successor", "undone beyond a page",
		"carries a generation", "lane", "key", "stamp above",
	} {
		if met[what] < 5 {
			t.Errorf("%q comes %d times in 60 runs", what, met[what])
		}
	}
}

func note(met map[string]int, e *workload.Event) {
	if c := &e.Body.Compensation; e.Body.Kind == record.KindCompensate {
		if c.Original.Origin() != e.Position.Origin() {
			met["undone by a successor"]++
		}
		if c.Original.Seq >= 1024 {
			met["undone beyond a page"]++
		}
	}
	if e.Body.Undo.Void {
		met["void"]++
	}
	if e.Body.Signal.ItemGen != 0 && e.Body.Signal.UserGen != 0 {
		met["carries a generation"]++
	}
	if e.Meta.Lane.Producer != "" {
		met["lane"]++
	}
	if e.Meta.Key != "" {
		met["key"]++
	}
	if e.Meta.Stamp != 0 {
		met["stamp above"]++
	}
}

// TestTraceNamesEveryEvent: the trace of a run has a line for each of its events, and is the same every time.
func TestTraceNamesEveryEvent(t *testing.T) {
	w := workload.Generate(3)
	var a, b bytes.Buffer
	if err := w.Trace(&a); err != nil {
		t.Fatal(err)
	}
	if err := workload.Generate(3).Trace(&b); err != nil {
		t.Fatal(err)
	}
	events := 0
	for _, log := range w.Logs {
		for _, batch := range log.Batches {
			events += len(batch.Events)
		}
	}
	if a.String() != b.String() || strings.Count(a.String(), "\n") < events {
		t.Errorf("%d lines for %d events, or another trace at the second time", strings.Count(a.String(), "\n"), events)
	}
}
