package replica

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/record"
)

// offered says what would become of an entry of another origin behind everything that is under way: Applied or Parked if it
// may be proposed. Whatever would stop a replica that applies it is an error here, before it is in anybody's log.
func (c *Core) offered(f *Foreign) (engine.Result, error) {
	r, err := f.locate()
	if err != nil {
		return r, err
	}
	if c.newer(r.Origin) || r.Origin == c.cfg.Origin && r.Last >= c.next {
		if c.suspect(r.Origin.At(r.Last)); c.behind == nil {
			return r, c.notLeader() // as far as is known
		}
		return r, c.behind
	}
	if end := c.foreign.ends[r.Origin]; end != 0 {
		r.Outcome, err = c.behindFlight(&r, end, f)
	} else {
		r.Outcome, err = f.offer(c.engine)
	}
	return r, err
}

// locate says where an entry belongs, and refuses what can't be read to its end. A kind of records that this program doesn't
// know makes its origin wait, with all replicas of the group; it is no damage. A batch is open behind it.
func (f *Foreign) locate() (engine.Result, error) {
	if engine.IsRange(f.Data) {
		x, err := engine.DecodeEntry(f.Data)
		if err != nil {
			return engine.Result{}, fmt.Errorf("open range: %w", err)
		}
		return engine.Result{Origin: x.Range.Origin, First: x.Range.First, Last: x.Range.Last}, nil
	}
	if f.Batch != nil {
		return placeOf(f.Batch), nil
	}
	b, err := record.Open(f.Data)
	if err != nil {
		return engine.Result{}, fmt.Errorf("open batch: %w", err)
	}
	r := placeOf(&b)
	if err := b.Verify(); err != nil && !errors.Is(err, fault.ErrFormatTooNew) {
		return r, fmt.Errorf("batch %v: %w", r.Origin.At(r.First), err)
	}
	f.Batch = &b
	return r, nil
}

func placeOf(b *record.Batch) engine.Result {
	return engine.Result{Origin: b.Origin(), First: b.Header.First, Last: b.Header.Last}
}

// offer says what an engine would do with it; it was located.
func (f *Foreign) offer(e *engine.Engine) (engine.Outcome, error) {
	if f.Batch != nil {
		return e.OfferBatch(f.Batch)
	}
	return e.Offer(f.Data)
}

// behindFlight holds an entry against what is under way of its origin, up to number end.
func (c *Core) behindFlight(r *engine.Result, end id.Seq, f *Foreign) (engine.Outcome, error) {
	switch {
	case r.First > end+1 && !planted.SkipGap:
		return engine.Gap, nil
	case r.Last <= end:
		if r.Last > c.engine.Received(r.Origin) {
			return engine.Duplicate, c.foreign.sameInFlight(r, f.Data)
		}
		return f.offer(c.engine)
	case r.First > end:
		return engine.Applied, nil
	case engine.IsRange(f.Data):
		return 0, fmt.Errorf("range %v…%d begins before %d, the end of what is under way: %w", r.Origin.At(r.First), r.Last,
			end, fault.ErrOverlap)
	}
	return 0, fmt.Errorf("batch %v…%d overlaps what is under way up to %d: %w", r.Origin.At(r.First), r.Last, end,
		fault.ErrForked)
}

// Ahead tells of an event of the own origin that somebody else has. If it is one that this leader has never stamped, the
// group has lost the end of its log, or goes on beside a newer incarnation of itself: it stops stamping until it is one. Or another
// member leads by now and has stamped it; so nothing is stamped until a quorum has said that this one still does.
func (c *Core) Ahead(now Now, p id.Position) {
	c.now = now
	if c.leading && c.unknownHere(p) {
		c.suspect(p)
	}
}

// unknownHere reports whether a position is one of the own group's that this leader has never given out.
func (c *Core) unknownHere(p id.Position) bool {
	o := p.Origin()
	return c.newer(o) || o == c.cfg.Origin && p.Seq >= c.next
}

// suspect notes what somebody has, and asks whether this replica still leads.
func (c *Core) suspect(p id.Position) {
	if c.behind != nil {
		return
	}
	asked := !c.suspicion.IsZero()
	c.suspicion = p
	if !asked {
		c.reads.waiting = append(c.reads.waiting, reading{suspicion: true})
		c.ask()
	}
}

// confirmed says that this replica led when it asked, behind the word that made it suspicious.
func (c *Core) confirmed() {
	p := c.suspicion
	c.suspicion = id.Position{}
	if c.leading && !p.IsZero() && c.unknownHere(p) {
		c.ahead(p)
	}
}

// newer reports whether an origin is a later incarnation of the own one.
func (c *Core) newer(o id.Origin) bool {
	own := c.cfg.Origin
	return o.Region == own.Region && o.Shard == own.Shard && o.Incarnation > own.Incarnation
}

// Forked tells of an event that this leader has stamped, and in whose place another region holds another one: the group stamped it
// twice, the second time on an older copy of its disk. It stops stamping until it's a new incarnation.
func (c *Core) Forked(now Now, p id.Position, by id.Region) {
	c.now = now
	if !c.leading || p.Origin() != c.cfg.Origin || c.behind != nil {
		return
	}
	c.stop(fmt.Errorf("region %d holds another event than this one at %v, which this region stamped: it was started on an old copy of its "+
		"disk, and has stamped anew what others hold already; the two stay different until one of them begins anew with a copy, and "+
		"`tidal cluster recover` goes on as a new incarnation: %w", by, p, fault.ErrForked))
}

// ahead stops the core from stamping.
func (c *Core) ahead(p id.Position) {
	if c.behind != nil {
		return
	}
	c.stop(fmt.Errorf("another region has event %v of this region, whose log ends before event %v: the end of the log "+
		"is lost, or this is an old copy; `tidal cluster recover` goes on as a new incarnation: %w",
		p, c.cfg.Origin.At(c.next), fault.ErrForked))
}

// stop ends stamping. What waits was not written.
func (c *Core) stop(why error) {
	c.behind = why
	for _, w := range c.queue {
		c.drop(w, c.behind)
	}
	c.queue = nil
}
