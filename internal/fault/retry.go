package fault

import (
	"errors"
	"fmt"
	"time"
)

// RateLimited says that a session writes faster than its policy allows. Nothing was written.
//
// It is always reachable with errors.As, and matches [ErrRateLimited] with errors.Is.
type RateLimited struct {
	// Agent and Session are whose rate it is.
	Agent, Session string
	// Rate is how many signals a second the policy allows.
	Rate float64
	// RetryAfter is when the same request will be let through, if nothing else is written.
	RetryAfter time.Duration
}

// ErrRateLimited matches every [RateLimited] with errors.Is.
var ErrRateLimited = errors.New("session writes too fast")

func (e *RateLimited) Error() string {
	return fmt.Sprintf("session %q of agent %q writes more than %g signals a second; try again in %v", e.Session, e.Agent,
		e.Rate, e.RetryAfter)
}

// Is reports whether target is [ErrRateLimited].
func (e *RateLimited) Is(target error) bool { return target == ErrRateLimited }

// NotYet says that an event isn't visible here, which a token names.
//
// It is always reachable with errors.As, and matches [ErrNotYet] with errors.Is.
type NotYet struct {
	// Position is the event that was waited for, as positions are printed.
	Position string
}

// ErrNotYet matches every [NotYet] with errors.Is.
var ErrNotYet = errors.New("not visible here yet")

func (e *NotYet) Error() string { return "event " + e.Position + " isn't visible here yet" }

// Is reports whether target is [ErrNotYet].
func (e *NotYet) Is(target error) bool { return target == ErrNotYet }
