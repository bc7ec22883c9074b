package client

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// The pauses between tries: the first is of up to firstPause, each further one of up to twice as much, and none of more
// than longestPause unless the server asks for it.
const (
	firstPause   = 20 * time.Millisecond
	longestPause = 2 * time.Second
)

// pauses draws how long to wait, so that clients that failed together don't come back together.
type pauses struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// before is the pause before a try, counted from 1 for the first repeated one: half of it is fixed, half is drawn.
func (p *pauses) before(try int) time.Duration {
	most := longestPause
	if try < 8 { // beyond it the shift reaches the longest pause
		most = min(most, firstPause<<(try-1))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return most/2 + time.Duration(p.rng.Int64N(int64(most/2)+1))
}

// wait waits for d. It returns false, at once, if the context ends before; then there's no use in waiting.
func wait(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
