package replica

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// flush stamps batches, and proposes those of other origins, until nothing waits or the disk has enough to do. One of the
// own and some of others share an append.
func (c *Core) flush() error {
	for c.Ripe() {
		if err := c.proposeForeign(); err != nil {
			return err
		}
		if c.stampable() {
			if err := c.stampBatch(); err != nil {
				return err
			}
		}
		c.pump()
	}
	return nil
}

// Ripe reports whether something waits that can be stamped now, and [Core.Flush] is due. After most inputs it was
// done with them; a tick may end what held it back.
func (c *Core) Ripe() bool {
	return c.leading && !c.transferring && len(c.storing) < maxPersisting && (c.stampable() || c.foreignRipe())
}

// stampable reports whether requests wait that may be stamped now, and not too much is stamped already.
func (c *Core) stampable() bool {
	return len(c.queue) > 0 && len(c.stamped) < c.cfg.MaxStamped && !c.listens() && c.suspicion.IsZero()
}

// stampBatch turns requests from the head of the queue into one batch and proposes it. Requests that turn out to be
// retries, or wrong, are answered and leave the queue. An error is a mistake of ours.
func (c *Core) stampBatch() error {
	limit := len(c.queue)
	for {
		before := c.counters()
		taken, bad, err := c.fill(limit)
		if bad < 0 && err == nil {
			return c.propose(taken, before)
		}
		c.restore(before)
		if errors.Is(err, errFull) {
			limit = taken
			continue
		}
		if bad < 0 {
			// No stamp can be made now: the clock is at fault, not a request.
			for _, w := range c.queue {
				c.drop(w, err)
			}
			c.queue = nil
			return nil
		}
		// One request can't be written. It leaves, and the others are stamped anew.
		var input *fault.Input
		if !errors.As(err, &input) && !errors.Is(err, fault.ErrUndone) && !errors.Is(err, fault.ErrNotFound) &&
			!errors.Is(err, fault.ErrReadOnly) {
			return fmt.Errorf("stamp: %w", err)
		}
		c.refuse(c.queue[bad], err, c.queue[bad].receipt.First.Seq)
		c.queue = append(c.queue[:bad:bad], c.queue[bad+1:]...)
		if limit = len(c.queue); limit == 0 {
			return nil
		}
	}
}

// counters is what stamping moves, to be put back when nothing comes of it.
type counters struct {
	clock  hlc.Clock
	next   id.Seq
	suffix int
}

func (c *Core) counters() counters { return counters{c.clock, c.next, c.suffix.len()} }

func (c *Core) restore(b counters) {
	c.clock, c.next = b.clock, b.next
	c.suffix.rollback(b.suffix)
}

// errFull says that a record didn't fit what was left of the batch.
var errFull = errors.New("batch is full")

// fill stamps requests from the head of the queue, at most limit, into the builder until the batch is full. It returns
// how many it went through; or the request, by its place in the queue, that can't be written, and why; or −1 and why
// no stamp can be made at all; or errFull and how many fit.
func (c *Core) fill(limit int) (taken, bad int, err error) {
	current, hash := c.engine.Schema()
	peek := c.clock
	base, err := peek.Stamp(c.now.millis(), 0)
	if err != nil {
		return 0, -1, err
	}
	err = c.builder.Reset(record.Head{
		Origin: c.cfg.Origin, First: c.next, Timestamp: uint64(c.now.Wall), Base: base, Schema: hash,
		Level: uint32(max(1, c.engine.Level())),
	})
	if err != nil {
		return 0, 0, err
	}
	for i, w := range c.queue[:limit] {
		first := c.builder.Len() == 0
		if !first && !c.fits(w.Request) {
			return i, -1, nil
		}
		if err := c.allowed(w); err != nil {
			return 0, i, err
		}
		if w.Schema != hash && !schemaless(w) {
			return 0, i, fault.Refuse("schema", "was changed while the request waited; send it again")
		}
		if c.isRetry(w.Request) {
			continue // answered in propose, once the batch is certain
		}
		w.receipt = Receipt{First: c.cfg.Origin.At(c.next), Count: len(w.Records)}
		for j := range w.Records {
			if err := c.stampRecord(w, j, current); err != nil {
				switch {
				case errors.Is(err, fault.ErrClock):
					return 0, -1, err
				case errors.Is(err, errFull) && first:
					return 0, i, tooLarge(c.builder.Size())
				case errors.Is(err, errFull):
					return i, -1, err
				}
				return 0, i, fault.At(j, err)
			}
		}
		c.suffix.request(w)
	}
	return limit, -1, nil
}

