package sim

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// writer is a client of a group. It sends requests to whom it takes for the leader, one behind another or some at once,
// and sends those again, here or there, whose answer it misses.
type writer struct {
	f        *fleet
	producer string // of its lane; empty for none
	keyed    bool
	prefix   string // of its keys
	mean     int64  // between two things that it does
	sent     uint64 // the last number of its lane, or key
	open     []*op
	done     []*op // answered; some are sent again, to be recognised
	leader   *machine
	patience int64 // how long it waits for an answer
	roams    bool  // it goes to another region now and then
	tokens   bool  // it carries what it has seen: its registers are stamped above that
	token    hlc.Timestamp
}

func newWriters(f *fleet) []*writer {
	var list []*writer
	for n := range 3 {
		list = append(list, f.newWriter(fmt.Sprintf("lane-%d", n)))
	}
	keyed := f.newWriter("")
	keyed.keyed = true
	return append(list, keyed, f.newWriter(""))
}

func (f *fleet) newWriter(producer string) *writer {
	return &writer{f: f, producer: producer, mean: 480 * milli, patience: f.between(300*milli, 3*second)}
}

func (c *writer) schedule() {
	f := c.f
	f.jobs.enter(f.now+f.between(milli, 2*c.mean), work{kind: toAct, client: c})
}

// act sends again what waits too long, and something new.
func (c *writer) act() {
	c.schedule() // first: a crash may end what comes now
	f := c.f
	to := c.target()
	if to == nil {
		return
	}
	if s, _ := to.process.base.Engine.Schema(); s == nil {
		c.leader = nil
		return
	}
	c.resend()
	if f.closing || to.process == nil {
		return
	}
	n := 1
	if f.rng.IntN(8) == 0 {
		n += f.rng.IntN(12)
	}
	for range n {
		if c.room() {
			o := c.next()
			c.send(o)
			c.hedge(o)
		}
	}
	if len(c.done) > 0 && f.rng.IntN(10) == 0 {
		c.send(c.again())
	}
	c.flush()
}

// target is whom it takes for the leader: somebody, as long as it knows nobody better.
func (c *writer) target() *machine {
	f := c.f
	if c.leader == nil || !c.leader.up() || c.leader.f != f {
		c.leader = f.machines[f.rng.IntN(len(f.machines))]
	}
	if !c.leader.up() {
		c.leader = nil
	}
	return c.leader
}

// resend sends those again whose answer didn't come, and now and then one whose answer still may.
func (c *writer) resend() {
	f := c.f
	for _, o := range append([]*op(nil), c.open...) {
		late := f.now > o.asked+c.patience
		if late && o.trying {
			o.trying = false
			c.leader = nil // it may be cut off, or have a disk that doesn't answer
			c.roam(2)
			if !o.retried() {
				o.over = true
				c.heard(o)
				continue
			}
		}
		if c.target() != nil && (!o.trying || f.rng.IntN(16) == 0) {
			c.roam(1)
			c.send(o)
		}
	}
	c.flush()
}

// room reports whether the oldest request without an answer allows a new one.
func (c *writer) room() bool {
	return len(c.open) < inFlight && (c.producer == "" || len(c.open) == 0 || c.sent-c.open[0].lane < inFlight)
}

// next makes a new request.
func (c *writer) next() *op {
	f := c.f
	n := 1
	if c.producer != "" {
		n += f.rng.IntN(1 + f.rng.IntN(4))
	}
	records := make([]record.Proposed, n)
	for i := range records {
		p := &records[i]
		if f.invent(p); p.Kind == record.KindCompensate && (n > 1 || c.keyed) {
			*p = record.Proposed{}
			f.inventSignal(p)
		}
	}
	c.undoElsewhere(&records[0])
	return c.ask(records)
}

// ask makes a request of records.
func (c *writer) ask(records []record.Proposed) *op {
	o := &op{request: records}
	switch {
	case c.producer != "":
		c.sent++
		o.producer, o.lane = c.producer, c.sent
	case c.keyed:
		c.sent++
		o.key = fmt.Sprintf("key-%s%d", c.prefix, c.sent)
		records[0].Key = o.key
	}
	o.content = record.ContentHash(o.request)
	c.open = append(c.open, c.f.ledger.ask(o))
	return o
}

// again takes a request that was answered: the same, or another under its name, which must be refused.
func (c *writer) again() *op {
	f := c.f
	o := c.done[f.rng.IntN(len(c.done))]
	if c.roam(1); !o.retried() || f.rng.IntN(3) > 0 || !c.refuses(o) {
		return o
	}
	other := &op{producer: o.producer, lane: o.lane, key: o.key, wrong: fault.ErrKeyReused, only: c.only(o)}
	other.request = make([]record.Proposed, 1)
	f.inventSignal(&other.request[0])
	other.request[0].Key = o.key
	other.request[0].Signal.Ref = fmt.Sprintf("other-%d", len(f.ledger.ops))
	other.content = record.ContentHash(other.request)
	return f.ledger.ask(other)
}

