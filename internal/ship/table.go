package ship

import (
	"maps"
	"slices"

	"github.com/tidaldb/tidal/internal/id"
)

// Region is a row of the region table, as far as shipping is concerned.
type Region struct {
	Number id.Region
	// Name is what it's called, empty if nobody has said.
	Name string
	// Replicas are the numbers of its replicas; they may be none.
	Replicas []uint64
	// Removed says that it is no more: nobody subscribes there, and others relay what it stamped.
	Removed bool
}

// region is what a core knows of a region.
type region struct {
	Region
	guest bool // it isn't in the table that the driver gave
	// known says that something was reported of it: vector, as of asOf. direct says that it said so itself.
	known  bool
	direct bool
	// recalled says that it was reported before this replica was started: nobody has said anything since.
	recalled bool
	// greeted says that it was heard of since then, and greeting what it had the first time.
	greeted  bool
	greeting id.VersionVector
	// answered says that its leader answered a subscription of this replica, and answer what it had then: what was on its way since
	// before this replica was started doesn't count as that, nor what another replica there says, which may be behind. inhand is what
	// it has of this region beside, on its way into its log.
	answered bool
	answer   id.VersionVector
	inhand   id.VersionVector
	vector   id.VersionVector
	asOf     int64
	// heardAt is the tick of the last packet from it, and wall its clock then, in milliseconds, read at wallAt.
	heardAt int
	heard   bool
	wall    int64
	wallAt  int64
	leader  uint64   // who leads it, as far as it's known
	met     []uint64 // replicas that were heard of and aren't in the table: a new region says last where it is
	behind  behind   // how far we are behind it
	source  *source
	refused [causes]uint64
	sent    Flow // to it
	took    Flow // from it
	told    [causes]told
	tooFar  map[id.Origin]int  // what it couldn't give us from where we stand, and the tick in which it said so last
	forks   map[id.Origin]fork // of which it holds something else
	ends    bool               // it has said by what the own origin ends there, if it knows
	future  map[id.Origin]int  // since which tick it claims more than there is
	// processes are those of its replicas that subscribed here last.
	processes map[uint64]uint32
}

// Regions says who is there: the whole region table, with the own region. A database that never had a second region has none.
func (c *Core) Regions(now Now, list []Region) {
	c.now = now
	c.tabled = true
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Region) int { return int(a.Number) - int(b.Number) })
	table := make([]*region, 0, len(list))
	c.mates, c.name = nil, ""
	for _, x := range list {
		if x.Number == c.cfg.Self.Region {
			c.name = x.Name
			for _, n := range x.Replicas {
				if n != c.cfg.Self.Replica {
					c.mates = append(c.mates, n)
				}
			}
			continue
		}
		r := c.region(x.Number)
		if r == nil {
			r = &region{heardAt: c.tick}
			c.recall(x.Number, r)
		}
		if !slices.Equal(r.Replicas, x.Replicas) {
			r.met = slices.DeleteFunc(r.met, func(n uint64) bool { return slices.Contains(x.Replicas, n) })
		}
		if x.Removed && !r.Removed {
			c.settled(x.Number)
		}
		r.Region, r.guest = x, false
		table = append(table, r)
	}
	for _, r := range c.table {
		switch {
		case slices.Contains(table, r):
		case r.guest:
			table = append(table, r)
		default:
			c.leave(r)
		}
	}
	slices.SortFunc(table, func(a, b *region) int { return byNumber(a, b.Number) })
	c.table = table
	for _, r := range c.table {
		if r.Removed {
			c.leave(r)
			r.forks = nil
		}
	}
	if c.leading {
		c.assign()
	}
}

// settled forgets who couldn't give the origins of a region that is removed now. If they had two histories they have one from here on,
// that of whoever has it, and all are asked again.
func (c *Core) settled(removed id.Region) {
	for _, r := range c.table {
		maps.DeleteFunc(r.tooFar, func(o id.Origin, _ int) bool { return o.Region == removed })
	}
}

