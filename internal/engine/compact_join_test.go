package engine_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
)

// TestJoinedPiecesAreTakenOutAsTheirBatchesWouldBe: what is here came as batches up to one, then as a range, of which the
// beginning had been taken out or not; and then a range comes that begins among the batches and ends behind all of it.
func TestJoinedPiecesAreTakenOutAsTheirBatchesWouldBe(t *testing.T) {
	s := seed(t)
	for i := range 60 {
		rng := rand.New(rand.NewPCG(s, uint64(i)))
		a := &author{feed: newFeed(t, there, testSchema()), rng: rng, gens: map[string]hlc.Timestamp{}}
		batches := a.batches(6 + rng.IntN(20))
		want, _, _, _ := start(t)
		for _, data := range batches {
			apply(t, want, data, engine.Applied)
		}
		// The first batches name the schema, so nothing is folded before they are known.
		n := len(batches)
		asBatches := 2 + rng.IntN(n-4)
		asRange := asBatches + 1 + rng.IntN(n-asBatches-1)
		got, _, _, _ := start(t)
		for _, data := range batches[:asBatches] {
			apply(t, got, data, engine.Applied)
		}
		without := func(c *engine.Compacted, overlap *engine.Compacted) *engine.Compacted {
			out, err := c.Without(overlap)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		piece := compacted(t, got, 0, batches[asBatches:asRange]...)
		if from := 1 + rng.IntN(asBatches); from < asBatches {
			piece = without(compacted(t, got, 0, batches[from:asRange]...), compacted(t, got, 0, batches[from:asBatches]...))
		}
		applyRange(t, got, piece, engine.Applied)
		overlap := piece
		from := 1 + rng.IntN(asBatches)
		if from < asBatches {
			var err error
			if overlap, err = compacted(t, got, 0, batches[from:asBatches]...).Join(piece); err != nil {
				t.Fatal(err)
			}
		}
		applyRange(t, got, without(compacted(t, got, 0, batches[from:]...), overlap), engine.Applied)
		if dump(got) != dump(want) || got.Digest() != want.Digest() || !got.Vector().Equal(want.Vector()) {
			t.Fatalf("run %d: batches to %d, a range to %d, one from %d to %d:\n%s\nwant\n%s", i, asBatches, asRange, from, n, dump(got),
				dump(want))
		}
	}
}

func TestOnlyNeighboursAreJoined(t *testing.T) {
	e, _, far, _ := start(t)
	var batches [][]byte
	for range 3 {
		batches = append(batches, far.batch(plain(signal(view, "u", "i"))))
	}
	for _, data := range batches {
		apply(t, e, data, engine.Applied)
	}
	first, second, third := compacted(t, e, 0, batches[0]), compacted(t, e, 0, batches[1]), compacted(t, e, 0, batches[2])
	for _, pair := range [][2]*engine.Compacted{{first, third}, {second, first}, {first, first}} {
		if _, err := pair[0].Join(pair[1]); !errors.Is(err, fault.ErrGap) {
			t.Errorf("%v and %v are joined: %v", pair[0].Range, pair[1].Range, err)
		}
	}
	joined, err := first.Join(second)
	if err != nil {
		t.Fatal(err)
	}
	if want := compacted(t, e, 0, batches[0], batches[1]); string(joined.AppendBinary(nil)) != string(want.AppendBinary(nil)) {
		t.Errorf("joined %+v, folded at once %+v", joined, want)
	}
}
