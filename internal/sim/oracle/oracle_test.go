package oracle

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/schema"
)

var kind = &schema.SignalType{
	Name: "view", HalfLives: []time.Duration{time.Hour}, Permanent: true, Windows: []schema.Window{schema.Window1h},
	UniqueUsers: true,
}

// TestACellByHand: a cell small enough to be computed on paper.
func TestACellByHand(t *testing.T) {
	const h = hourMillis
	event := func(at, sign int64) contribution {
		return contribution{time: at, weight: fixed.One, kind: kind, sign: sign}
	}
	all := []contribution{
		event(0, 1), event(h, 1), event(8*h, 1), // epochs 0, 0, 1; hours 0, 1, 8
		event(40*h+90_000, 1),           // epoch 5: epoch 0 is gone; minute 2401
		event(-1, 1),                    // epoch −1, hour −1
		event(20*h, 1), event(20*h, -1), // nothing is left but the total's 0
	}
	got, err := foldCell(all, Definition())
	if err != nil {
		t.Fatal(err)
	}
	want := &Cell{
		Mark: 40*h + 90_000, Total: 5,
		Sums:    map[int64]map[int64]*big.Int{h: {1: big.NewInt(1 << 24), 5: big.NewInt(fixed.Grow(fixed.One, 90_000, h))}},
		Minutes: map[int64]int64{2401: 1},
		Hours:   map[int64]int64{-1: 1, 0: 1, 1: 1, 8: 1},
	}
	want.Permanent.SetInt64(5 << 24)
	if d := want.difference(got); d != "" {
		t.Error(d)
	}
}

// TestCellsAreReadFromTheirBytes: the reader of cells sees what algebra wrote, also the dense form of many users and
// sums beyond 64 bits.
func TestCellsAreReadFromTheirBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 0))
	for users := range 1200 {
		if users%97 != 0 && users != 1199 {
			continue
		}
		var cell algebra.SignalState
		shape := algebra.Shape{HalfLives: []int64{hourMillis}, Permanent: true, Buckets: true, Unique: true}
		var all []contribution
		for n := range max(users, 10) {
			x := contribution{time: -rng.Int64N(40*dayMillis) - 1, weight: fixed.MaxWeight, kind: kind, sign: 1}
			cell.Add(shape, x.time, x.weight)
			cell.AddUnique(uint64(n) * 0x9e3779b97f4a7c15)
			all = append(all, x)
		}
		want, err := foldCell(all, Definition())
		if err != nil {
			t.Fatal(err)
		}
		for n := range max(users, 10) {
			want.unique(uint64(n) * 0x9e3779b97f4a7c15)
		}
		got, err := readCell(cell.AppendBinary(nil))
		if err != nil {
			t.Fatal(err)
		}
		if d := want.difference(got); d != "" {
			t.Fatalf("%d users: %s", users, d)
		}
	}
	for _, bad := range []string{"\x01", "\x04\xff", "\x20\x05", "\x01\x00\x00"} {
		if c, err := readCell([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, c)
		}
	}
}

// TestCompareNamesTheFirstDifference: a record that is missing, one too many, one that holds something else.
func TestCompareNamesTheFirstDifference(t *testing.T) {
	e, events := replay(t, workload.Generate(2))
	want, err := Fold(events, Definition())
	if err != nil {
		t.Fatal(err)
	}
	if err := want.Compare(e.Records); err != nil {
		t.Fatal(err)
	}
	less := func(yield func(engine.Record) bool) {
		skipped := false
		e.Records(func(r engine.Record) bool {
			if !skipped && r.Kind == algebra.KindRelation {
				skipped = true
				return true
			}
			return yield(r)
		})
	}
	other := func(yield func(engine.Record) bool) {
		e.Records(func(r engine.Record) bool {
			if r.Kind == algebra.KindRelation {
				r.Value = algebra.MaxPair{On: 1}.AppendBinary(nil)
			}
			return yield(r)
		})
	}
	more := func(yield func(engine.Record) bool) {
		e.Records(yield)
		yield(engine.Record{Kind: algebra.KindCell, OwnerKind: id.KindItem, Owner: "x", Sub: "view"})
	}
	for name, c := range map[string]struct {
		records func(func(engine.Record) bool)
		want    string
	}{
		"one less":  {less, "relation of user"},
		"one other": {other, "is {On:0.1 Off:0.0}, want {On:"},
		"one more":  {more, `cell of item "x" generation 0.0 sub "view": is there, and shouldn't be`},
	} {
		if err := want.Compare(c.records); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

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
