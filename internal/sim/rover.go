package sim

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// What a client does in a run of regions, beside what it does with a group: it goes from region to region, with requests that
// it misses the answer to and with those that were answered long ago, and takes back elsewhere what it wrote here.

// roam takes a client that does so to another region, now and then: once in n times.
func (c *writer) roam(n int) {
	f := c.f
	if !c.roams || n > 1 && f.rng.IntN(n) > 0 {
		return
	}
	g := f.province.globe
	to := g.regions[f.rng.IntN(len(g.regions))]
	if to != f && to.province.begun && !to.province.shut {
		c.f, c.leader = to, nil
	}
}

// hedge sends a request to another region as well, now and then, before the first one has answered.
func (c *writer) hedge(o *op) {
	if !c.roams || o.only != nil || c.f.rng.IntN(6) > 0 {
		return
	}
	c.flush()
	c.roam(1)
	c.send(o)
}

// goWhere takes it to the one region that a request is for, if it's for one.
func (c *writer) goWhere(o *op) {
	if o.only != nil && o.only != c.f {
		c.f, c.leader = o.only, nil
	}
}

// refuses reports whether whom it takes for the leader must refuse a request under the name of another one: in a group
// always, in regions where that is known.
func (c *writer) refuses(o *op) bool {
	if c.f.province == nil {
		return true
	}
	m := c.target()
	return !c.f.province.globe.loses && m != nil && o.acked && m.process.base.Engine.Vector().Covers(o.receipt.First)
}

// only is the region in which such a request is refused.
func (c *writer) only(*op) *fleet {
	if c.f.province == nil {
		return nil
	}
	return c.f
}

// undoElsewhere makes an undo of what is to be taken back, where the region didn't stamp it.
func (c *writer) undoElsewhere(p *record.Proposed) {
	if c.f.province == nil || p.Kind != record.KindCompensate || p.Compensation.Original.Origin() == c.f.origin {
		return
	}
	if c.f.province.globe.forgets {
		*p = record.Proposed{}
		c.f.inventSignal(p)
		return
	}
	at := p.Compensation.Original
	*p = record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: at}}
}

// asUndone makes an undo what a database of the region makes of it: the region that stamped the event takes it back, and another one has
// that asked for. By its hash it's one request, wherever it's sent. It reports whether that is another record than it was.
func (f *fleet) asUndone(p *record.Proposed) bool {
	at, ok := undoes(p)
	was := p.Kind
	switch {
	case f.province == nil || !ok:
		return false
	case at.Region == f.origin.Region:
		*p = record.Proposed{Kind: record.KindCompensate, Compensation: record.Compensation{Original: at}, Key: p.Key, Trace: p.Trace}
	default:
		*p = record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: at}, Key: p.Key, Trace: p.Trace}
	}
	return p.Kind != was
}

// undoes returns what a record takes back, if that is what it's for.
func undoes(p *record.Proposed) (id.Position, bool) {
	switch p.Kind {
	case record.KindCompensate:
		return p.Compensation.Original, true
	case record.KindUndo:
		return p.Undo.Original, true
	}
	return id.Position{}, false
}

// refusedInRegion reports whether a request may be refused like this where there are regions, and what comes of it.
func (p *resident) refusedInRegion(a *attempt, err error) bool {
	f, o := p.m.f, a.op
	_, isUndo := undoes(&o.request[0])
	var only *fault.ReadOnly
	var in *fault.Input
	switch {
	case errors.As(err, &only):
		if p.base.Engine.Role() != engine.RoleFollower {
			f.breaks(fmt.Errorf("%s: %v is refused by a region that takes writes: %w", p.m.name, o, err))
		}
		if c, ok := a.client.(*writer); ok {
			c.roam(1)
		}
		o.over = o.over || !o.retried() || o.only != nil
		f.report.Regions.ReadOnly++
		return true
	case errors.Is(err, fault.ErrUndone):
		// Another client, or a copy in another region, was quicker.
		o.over = f.province.globe.mayBeUndone(o)
		return o.over
	case errors.Is(err, fault.ErrNotFound) && isUndo:
		// What it takes back hasn't arrived, or hadn't when it was looked at, and never will if it was lost with a region. It's
		// asked again, and the run doesn't end before it's answered.
		o.over = o.over || !o.retried() || f.closing && f.province.globe.loses
		return true
	case errors.As(err, &in) && in.Field == "region" && f.province.globe.loses:
		// That it's home lay in what its disk has lost, and it may hear of that again.
		f.province.globe.clerk.elsewhere(o, p.base.Engine.Home())
		return true
	case errors.Is(err, fault.ErrForked), errors.Is(err, fault.ErrRetryTooOld):
		o.over = true
		return f.province.globe.loses
	}
	return false
}

// mayBeUndone reports whether what a request takes back may be taken back already.
func (g *globe) mayBeUndone(o *op) bool {
	at, _ := undoes(&o.request[0])
	if g.ledger.tried[at] > 1 {
		return true
	}
	of := g.books.ownerOf(at)
	return of != nil && (of.attempts > 1 || o.attempts > 1)
}

// geoWait is a request that waits for another region to have it.
type geoWait struct {
	op    *op
	last  id.Position
	until int64
}

// geoPatience is how long somebody waits for that.
const geoPatience = 5 * second

// wantsGeo has every fifth request wait until another region has it.
func (p *resident) wantsGeo(o *op, last id.Position) {
	f := p.m.f
	if o.number%5 == 0 && !o.geo && last.Origin() == f.origin {
		p.geo = append(p.geo, geoWait{o, last, f.now + geoPatience})
	}
}

// watchGeo looks which of them another region has by now.
func (p *resident) watchGeo() {
	f := p.m.f
	keep := p.geo[:0]
	for _, w := range p.geo {
		switch {
		case p.step.Ship().Covered(w.last) > 0:
			w.op.geo = true
			f.report.Regions.Geo++
			f.tell(p.m, "geo", w.op.number, uint64(w.last.Seq), "")
		case f.now > w.until:
			f.report.Regions.GeoPending++
		default:
			keep = append(keep, w)
		}
	}
	p.geo = keep
}

// countsBy reports whether a request counts by an attempt.
func (o *op) countsBy(a *attempt) bool {
	for _, t := range o.twins {
		if t.by == a {
			return true
		}
	}
	return false
}
