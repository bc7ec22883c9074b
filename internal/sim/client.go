package sim

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/schema"
)

// op is one request of a client, over all its attempts.
type op struct {
	number   uint64
	producer string // its lane and number there; or its key; or neither
	lane     uint64
	key      string
	request  []record.Proposed
	content  uint64
	// wrong is the error that it must end with: it breaks a rule on purpose.
	wrong error

	attempts int
	acked    bool
	receipt  replica.Receipt
	over     bool // answered for good: no more attempts

	// In runs of a group: when it was sent last, and whether that may still be answered; when it was sent first and
	// accepted, as [fleet.moment]; and what to do when it is over.
	asked     int64
	trying    bool
	call, ret int64
	told      func()

	// In runs of regions: the only one that it's sent to, nil for any; whether somebody was told that another region has it, too;
	// and where it counts, by origin.
	only  *fleet
	geo   bool
	twins []*twin

	// In the log, as of the last audit.
	by              *attempt // the attempt that counted
	logged, audited id.Position
	records         []*workload.Event
}

func (o *op) String() string {
	switch {
	case o.producer != "":
		return fmt.Sprintf("request %d (%d of lane %s)", o.number, o.lane, o.producer)
	case o.key != "":
		return fmt.Sprintf("request %d (key %s)", o.number, o.key)
	}
	return fmt.Sprintf("request %d", o.number)
}

// retried reports whether it may be sent again without being counted again.
func (o *op) retried() bool { return o.producer != "" || o.key != "" }

// attempt is one sending of a request.
type attempt struct {
	number uint64
	op     *op
	end    ending
	client listener // nil for the admin
}

// listener is told how its requests went.
type listener interface{ heard(o *op) }

// ending is how an attempt ended.
type ending uint8

const (
	pending ending = iota
	acked
	refused // nothing of it was written
	unknown
)

// lost ends a request that nobody can send again.
func (a *attempt) lost() {
	if a.client != nil && !a.op.retried() {
		a.op.over = true
		a.client.heard(a.op)
	}
}

// inFlight bounds a lane's requests without an answer.
const inFlight = 16

// client sends requests, one behind another or some at once, and sends those again whose answer it misses.
type client struct {
	w        *world
	producer string // of its lane; empty for none
	keyed    bool
	sent     uint64 // the last number of its lane, or key
	open     []*op
	done     []*op // answered; some are sent again, to be recognised
}

func newClients(w *world) []*client {
	var list []*client
	for n := range 3 {
		list = append(list, &client{w: w, producer: fmt.Sprintf("lane-%d", n)})
	}
	return append(list, &client{w: w, keyed: true}, &client{w: w})
}

func (c *client) schedule() {
	c.w.after(c.w.between(milli, 275*milli), 0, func() {
		c.schedule() // first: a crash may end what comes now
		c.act()
	})
}

// act sends again what waits too long, and something new.
func (c *client) act() {
	w := c.w
	if !w.up() {
		return
	}
	if s, _ := w.process.base.Engine.Schema(); s == nil {
		return
	}
	for _, o := range c.open {
		if w.closing || w.rng.IntN(8) == 0 {
			w.send(c, o)
		}
	}
	if !w.closing {
		n := 1
		if w.rng.IntN(8) == 0 {
			n += w.rng.IntN(12)
		}
		for range n {
			if c.room() {
				w.send(c, c.next())
			}
		}
		if len(c.done) > 0 && w.rng.IntN(10) == 0 {
			w.send(c, c.again())
		}
	}
	w.flush()
}

// room reports whether the oldest request without an answer allows a new one.
func (c *client) room() bool {
	return len(c.open) < inFlight && (c.producer == "" || len(c.open) == 0 || c.sent-c.open[0].lane < inFlight)
}

// next makes a new request.
func (c *client) next() *op {
	w := c.w
	o := &op{}
	n := 1
	switch {
	case c.producer != "":
		c.sent++
		o.producer, o.lane = c.producer, c.sent
		n += w.rng.IntN(1 + w.rng.IntN(4))
	case c.keyed:
		c.sent++
		o.key = fmt.Sprintf("key-%d", c.sent)
	}
	o.request = make([]record.Proposed, n)
	for i := range o.request {
		p := &o.request[i]
		if w.invent(p); p.Kind == record.KindCompensate && (n > 1 || c.keyed) {
			*p = record.Proposed{}
			w.inventSignal(p)
		}
	}
	o.request[0].Key = o.key
	o.content = record.ContentHash(o.request)
	c.open = append(c.open, w.ledger.ask(o))
	return o
}

// again takes a request that was answered: the same, or another under its name, which must be refused.
func (c *client) again() *op {
	w := c.w
	o := c.done[w.rng.IntN(len(c.done))]
	if !o.retried() || w.rng.IntN(3) > 0 {
		return o
	}
	other := &op{producer: o.producer, lane: o.lane, key: o.key, wrong: fault.ErrKeyReused}
	other.request = make([]record.Proposed, 1)
	w.inventSignal(&other.request[0])
	other.request[0].Key = o.key
	other.request[0].Signal.Ref = fmt.Sprintf("other-%d", len(w.ledger.ops))
	other.content = record.ContentHash(other.request)
	return w.ledger.ask(other)
}

