package host

import (
	"context"
	"fmt"
	"sync/atomic"
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
	step   *Stepper
	disk   *disk
	follow *follower
	now    func() replica.Now
	mono   func() int64

	links    *links    // nil outside of a group
	porter   *porter   // likewise
	recall   *recaller // likewise
	regional regional
	regions  atomic.Pointer[seenRegions] // nil while there are none
	standing atomic.Pointer[seenGroup]   // nil before the first tick
	resume   func()                      // set while a snapshot waits to be installed: lets the checkpoint go on

	requests chan *call
	packets  <-chan replica.Packet // nil outside of a group
	portered <-chan ported         // likewise
	recalled <-chan recalled       // likewise
	orders   chan func()           // run between two steps
	quit     chan struct{}         // closed by stop
	leading  chan struct{}         // closed when the core stamps for the first time
	ended    chan struct{}         // closed by the goroutine when it is through
	failure  error                 // why it ended early; valid once ended is closed

	calls      map[uint64]*call
	reads      map[uint64]chan replica.ReadReply
	changes    map[uint64]chan error
	tickets    uint64
	unreported bool // leading is still open
	// backlog waits for room in the disk's queue: a disk that stands still must not stop the clock.
	backlog []*consensus.Append

	seen       atomic.Pointer[here]
	moved      arrivals // rings when seen changes
	configured uint64   // as of seen
	stopping   error    // why somebody else has it end
	leads      *herald  // nil if nobody wants to know
}

// Receipt says what became of a request.
type Receipt struct {
	replica.Receipt
	// Durable and Visible are how long after it was handed in it was on the disk, and applied. Both are 0 for a request
	// that was written before.
	Durable, Visible time.Duration
}

// call is one request under way, and where its answer goes.
type call struct {
	req  *replica.Request
	done chan replica.Reply
}

func startLoop(b *Base, links *links) (*loop, error) {
	mono := since(time.Now())
	l := &loop{
		links:      links,
		orders:     make(chan func()),
		reads:      map[uint64]chan replica.ReadReply{},
		changes:    map[uint64]chan error{},
		now:        func() replica.Now { return replica.Now{Wall: b.opts.Now().UnixNano(), Mono: mono()} },
		mono:       mono,
		requests:   make(chan *call, gather),
		quit:       make(chan struct{}),
		leading:    make(chan struct{}),
		ended:      make(chan struct{}),
		calls:      map[uint64]*call{},
		unreported: true,
	}
	var err error
	edge := Edge{
		Now:     l.now,
		Persist: l.persist,
		Reply:   l.reply,
		Send:    l.send,
		Read:    l.read,
		Changed: l.changed,
	}
	if links != nil {
		edge.Snapshot = func(w replica.SnapWork) { l.porter.in <- w }
		edge.Recall = l.wantRecalled
	}
	l.regionEdge(&edge)
	l.step, err = NewStepper(b, edge)
	if err != nil {
		return nil, err
	}
	l.seen.Store(&here{self: b.identity.Replica})
	if err := l.observe(); err != nil {
		return nil, err // the log says that it was removed
	}
	if links != nil {
		l.packets = links.packets
		l.leads = startHerald(b.opts.Leads, links.group.Leads)
	}
	l.disk = startDisk(NewJournal(b.Log, mono))
	l.follow = startFollower(b, l.disk)
	if links != nil {
		l.porter = startPorter(b, l.follow)
		l.portered = l.porter.out
		l.recall = startRecaller(b)
		l.recalled = l.recall.out
	}
	l.startRegional(b)
	go l.run()
	return l, nil
}

func (l *loop) run() {
	defer close(l.ended)
	ticker := time.NewTicker(l.step.base.opts.tick())
	defer ticker.Stop()
	err := l.rounds(ticker.C)
	if err == nil {
		if err = l.finish(ticker.C); err == nil {
			l.shutdown(fault.ErrClosed)
			return
		}
	}
	l.failure = err
	l.shutdown(err)
}

// rounds takes one input after the other until the loop shall end or something fails.
func (l *loop) rounds(ticks <-chan time.Time) error {
	for {
		if err := l.settle(); err != nil {
			return err
		}
		l.step.base.effort.rests(l.now().Mono)
		if ended, err := l.round(ticks); ended || err != nil {
			return err
		}
	}
}

