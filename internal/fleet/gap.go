package fleet

import (
	"context"
	"sync"
	"time"
)

// Gap is how long clients waited while something happened.
type Gap struct {
	// Client is the longest time that one client went without an acknowledgement: from one to its next, though it sent the
	// next request at once (or after its pause) and tried until it was answered. The longest of all clients counts.
	Client time.Duration
	// Any is the longest time in which no client got an acknowledgement.
	Any time.Duration
}

// gaps measures them. Its zero value needs init.
type gaps struct {
	mu     sync.Mutex
	last   []time.Time // by client; zero before the first
	counts []int
	any    time.Time // the last one of all
	since  Gap
	total  int
	wake   chan struct{} // closed and made anew with each acknowledgement that somebody waits for
}

func (g *gaps) init(clients int) {
	g.last, g.counts = make([]time.Time, clients), make([]int, clients)
}

// acked takes down that a client was acknowledged.
func (g *gaps) acked(client int, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if last := g.last[client]; !last.IsZero() {
		g.since.Client = max(g.since.Client, at.Sub(last))
	}
	if !g.any.IsZero() {
		g.since.Any = max(g.since.Any, at.Sub(g.any))
	}
	g.last[client] = at
	if at.After(g.any) {
		g.any = at
	}
	g.counts[client]++
	g.total++
	if g.wake != nil {
		close(g.wake)
		g.wake = nil
	}
}

// reset forgets the gaps that have ended.
func (g *gaps) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.since = Gap{}
}

// measured returns the longest gaps, those that last at now included.
func (g *gaps) measured(now time.Time) Gap {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.since
	for _, last := range g.last {
		if !last.IsZero() {
			m.Client = max(m.Client, now.Sub(last))
		}
	}
	if !g.any.IsZero() {
		m.Any = max(m.Any, now.Sub(g.any))
	}
	return m
}

// silence is how long the last acknowledgement of all is ago.
func (g *gaps) silence(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return now.Sub(g.any)
}

func (g *gaps) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}

// progress waits until each client was acknowledged so many times more.
func (g *gaps) progress(ctx context.Context, times int) error {
	g.mu.Lock()
	target := make([]int, len(g.counts))
	for i, n := range g.counts {
		target[i] = n + times
	}
	for {
		behind := false
		for i, n := range g.counts {
			behind = behind || n < target[i]
		}
		if !behind {
			g.mu.Unlock()
			return nil
		}
		if g.wake == nil {
			g.wake = make(chan struct{})
		}
		wake := g.wake
		g.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		g.mu.Lock()
	}
}
