package bench

import (
	"io"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/ship"
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

// TestHowMostOfAGapWasClosedIsCountedInBytes: what is in memory goes as batches, and that is 16 MiB, so a run that is short enough for a
// test has no ranges. Here the frames are made up.
func TestHowMostOfAGapWasClosedIsCountedInBytes(t *testing.T) {
	frame := func(ranged bool, size int) []byte {
		p := ship.Packet{Kind: ship.PacketData, Session: 1, Number: 1, Items: []ship.Item{{
			Range: ranged, Origin: id.Origin{Region: 1}, First: 1, Last: 9, Data: make([]byte, size),
		}}}
		p.From, p.To = ship.Peer{Region: 1, Replica: 1}, ship.Peer{Replica: 1}
		return p.Append([]byte{1, 0}) // its kind, and the incarnation of the group
	}
	for mode, frames := range map[string][2][][]byte{
		"ranges":  {{frame(true, 900), frame(false, 400)}, {frame(false, 400), []byte("another frame")}},
		"batches": {{frame(true, 900)}, {frame(false, 950)}},
	} {
		r := &twoRegions{gates: [2]*gate{{keep: true, bytes: 3, frames: frames[0]}, {keep: true, bytes: 4, frames: frames[1]}}}
		var out ReconcileResult
		if err := r.sent(&out); err != nil || out.Mode != mode || out.Bytes != 7 {
			t.Errorf("%s: %+v %v", mode, out, err)
		}
	}
	r := &twoRegions{gates: [2]*gate{{}, {}}}
	if err := r.sent(&ReconcileResult{}); err == nil {
		t.Error("regions that have sent nothing agree")
	}
}

// TestASignalIsVisibleInTheOtherRegion prints how long that takes. The original's limit, 2 s of real time for 99 of 100, is held by the
// best of some attempts: a machine that does other things may stand still for longer.
func TestASignalIsVisibleInTheOtherRegion(t *testing.T) {
	const limit, attempts = float64(2 * time.Second / time.Microsecond), 4
	many := 1000
	if testing.Short() {
		many = 30
	}
	for rtt, samples := range map[time.Duration]int{0: many, 200 * time.Millisecond: 9} {
		for n := 1; ; n++ {
			r, err := Replicate(t.Context(), ReplicateOptions{
				Env: Env{Dir: t.TempDir(), Say: io.Discard}, Samples: samples, RoundTrip: rtt, Seed: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("round trip %v: p50 %.0f µs, p99 %.0f µs of %d samples, real time; attempt %d", rtt, r.P50, r.P99, samples, n)
			if !r.DigestsEqual || r.InProcess != (rtt == 0) || r.Samples != samples || r.P50 < 1 {
				t.Errorf("%+v", r)
			}
			// The way takes half of the round trip, less what the acknowledgement took after the batch had left, which is long where
			// the disk is slow.
			if r.P99 < limit && (rtt == 0 || r.P50 >= 2000) {
				break
			}
			if n == attempts {
				t.Errorf("round trip %v: p50 is %.0f µs and p99 is %.0f µs, and it was no better before", rtt, r.P50, r.P99)
				break
			}
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