// region finds another region's row.
func (c *Core) region(n id.Region) *region {
	i, ok := slices.BinarySearchFunc(c.table, n, byNumber)
	if !ok {
		return nil
	}
	return c.table[i]
}

// inTable reports whether an origin's region is known, its own included.
func (c *Core) inTable(o id.Origin) bool {
	return o.Region == c.cfg.Self.Region || c.region(o.Region) != nil
}

// alive reports whether a region was heard of lately.
func (c *Core) alive(r *region) bool {
	return r.heard && c.tick-r.heardAt <= c.cfg.Ticks.Silence
}

// heard takes what a packet says of its sender and of others.
func (c *Core) heard(r *region, p *Packet) {
	pulse := &p.Pulse
	r.heard, r.heardAt = true, c.tick
	r.meet(p.From.Replica)
	if s := r.source; s != nil && s.unreached == p.From.Replica {
		s.unreached = 0
	}
	r.wall, r.wallAt = pulse.Wall, c.now.Mono
	if pulse.Leads {
		r.leader = p.From.Replica
	} else if pulse.Leader != 0 {
		r.leader = pulse.Leader
	}
	// A replica that doesn't lead may be behind its leader, but what it has its group has.
	vector := pulse.Vector
	if r.direct && !pulse.Leads && !vector.Includes(r.vector) {
		vector = r.vector.Merge(vector)
	}
	c.report(r, vector, c.now.Mono, true)
	r.greet()
	if pulse.Leads && p.tellsAll() {
		r.inhand = id.VersionVector{}
	}
	for i := range pulse.Knows {
		k := &pulse.Knows[i]
		x := c.region(k.Region)
		if x == nil {
			if k.Region == c.cfg.Self.Region && pulse.Leads {
				r.inhand = k.Vector
				c.claim(k.Vector.Get(c.cfg.Origin))
			}
			continue
		}
		age := int64(min(k.Age, uint64(1)<<40)) * 1e6
		if asOf := c.now.Mono - age; !x.known || asOf > x.asOf && !c.alive(x) {
			c.report(x, k.Vector, asOf, false)
		}
	}
	r.ends = r.ends || p.saysEnd(c.cfg.Origin)
	c.compare(p)
}

// maxMet bounds the replicas of a region that aren't in the table.
const maxMet = 8

// meet notes a replica that spoke.
func (r *region) meet(n uint64) {
	if slices.Contains(r.Replicas, n) || slices.Contains(r.met, n) {
		return
	}
	if r.met = append(r.met, n); len(r.met) > maxMet {
		r.met = r.met[1:]
	}
}

// replicas are those that can be asked. All that the table has may be no more: then one that has spoken helps.
func (r *region) replicas() []uint64 {
	if len(r.met) == 0 {
		return r.Replicas
	}
	return append(slices.Clone(r.Replicas), r.met...)
}

// has reports whether a replica can be asked.
func (r *region) has(n uint64) bool {
	return slices.Contains(r.Replicas, n) || slices.Contains(r.met, n)
}

// report notes a region's vector.
func (c *Core) report(r *region, vector id.VersionVector, asOf int64, direct bool) {
	vector = c.plausible(r, vector)
	changed := !r.known || !r.vector.Equal(vector)
	r.known, r.vector, r.asOf, r.direct, r.recalled = true, vector, asOf, direct, false
	r.behind.saw(part(vector, r.Number), asOf, c.vector)
	if changed && c.leading {
		c.assign()
	}
}

// Heard reports whether each other region's leader has answered a subscription of this replica, and so has said since this
// replica was started what it has, and what it is about to have; and nobody's batch of the own origin waits to be compared.
func (c *Core) Heard() bool {
	if !c.tabled || c.proves() {
		return false // who there is isn't known yet
	}
	for _, r := range c.table {
		if !r.Removed && !r.answered {
			return false
		}
	}
	return true
}

// part is what a vector says of a region's own origins.
func part(v id.VersionVector, n id.Region) id.VersionVector {
	same := true
	for o := range v.All {
		same = same && o.Region == n
	}
	if same {
		return v
	}
	var out id.VersionVector
	for o, seq := range v.All {
		if o.Region == n {
			out = out.With(o, seq)
		}
	}
	return out
}