// send makes an attempt.
func (w *world) send(c *client, o *op) {
	if o.attempts > 0 && !o.retried() {
		return // whoever has neither lane nor key can't ask again
	}
	a := w.ledger.try(o)
	if c != nil {
		a.client = c
	}
	p := w.process
	current, hash := p.base.Engine.Schema()
	req := &replica.Request{
		Ticket: a.number, Producer: o.producer, Number: o.lane, Schema: hash, Content: o.content,
		Records: make([]record.Proposed, len(o.request)),
	}
	copy(req.Records, o.request)
	for i := range req.Records {
		r := &req.Records[i]
		r.Trace = a.trace()
		if r.Kind == record.KindCompensate {
			original, err := p.base.Original(r.Compensation.Original)
			if errors.Is(err, fault.ErrNotFound) && p.base.Log.FirstIndex() > 1 {
				// The log let it go; it can't be taken back any more.
				w.tell("too late", a.number, o.number, "")
				w.report.Refused++
				a.end, o.over = refused, true
				if c != nil {
					c.heard(o)
				}
				return
			}
			if err != nil {
				w.breaks(fmt.Errorf("%v takes back %v, which can't be read: %w", o, r.Compensation.Original, err))
				return
			}
			r.Compensation = original
		}
	}
	if err := replica.Check(req, current); err != nil {
		w.breaks(fmt.Errorf("%v is refused: %w", o, err))
		return
	}
	w.tell("send", a.number, o.number, "")
	p.open[a.number] = a
	p.step.Core.Propose(w.clock(), req)
}

// flush stamps what was sent.
func (w *world) flush() {
	p := w.process
	if p == nil {
		return
	}
	if err := p.step.Core.Flush(w.clock()); err != nil {
		p.fail(err)
		return
	}
	p.settle()
}

// answered takes an answer, and holds it against what is allowed.
func (w *world) answered(a *attempt, r replica.Reply) {
	o := a.op
	var in *fault.Input
	switch {
	case r.Err == nil:
		a.end = acked
		w.tell("ack", a.number, uint64(r.Receipt.First.Seq), "")
		w.accepted(o, r.Receipt)
	case errors.Is(r.Err, fault.ErrUnknown):
		a.end = unknown
		w.tell("unknown", a.number, 0, "")
		a.lost()
	default:
		a.end = refused
		w.report.Refused++
		w.tell("refuse", a.number, 0, r.Err.Error())
		switch {
		case errors.Is(r.Err, fault.ErrOverloaded), errors.Is(r.Err, fault.ErrClock), errors.Is(r.Err, fault.ErrClosed),
			errors.Is(r.Err, fault.ErrDisk), errors.As(r.Err, &in) && in.Field == "schema":
			// Nothing was written; it may be sent again.
			if !o.retried() {
				o.over = true
			}
		case o.wrong != nil && errors.Is(r.Err, o.wrong), errors.Is(r.Err, fault.ErrUndone) && w.ledger.undone(o):
			o.over = true
		default:
			w.breaks(fmt.Errorf("%v is refused: %w", o, r.Err))
			return
		}
	}
	if a.client != nil {
		a.client.heard(o)
	}
}

// accepted takes a receipt.
func (w *world) accepted(o *op, r replica.Receipt) {
	e := w.process.base.Engine
	last := r.First
	last.Seq += id.Seq(r.Count) - 1
	switch {
	case o.wrong != nil:
		w.breaks(fmt.Errorf("%v is accepted at %v, want %w", o, r.First, o.wrong))
	case r.Count != len(o.request):
		w.breaks(fmt.Errorf("%v is accepted with %d records, it has %d", o, r.Count, len(o.request)))
	case r.Duplicate && o.attempts == 1:
		w.breaks(fmt.Errorf("%v was sent once, and is recognised as a retry", o))
	case o.acked && (!r.Duplicate || o.receipt.First != r.First):
		w.breaks(fmt.Errorf("%v was accepted at %v, and again at %v", o, o.receipt.First, r.First))
	case !e.Vector().Covers(last):
		w.breaks(fmt.Errorf("%v is answered at %v, and not visible", o, r.First))
	}
	if o.acked {
		return
	}
	o.acked, o.over, o.receipt = true, true, r
	w.report.Acked++
	for i := range o.request {
		at := r.First
		at.Seq += id.Seq(i)
		w.ledger.accept(&o.request[i], at)
	}
}

// heard moves a request that is over out of those that wait for an answer.
func (c *client) heard(o *op) {
	if !o.over {
		return
	}
	for i, x := range c.open {
		if x == o {
			c.open = append(c.open[:i], c.open[i+1:]...)
			if o.acked && o.retried() {
				c.done = append(c.done, o)
				if len(c.done) > 40 {
					c.done = c.done[1:]
				}
			}
			return
		}
	}
}

// admin founds the database and adds to its schema while it runs.
type admin struct {
	w        *world
	versions []*schema.Schema
	entered  int
	next     int64 // when the next version may enter
	now      *op   // the request that enters one
}

func newAdmin(w *world) *admin {
	return &admin{w: w, versions: versions()}
}

func (a *admin) schedule() {
	a.w.after(a.w.between(20*milli, 100*milli), 0, func() {
		a.schedule()
		a.act()
	})
}

// act enters the next version, or asks again for the one that is under way.
func (a *admin) act() {
	w := a.w
	if a.now != nil && a.now.over {
		a.entered++
		a.now = nil
		a.next = w.now + w.between(second, w.end)
		w.report.Faults.Grown++
		return
	}
	if !w.up() || a.now == nil && (w.closing || w.now < a.next || a.entered == len(a.versions)) {
		return
	}
	if a.now == nil {
		s := a.versions[a.entered]
		v := record.SchemaVersion{Parent: s.Parent, Encoded: s.Encode()}
		records := []record.Proposed{{Kind: record.KindSchemaVersion, Schema: v}}
		if a.entered == 0 {
			level := record.FormatLevel{Level: record.Level}
			records = append([]record.Proposed{{Kind: record.KindFormatLevel, Level: level}}, records...)
		}
		a.now = w.ledger.ask(&op{
			producer: "admin", lane: uint64(a.entered + 1), request: records, content: record.ContentHash(records),
		})
	}
	w.send(nil, a.now)
	w.flush()
}
