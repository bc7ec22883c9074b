package engine_test

import (
	"errors"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// unchanged fails when f changes anything replicated.
func unchanged(t *testing.T, e *engine.Engine, f func()) {
	t.Helper()
	before, vector := e.Digest(), e.Vector()
	f()
	if e.Digest() != before || !e.Vector().Equal(vector) {
		t.Errorf("something changed: vector was %v, is %v", vector, e.Vector())
	}
}

func TestForeignBatchesOutOfPlaceAreWithoutEffect(t *testing.T) {
	e, _, far, _ := start(t)
	one := far.batch(plain(signal(view, "u", "i")), plain(signal(view, "u", "i")))
	two := far.batch(plain(signal(view, "u", "i")))
	three := far.batch(plain(signal(view, "u", "i")))
	unchanged(t, e, func() { apply(t, e, two, engine.Gap) })
	apply(t, e, one, engine.Applied)
	unchanged(t, e, func() {
		apply(t, e, one, engine.Duplicate)
		apply(t, e, three, engine.Gap)
	})
	apply(t, e, two, engine.Applied)
	apply(t, e, three, engine.Applied)
	unchanged(t, e, func() { apply(t, e, two, engine.Duplicate) })
	if n := cell(t, e, "i", "view").Total(); n != 4 {
		t.Errorf("4 signals count as %d", n)
	}
}

func TestOnePositionWithTwoContentsIsAFork(t *testing.T) {
	e, _, far, _ := start(t)
	twin := *far
	apply(t, e, far.batch(plain(signal(view, "u", "i")), plain(signal(view, "u", "i"))), engine.Applied)
	for name, data := range map[string][]byte{
		"other content": twin.batch(plain(signal(view, "u", "other")), plain(signal(view, "u", "i"))),
		"part of it":    newTwin(far, 1).batch(plain(signal(view, "u", "i"))),
		"overlap":       newTwin(far, 2).batch(plain(signal(view, "u", "i")), plain(signal(view, "u", "i"))),
	} {
		unchanged(t, e, func() {
			if _, err := e.Apply(data); !errors.Is(err, fault.ErrForked) {
				t.Errorf("%s: %v, want %v", name, err, fault.ErrForked)
			}
		})
	}
	apply(t, e, far.batch(plain(signal(view, "u", "i"))), engine.Applied)
}

// newTwin stamps as f does, from another sequence number on.
func newTwin(f *feed, next int) *feed {
	twin := newFeed(f.tb, f.origin, nil)
	twin.schema, twin.next = f.schema, twin.next+id.Seq(next-1)
	return twin
}

func TestOwnBatchesOutOfPlaceStopTheReplica(t *testing.T) {
	for name, skip := range map[string]int{"repeated": 0, "skipped": 2} {
		e, own, _, _ := start(t)
		first := own.batch(plain(signal(view, "u", "i")))
		apply(t, e, first, engine.Applied)
		data := first
		if skip > 0 {
			own.next += id.Seq(skip)
			data = own.batch(plain(signal(view, "u", "i")))
		}
		unchanged(t, e, func() {
			if _, err := e.Apply(data); !errors.Is(err, fault.ErrForked) {
				t.Errorf("own batch %s: %v, want %v", name, err, fault.ErrForked)
			}
		})
	}
}

func TestOwnBatchesOfANewerProgramAreRefused(t *testing.T) {
	e, own, _, _ := start(t)
	own.level = record.Level + 1
	data := own.batch(plain(signal(view, "u", "i")))
	unchanged(t, e, func() {
		if _, err := e.Apply(data); !errors.Is(err, fault.ErrFormatTooNew) {
			t.Errorf("own batch of a newer level: %v", err)
		}
	})
	e, own, _, _ = start(t)
	raise := record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level + 1}}
	if _, err := e.Apply(own.batch(plain(raise))); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("own record that raises the level: %v", err)
	}
	e, own, _, _ = start(t)
	own.schema[0]++
	if _, err := e.Apply(own.batch(plain(signal(view, "u", "i")))); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("own batch under a schema that was never applied: %v", err)
	}
}

func TestDamagedBytesAreNotABatch(t *testing.T) {
	e, _, far, _ := start(t)
	data := far.batch(plain(signal(view, "u", "i")))
	unchanged(t, e, func() {
		for i := range data {
			bad := append([]byte(nil), data...)
			bad[i] ^= 4
			if _, err := e.Apply(bad); err == nil {
				t.Fatalf("a batch with byte %d changed was applied", i)
			}
		}
		if _, err := e.Apply(nil); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("no bytes at all: %v", err)
		}
	})
}

// TestARecordThatChangesNothingIsStillRemembered applies annotations, known and unknown: their stamps are used up, and
// the request that begins with one is recognised when it comes again.
func TestARecordThatChangesNothingIsStillRemembered(t *testing.T) {
	e, own, _, _ := start(t)
	note := record.Proposed{Kind: record.KindAnnotation, Annotation: record.Annotation{
		Name: "why",
		Note: []byte("because"),
	}}
	first, second := plain(note), plain(signal(view, "u", "i"))
	first.lane, first.count = record.Lane{Producer: "p", Request: 1}, 2
	second.lane = record.Lane{Producer: "p", Request: 1, Index: 1}
	apply(t, e, own.batch(first, second), engine.Applied)
	if v, err := e.Lanes().Check("p", 1, 0); err != nil || !v.Duplicate || v.Count != 2 {
		t.Errorf("request that begins with a note is %+v, %v", v, err)
	}
	res := apply(t, e, own.batch(plain(note)), engine.Applied)
	if e.HighestOwn() != own.clock || e.Highest() != own.clock || res.Highest != own.clock {
		t.Errorf("highest stamps are %v, %v, %v, want %v", e.HighestOwn(), e.Highest(), res.Highest, own.clock)
	}
	before := e.Digest()
	stamp := hlc.Make(2_000_000, 0)
	b := record.NewBuilder()
	head := record.Head{Origin: home, First: own.next, Timestamp: 1, Base: stamp, Schema: own.schema, Level: 1}
	if err := b.Reset(head); err != nil {
		t.Fatal(err)
	}
	unknown := record.Record{Kind: 200, Meta: record.Meta{HLC: stamp}, Body: []byte("new")}
	if err := b.AddRecord(&unknown); err != nil {
		t.Fatal(err)
	}
	data, err := b.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, e, data, engine.Applied)
	if e.Digest() != before || e.HighestOwn() != stamp {
		t.Errorf("an unknown stateless record changed state, or its stamp %v isn't used up: %v", stamp, e.HighestOwn())
	}
}
