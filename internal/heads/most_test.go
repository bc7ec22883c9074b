package heads

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// The most met items are those that sorting all by their totals gives, ties included, however many are asked for.
func TestMostOfIsWhatSortingGives(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := New(Options{})
	c.Declare(&schema.Schema{Signals: []schema.SignalType{{Name: "view"}, {Name: "like"}}})
	view, _ := c.Type("view")
	totals := map[state.Ord]int64{}
	for range 20_000 {
		n := state.Ord(rng.Uint32N(9000))
		if n%97 == 0 {
			continue // never met
		}
		var cell algebra.SignalState
		events := int64(rng.IntN(40))
		for range events {
			cell.Add(algebra.Shape{}, 1000, fixed.One)
		}
		c.CellChanged(n, view, &cell)
		totals[n] = events
	}
	c.Settle()
	accept := func(n state.Ord) bool { return n%3 != 0 }
	var all []Ranked
	for n, total := range totals {
		if total > 0 && accept(n) {
			all = append(all, Ranked{n, total})
		}
	}
	slices.SortFunc(all, func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(b.LogScore, a.LogScore), cmp.Compare(a.Ord, b.Ord))
	})
	for _, k := range []int{0, 1, 25, 700, 5000, 20_000} {
		want := all[:min(k, len(all))]
		for k > 0 && len(want) < len(all) && all[len(want)].LogScore == want[len(want)-1].LogScore {
			want = all[:len(want)+1]
		}
		if got := c.MostOf(view, k, accept, nil); !slices.Equal(got, want) {
			t.Errorf("of %d: %d items, want %d", k, len(got), len(want))
		}
	}
	like, _ := c.Type("like")
	if got := c.MostOf(like, 10, nil, nil); len(got) > 0 {
		t.Errorf("of a type without events: %v", got)
	}
}
