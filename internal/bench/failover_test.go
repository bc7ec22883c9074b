package bench

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/testseed"
)

// A percentile by nearest rank is a value that was measured; at least q of a hundred don't exceed it, and no smaller one
// has that.
func TestPercentilesByNearestRank(t *testing.T) {
	testseed.Of(t)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 10), 1, 150).Draw(t, "values")
		q := float64(rapid.IntRange(1, 100).Draw(t, "q"))
		got := rank(values, q)
		below := func(x float64) (n int) {
			for _, v := range values {
				if v <= x {
					n++
				}
			}
			return n
		}
		enough := func(n int) bool { return float64(n)*100 >= q*float64(len(values)) }
		if !enough(below(got)) {
			t.Fatalf("%v of %v at %v: only %d don't exceed it", got, values, q, below(got))
		}
		for _, v := range values {
			if v < got && enough(below(v)) {
				t.Fatalf("%v of %v at %v: %v is enough", got, values, q, v)
			}
		}
	})
	if rank(nil, 50) != 0 {
		t.Error("nothing measured isn't 0")
	}
}

func TestFailoverRefusesWhatCantBeMeasured(t *testing.T) {
	for _, o := range []FailoverOptions{
		{Fault: FaultKill},
		{Runs: 1},
		{Runs: 1, Fault: "flood"},
		{Runs: 1, Fault: FaultKill, Writers: -1},
		{Runs: 1, Fault: FaultKill, Batch: -1},
	} {
		if _, err := Failover(t.Context(), o); err == nil {
			t.Errorf("%+v is measured", o)
		}
	}
}
