package fault

import (
	"fmt"
	"time"
)

// Gone says that what was asked for stood in the log once, and was let go.
//
// It is always reachable with errors.As, and matches [ErrNotFound] with errors.Is.
type Gone struct {
	// Begins is when the first batch was written that the log still has; zero if it has none.
	Begins time.Time
}

func (e *Gone) Error() string {
	if e.Begins.IsZero() {
		return "the log no longer reaches back to there: it holds nothing any more"
	}
	return fmt.Sprintf("the log no longer reaches back to there: it begins with what was written at %s",
		e.Begins.UTC().Format(time.RFC3339Nano))
}

// Is reports whether target is [ErrNotFound].
func (e *Gone) Is(target error) bool { return target == ErrNotFound }
