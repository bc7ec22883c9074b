package host

import (
	"context"
	"fmt"
	"sync"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// arrivals wakes whoever waits for something to be applied.
type arrivals struct {
	mu   sync.Mutex
	news chan struct{} // nil while nobody waits
}

// next returns a channel that is closed when something was applied after the call.
func (a *arrivals) next() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.news == nil {
		a.news = make(chan struct{})
	}
	return a.news
}

func (a *arrivals) ring() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.news != nil {
		close(a.news)
		a.news = nil
	}
}

// Await returns once every event of a set is visible here. When ctx ends before, the error is the context's and a
// *fault.NotYet; somebody who only reads gets the latter at once, because nothing more comes.
func (r *Replica) Await(ctx context.Context, v id.VersionVector) error {
	for {
		news := r.base.arrivals.next()
		lacking := r.lacks(v)
		if lacking == (id.Position{}) {
			return nil
		}
		if r.loop == nil {
			return &fault.NotYet{Position: lacking.String()}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), &fault.NotYet{Position: lacking.String()})
		case <-r.loop.ended:
			return r.loop.stopped()
		}
	}
}

// Until returns once what is applied is as asked for. f is called between applies, and must not keep what it is given.
func (r *Replica) Until(ctx context.Context, f func(*engine.Engine) bool) error {
	for {
		news := r.base.arrivals.next()
		done := false
		_ = r.Read(func(e *engine.Engine) error {
			done = f(e)
			return nil
		})
		if done {
			return nil
		}
		if r.loop == nil {
			return errReadOnly
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.loop.ended:
			return r.loop.stopped()
		}
	}
}

// AwaitThat returns once f says so, which is asked now and whenever something was applied, and may read. For somebody who only
// reads nothing more comes: then it's not asked twice.
func (r *Replica) AwaitThat(ctx context.Context, f func() bool) error {
	for {
		news := r.base.arrivals.next()
		if f() {
			return nil
		}
		if r.loop == nil {
			return errReadOnly
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.loop.ended:
			return r.loop.stopped()
		}
	}
}

// Lacks returns the last event of the first origin of which an event of the set isn't visible here, false if none is lacking.
func (r *Replica) Lacks(v id.VersionVector) (id.Position, bool) {
	p := r.lacks(v)
	return p, p != (id.Position{})
}

// lacks returns the last event of the first origin of which something isn't here, zero if all is.
func (r *Replica) lacks(v id.VersionVector) (lacking id.Position) {
	_ = r.Read(func(e *engine.Engine) error {
		here := e.Vector()
		for origin, seq := range v.All {
			if !here.Covers(origin.At(seq)) {
				lacking = origin.At(seq)
				break
			}
		}
		return nil
	})
	return lacking
}
