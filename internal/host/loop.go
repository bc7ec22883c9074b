package host

import (
	"context"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/replica"
)

// Raft's clock. A group of one elects itself at once and needs it only to notice that it is alone.
const (
	tickInterval   = 100 * time.Millisecond
	electionTicks  = 10
	heartbeatTicks = 2
	// maxUncommitted bounds the bytes that wait for the disk.
	maxUncommitted = 64 << 20
)

// gather is how many requests at most are taken at once before they are stamped.
const gather = 256

// loop is the goroutine that steps the core and applies entries. It owns the core; nobody else touches it.
type loop struct {
	r    *Replica
	core *replica.Core
	disk *disk
	life life
	mono func() int64

	requests chan *call
	quit     chan struct{} // closed by stop
	leading  chan struct{} // closed when the core stamps for the first time
	ended    chan struct{} // closed by the goroutine when it is through
	failure  error         // why it ended early; valid once ended is closed

	calls      map[uint64]*call
	tickets    uint64
	inDisk     int  // appends that the disk has not answered
	alone      bool // the group has no other voter
	unreported bool // leading is still open
}

// call is one request under way, and where its answer goes.
type call struct {
	req  *replica.Request
	done chan replica.Reply
}

func startLoop(r *Replica, restored consensus.Restored) (*loop, error) {
	l := &loop{
		r:          r,
		life:       newLife(r.opts.Tracer),
		mono:       since(time.Now()),
		requests:   make(chan *call, gather),
		quit:       make(chan struct{}),
		leading:    make(chan struct{}),
		ended:      make(chan struct{}),
		calls:      map[uint64]*call{},
		alone:      len(restored.Members.Voters()) <= 1,
		unreported: true,
	}
	core, err := replica.New(replica.Config{
		Origin: r.origin,
		Consensus: consensus.Config{
			Replica: r.identity.Replica, ElectionTicks: electionTicks, HeartbeatTicks: heartbeatTicks,
			MaxUncommitted: maxUncommitted, Restored: restored,
		},
		SkewBound:  r.opts.SkewBound.Milliseconds(),
		MaxWaiting: r.opts.MaxWaiting,
		Tracer:     r.opts.Tracer,
	}, r.engine, l.now())
	if err != nil {
		return nil, fmt.Errorf("start replica: %w", err)
	}
	l.core = core
	l.disk = startDisk(r.log, l.mono)
	go l.run()
	return l, nil
}

func (l *loop) now() replica.Now {
	return replica.Now{Wall: l.r.opts.Now().UnixNano(), Mono: l.mono()}
}

func (l *loop) run() {
	defer close(l.ended)
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	var err error
	for err == nil {
		if err = l.settle(); err != nil {
			break
		}
		select {
		case c := <-l.requests:
			l.take(c)
			err = l.core.Flush(l.now())
		case group := <-l.disk.out:
			err = l.persisted(group)
		case <-ticker.C:
			l.core.Tick(l.now())
		case <-l.quit:
			if l.failure = l.finish(); l.failure != nil {
				l.shutdown(l.failure)
			} else {
				l.shutdown(fault.ErrClosed)
			}
			return
		}
	}
	l.failure = err
	l.shutdown(err)
}

// settle performs, and makes a group of one elect itself as soon as its log is at rest: there is nobody to wait for.
func (l *loop) settle() error {
	if err := l.perform(); err != nil || !l.alone || !l.unreported || l.inDisk > 0 {
		return err
	}
	if err := l.core.Campaign(l.now()); err != nil {
		return fmt.Errorf("stand for election: %w", err)
	}
	return l.perform()
}

// take proposes a request and whatever else has come, so that all of it shares a batch.
func (l *loop) take(c *call) {
	for n := 1; ; n++ {
		l.tickets++
		c.req.Ticket = l.tickets
		l.calls[c.req.Ticket] = c
		l.core.Propose(l.now(), c.req)
		if n >= gather {
			return
		}
		select {
		case c = <-l.requests:
		default:
			return
		}
	}
}