// plausible takes out of a vector what can't be: more of the own origin than was stamped, and more of another one than its own
// region says there is, for some time.
func (c *Core) plausible(r *region, vector id.VersionVector) id.VersionVector {
	out := vector
	for o, seq := range vector.All {
		if o == c.cfg.Origin {
			if have := c.vector.Get(o); seq > have {
				c.claim(seq)
				out = out.With(o, have)
			}
			continue
		}
		if home := c.region(o.Region); home != nil && home != r {
			out = c.believable(r, home, out, o, seq)
		}
	}
	return out
}

// claim notes that somebody has an event of the own origin.
func (c *Core) claim(seq id.Seq) {
	if seq > c.vector.Get(c.cfg.Origin) {
		c.claimed = max(c.claimed, seq)
		c.tellAhead()
	}
}

// tellAhead says that others have more of the own origin than there is. Of a replica that doesn't lead that means nothing: it
// may be behind its leader. What it heard then counts once it leads, for then it has what its group has.
func (c *Core) tellAhead() {
	if c.leading && c.claimed > max(c.ahead, c.vector.Get(c.cfg.Origin)) {
		c.ahead = c.claimed
		c.out.Ahead = append(c.out.Ahead, c.cfg.Origin.At(c.claimed))
	}
}

// believable holds what a region claims of an origin against what the origin's own leader says. That may come a moment later.
func (c *Core) believable(r, home *region, vector id.VersionVector, o id.Origin, seq id.Seq) id.VersionVector {
	if !home.direct || !c.alive(home) || seq <= max(home.vector.Get(o), c.vector.Get(o)) {
		delete(r.future, o)
		return vector
	}
	since, ok := r.future[o]
	if !ok {
		if r.future == nil {
			r.future = map[id.Origin]int{}
		}
		if len(r.future) < maxOrigins {
			r.future[o] = c.tick
		}
		return vector
	}
	if c.tick-since <= c.cfg.Ticks.Silence {
		return vector
	}
	c.refuse(r, Peer{Region: r.Number}, CauseFuture, "it says that it has "+o.At(seq).String()+", and that origin's own region doesn't")
	return vector.With(o, max(home.vector.Get(o), c.vector.Get(o)))
}

// knows is what is known of all regions but one, for that one to read. Of itself it's told what of its events is on its way into
// this group's log: it may have lost them itself, and stamp others in their places.
func (c *Core) knows(but id.Region) []Report {
	var out []Report
	for _, r := range c.table {
		switch {
		case len(out) == maxReports:
		case r.Number == but:
			if v := c.inHand(but); v.Len() > 0 {
				out = append(out, Report{Region: but, Vector: v})
			}
		case r.known && !r.recalled: // else it's older than any other's word, or they know it by themselves
			out = append(out, Report{r.Number, r.vector, uint64(max(0, c.now.Mono-r.asOf)) / 1e6})
		}
	}
	return out
}

// news tells the other replicas of the own region what is known.
func (c *Core) news() {
	if c.tick-c.newsAt < c.cfg.Ticks.Heartbeat || len(c.table) == 0 {
		return
	}
	c.newsAt = c.tick
	for _, n := range c.mates {
		c.send(Peer{c.cfg.Self.Region, n}, Packet{Kind: PacketNews}, true)
	}
}

// told takes news from the own region's leader, or, of a fork, from another replica of it.
func (c *Core) told(p *Packet) {
	c.compare(p)
	for i := range p.Pulse.Knows {
		k := &p.Pulse.Knows[i]
		r := c.region(k.Region)
		if r == nil {
			continue
		}
		age := int64(min(k.Age, uint64(1)<<40)) * 1e6
		if asOf := c.now.Mono - age; !r.known || asOf > r.asOf {
			c.report(r, k.Vector, asOf, false)
			if k.Age < late {
				r.greet()
			}
		}
	}
}