// round takes one input.
func (l *loop) round(ticks <-chan time.Time) (ended bool, err error) {
	requests, packets, shipped, worked := l.requests, l.packets, l.regional.packets, l.regional.worked
	if l.full() {
		requests = nil // what waits is taken once the checkpoint has followed
	}
	var disk chan<- *consensus.Append
	var next *consensus.Append
	if len(l.backlog) > 0 {
		disk, next = l.disk.in, l.backlog[0]
	}
	if len(l.backlog) > maxBacklog {
		packets, shipped, worked = nil, nil, nil // who sends them waits, too
	}
	if l.installing() {
		requests, packets, ticks, shipped, worked = nil, nil, nil, nil, nil
	}
	select {
	case <-l.relieved():
	case c := <-requests:
		l.step.base.effort.works(l.now().Mono)
		l.take(c)
		return false, l.step.Flush(l.now())
	case p := <-packets:
		l.step.base.effort.works(l.now().Mono)
		return false, l.receive(&p)
	case group := <-l.disk.out:
		l.step.base.effort.works(l.now().Mono)
		return false, l.step.Persisted(group)
	case d := <-l.portered:
		return false, l.ported(&d)
	case d := <-l.recalled:
		return false, l.remembers(&d)
	case p := <-shipped:
		l.step.base.effort.works(l.now().Mono)
		l.receiveShipped(p)
	case w := <-worked:
		l.step.Worked(w)
	case p := <-l.regional.opened:
		l.step.Connected(p)
	case disk <- next:
		l.backlog = l.backlog[1:]
	case f := <-l.orders:
		f()
		return false, l.stopping
	case <-ticks:
		l.step.Core.Tick(l.now())
		l.tickRegions()
		l.tickGroup()
	case err = <-l.follow.failed:
		l.follow.failed <- err // for Close
		return false, err
	case <-l.quit:
		return true, nil
	}
	return false, nil
}

// maxBacklog is how many appends may wait for the disk's queue before nothing is taken from other members any more.
const maxBacklog = 256

// persist hands an append to the disk, or keeps it until there's room.
func (l *loop) persist(a *consensus.Append) {
	if len(l.backlog) == 0 {
		select {
		case l.disk.in <- a:
			return
		default:
		}
	}
	l.backlog = append(l.backlog, a)
}

func (l *loop) full() bool { return l.step.base.memory.full.Load() }

func (l *loop) relieved() <-chan struct{} { return l.step.base.memory.relieved }

// settle performs, and says so when the core has begun to stamp.
func (l *loop) settle() error {
	err := l.step.Settle()
	if err == nil {
		err = l.install()
	}
	if err == nil {
		err = l.observe()
	}
	if err == nil && l.step.Fenced() != nil && l.step.InDisk() == 0 && len(l.backlog) == 0 {
		// The disk answers again. What was stamped meanwhile ended with an outcome that nobody knows; the log says it.
		if err = l.step.Reload(); err == nil {
			err = l.step.Settle()
		}
	}
	if l.unreported && l.step.Led() {
		l.unreported = false
		close(l.leading)
	}
	return err
}

// take proposes a request and whatever else has come, so that all of it shares a batch.
func (l *loop) take(c *call) {
	for n := 1; ; n++ {
		l.tickets++
		c.req.Ticket = l.tickets
		l.calls[c.req.Ticket] = c
		l.step.Core.Propose(l.now(), c.req)
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

func (l *loop) reply(r replica.Reply) {
	c := l.calls[r.Ticket]
	delete(l.calls, r.Ticket)
	c.done <- r // has room for one
}

// finish lets what was taken come to its end: the open requests are written and answered. In a group that may take others,
// who may be gone; their word is waited for as long as an election takes.
func (l *loop) finish(ticks <-chan time.Time) error {
	patience := 0
	if l.links != nil {
		patience = 2 * l.links.group.ElectionTicks
	}
	for {
		if err := l.settle(); err != nil {
			return err
		}
		open := len(l.calls) > 0 && (l.links == nil || patience > 0)
		if l.step.InDisk() == 0 && !open {
			return nil
		}
		var disk chan<- *consensus.Append
		var next *consensus.Append
		if len(l.backlog) > 0 {
			disk, next = l.disk.in, l.backlog[0]
		}
		var err error
		select {
		case p := <-l.packets:
			err = l.receive(&p)
		case group := <-l.disk.out:
			err = l.step.Persisted(group)
		case d := <-l.portered:
			err = l.ported(&d)
		case d := <-l.recalled:
			err = l.remembers(&d)
		case disk <- next:
			l.backlog = l.backlog[1:]
		case <-ticks:
			patience--
			l.step.Core.Tick(l.now())
		}
		if err != nil {
			return err
		}
	}
}

// shutdown ends every open request and waits for the disk's goroutine.
func (l *loop) shutdown(cause error) {
	l.step.Stop(cause)
	l.endOrders(cause)
	l.follow.stop()
	l.porter.close()
	l.recall.close()
	l.regional.worker.close()
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
func (l *loop) write(ctx context.Context, req *replica.Request) (Receipt, error) {
	if err := ctx.Err(); err != nil {
		return Receipt{}, err
	}
	began := l.mono()
	c := &call{req: req, done: make(chan replica.Reply, 1)}
	select {
	case l.requests <- c:
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	case <-l.quit:
		return Receipt{}, fault.ErrClosed
	case <-l.ended:
		return Receipt{}, l.stopped()
	}
	select {
	case reply := <-c.done:
		return written(&reply, began)
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("%w: %w", fault.ErrUnknown, ctx.Err())
	case <-l.ended:
		// The loop may have answered just before it ended; or never have taken the call.
		select {
		case reply := <-c.done:
			return written(&reply, began)
		default:
			return Receipt{}, l.stopped()
		}
	}
}

func written(r *replica.Reply, began int64) (Receipt, error) {
	w := Receipt{Receipt: r.Receipt}
	if r.Visible != 0 {
		w.Durable, w.Visible = time.Duration(r.Durable-began), time.Duration(r.Visible-began)
	}
	return w, r.Err
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
	l.leads.stop()
	return l.failure
}
