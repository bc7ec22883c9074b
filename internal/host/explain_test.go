package host

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

// Who ceased to lead with a request under way doesn't know what became of it: that isn't explained away.
func TestWhatIsUnknownStaysUnknown(t *testing.T) {
	r := &Replica{links: &links{}, loop: &loop{}}
	r.loop.seen.Store(&here{self: 1, leader: 2})
	err := r.explain(fmt.Errorf("%w: a snapshot takes the place of the state: %w", fault.ErrUnknown, fault.ErrNotLeader))
	if !errors.Is(err, fault.ErrUnknown) {
		t.Errorf("it became %v", err)
	}
	var not *fault.NotLeader
	if err := r.explain(fault.ErrNotLeader); !errors.As(err, &not) || not.Leader != 2 {
		t.Errorf("a refusal became %v", err)
	}
}
