package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidaldb/tidal/client"
)

// LoadOptions say how servers are loaded.
type LoadOptions struct {
	// Addrs are where the clients find the servers. Each writer begins with another one.
	Addrs []string
	// Writers is how many clients write, each with a lane of its own and one request at a time; 0 is 8.
	Writers int
	// Batch is how many signals a request has; 0 is 8.
	Batch int
	// UserBytes is how long the users' names are; 0 is as short as they come. Long ones fill disks.
	UserBytes int
	// Pause is how long a writer thinks between two requests; 0 is not at all.
	Pause time.Duration
	// Attempt is how long one try of a client may take; 0 is the client's default.
	Attempt time.Duration
	// Ack is how safe a request is before it counts as acknowledged.
	Ack client.Ack
	// GiveUp is how long a client tries to write a request. Where it isn't 0 a writer that doesn't know what became of a
	// request goes on with the next one; else it tries until the load is stopped.
	GiveUp time.Duration
}

// Outcome is what a client knows of a request.
type Outcome uint8

// The outcomes.
const (
	Unknown Outcome = iota // it may be there, once
	Acked                  // it is there, once
	Refused                // it isn't there
)

// Ledger is what clients know of all that they have sent.
type Ledger struct {
	Batch int
	// Lanes has, by lane, the outcomes of the requests in the order of their numbers, from 1 on.
	Lanes map[string][]Outcome
	// Errors are the first refusals in words. A load without mistakes has none.
	Errors []string
	// Others are lanes of writers that this ledger knows nothing else of.
	Others []string
	// Tokens make a read see all that was acknowledged.
	Tokens []string
}

// Count returns how many requests have an outcome.
func (l *Ledger) Count(of Outcome) int {
	n := 0
	for _, lane := range l.Lanes {
		for _, o := range lane {
			if o == of {
				n++
			}
		}
	}
	return n
}

// Load is clients that write.
type Load struct {
	o       LoadOptions
	writers []*writer
	stop    context.CancelFunc // no further requests
	abandon context.CancelFunc // requests under way end, too
	done    sync.WaitGroup

	gaps gaps
}

// writer is one client.
type writer struct {
	l     *Load
	n     int
	c     *client.Client
	lane  string
	mu    sync.Mutex
	known []Outcome
	bad   []string
	token string
}

// StartLoad begins to write, and returns when every writer has been acknowledged once. [Load.Stop] must be called if that
// succeeds.
func StartLoad(ctx context.Context, o LoadOptions) (*Load, error) {
	if o.Writers == 0 {
		o.Writers = 8
	}
	if o.Batch == 0 {
		o.Batch = 8
	}
	timeout := time.Duration(-1)
	if o.GiveUp > 0 {
		timeout = o.GiveUp
	}
	l := &Load{o: o}
	l.gaps.init(o.Writers)
	base := context.WithoutCancel(ctx)
	running, stop := context.WithCancel(base)
	writing, abandon := context.WithCancel(base)
	l.stop, l.abandon = stop, abandon
	prefix := rand.Text()[:8]
	for n := range o.Writers {
		at, lane := n%len(o.Addrs), fmt.Sprintf("%s-%d", prefix, n)
		c, err := client.New(client.Options{
			Addrs: append(append([]string{}, o.Addrs[at:]...), o.Addrs[:at]...), Lane: lane, Timeout: timeout, Attempt: o.Attempt,
			Ack: o.Ack,
		})
		if err != nil {
			stop()
			abandon()
			return nil, fmt.Errorf("load: %w", err)
		}
		l.writers = append(l.writers, &writer{l: l, n: n, c: c, lane: lane})
	}
	for _, w := range l.writers {
		l.done.Go(func() { w.run(running, writing) })
	}
	if err := l.Progress(ctx, 1); err != nil {
		_, stopped := l.Stop(ctx)
		return nil, errors.Join(err, stopped)
	}
	return l, nil
}

// run writes until running ends. Requests end with writing.
func (w *writer) run(running, writing context.Context) {
	for n := uint64(1); running.Err() == nil; n++ {
		receipt, err := w.c.Write(writing, client.Request{Number: n, Records: w.request(n)})
		w.note(receipt, err)
		if err == nil {
			w.l.gaps.acked(w.n, time.Now())
		}
		if w.l.o.Pause > 0 {
			select {
			case <-time.After(w.l.o.Pause):
			case <-running.Done():
			}
		}
	}
}

// perItem is how many requests of a writer are about one item.
const perItem = 256

// ItemOf is the item that a writer's request is about: its count says how many of the requests count.
func ItemOf(lane string, number uint64) string {
	return fmt.Sprintf("%s/%d", lane, (number-1)/perItem)
}

// request makes a request of a writer.
func (w *writer) request(number uint64) []client.Record {
	records := make([]client.Record, w.l.o.Batch)
	for i := range records {
		user := fmt.Sprintf("user-%0*d", max(0, w.l.o.UserBytes-len("user-")), (int(number)+i)%997)
		records[i] = client.Signal{Type: "view", Item: ItemOf(w.lane, number), User: user}
	}
	return records
}

func (w *writer) note(r client.Receipt, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.known = append(w.known, Acked)
		w.token = r.Token
	case errors.Is(err, client.ErrUnknown), errors.Is(err, context.Canceled):
		w.known = append(w.known, Unknown)
	default:
		w.known = append(w.known, Refused)
		if len(w.bad) < 3 {
			w.bad = append(w.bad, err.Error())
		}
	}
}

// Progress returns once every writer has been acknowledged so many times more.
func (l *Load) Progress(ctx context.Context, times int) error {
	if err := l.gaps.progress(ctx, times); err != nil {
		return fmt.Errorf("load: wait until every client was acknowledged %d times: %w", times, err)
	}
	return nil
}

// Patient reports that clients try until they are answered.
func (l *Load) Patient() bool { return l.o.GiveUp == 0 }

// Acked counts the requests that were acknowledged.
func (l *Load) Acked() int { return l.gaps.count() }

// Measure begins to measure gaps, and forgets those before. A gap that has begun already counts whole.
func (l *Load) Measure() { l.gaps.reset() }

// Gap returns what was measured since [Load.Measure].
func (l *Load) Gap() Gap { return l.gaps.measured(time.Now()) }

// Silence returns once no client has been acknowledged for so long.
func (l *Load) Silence(ctx context.Context, d time.Duration) error {
	return until(ctx, "wait until nobody is acknowledged any more", func(context.Context) error {
		if silent := l.gaps.silence(time.Now()); silent < d {
			return fmt.Errorf("%w: the last acknowledgement came %v ago", errNotYet, silent)
		}
		return nil
	})
}

// Stop ends the load: requests under way are tried until ctx ends. It returns what the clients know.
func (l *Load) Stop(ctx context.Context) (*Ledger, error) {
	l.stop()
	ended := make(chan struct{})
	go func() {
		l.done.Wait()
		close(ended)
	}()
	var late error
	select {
	case <-ended:
	case <-ctx.Done():
		late = fmt.Errorf("load: requests under way don't end: %w", context.Cause(ctx))
	}
	l.abandon()
	<-ended
	ledger := &Ledger{Batch: l.o.Batch, Lanes: map[string][]Outcome{}}
	for _, w := range l.writers {
		ledger.Lanes[w.lane] = w.known
		ledger.Errors = append(ledger.Errors, w.bad...)
		if w.token != "" {
			ledger.Tokens = append(ledger.Tokens, w.token)
		}
		w.c.Close()
	}
	return ledger, late
}
