package ship

import (
	"math"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
)

// What a leader does to get what other regions have.

// source is the subscription at another region.
type source struct {
	state   state
	peer    Peer
	session uint64
	relay   []id.Origin // beside the region's own
	since   int         // when the state began
	heardAt int
	// next is the number of the next packet with data; later ones wait in early, of which there are earlyBytes, since holeAt.
	next       uint64
	early      map[uint64]*Packet
	earlyBytes int
	holeAt     int
	// queue waits to be proposed. got and taken are the bytes of the session that came, and that are done with.
	queue      []*arrived
	queued     int
	got, taken uint64
	ackDue     bool
	acked      id.VersionVector
	ackAt      int
	failures   int
	retryAt    int
	turn       int // of the region's replicas
	movedAt    int // when it was last given up because it doesn't lead, or lacks something
	moved      bool
	unasked    bool // something wasn't asked for, since the log is to say first how it ends here
	// unreached leads the region, and didn't answer; it isn't tried again before it's heard of, as long as another one answers.
	unreached uint64
}

type state uint8

const (
	waiting state = iota
	asked
	open
)

// failuresMost bounds the growth of the time between two tries.
const failuresMost = 4

// leave ends what was asked of a region.
func (c *Core) leave(r *region) {
	s := r.source
	if s == nil {
		return
	}
	if s.state != waiting {
		c.send(s.peer, Packet{Kind: PacketLeave, Session: s.session}, false)
	}
	r.source = nil
}

// tend asks, waits, and asks again.
func (c *Core) tend() {
	for _, r := range c.table {
		s := r.source
		if s == nil {
			continue
		}
		switch s.state {
		case waiting:
			if c.tick >= s.retryAt {
				c.ask(r)
			}
		case asked:
			if s.retryAt > s.since && c.tick >= s.retryAt {
				c.ask(r)
			} else if c.tick-s.since > c.cfg.Ticks.Retry {
				if s.turn++; s.peer.Replica == r.leader {
					s.unreached = r.leader
				}
				c.later(r)
			}
		case open:
			c.watch(r, s)
		}
	}
}

// watch looks whether an open subscription goes as it should.
func (c *Core) watch(r *region, s *source) {
	t := &c.cfg.Ticks
	switch {
	case c.tick-s.heardAt > t.Silence:
		s.turn++
		c.later(r)
	case s.holeAt != 0 && c.tick-s.holeAt > t.Retry/4:
		c.ask(r)
	case c.ungiven(r) && len(r.replicas()) > 1 && c.tick-s.movedAt > t.Silence:
		// Another replica's log may reach back further.
		s.movedAt = c.tick
		s.turn++
		s.moved = true
		c.ask(r)
	case c.ungiven(r) && c.tick-s.since > againAfter*t.Silence:
		c.ask(r)
	case r.leader != 0 && r.leader != s.peer.Replica && r.leader != s.unreached && r.has(r.leader) &&
		c.tick-max(s.since, s.movedAt) > t.Silence:
		// Who leads there has changed. The new leader may know of no other replica of this region than of one that is no more, and
		// hears so of those that are.
		s.movedAt = c.tick
		c.ask(r)
	case c.tick-s.ackAt >= t.Heartbeat:
		c.ack(s, true)
	}
	if s.failures > 0 && c.tick-s.since > 2*t.Retry {
		s.failures = 0
	}
}

// ungiven reports whether a region couldn't give something that is still missing.
func (c *Core) ungiven(r *region) bool {
	for o := range r.tooFar {
		if r.vector.Get(o) > c.expected(o) {
			return true
		}
		delete(r.tooFar, o)
	}
	return false
}

// later gives up for a while, longer each time.
func (c *Core) later(r *region) {
	s := r.source
	if s.state != waiting {
		c.send(s.peer, Packet{Kind: PacketLeave, Session: s.session}, false)
	}
	s.state, s.since = waiting, c.tick
	wait := c.cfg.Ticks.Heartbeat << min(s.failures, failuresMost)
	s.failures++
	s.retryAt = c.tick + wait + c.random.IntN(wait)
}

// Connected says that a way to a replica of another region has opened: what was lost on the way before is asked for again at
// once.
func (c *Core) Connected(now Now, p Peer) {
	c.now = now
	r := c.region(p.Region)
	if r == nil || r.source == nil || r.source.state == asked && r.source.since == c.tick {
		return
	}
	if r.source.state == waiting || r.source.peer == p {
		c.ask(r)
	}
}

