package fault

import (
	"errors"
	"fmt"
)

// ErrGone is returned for events whose batches the log doesn't have any more.
var ErrGone = errors.New("the log has let go of the batches")

// LetGo says from where on batches of an origin are there again.
//
// It is always reachable with errors.As, and matches [ErrGone] with errors.Is.
type LetGo struct {
	// After is the sequence number behind which somebody wanted to read, and First the first one that lies in a batch that
	// is still there. What is in between may be had as a compacted range.
	After, First uint64
}

func (e *LetGo) Error() string {
	return fmt.Sprintf("the log has let go of what follows number %d; its batches begin with number %d", e.After, e.First)
}

// Is reports whether target is [ErrGone].
func (e *LetGo) Is(target error) bool { return target == ErrGone }
