package ship

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/record"
)

// What becomes of the items that came.

// arrived is an item that waits to be proposed.
type arrived struct {
	Item
	before  []Item // what goes with a range: see apart.go
	session uint64
	bytes   int // as the source counts
	folding bool
	folded  bool
}

// flight is a proposal under way.
type flight struct {
	item   *arrived
	region id.Region
}

// Check verifies what batches hold, to the last byte. Whoever receives packets beside the core may call it first; the core
// does what wasn't done. An error names the first item that is damaged, or of a newer program; those before it are checked.
func (p *Packet) Check() error {
	for i := range p.Items {
		if err := p.Items[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (it *Item) check() error {
	if it.batch != nil || it.Range {
		return nil // a range is verified when what is here is taken out of it
	}
	b, err := record.Open(it.Data)
	if err == nil {
		err = b.Verify()
	}
	// What a newer program wrote is whole, and waits in its origin until this program is as new.
	if err != nil && !errors.Is(err, fault.ErrFormatTooNew) {
		return fmt.Errorf("batch %v to %d: %w", it.Origin.At(it.First), it.Last, err)
	}
	if err != nil && b.Data() == nil {
		return fmt.Errorf("batch %v to %d: %w", it.Origin.At(it.First), it.Last, err) // not even its header can be read
	}
	if b.Origin() != it.Origin || b.Header.First != it.First || b.Header.Last != it.Last {
		return fmt.Errorf("batch %v to %d: %w", it.Origin.At(it.First), it.Last,
			fault.Damaged("", 0, "it says of itself that it is %v to %d", b.Origin().At(b.Header.First), b.Header.Last))
	}
	it.batch = &b
	return nil
}

// take puts a packet's items into the queue, and reports whether the subscription goes on.
func (c *Core) take(r *region, s *source, p *Packet) bool {
	session := s.session
	for i := range p.Items {
		it := &p.Items[i]
		s.got += uint64(len(it.Data))
		if s.got-s.taken > uint64(c.cfg.Window)+MaxPacket {
			return c.bad(r, s, CauseProtocol, "it sends more than the window takes")
		}
		switch cause, text := c.judge(r, s, it, p.Pulse.Vector); {
		case text != "":
			c.compareItem(r, s.peer, it)
			if cause == CauseForked || cause == CauseDamaged || cause == CauseTooNew {
				c.block(it.Origin)
			}
			return c.bad(r, s, cause, text)
		case it.Last <= c.expected(it.Origin) || c.tick < c.blocked[it.Origin] || c.isForked(it.Origin):
			s.taken += uint64(len(it.Data)) // it came by another way
			s.ackDue = true
			c.compareItem(r, s.peer, it)
			if s.session != session || !c.beside(r, s, it) {
				return false
			}
			continue
		}
		before := c.apart[it.Origin].with(s, it)
		delete(c.apart, it.Origin)
		s.queue = append(s.queue, &arrived{Item: *it, before: before, session: s.session, bytes: len(it.Data)})
		s.queued += len(it.Data)
		c.expect[it.Origin] = it.Last
	}
	return true
}

// beside keeps what is here already, if a range can't be taken apart without it, and reports whether the subscription goes on.
func (c *Core) beside(r *region, s *source, it *Item) bool {
	x := c.apart[it.Origin]
	if x == nil {
		return true
	}
	if err := it.check(); err != nil {
		return c.bad(r, s, CauseDamaged, err.Error())
	}
	if x.collect(s, it) {
		return true
	}
	delete(c.apart, it.Origin)
	r.lacks(it.Origin, c.tick)
	return c.bad(r, s, CauseGone, fmt.Sprintf("more than %d MiB of %v would be needed to take its ranges apart", maxApart>>20, it.Origin))
}

// judge returns what is wrong with an item of a source that says of itself what it has.
func (c *Core) judge(r *region, s *source, it *Item, itsOwn id.VersionVector) (Cause, string) {
	o := it.Origin
	_, relayed := slices.BinarySearchFunc(s.relay, o, id.Origin.Compare)
	have := c.expected(o)
	switch {
	case o == c.cfg.Origin || o.Region != r.Number && !relayed:
		return CauseOrigin, "it sends what wasn't asked for, of origin " + o.String()
	case !c.inTable(o):
		return CauseOrigin, "it sends what is of an unknown region, of origin " + o.String()
	case it.Last > itsOwn.Get(o):
		// Of an incarnation that it doesn't know nobody else may know either.
		return CauseOrigin, fmt.Sprintf("it sends %v, and says that it has %v itself", o.At(it.Last), o.At(itsOwn.Get(o)))
	case it.Last <= have:
		return 0, ""
	case it.First > have+1 && !planted.SkipGap:
		return CauseGap, fmt.Sprintf("it sends %v behind %d", o.At(it.First), have)
	case it.First <= have && !it.Range:
		return CauseForked, reachesInto(it, have).Error()
	}
	if err := it.check(); errors.Is(err, fault.ErrFormatTooNew) {
		return CauseTooNew, err.Error()
	} else if err != nil {
		return CauseDamaged, err.Error()
	}
	return 0, ""
}

// bad refuses what a source sent, and tries again later, perhaps elsewhere.
func (c *Core) bad(r *region, s *source, cause Cause, text string) bool {
	c.refuse(r, s.peer, cause, text)
	s.turn++
	c.later(r)
	return false
}

// blockFor is how long an origin isn't asked for that brought what can't be, in units of silence.
const blockFor = 8

func (c *Core) block(o id.Origin) {
	if len(c.blocked) < maxOrigins {
		c.blocked[o] = c.tick + blockFor*c.cfg.Ticks.Silence
	}
}

// unblock asks again, everywhere, once an origin was left alone for long enough: whoever subscribed meanwhile was told to send
// nothing of it.
func (c *Core) unblock() {
	over := false
	for o, until := range c.blocked {
		if c.tick >= until {
			delete(c.blocked, o)
			over = true
		}
	}
	if !over {
		return
	}
	for _, r := range c.table {
		if r.source != nil && r.source.state == open {
			c.ask(r)
		}
	}
}

// propose hands over what waits, one of each source after the other, as far as there is room.
func (c *Core) propose(room int) {
	for again := true; again; {
		again = false
		for _, r := range c.table {
			if s := r.source; s != nil && len(s.queue) > 0 {
				n := len(s.queue[0].Data)
				if n > room && len(c.flying)+len(c.out.Propose) > 0 {
					continue
				}
				if c.hand(r, s) {
					room -= n
					again = true
				}
			}
		}
	}
}

// hand proposes the first of a queue, unless that must wait.
func (c *Core) hand(r *region, s *source) bool {
	a := s.queue[0]
	have := c.vector.Get(a.Origin)
	if a.Range && !a.folded {
		if !a.folding && c.inhand[a.Origin] == 0 {
			a.folding = true
			c.out.Work = append(c.out.Work, Work{
				Kind: WorkFold, Peer: s.peer, Session: a.session, Origin: a.Origin, After: have, Last: a.Last, Item: a.Item,
				Before: a.before,
			})
		}
		return false
	}
	s.queue = s.queue[1:]
	s.queued -= a.bytes
	c.tickets++
	c.flying[c.tickets] = &flight{item: a, region: r.Number}
	c.inhand[a.Origin]++
	c.out.Propose = append(c.out.Propose, Proposal{Ticket: c.tickets, Data: a.Data, Batch: a.batch})
	return true
}

// folded takes a range of which what is here was taken out.
func (c *Core) folded(w *WorkResult) {
	r := c.region(w.Peer.Region)
	if r == nil || r.source == nil {
		return
	}
	s := r.source
	if len(s.queue) == 0 || !s.queue[0].folding || s.queue[0].session != w.Session || s.queue[0].Origin != w.Origin ||
		s.queue[0].Last != w.Last {
		return
	}
	a := s.queue[0]
	a.folding = false
	var earlier *Earlier
	switch {
	case errors.As(w.Err, &earlier):
		c.again(w.Origin)
		c.apartFrom(earlier)
		c.later(r)
	case w.Err != nil:
		c.again(w.Origin)
		if errors.Is(w.Err, fault.ErrGone) {
			// What is here of it was let go, or compacted otherwise. Somebody else may have what goes with that.
			c.refuse(r, w.Peer, CauseGone, "a range of its doesn't go with what is here: "+w.Err.Error())
			r.lacks(w.Origin, c.tick)
		} else {
			c.refuse(r, w.Peer, CauseDamaged, "a range of its can't be taken: "+w.Err.Error())
			c.block(w.Origin)
		}
		c.later(r)
	default:
		a.folded, a.First, a.Data, a.before = true, w.After+1, w.Entry, nil
	}
}

// Proposed says what became of proposals.
func (c *Core) Proposed(now Now, outcomes ...Outcome) {
	c.now = now
	for i := range outcomes {
		c.proposed(&outcomes[i])
	}
}

func (c *Core) proposed(x *Outcome) {
	f := c.flying[x.Ticket]
	if f == nil {
		return // of before the replica ceased to lead
	}
	delete(c.flying, x.Ticket)
	a := f.item
	if c.inhand[a.Origin]--; c.inhand[a.Origin] == 0 {
		delete(c.inhand, a.Origin)
	}
	r := c.region(f.region)
	if r == nil || r.source == nil {
		return
	}
	s := r.source
	if x.What == Full {
		s.queue = slices.Insert(s.queue, 0, a)
		s.queued += a.bytes
		return
	}
	if a.session == s.session {
		s.taken += uint64(a.bytes)
		s.ackDue = true
	}
	switch x.What {
	case Taken:
		s.failures = 0
		r.took.add(&a.Item, a.bytes)
		return
	case Missing, Overlapping, Lost:
	case Forked:
		c.refuse(r, s.peer, CauseForked, fmt.Sprintf("%v to %d: %v", a.Origin.At(a.First), a.Last, x.Err))
		c.block(a.Origin)
	case Broken:
		c.refuse(r, s.peer, CauseDamaged, fmt.Sprintf("%v to %d: %v", a.Origin.At(a.First), a.Last, x.Err))
		c.block(a.Origin)
	}
	c.again(a.Origin)
	if s.state != waiting {
		c.later(r)
	}
}

// inHand is what has come of a region's origins and isn't applied: it waits to be proposed, or is on its way through the own
// group's log. Of a replica that doesn't lead there is none.
func (c *Core) inHand(n id.Region) (out id.VersionVector) {
	add := func(o id.Origin, seq id.Seq) {
		if o.Region == n && seq > c.vector.Get(o) && seq > out.Get(o) {
			out = out.With(o, seq)
		}
	}
	for o, seq := range c.expect {
		add(o, seq)
	}
	for _, f := range c.flying {
		add(f.item.Origin, f.item.Last)
	}
	return out
}

// again has an origin asked for from where it is applied: what waits of it is dropped.
func (c *Core) again(o id.Origin) {
	delete(c.expect, o)
	for _, r := range c.table {
		s := r.source
		if s == nil {
			continue
		}
		s.queue = slices.DeleteFunc(s.queue, func(a *arrived) bool {
			if a.Origin != o {
				return false
			}
			s.queued -= a.bytes
			if a.session == s.session {
				s.taken += uint64(a.bytes)
			}
			return true
		})
	}
}