// begun ends what a region's replica has sent before it was started, the first time that it subscribes after that: what was on its
// way since then may be what it has lost with its disk, and is to know of when it's answered.
func (c *Core) begun(r *region, p *Packet) {
	process := uint32(p.Session >> 32)
	if had, ok := r.processes[p.From.Replica]; ok && had == process {
		return
	}
	if r.processes == nil || len(r.processes) >= maxMet {
		r.processes = map[uint64]uint32{}
	}
	r.processes[p.From.Replica] = process
	if s := r.source; s != nil && s.state != waiting {
		c.ask(r)
	}
}

// renewed forgets what was known of forks with a region if a replica of it was started anew that subscribes: it may have been given
// another disk. If it wasn't, they are found again before anything of these origins goes on.
func (r *region) renewed(p *Packet) {
	if had, ok := r.processes[p.From.Replica]; ok && had != uint32(p.Session>>32) {
		r.forks = nil
	}
}

// risen takes it from a region's subscribing that it's there, whatever it was before: it is asked without waiting any longer. It
// may just have begun.
func (c *Core) risen(r *region) {
	if r == nil || r.source == nil || !c.leading {
		return
	}
	switch s := r.source; s.state {
	case waiting:
		c.ask(r)
	case asked: // perhaps when nobody was there
		s.failures = 0
		s.retryAt = c.tick + c.cfg.Ticks.Heartbeat
	}
}

// ask subscribes, in the place of what was asked of the region before.
func (c *Core) ask(r *region) {
	s := r.source
	to := c.replica(r)
	if to == 0 {
		return
	}
	if s.state != waiting && s.peer.Replica != to {
		c.send(s.peer, Packet{Kind: PacketLeave, Session: s.session}, false)
	}
	s.peer = Peer{r.Number, to}
	s.state, s.since, s.heardAt, s.ackAt = asked, c.tick, c.tick, c.tick
	s.session = uint64(c.process)<<32 | c.random.Uint64()&math.MaxUint32 | 1
	s.next, s.early, s.earlyBytes, s.holeAt = 1, nil, 0, 0
	s.got, s.taken, s.ackDue = 0, 0, false
	s.relay = c.relayed(r.Number)
	after := c.after()
	unmarked := c.unmarked()
	for _, m := range unmarked {
		after = after.With(m.Origin, math.MaxUint64)
	}
	s.unasked = len(unmarked) > 0
	c.readMarks(unmarked)
	c.send(s.peer, Packet{Kind: PacketSubscribe, Session: s.session, Name: c.name, Subscribe: &Subscription{
		Cluster: c.cfg.Cluster, Tenant: c.cfg.Tenant, Origin: c.cfg.Origin,
		Own: true, Relay: s.relay, After: after,
		Window: max(c.cfg.Window-int64(s.queued), c.cfg.Window/8, 1),
	}}, true)
}

// replica chooses whom of a region to ask: its leader, unless that failed.
func (c *Core) replica(r *region) uint64 {
	s := r.source
	all := r.replicas()
	if len(all) == 0 {
		return 0
	}
	if !s.moved && s.failures%2 == 0 && r.leader != s.unreached && r.has(r.leader) {
		return r.leader
	}
	return all[s.turn%len(all)]
}

// after is behind what everything is wanted.
func (c *Core) after() id.VersionVector {
	after := c.vector
	for o, seq := range c.expect {
		if seq > after.Get(o) {
			after = after.With(o, seq)
		}
	}
	after = c.apartAfter(after)
	for o, until := range c.blocked {
		if c.tick < until {
			after = after.With(o, math.MaxUint64)
		}
	}
	return after
}

// expected is up to where an origin has come, what waits to be proposed included.
func (c *Core) expected(o id.Origin) id.Seq { return max(c.expect[o], c.vector.Get(o)) }

// refusedBy takes a refusal.
func (c *Core) refusedBy(r *region, p *Packet) {
	s := r.source
	if s == nil || s.session != p.Session || s.peer != p.From || s.state == waiting {
		return
	}
	switch p.Reason {
	case ReasonSession: // it was started anew, or has not heard of us for long
		if c.tick > s.since {
			c.ask(r)
			return
		}
	case ReasonCluster:
		c.refuse(r, p.From, CauseForeign, "it refuses: "+p.Text)
	case ReasonTwice:
		c.refuse(r, p.From, CauseTwice, "it refuses: "+p.Text)
	}
	s.turn++
	s.state = waiting // there is nothing to leave
	c.later(r)
}

