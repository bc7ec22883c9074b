package tidal

import (
	"math"
	"sync"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// bucket lets through a policy's rate of signals: it holds at most a burst of them, and fills at the rate. It is in memory
// alone, and full again when the process begins again.
type bucket struct {
	rate, burst float64 // a rate of 0 is no limit

	mu     sync.Mutex
	tokens float64
	filled time.Time
}

func newBucket(p *schema.SessionPolicy) *bucket {
	burst := float64(p.Burst)
	if burst == 0 {
		burst = max(1, math.Ceil(p.Rate))
	}
	return &bucket{rate: p.Rate, burst: burst, tokens: burst}
}

// size is how many signals it holds.
func (b *bucket) size() int { return int(b.burst) }

// take takes n signals out, or says how long to wait until it could; 0 is never.
func (b *bucket) take(n int, now time.Time) (ok bool, wait time.Duration) {
	if b.rate == 0 || n == 0 {
		return true, 0
	}
	if float64(n) > b.burst {
		return false, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.filled.IsZero() {
		// A clock that goes back fills nothing.
		b.tokens = min(b.burst, b.tokens+b.rate*max(0, now.Sub(b.filled).Seconds()))
	}
	if now.After(b.filled) {
		b.filled = now
	}
	if b.tokens >= float64(n) {
		b.tokens -= float64(n)
		return true, 0
	}
	missing := (float64(n) - b.tokens) / b.rate
	return false, max(time.Millisecond, time.Duration(math.Ceil(missing*1e3-1e-6))*time.Millisecond)
}

// give gives back what wasn't used.
func (b *bucket) give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.burst, b.tokens+float64(n))
}