// send makes an attempt at whom it takes for the leader.
func (c *writer) send(o *op) {
	c.goWhere(o)
	f := c.f
	m := c.target()
	if m == nil || o.attempts > 0 && !o.retried() {
		return // whoever has neither lane nor key can't ask again
	}
	p := m.process
	p.enter()
	req, ok := p.request(c, o)
	if !ok {
		return
	}
	a := f.ledger.try(o)
	a.client = c
	for i := range req.Records {
		req.Records[i].Trace = a.trace()
	}
	req.Ticket = a.number
	o.asked, o.trying = f.now, true
	if o.call == 0 {
		o.call = f.moment()
	}
	f.tell(m, "send", a.number, o.number, "")
	p.open[a.number] = a
	p.step.Core.Propose(m.clock(), req)
}

// request is what a process proposes for a request, with what it has to look up for it. It is false if there is nothing
// to propose.
func (p *resident) request(c *writer, o *op) (*replica.Request, bool) {
	f := p.m.f
	current, hash := p.base.Engine.Schema()
	req := &replica.Request{
		Producer: o.producer, Number: o.lane, Schema: hash, Content: o.content, Token: c.token,
		Records: append([]record.Proposed(nil), o.request...),
	}
	for i := range req.Records {
		r := &req.Records[i]
		if f.asUndone(r) && o.attempts > 0 {
			f.report.Regions.Moved++
		}
		if r.Kind != record.KindCompensate {
			continue
		}
		if !p.step.Core.Leading() {
			c.follow(p)
			return nil, false
		}
		original, err := p.base.Original(r.Compensation.Original)
		lacking := errors.Is(err, fault.ErrNotFound)
		if lacking && !p.letGo(r.Compensation.Original) {
			p.doubts(c, o, r.Compensation.Original)
			return nil, false
		}
		if lacking {
			// The log let it go; it can't be taken back any more. If it was before, nobody will say so.
			f.tell(p.m, "too late", o.number, 0, "")
			if o.attempts == 0 {
				f.report.Refused++
			} else {
				f.report.Unknown++
			}
			o.over = true
			c.heard(o)
			return nil, false
		}
		if err != nil {
			f.breaks(fmt.Errorf("%s: %v takes back %v, which can't be read: %w", p.m.name, o, r.Compensation.Original, err))
			return nil, false
		}
		r.Compensation = original
	}
	if current == nil && c.producer != f.admin.producer {
		c.leader = nil // it hasn't heard of the schema yet
		return nil, false
	}
	if err := replica.Check(req, current); err != nil {
		f.breaks(fmt.Errorf("%s: %v is refused: %w", p.m.name, o, err))
		return nil, false
	}
	return req, true
}

// flush stamps what was sent.
func (c *writer) flush() {
	m := c.leader
	if m == nil || m.process == nil {
		return
	}
	p := m.process
	p.enter()
	if err := p.step.Flush(m.clock()); err != nil {
		p.fail(err)
		return
	}
	p.settle()
}

// follow goes to whom a process takes for the leader.
func (c *writer) follow(p *resident) {
	c.leader = c.f.member(p.step.Core.Status().Role.LeaderID)
	if c.leader == p.m {
		c.leader = nil
	}
}

// reply gives an answer to whoever asked.
func (p *resident) reply(r replica.Reply) {
	f := p.m.f
	a := p.open[r.Ticket]
	if a == nil && r.Ticket > schismTicket || f.frozen {
		delete(p.open, r.Ticket)
		return
	}
	if a == nil {
		f.breaks(fmt.Errorf("%s: ticket %d is answered, and nobody waits for it", p.m.name, r.Ticket))
		return
	}
	delete(p.open, r.Ticket)
	f.report.Ops++
	if err := p.judge(a, r); err != nil {
		f.breaks(fmt.Errorf("%s: %w", p.m.name, err))
		return
	}
	if a.client != nil {
		a.client.heard(a.op)
	}
}