// given takes what a source sends.
func (c *Core) given(r *region, p *Packet) {
	s := r.source
	if s == nil || s.session != p.Session || s.peer != p.From || s.state == waiting {
		if len(p.Items) > 0 {
			c.send(p.From, Packet{Kind: PacketLeave, Session: p.Session}, false)
		}
		return
	}
	s.heardAt = c.tick
	if p.Pulse.Leads {
		r.answered, r.answer = true, p.Pulse.Vector
	}
	if s.state == asked {
		s.state, s.since = open, c.tick
		c.rather(r, s)
		if s = r.source; s.state != open {
			return
		}
	}
	if p.Kind != PacketData {
		return
	}
	for _, o := range p.Gone {
		delete(c.apart, o)
		r.lacks(o, c.tick)
		c.refuse(r, p.From, CauseGone, "it can't give what is missing here of origin "+o.String())
	}
	c.inOrder(r, s, p)
}

// lacks notes that a region can't give an origin from where it stands here.
func (r *region) lacks(o id.Origin, tick int) {
	if r.tooFar == nil {
		r.tooFar = map[id.Origin]int{}
	}
	if len(r.tooFar) < maxOrigins {
		r.tooFar[o] = tick
	}
}

// couldnt reports whether a region ever said so.
func (r *region) couldnt(o id.Origin) bool {
	_, said := r.tooFar[o]
	return said
}

// againAfter is how long, in units of silence, somebody isn't asked again for what he couldn't give.
const againAfter = 4

// cant reports whether a region said not long ago that it can't give an origin. It may be able to later: while an origin has two
// histories nobody gives it, and that ends when its region is removed.
func (c *Core) cant(r *region, o id.Origin) bool {
	said, ok := r.tooFar[o]
	return ok && c.tick-said <= againAfter*c.cfg.Ticks.Silence
}

// rather moves to a region's leader, once in a while, if somebody else has answered.
func (c *Core) rather(r *region, s *source) {
	if s.moved || r.leader == 0 || r.leader == s.peer.Replica || r.leader == s.unreached || !r.has(r.leader) {
		s.moved = false
		return
	}
	if s.movedAt != 0 && c.tick-s.movedAt < c.cfg.Ticks.Silence {
		return
	}
	s.movedAt = c.tick
	s.failures = 0
	c.ask(r)
}

// inOrder takes packets with data in the order of their numbers.
func (c *Core) inOrder(r *region, s *source, p *Packet) {
	if len(p.Items) == 0 {
		if p.Number >= s.next && s.holeAt == 0 {
			s.holeAt = c.tick // what it tells of may still come
		}
		return
	}
	switch {
	case p.Number < s.next:
		return
	case p.Number > s.next && planted.SkipGap:
		s.next = p.Number
	case p.Number > s.next:
		c.early(s, p)
		return
	}
	session := s.session
	for p != nil {
		s.next++
		if !c.take(r, s, p) || s.session != session || s.state != open {
			return
		}
		p = s.early[s.next]
		if p != nil {
			delete(s.early, s.next)
			s.earlyBytes -= p.size()
		}
	}
	s.holeAt = 0
	if len(s.early) > 0 {
		s.holeAt = c.tick
	}
}

// early keeps a packet that has overtaken another one, as far as there's room.
func (c *Core) early(s *source, p *Packet) {
	if s.holeAt == 0 {
		s.holeAt = c.tick
	}
	if s.early[p.Number] != nil || len(s.early) >= maxItems || s.earlyBytes+p.size() > int(2*c.cfg.Window)+MaxPacket {
		return
	}
	if s.early == nil {
		s.early = map[uint64]*Packet{}
	}
	s.early[p.Number] = p
	s.earlyBytes += p.size()
}

// acknowledge tells sources at once what was taken, and what of theirs is applied.
func (c *Core) acknowledge() {
	for _, r := range c.table {
		s := r.source
		if s == nil || s.state != open {
			continue
		}
		due := s.ackDue
		for o, seq := range c.vector.All {
			due = due || o.Region == r.Number && seq > s.acked.Get(o)
		}
		if due {
			c.ack(s, false)
		}
	}
}

func (c *Core) ack(s *source, full bool) {
	s.ackDue, s.acked = false, c.vector
	if full {
		s.ackAt = c.tick
	}
	c.send(s.peer, Packet{Kind: PacketAck, Session: s.session, Number: s.next - 1, Taken: s.taken}, full)
}
