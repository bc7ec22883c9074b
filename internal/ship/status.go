package ship

import (
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/id"
)

// Status is what a replica knows of the other regions.
type Status struct {
	// Leading says that it gets what other regions have; others know only what the leader tells them.
	Leading bool
	Regions []RegionStatus // by number, without the own one
	// Subscribers are who gets batches from this replica.
	Subscribers []Peer
	// Strays counts packets that didn't concern it.
	Strays uint64
}

// RegionStatus is one of the others.
type RegionStatus struct {
	Number id.Region
	// Known says that something is known of what it has: Vector, as of Age ago. Recalled says that it was known before this replica
	// was started, and that nothing was heard since.
	Known    bool
	Recalled bool
	Vector   id.VersionVector
	Age      time.Duration
	// Heard says that it was ever heard of by this replica itself, Silent how long ago last, and Reachable that this isn't long.
	Heard     bool
	Silent    time.Duration
	Reachable bool
	// Behind is what is missing here of what it has stamped, and Lacks what is missing there of what is stamped here.
	Behind, Lacks Lag
	// Source is who of it sends what is missing here, zero for nobody; Open says that it does.
	Source Peer
	Open   bool
	// Relays are the origins of other regions that it passes on to this one.
	Relays []id.Origin
	// TooFarBehind says that it can't give something that is missing here, and neither can anybody else.
	TooFarBehind bool
	// Reconciling is how far the closing of a large gap has come.
	Reconciling Progress
	// Forked are positions at which it holds something else than this region, one of each origin, which neither takes from the other any more.
	Forked []id.Position
	// Refused counts what was refused, by cause.
	Refused [causes]uint64
	// Sent counts what this replica gave to it, and Taken what this replica's group took from it, since the replica was started.
	Sent, Taken Flow
}

// Flow counts batches and compacted ranges, the bytes of both, and those of them that were ranges'.
type Flow struct{ Batches, Ranges, Bytes, RangeBytes uint64 }

// add counts an item.
func (f *Flow) add(it *Item, bytes int) {
	if it.Range {
		f.Ranges++
		f.RangeBytes += uint64(bytes)
	} else {
		f.Batches++
	}
	f.Bytes += uint64(bytes)
}

// Lag is a distance: in events, in batches as far as they are counted, and in time.
type Lag struct {
	Events  uint64
	Batches int
	Time    time.Duration
}

// Progress is how much of a gap is closed. Total is 0 if there is none.
type Progress struct{ Done, Total uint64 } // events

// Status returns what is known.
func (c *Core) Status() Status {
	out := Status{Leading: c.leading, Strays: c.strays}
	for _, s := range c.subscribers {
		out.Subscribers = append(out.Subscribers, s.peer)
	}
	for _, r := range c.table {
		out.Regions = append(out.Regions, c.regionStatus(r))
	}
	return out
}

func (c *Core) regionStatus(r *region) RegionStatus {
	x := RegionStatus{
		Number: r.Number, Known: r.known, Recalled: r.recalled, Vector: r.vector, Heard: r.heard, Reachable: c.alive(r), Refused: r.refused,
		Sent: r.sent, Taken: r.took,
	}
	if r.known {
		x.Age = time.Duration(max(0, c.now.Mono-r.asOf))
	}
	if r.heard {
		x.Silent = time.Duration(max(0, c.now.Mono-r.wallAt))
	}
	events, nanos := r.behind.lag(c.now.Mono, c.vector)
	x.Behind = Lag{Events: events, Time: time.Duration(nanos)}
	x.Lacks = c.lacks(r)
	if s := r.source; s != nil && s.state != waiting {
		x.Source, x.Open, x.Relays = s.peer, s.state == open, s.relay
		x.Reconciling = r.behind.progress(c.vector)
	}
	for _, f := range r.forksInOrder() {
		x.Forked = append(x.Forked, f.theirs.position())
	}
	for o := range r.tooFar {
		if r.vector.Get(o) > c.expected(o) && !c.mayCome(o) {
			x.TooFarBehind = true
		}
	}
	return x
}

// mayCome reports whether somebody who is heard of has what is missing here of an origin, and hasn't said that it can't give it.
func (c *Core) mayCome(o id.Origin) bool {
	return slices.ContainsFunc(c.table, func(r *region) bool {
		return !r.Removed && c.alive(r) && r.vector.Get(o) > c.expected(o) && !r.couldnt(o)
	})
}

// lacks is what a region lacks of what is stamped here.
func (c *Core) lacks(r *region) Lag {
	if !r.known {
		return Lag{Events: missing(part(c.vector, c.cfg.Self.Region), id.VersionVector{}), Time: time.Duration(c.own.since(c.now.Mono, 0))}
	}
	own := c.cfg.Origin
	has := r.vector.Get(own)
	x := Lag{Events: missing(part(c.vector, own.Region), r.vector)}
	if x.Events > 0 {
		x.Batches = c.hot.count(own, has)
		x.Time = time.Duration(c.own.since(c.now.Mono, has))
	}
	return x
}

// Covered is how many other regions have reported, since this replica was started, a vector that covers a position: what they have,
// a quorum of them has. Who hasn't said by what that ends doesn't count, nor does who holds something else: it may have the number alone.
func (c *Core) Covered(p id.Position) (regions int) {
	for _, r := range c.table {
		_, forked := r.forks[p.Origin()]
		if r.known && !r.recalled && !r.Removed && r.ends && !forked && r.vector.Covers(p) {
			regions++
		}
	}
	return regions
}

// Vectors are what the regions of the table reported, the own one not among them; a region that never did has none. What all of
// them cover, no region lacks.
func (c *Core) Vectors() map[id.Region]id.VersionVector {
	out := map[id.Region]id.VersionVector{}
	for _, r := range c.table {
		if !r.Removed {
			out[r.Number] = r.vector
		}
	}
	return out
}

// Word is what another region was heard to hold, since this replica was started.
type Word struct {
	Region id.Region
	Vector id.VersionVector
	// Age is how long ago it was so, and Silent says that this replica hasn't heard from it lately.
	Age    time.Duration
	Silent bool
}

// Words calls yield for every other region of the table of which there is one; it is a range-over-func iterator.
func (c *Core) Words(yield func(Word) bool) {
	for _, r := range c.table {
		if r.known && !r.recalled && !r.Removed && !yield(Word{
			Region: r.Number, Vector: r.vector, Age: time.Duration(max(0, c.now.Mono-r.asOf)), Silent: c.tick-r.heardAt > c.cfg.Ticks.Silence,
		}) {
			return
		}
	}
}