// judge holds an answer against what is allowed.
func (p *resident) judge(a *attempt, r replica.Reply) error {
	f, o := p.m.f, a.op
	var in *fault.Input
	o.trying = false
	switch {
	case r.Err == nil:
		a.end = acked
		f.tell(p.m, "ack", a.number, uint64(r.Receipt.First.Seq), "")
		return p.accepted(a, r.Receipt)
	case errors.Is(r.Err, fault.ErrUnknown):
		a.end = unknown
		f.report.Unknown++
		f.tell(p.m, "unknown", a.number, 0, "")
		a.lost()
		return nil
	}
	a.end = refused
	f.report.Refused++
	f.tell(p.m, "refuse", a.number, 0, r.Err.Error())
	switch {
	case errors.Is(r.Err, fault.ErrNotLeader), errors.Is(r.Err, fault.ErrOverloaded), errors.Is(r.Err, fault.ErrClock),
		errors.Is(r.Err, fault.ErrClosed), errors.Is(r.Err, fault.ErrDisk), errors.As(r.Err, &in) && in.Field == "schema":
		// Nothing was written; it may be sent again.
		if !o.retried() {
			o.over = true
		}
		if c, ok := a.client.(*writer); ok && errors.Is(r.Err, fault.ErrNotLeader) {
			c.follow(p)
		}
	case f.province != nil && p.refusedInRegion(a, r.Err):
	case o.wrong != nil && errors.Is(r.Err, o.wrong), errors.Is(r.Err, fault.ErrUndone) && f.ledger.undone(o):
		o.over = true
	default:
		return fmt.Errorf("%v is refused: %w", o, r.Err)
	}
	if o.by == a || o.countsBy(a) {
		return fmt.Errorf("%v is refused, and is in the log at %v: %w", o, o.logged, r.Err)
	}
	return nil
}

// accepted takes a receipt: what it says is in the log, durable on a quorum, and visible where it was answered.
func (p *resident) accepted(a *attempt, r replica.Receipt) error {
	f, o := p.m.f, a.op
	last := r.First
	last.Seq += id.Seq(r.Count) - 1
	switch {
	case o.wrong != nil:
		return fmt.Errorf("%v is accepted at %v, want %w", o, r.First, o.wrong)
	case r.Count != len(o.request):
		return fmt.Errorf("%v is accepted with %d records, it has %d", o, r.Count, len(o.request))
	case r.Duplicate && o.attempts == 1:
		return fmt.Errorf("%v was sent once, and is recognised as a retry", o)
	case f.province == nil && o.acked && (o.receipt.First != r.First || !r.Duplicate && o.by != a):
		// The attempt that counted may be answered behind one that was recognised elsewhere.
		return fmt.Errorf("%v was accepted at %v, and again at %v", o, o.receipt.First, r.First)
	case !p.base.Engine.Vector().Covers(last):
		return fmt.Errorf("%v is answered at %v, and not visible", o, r.First)
	}
	if f.province != nil {
		p.wantsGeo(o, last)
		if c, ok := a.client.(*writer); ok && c.tokens {
			c.token = max(c.token, p.base.Engine.HighestRegister())
		}
	}
	if o.acked && f.province == nil {
		return nil
	}
	p.acknowledges = append(p.acknowledges, acknowledged{o, r.First})
	if o.acked {
		return nil
	}
	o.acked, o.over, o.receipt = true, true, r
	o.ret = f.moment()
	f.report.Acked++
	for i := range o.request {
		at := r.First
		at.Seq += id.Seq(i)
		f.ledger.accept(&o.request[i], at)
	}
	return nil
}

// heard moves a request that is over out of those that wait for an answer.
func (c *writer) heard(o *op) {
	if !o.over {
		return
	}
	for i, x := range c.open {
		if x != o {
			continue
		}
		c.open = append(c.open[:i], c.open[i+1:]...)
		if o.acked && o.retried() {
			c.done = append(c.done, o)
			if len(c.done) > 40 {
				c.done = c.done[1:]
			}
		}
		if o.told != nil {
			o.told()
		}
		return
	}
}

// schemer founds the database and adds to its schema while the group runs.
type schemer struct {
	writer
	f        *fleet
	versions []*schema.Schema
	entered  int
	next     int64 // when the next version may enter
	now      *op   // the request that enters one
}

func (a *schemer) schedule() {
	a.writer.f, a.writer.producer, a.writer.patience = a.f, "admin", second
	a.again()
}

func (a *schemer) again() {
	a.f.jobs.enter(a.f.now+a.f.between(50*milli, 250*milli), work{kind: toAct, client: a})
}

// act enters the next version, or asks again for the one that is under way.
func (a *schemer) act() {
	a.again()
	f := a.f
	if a.now != nil && a.now.over {
		a.entered++
		a.now = nil
		a.next = f.now + f.between(second, f.end)
		f.report.Faults.Grown++
		return
	}
	if a.target() == nil || a.now == nil && (f.closing || f.now < a.next || a.entered == len(a.versions)) {
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
		a.now = a.ask(records)
	}
	a.resend()
}
