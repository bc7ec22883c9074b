package ship

import (
	"slices"

	"github.com/tidaldb/tidal/internal/id"
)

// Each origin is taken from its own region as long as that can be reached and has what is missing. Else another region relays it.

// relay is who relays an origin.
type relay struct {
	via   id.Region
	has   bool
	since int // since when its own region has had less than others
}

// assign decides from whom each origin is taken, and asks anew where that has changed.
func (c *Core) assign() {
	for _, o := range c.strayOrigins() {
		c.choose(o)
	}
	for _, r := range c.table {
		if r.Removed || len(r.replicas()) == 0 {
			continue
		}
		if r.source == nil {
			r.source = &source{state: waiting, retryAt: c.tick}
			if !c.alive(r) {
				r.heard, r.heardAt = false, c.tick // it gets as long as anybody to say something
			}
		}
		if s := r.source; s.state != waiting && !slices.Equal(s.relay, c.relayed(r.Number)) {
			c.ask(r)
		}
	}
}

// strayOrigins are those that somebody has beside their own region.
func (c *Core) strayOrigins() []id.Origin {
	var all []id.Origin
	for _, r := range c.table {
		for o := range r.vector.All {
			if o.Region != r.Number && o != c.cfg.Origin && c.inTable(o) {
				all = append(all, o)
			}
		}
	}
	slices.SortFunc(all, id.Origin.Compare)
	return slices.Compact(all)
}

// choose decides who relays an origin, if anybody.
func (c *Core) choose(o id.Origin) {
	now := c.relays[o]
	best := c.furthest(o)
	ahead := best != nil && best.vector.Get(o) > c.expected(o)
	if c.isForked(o) || !c.homeless(o, ahead, &now) {
		now.has = false
		c.relays[o] = now
		return
	}
	via := c.region(now.via)
	stays := now.has && via != nil && !via.Removed && c.alive(via) && !c.cant(via, o)
	if stays {
		// Who has no more than is here is as good as anybody, unless somebody has more.
		stays = via.vector.Get(o) > c.expected(o) || !ahead && via.vector.Get(o) == c.expected(o)
	}
	switch {
	case stays:
	case ahead:
		now.via, now.has = best.Number, true
	default:
		now.has = false
	}
	c.relays[o] = now
}

// homeless reports whether an origin's own region can't be had, or lacks for long what others have.
func (c *Core) homeless(o id.Origin, ahead bool, now *relay) bool {
	home := c.region(o.Region)
	switch {
	case o.Region == c.cfg.Self.Region:
		return ahead || now.has
	case home.Removed, len(home.replicas()) == 0, c.tick-home.heardAt > c.cfg.Ticks.Silence, home.couldnt(o):
		return true
	case !ahead || !home.known || home.vector.Get(o) > c.expected(o):
		now.since = 0
		return false
	case now.since == 0:
		now.since = c.tick
		return false
	}
	return c.tick-now.since > c.cfg.Ticks.Silence
}

// furthest is the region, other than an origin's own, that has most of it, of those that can be reached.
func (c *Core) furthest(o id.Origin) *region {
	var best *region
	for _, r := range c.table {
		if r.Number == o.Region || r.Removed || len(r.replicas()) == 0 || !c.alive(r) || c.cant(r, o) {
			continue
		}
		if best == nil || r.vector.Get(o) > best.vector.Get(o) {
			best = r
		}
	}
	return best
}

// relayed are the origins that a region relays to this one.
func (c *Core) relayed(via id.Region) []id.Origin {
	var out []id.Origin
	for o, x := range c.relays {
		if x.has && x.via == via {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, id.Origin.Compare)
	return out
}