// fits reports whether it is worth trying to fit a request into what is left of the batch.
func (c *Core) fits(r *Request) bool {
	return c.builder.Len()+len(r.Records) <= record.MaxRecords && c.builder.Size()+r.bound <= record.MaxBatch
}

// schemaless reports whether it doesn't matter to a request which schema is the current one: it brings one itself, tells of
// regions, or takes an event back, with the event's own schema.
func schemaless(w *waiting) bool {
	switch w.Records[0].Kind {
	case record.KindSchemaVersion, record.KindFormatLevel, record.KindRegion, record.KindEndpoints, record.KindHome,
		record.KindUndo:
		return true
	}
	return w.takesBack.Seq != 0
}

// propose hands the batch to consensus. The requests before taken were stamped, or are retries.
func (c *Core) propose(taken int, before counters) error {
	requests := c.queue[:taken]
	c.queue = c.queue[taken:]
	p := &proposal{}
	for _, w := range requests {
		if err := c.settleRetry(w); err == nil {
			continue
		} else if !errors.Is(err, errFresh) {
			c.refuse(w, err, c.next)
			continue
		}
		p.requests = append(p.requests, w)
	}
	if len(p.requests) == 0 {
		return nil
	}
	data, err := c.builder.Finish(nil)
	if err != nil {
		return fmt.Errorf("finish batch: %w", err)
	}
	if err := c.node.Propose(data); err != nil {
		c.counts.dropped++
		c.restore(before)
		c.withdrawRefusals(c.next, err)
		for _, w := range p.requests {
			c.drop(w, err)
			for _, retry := range w.retries {
				c.drop(retry, err)
			}
		}
		return nil
	}
	c.pump()
	p.entryName, p.data = c.created, data
	c.life.proposed(c.now, p)
	c.suffix.name(before.suffix, p.index)
	c.stamped = append(c.stamped, p)
	return nil
}

// stampRecord gives record j of a request its position, time and stamp, and adds it to the batch.
func (c *Core) stampRecord(w *waiting, j int, current *schema.Schema) error {
	p := &w.Records[j]
	stamp, err := c.clock.Stamp(c.now.millis(), 0)
	if err != nil {
		return err
	}
	m := record.Meta{HLC: stamp, Key: p.Key, Trace: p.Trace}
	c.time(&m, p, current, &w.receipt)
	if w.Producer != "" {
		m.Lane = record.Lane{Producer: w.Producer, Request: w.Number, Index: uint32(j)}
	}
	if m.Begins() {
		m.Content, m.Count = w.Content, uint32(len(w.Records))
	}
	given := p.Signal.Creator
	err = c.add(w, p, &m, current)
	p.Signal.Creator = given // the request may be stamped again, when the item has another
	return err
}

// add fills in the facts that apply must not look up, and adds a record to the batch.
func (c *Core) add(w *waiting, p *record.Proposed, m *record.Meta, current *schema.Schema) error {
	if err := c.facts(w, p, current); err != nil {
		return err
	}
	if floor := c.floor(p, w.Token); floor > m.HLC {
		m.Stamp = floor
	}
	if err := c.builder.AddProposed(m, p); err != nil {
		var in *fault.Input
		if errors.As(err, &in) && in.Field == "batch" {
			return errFull
		}
		return err
	}
	c.suffix.record(p, m)
	c.next++
	return nil
}

// time sets the event time: the client's, brought back to the bound when it lies too far ahead, or now.
func (c *Core) time(m *record.Meta, p *record.Proposed, current *schema.Schema, r *Receipt) {
	now := c.now.millis()
	if !p.HasTime {
		m.Time, m.TimeAssigned = now, true
		return
	}
	m.Time = p.Time
	if current == nil {
		return
	}
	if limit := now + current.FutureBound.Milliseconds(); m.Time > limit {
		m.Time, m.TimeClamped = limit, true
		r.Clamped++
	}
}

// floor is the least stamp under which a record overrides the registers that it writes. Stamps rise with the
// clock, so there is something to look up only when a wild clock somewhere has stamped ahead of it.
func (c *Core) floor(p *record.Proposed, token hlc.Timestamp) hlc.Timestamp {
	floor := hlc.Timestamp(0)
	if token >= c.clock.Last() && writesRegisters(p) {
		floor = token + 1
	}
	if c.engine.HighestRegister() >= c.clock.Last() {
		if r := c.engine.RegisterStamp(p); r != 0 {
			floor = max(floor, r+1)
		}
	}
	if c.suffix.highest >= c.clock.Last() {
		floor = max(floor, c.suffix.registerFloor(p))
	}
	return floor
}
