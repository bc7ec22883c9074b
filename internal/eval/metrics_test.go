package eval_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/eval"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

// Every figure is computed by hand: the gains of places 1, 2 and 3 are 1, 1/log₂3 = 0.630929… and 1/2.
func TestMetricsOfHandMadeLists(t *testing.T) {
	second := 1 / math.Log2(3)
	for _, c := range []struct {
		name         string
		hits         []bool
		wanted, k    int
		ndcg, hr, rr float64
	}{
		{"the one at the top", []bool{true, false, false}, 1, 10, 1, 1, 1},
		{"the one in second place", []bool{false, true}, 1, 10, second, 1, 0.5},
		{"the one behind k", []bool{false, false, true}, 1, 2, 0, 0, 1.0 / 3},
		{"none", []bool{false, false}, 1, 10, 0, 0, 0},
		{"an empty list", nil, 1, 10, 0, 0, 0},
		{"two of two", []bool{true, true}, 2, 10, 1, 1, 1},
		{"first and third of three", []bool{true, false, true}, 3, 10, 1.5 / (1 + second + 0.5), 1, 1},
		{"more wanted than places", []bool{false, true}, 9, 2, second / (1 + second), 1, 0.5},
		{"the list is shorter than what is wanted", []bool{true}, 2, 10, 1 / (1 + second), 1, 1},
	} {
		ndcg, hr, rr := eval.NDCG(c.hits, c.wanted, c.k), eval.HitRate(c.hits, c.k), eval.ReciprocalRank(c.hits)
		if !near(ndcg, c.ndcg) || hr != c.hr || !near(rr, c.rr) {
			t.Errorf("%s: NDCG %v, hit rate %v, reciprocal rank %v; want %v, %v, %v", c.name, ndcg, hr, rr, c.ndcg, c.hr, c.rr)
		}
	}
	for _, c := range []struct {
		met, users int
		want       float64
	}{{8, 8, 0}, {1, 8, 3}, {0, 8, 3}, {2, 8, 2}, {0, 0, 0}} {
		if got := eval.SelfInformation(c.met, c.users); !near(got, c.want) {
			t.Errorf("met by %d of %d: %v bits, want %v", c.met, c.users, got, c.want)
		}
	}
}

// NDCG lies in [0, 1], is 1 exactly for a list that begins with all that is wanted, and never falls when a hit moves
// up.
func TestNDCGRisesAsHitsRise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hits := rapid.SliceOfN(rapid.Bool(), 1, 30).Draw(t, "hits")
		k := rapid.IntRange(1, 30).Draw(t, "k")
		found := 0
		for _, hit := range hits {
			if hit {
				found++
			}
		}
		wanted := max(1, found+rapid.IntRange(0, 5).Draw(t, "missed"))
		got := eval.NDCG(hits, wanted, k)
		if got < 0 || got > 1+1e-12 {
			t.Fatalf("NDCG %v", got)
		}
		whole := true
		for i := range min(k, wanted) {
			whole = whole && i < len(hits) && hits[i]
		}
		if whole != near(got, 1) {
			t.Fatalf("NDCG %v of %v, %d wanted", got, hits, wanted)
		}
		for i := 1; i < len(hits); i++ {
			if hits[i] && !hits[i-1] {
				hits[i], hits[i-1] = false, true
				if up := eval.NDCG(hits, wanted, k); up < got-1e-12 {
					t.Fatalf("a hit that rose to place %d brought NDCG from %v to %v", i, got, up)
				}
				hits[i], hits[i-1] = true, false
			}
		}
	})
}

// The interval holds the mean, is the same for the same seed, closes on a difference that all users share, and covers a
// known mean about as often as it says: 95 of 100 times, of which 85 are asked for.
func TestBootstrapCoversTheMeanThatItIsDrawnFrom(t *testing.T) {
	if got := eval.Bootstrap([]float64{0.25, 0.25, 0.25}, 1); got != (eval.Interval{Mean: 0.25, Low: 0.25, High: 0.25}) {
		t.Errorf("equal differences: %+v", got)
	}
	if got := eval.Bootstrap(nil, 1); got != (eval.Interval{}) {
		t.Errorf("no differences: %+v", got)
	}
	covered := 0
	for round := range 100 {
		sample := make([]float64, 60)
		for i := range sample {
			// A sequence that fills [−1, 1) evenly, begun elsewhere each time and jittered by a second one; its mean is
			// 0.
			x, y := float64(round*7919+i)*math.Phi, float64(round*104729+i*i)*math.Sqrt2
			sample[i] = x - math.Floor(x) + y - math.Floor(y) - 1
		}
		got := eval.Bootstrap(sample, uint64(round))
		if got != eval.Bootstrap(sample, uint64(round)) || got.Low > got.Mean || got.High < got.Mean {
			t.Fatalf("%+v", got)
		}
		if got.Low <= 0 && got.High >= 0 {
			covered++
		}
	}
	if covered < 85 {
		t.Errorf("%d of 100 intervals hold the mean", covered)
	}
}
