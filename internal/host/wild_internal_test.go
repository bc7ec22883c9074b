package host

import (
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/replica"
)

func TestAClockThatIsAheadIsToldOfOnceInAWhile(t *testing.T) {
	var w wildClock
	for i, x := range []struct {
		times uint64
		at    time.Duration
		due   bool
	}{
		{0, 0, false},
		{3, time.Second, true},
		{3, time.Hour, false}, // nothing new
		{4, time.Hour, true},
		{9, time.Hour + time.Minute, false},
		{9, time.Hour + 11*time.Minute, true},
	} {
		if got := w.due(replica.ClockExcess{Times: x.times}, int64(x.at)); got != x.due {
			t.Errorf("step %d: %v", i, got)
		}
	}
}
