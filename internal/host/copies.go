package host

import (
	"context"
	"sync"

	"github.com/tidaldb/tidal/internal/fault"
)

// copies are the backups under way, which Close ends and waits for.
type copies struct {
	mu    sync.Mutex
	ended bool
	stops map[*copying]bool
	wait  sync.WaitGroup
}

// copying is one of them.
type copying struct{ cancel context.CancelCauseFunc }

// begin returns a context that ends with ctx, or with [fault.ErrClosed] as its cause when the replica is closed. done must
// be called.
func (c *copies) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, nil, fault.ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	one := &copying{cancel}
	if c.stops == nil {
		c.stops = map[*copying]bool{}
	}
	c.stops[one] = true
	c.wait.Add(1)
	return ctx, func() {
		c.mu.Lock()
		delete(c.stops, one)
		c.mu.Unlock()
		cancel(nil)
		c.wait.Done()
	}, nil
}

// end ends all of them and waits.
func (c *copies) end() {
	c.mu.Lock()
	c.ended = true
	for one := range c.stops {
		one.cancel(fault.ErrClosed)
	}
	c.mu.Unlock()
	c.wait.Wait()
}
