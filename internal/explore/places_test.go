package explore_test

import (
	"math"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/explore"
	"github.com/tidaldb/tidal/schema"
)

func TestPlacesKeepTheirLaws(t *testing.T) {
	r := newRand(t)
	for range 20000 {
		n := r.IntN(40)
		var slots []schema.Slot
		for i := range r.IntN(4) {
			slots = append(slots, schema.Slot{Name: string(rune('a' + i)), Share: 0.5 * r.Float64()})
		}
		var fixed []int
		for range r.IntN(4) {
			fixed = append(fixed, r.IntN(n+3)-1)
		}
		places := explore.Places(n, slots, fixed, r.Uint64())
		free := 0
		for rank := 1; rank <= n; rank++ {
			if !slices.Contains(fixed, rank) {
				free++
			}
		}
		counts := make([]int, len(slots))
		for i, p := range places {
			if p.Rank < 1 || p.Rank > n || slices.Contains(fixed, p.Rank) {
				t.Fatalf("%d places, %v fixed: %v", n, fixed, places)
			}
			if i > 0 && p.Rank <= places[i-1].Rank {
				t.Fatalf("ranks don't rise: %v", places)
			}
			if p.Rank == 1 && len(places) < free {
				t.Fatalf("the first place was given away, and not all others: %v of %d, %v fixed", places, n, fixed)
			}
			counts[p.Slot]++
		}
		wanted := 0
		for i, s := range slots {
			least := int(float64(n)*s.Share + 1e-9)
			wanted += least
			if counts[i] > least+1 || counts[i] < least && len(places) < free {
				t.Fatalf("slot %d has %d places of %d·%v", i, counts[i], n, s.Share)
			}
		}
		if len(places) < min(wanted, free) {
			t.Fatalf("%d places, want %d of %d", len(places), wanted, free)
		}
		checkSpread(t, n, fixed, places)
	}
}

// checkSpread finds one place in each stretch.
func checkSpread(t *testing.T, n int, fixed []int, places []explore.Place) {
	t.Helper()
	var free []int
	for rank := 1; rank <= n; rank++ {
		if !slices.Contains(fixed, rank) && (rank > 1 || len(places) > 0 && places[0].Rank == 1) {
			free = append(free, rank)
		}
	}
	for i, p := range places {
		at := slices.Index(free, p.Rank)
		if from, to := i*len(free)/len(places), (i+1)*len(free)/len(places); at < from || at >= to {
			t.Fatalf("%d places, %v fixed: %v isn't in stretch %d", n, fixed, p, i)
		}
	}
}

func TestSharesAreRightOnAverage(t *testing.T) {
	slots := []schema.Slot{{Name: "new", Share: 0.13}, {Name: "other", Share: 0.05}}
	const lists, n = 40000, 10
	var counts [2]int
	for seed := range uint64(lists) {
		for _, p := range explore.Places(n, slots, nil, seed) {
			counts[p.Slot]++
		}
	}
	for i, s := range slots {
		mean, want := float64(counts[i])/lists, n*s.Share
		left := want - math.Floor(want)
		if off := math.Abs(mean-want) / math.Sqrt(left*(1-left)/lists); off > 4 {
			t.Errorf("slot %s has %v places a list, should have %v: %v standard errors off", s.Name, mean, want, off)
		}
	}
}

func TestPlacesOfAStretchAreEquallyLikely(t *testing.T) {
	slots := []schema.Slot{{Name: "a", Share: 0.1}, {Name: "b", Share: 0.2}}
	const lists = 30000
	// Ranks 2 … 10 in three stretches of three; each rank holds slot a with probability 1/9 and b with 2/9.
	var ranks [2][11]int
	for seed := range uint64(lists) {
		for _, p := range explore.Places(10, slots, nil, seed*0x9e3779b97f4a7c15) {
			ranks[p.Slot][p.Rank]++
		}
	}
	for slot, want := range [2]float64{lists / 9.0, lists * 2 / 9.0} {
		if x := chiSquare(ranks[slot][2:], want); x > 26.1 { // 8 degrees of freedom, 1 in 1,000
			t.Errorf("slot %d comes at ranks %v times: χ² = %v", slot, ranks[slot], x)
		}
	}
}

func TestAListOfOnePlace(t *testing.T) {
	given := 0
	for seed := range uint64(10000) {
		given += len(explore.Places(1, []schema.Slot{{Name: "a", Share: 0.25}}, nil, seed))
	}
	if given < 2300 || given > 2700 {
		t.Errorf("the only place was given away %d times of 10,000, a quarter is right", given)
	}
}

func TestOddShares(t *testing.T) {
	for _, share := range []float64{math.NaN(), -1, 0, math.Inf(-1)} {
		if places := explore.Places(20, []schema.Slot{{Name: "a", Share: share}}, nil, 1); len(places) != 0 {
			t.Errorf("share %v has places %v", share, places)
		}
	}
	for _, share := range []float64{1, 2, math.Inf(1)} {
		slots := []schema.Slot{{Name: "a", Share: share}, {Name: "b", Share: 0.5}}
		places := explore.Places(20, slots, []int{3}, 1)
		if len(places) != 19 || slices.ContainsFunc(places, func(p explore.Place) bool { return p.Slot != 0 }) {
			t.Errorf("share %v has places %v", share, places)
		}
	}
	if places := explore.Places(-3, []schema.Slot{{Name: "a", Share: 0.5}}, nil, 1); len(places) != 0 {
		t.Errorf("a list without places has %v", places)
	}
}

func chiSquare(counts []int, want float64) (sum float64) {
	for _, n := range counts {
		d := float64(n) - want
		sum += d * d / want
	}
	return sum
}
