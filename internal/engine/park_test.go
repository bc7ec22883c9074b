package engine_test

import (
	"errors"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// TestAnOriginWaitsForItsSchemaAndOthersGoOn lets three origins grow the schema in a chain, and their batches arrive
// before what they name: each waits, in order, until the version comes, from whomever.
func TestAnOriginWaitsForItsSchemaAndOthersGoOn(t *testing.T) {
	e, own, far, farther := start(t)
	two := grown(testSchema(), "two")
	three := grown(two, "three")
	far.schema = two.Hash()
	waits := far.batch(plain(signal(view, "u", "a")), plain(version(three)))
	behind := far.batch(plain(signal(view, "u", "b")))
	farther.schema = three.Hash()
	last := farther.batch(plain(signal(uint16(len(two.Signals)), "u", "c")))

	apply(t, e, waits, engine.Parked)
	apply(t, e, behind, engine.Parked)
	apply(t, e, last, engine.Parked)
	if e.Parked() != 3 || e.Vector().Len() != 1 {
		t.Errorf("%d batches wait, vector is %v", e.Parked(), e.Vector())
	}
	unchanged(t, e, func() {
		apply(t, e, waits, engine.Duplicate)
		far.next++
		apply(t, e, far.batch(plain(signal(view, "u", "gap"))), engine.Gap)
		twin := newTwin(far, 1)
		if _, err := e.Apply(twin.batch(plain(signal(view, "u", "x")), plain(version(three)))); !errors.Is(err,
			fault.ErrForked) {
			t.Errorf("a waiting batch with other content: %v", err)
		}
		twin = newTwin(far, 3)
		if _, err := e.Apply(twin.batch(plain(signal(view, "u", "b")), plain(signal(view, "u",
			"b")))); !errors.Is(err, fault.ErrForked) {
			t.Errorf("a batch that overlaps a waiting one: %v", err)
		}
	})
	apply(t, e, own.batch(plain(signal(view, "u", "own"))), engine.Applied)
	apply(t, e, own.batch(plain(version(two))), engine.Applied)
	if e.Parked() != 0 || e.Vector().Get(there) != 3 || e.Vector().Get(third) != 1 {
		t.Errorf("%d batches wait, vector is %v", e.Parked(), e.Vector())
	}
	for item, kind := range map[string]string{"a": "view", "b": "view", "c": "three", "own": "view"} {
		if n := cell(t, e, item, kind).Total(); n != 1 {
			t.Errorf("%s of %s counts %d", kind, item, n)
		}
	}
	if s, hash := e.Schema(); hash != three.Hash() || s.Version != 3 {
		t.Errorf("current schema is version %d", s.Version)
	}

	// The same set in another order is the same state.
	f, own2, _, _ := start(t)
	apply(t, f, own2.batch(plain(signal(view, "u", "own"))), engine.Applied)
	apply(t, f, own2.batch(plain(version(two))), engine.Applied)
	apply(t, f, waits, engine.Applied)
	apply(t, f, last, engine.Applied)
	apply(t, f, behind, engine.Applied)
	if e.Digest() != f.Digest() || !e.Vector().Equal(f.Vector()) {
		t.Errorf("states differ:\n%s\n%s", dump(e), dump(f))
	}
}

// TestAnOriginOfANewerProgramWaits offers what this program doesn't understand: nothing of it has an effect, not even
// what stands before it in the same batch, and the other origins go on.
func TestAnOriginOfANewerProgramWaits(t *testing.T) {
	for name, build := range map[string]func(f *feed) []byte{
		"level": func(f *feed) []byte {
			f.level = record.Level + 1
			return f.batch(plain(signal(view, "u", "i")))
		},
		"raised level": func(f *feed) []byte {
			raise := record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level + 1}}
			return f.batch(plain(signal(view, "u", "i")), plain(raise))
		},
		"kind": func(f *feed) []byte {
			note := record.Proposed{Kind: record.KindAnnotation, Annotation: record.Annotation{Name: "n"}}
			return withKind(t, f.batch(plain(signal(view, "u", "i")), plain(note)), 99)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, own, far, farther := start(t)
			unchanged(t, e, func() {
				apply(t, e, build(far), engine.Parked)
				far.level = 1
				apply(t, e, far.batch(plain(signal(view, "u", "i"))), engine.Parked)
			})
			apply(t, e, own.batch(plain(signal(view, "u", "mine"))), engine.Applied)
			apply(t, e, farther.batch(plain(signal(view, "u", "theirs"))), engine.Applied)
			apply(t, e, own.batch(plain(version(grown(testSchema(), "more")))), engine.Applied)
			if e.Parked() != 2 || e.Vector().Get(there) != 0 {
				t.Errorf("%d batches wait, vector is %v", e.Parked(), e.Vector())
			}
		})
	}
}

// withKind gives the last record of a batch another kind.
func withKind(t *testing.T, data []byte, kind byte) []byte {
	t.Helper()
	h, err := record.DecodeHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	payload := append([]byte(nil), data[record.HeaderSize:]...)
	for n := 2; n < 128 && n < len(payload); n++ {
		if at := len(payload) - n; payload[at-1] == byte(n) && payload[at] == byte(record.KindAnnotation) {
			payload[at] = kind
			out, err := record.EncodeHeader(nil, &h, payload)
			if err != nil {
				t.Fatal(err)
			}
			return append(out, payload...)
		}
	}
	t.Fatal("no annotation at the end of the batch")
	return nil
}

// TestACompensationWaitsForTheSchemaOfItsOriginal lets a new incarnation take back what the old one stamped under a
// version that isn't here yet.
func TestACompensationWaitsForTheSchemaOfItsOriginal(t *testing.T) {
	e, own, far, _ := start(t)
	two := grown(testSchema(), "two")
	newer := newFeed(t, id.Origin{Region: there.Region, Incarnation: 1}, testSchema())
	far.schema = two.Hash()
	p := signal(uint16(len(two.Signals)-1), "u", "i")
	apply(t, e, newer.batch(plain(compensate(there.At(1), 1_000_000, p.Signal, two.Hash()))), engine.Parked)
	apply(t, e, own.batch(plain(version(two))), engine.Applied)
	if !e.Undone(there.At(1)) {
		t.Error("the compensation isn't applied")
	}
	apply(t, e, far.batch(plain(p)), engine.Applied)
	if n := cell(t, e, "i", "two").Total(); n != 0 {
		t.Errorf("an event that was taken back before it came counts %d", n)
	}
}
