package ranker

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTheFirstAreThoseOfASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few different numbers, so that many are equal in it; the place makes the order total.
		type pair struct{ number, place int }
		var all []pair
		most := rapid.IntRange(1, 1000).Draw(t, "most")
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, most), 0, 600).Draw(t, "numbers") {
			all = append(all, pair{n, i})
		}
		switch rapid.IntRange(0, 3).Draw(t, "order") {
		case 0:
			slices.SortFunc(all, func(a, b pair) int { return cmp.Compare(a.number, b.number) })
		case 1:
			slices.SortFunc(all, func(a, b pair) int { return cmp.Compare(b.number, a.number) })
		}
		compare := func(a, b pair) int { return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.place, b.place)) }
		want := slices.Clone(all)
		slices.SortFunc(want, compare)
		k := rapid.IntRange(-1, len(all)+2).Draw(t, "k")
		got := slices.Clone(first(all, k, func(a, b *pair) bool { return compare(*a, *b) < 0 }))
		slices.SortFunc(got, compare)
		if !slices.Equal(got, want[:max(0, min(k, len(want)))]) {
			t.Fatalf("the first %d are %v, want %v", k, got, want[:min(max(k, 0), len(want))])
		}
		slices.SortFunc(all, compare)
		if !slices.Equal(all, want) {
			t.Fatal("an element was lost")
		}
	})
}

func BenchmarkFirst(b *testing.B) {
	all := make([]neighbour, 2048)
	for i := range all {
		all[i] = neighbour{hash: uint32(i) * 2654435761, weight: float64(i * 7919 % 997)}
	}
	work := make([]neighbour, len(all))
	for b.Loop() {
		copy(work, all)
		first(work, preselected, byWeight)
	}
}
