package bench

import (
	"io"
	"testing"
	"time"
)

func TestTwoRegionsAgreeAfterAPartition(t *testing.T) {
	for _, users := range []bool{true, false} {
		r, err := Reconcile(t.Context(), ReconcileOptions{
			Env: Env{Dir: t.TempDir(), Say: io.Discard}, PerSide: 1000, Users: users, Items: 500, Known: 500, Seed: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("1,000 + 1,000 signals: %.1f ms, %d bytes as %s", r.Millis, r.Bytes, r.Mode)
		if !r.DigestsEqual || r.WithUsers != users || r.Bytes < 10_000 || r.Mode != "batches" || r.Millis <= 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestASignalIsVisibleInTheOtherRegion(t *testing.T) {
	for rtt, samples := range map[time.Duration]int{0: 30, 200 * time.Millisecond: 9} {
		r, err := Replicate(t.Context(), ReplicateOptions{
			Env: Env{Dir: t.TempDir(), Say: io.Discard}, Samples: samples, RoundTrip: rtt, Seed: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("round trip %v: p50 %.0f µs, p99 %.0f µs", rtt, r.P50, r.P99)
		// The way takes half of the round trip, less what the acknowledgement took after the batch had left, which is long where
		// the disk is slow.
		if !r.DigestsEqual || r.InProcess != (rtt == 0) || r.Samples != samples || r.P50 < 1 || rtt > 0 && r.P50 < 2000 {
			t.Errorf("%+v", r)
		}
	}
}

func TestRegionsRefuseWhatCantBeMeasured(t *testing.T) {
	for _, n := range []int{0, -1, 10_000_001} {
		if _, err := Reconcile(t.Context(), ReconcileOptions{PerSide: n}); err == nil {
			t.Errorf("%d signals a side are measured", n)
		}
		if _, err := Replicate(t.Context(), ReplicateOptions{Samples: n}); err == nil {
			t.Errorf("%d samples are measured", n)
		}
	}
}

func TestTheMedianOfSomeNumbers(t *testing.T) {
	for _, x := range []struct {
		all  []float64
		want int
	}{
		{[]float64{5}, 0},
		{[]float64{9, 1, 5}, 2},
		{[]float64{4, 4, 4, 4}, 1},
		{[]float64{3, 1, 2, 4}, 2},
	} {
		if got := medianOf(x.all); got != x.want {
			t.Errorf("of %v it's number %d, want %d", x.all, got, x.want)
		}
	}
}
