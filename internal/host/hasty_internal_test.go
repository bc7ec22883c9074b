package host

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// A clock is called wrong for good where it's wrong however long the question and its answer were under way.
func TestAClockIsWrongIfNothingElseExplainsIt(t *testing.T) {
	const bound = 2 * time.Second
	sent := time.UnixMilli(1_790_000_000_000)
	for _, x := range []struct {
		ahead, took time.Duration // theirs, as it came; and how long that took
		good        bool          // for good
	}{
		{-time.Minute, 0, true},
		{-time.Minute, 30 * time.Second, true},
		{time.Minute, 0, true},
		{time.Minute, 30 * time.Second, true},
		{time.Minute, time.Minute - bound, false},
		{time.Minute, time.Minute - bound - time.Millisecond, true},
		{3 * time.Second, 3 * time.Second, false},
		{3 * time.Second, time.Second, false},
		{3 * time.Second, 500 * time.Millisecond, true},
		{-3 * time.Second, time.Hour, true},
		{-bound, 0, false},
	} {
		refused := fmt.Errorf("the clock is off: %w", fault.ErrClock)
		err := hasty(refused, sent, sent.Add(x.took), sent.Add(x.ahead), bound)
		if got := errors.Is(err, fault.ErrClock) && final(err); got != x.good {
			t.Errorf("%v ahead, after %v: %v", x.ahead, x.took, err)
		}
	}
	other := fmt.Errorf("another reason: %w", fault.ErrForeign)
	if err := hasty(other, sent, sent.Add(time.Hour), sent, bound); !errors.Is(err, other) {
		t.Errorf("another refusal became %v", err)
	}
	if err := hasty(nil, sent, sent.Add(time.Hour), sent, bound); err != nil {
		t.Errorf("an answer became %v", err)
	}
}