// perform does what the core wants done, until it wants nothing more.
func (l *loop) perform() error {
	for {
		out := l.core.Take()
		for _, a := range out.Persist {
			l.life.queued(l.mono(), a)
			l.inDisk++
			l.disk.in <- a
		}
		for _, a := range out.Apply {
			if err := l.apply(a); err != nil {
				return err
			}
		}
		for _, reply := range out.Replies {
			l.reply(reply)
		}
		if l.unreported && l.core.Leading() {
			l.unreported = false
			close(l.leading)
		}
		if len(out.Apply) == 0 && len(out.Persist) == 0 {
			return nil
		}
	}
}

// apply applies entries while no reader looks.
func (l *loop) apply(a *consensus.Apply) error {
	began := l.mono()
	l.r.mu.Lock()
	for _, e := range a.Entries {
		if e.Kind != consensus.Batch {
			continue
		}
		if _, err := l.r.engine.Apply(e.Data); err != nil {
			l.r.mu.Unlock()
			return fmt.Errorf("apply entry %d: %w", e.Index, err)
		}
	}
	l.r.mu.Unlock()
	now := l.now()
	l.life.applied(began, now.Mono, a)
	return l.core.Applied(now, a)
}

func (l *loop) persisted(group []written) error {
	for _, w := range group {
		l.life.written(w) // all of them, also those behind a failure
	}
	for _, w := range group {
		l.inDisk--
		if w.err != nil {
			return w.err
		}
		if err := l.core.Persisted(l.now(), w.Append); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) reply(r replica.Reply) {
	c := l.calls[r.Ticket]
	delete(l.calls, r.Ticket)
	c.done <- r // has room for one
}

// finish lets what was taken come to its end: the open requests are written and answered.
func (l *loop) finish() error {
	for {
		if err := l.perform(); err != nil {
			return err
		}
		if l.inDisk == 0 && len(l.calls) == 0 {
			return nil
		}
		if err := l.persisted(<-l.disk.out); err != nil {
			return err
		}
	}
}

// shutdown ends every open request and waits for the disk's goroutine.
func (l *loop) shutdown(cause error) {
	l.core.Stop(l.now(), cause)
	for _, reply := range l.core.Take().Replies {
		l.reply(reply)
	}
	l.disk.close()
	for open := true; open; {
		select {
		case <-l.disk.out:
		case <-l.disk.ended:
			open = false
		}
	}
}

// awaitLead waits until the core stamps.
func (l *loop) awaitLead(ctx context.Context) error {
	select {
	case <-l.leading:
		return nil
	case <-l.ended:
		return l.failure
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write hands a request to the loop and waits for its reply.
func (l *loop) write(ctx context.Context, req *replica.Request) (replica.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return replica.Receipt{}, err
	}
	c := &call{req: req, done: make(chan replica.Reply, 1)}
	select {
	case l.requests <- c:
	case <-ctx.Done():
		return replica.Receipt{}, ctx.Err()
	case <-l.quit:
		return replica.Receipt{}, fault.ErrClosed
	case <-l.ended:
		return replica.Receipt{}, l.stopped()
	}
	select {
	case reply := <-c.done:
		return reply.Receipt, reply.Err
	case <-ctx.Done():
		return replica.Receipt{}, fmt.Errorf("%w: %w", fault.ErrUnknown, ctx.Err())
	case <-l.ended:
		// The loop may have answered just before it ended; or never have taken the call.
		select {
		case reply := <-c.done:
			return reply.Receipt, reply.Err
		default:
			return replica.Receipt{}, l.stopped()
		}
	}
}

// stopped is the error of a call that the loop never took: nothing of it was written.
func (l *loop) stopped() error {
	select {
	case <-l.quit:
		return fault.ErrClosed
	default:
		return fmt.Errorf("replica has stopped: %w", l.failure)
	}
}

// stop ends the goroutine and waits for it.
func (l *loop) stop() error {
	close(l.quit)
	<-l.ended
	return l.failure
}
