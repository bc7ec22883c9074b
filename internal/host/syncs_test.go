package host

import (
	"testing"
	"time"
)

func TestSyncsAreCountedByWhatTheyTook(t *testing.T) {
	var c syncCounts
	for _, d := range []time.Duration{0, 50 * time.Microsecond, 51 * time.Microsecond, 3 * time.Millisecond, time.Minute} {
		c.add(int64(d))
	}
	got := c.times()
	if got.Count != 5 || got.Total != time.Minute+3*time.Millisecond+101*time.Microsecond {
		t.Errorf("%+v", got)
	}
	for bound, want := range map[time.Duration]uint64{
		50 * time.Microsecond: 2, 100 * time.Microsecond: 3, 2500 * time.Microsecond: 3, 5 * time.Millisecond: 4, 10 * time.Second: 4,
	} {
		if got.Within[bound] != want {
			t.Errorf("%d took no longer than %v, want %d", got.Within[bound], bound, want)
		}
	}
}
