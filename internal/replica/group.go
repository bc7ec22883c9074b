package replica

import (
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
)

// What a core does as one of many: packets, leadership handed over, and what it knows of its group.

// Receive takes a packet from another replica. A packet for somebody else, or from a replica that was removed, is
// dropped and counted. An error means that this replica must not go on: its log isn't what the group knows of it.
func (c *Core) Receive(now Now, p Packet) error {
	c.now = now
	if c.silent() {
		return nil
	}
	if c.strays(&p) {
		c.strayed++
		return nil
	}
	if p.Kind != PacketRaft {
		c.snapped(p)
		return nil
	}
	c.heard[p.From] = c.ticks
	err := c.node.Step(p.Raft)
	c.pump()
	return err
}

// strays reports whether a packet isn't meant for this replica, or comes from one that isn't of the group any more.
// A number above the highest is of a member that this replica hasn't heard of yet.
func (c *Core) strays(p *Packet) bool {
	if p.To != c.cfg.Consensus.Replica || p.From == p.To {
		return true
	}
	if p.Kind == PacketRaft && !speaks(p) {
		return true
	}
	members := c.node.Members()
	_, member := members.Get(p.From)
	return !member && p.From <= members.Highest()
}

// speaks reports whether a message comes from whom it says, or is one that a follower passes on.
func speaks(p *Packet) bool {
	return p.Raft.GetFrom() == p.From && p.Raft.GetTo() == p.To || consensus.PassedOn(p.Raft)
}

// snapped takes a packet about a snapshot.
func (c *Core) snapped(p Packet) { c.out.Snaps = append(c.out.Snaps, p) }

// Transfer hands leadership to a voter, 0 for the one that is furthest. Requests that come meanwhile wait; it is given up
// after an election timeout. A follower passes the wish on to its leader. All of it may be lost.
func (c *Core) Transfer(now Now, to uint64) {
	c.now = now
	if to == 0 {
		to = c.furthest()
	}
	if to != 0 && c.fenced == nil {
		c.node.Transfer(to)
		c.pump()
	}
}

// Retire hands leadership over before the replica stops, and reports whether it may: it doesn't lead, or nobody can take
// over. It is called again after each tick until then.
func (c *Core) Retire(now Now) (done bool) {
	c.now = now
	if c.fenced != nil || !c.node.Role().Leader || c.furthest() == 0 {
		return true
	}
	if !c.transferring {
		c.Transfer(now, 0)
	}
	return !c.node.Role().Leader
}

// furthest is the other voter whose log is furthest, of those that were heard of lately; 0 if there is none, or this
// replica doesn't lead.
func (c *Core) furthest() uint64 {
	s := c.status()
	best := consensus.PeerStatus{}
	for _, p := range s.Peers {
		m, _ := s.Members.Get(p.Number)
		if p.Active && !m.Learner && (best.Number == 0 || p.Match > best.Match) {
			best = p
		}
	}
	return best.Number
}

// Status is what a replica knows of its group and of itself.
type Status struct {
	consensus.Status
	// Leading reports whether it stamps: it leads, and has applied its first entry of the term.
	Leading bool
	// Stalled says that its disk was overdue while it led, and that it hands over; Fenced that it has fallen silent since.
	Stalled, Fenced bool
	// Behind says why nothing is stamped though this replica leads: see [Core.Ahead]. It is [fault.ErrForked]; nil otherwise.
	Behind error
	// Listening says that it leads and stamps nothing yet: other regions may know more of what it stamped than it does itself.
	Listening bool
	// Waiting is the number of requests that have no answer yet, and Foreign that of other origins' batches and ranges.
	Waiting, Foreign int
	// Lost is how many events are to be taken back that the log doesn't have any more: they go on being counted.
	Lost int
	// Excess tells of stamps that others made too far ahead.
	Excess ClockExcess
	// Strays is the number of packets that were dropped because they didn't concern it.
	Strays uint64
	// Stalls is how often its disk was overdue while it led, and Dropped how often consensus took no proposal, of its own or of
	// other origins: both since the process began.
	Stalls, Dropped uint64
	// Changing says that it leads and a change of members is under way.
	Changing bool
}

// status is consensus's, with a finer sense of who is active: Raft forgets all of that once an election timeout.
func (c *Core) status() consensus.Status {
	s := c.node.Status()
	for i := range s.Peers {
		at, ok := c.heard[s.Peers[i].Number]
		s.Peers[i].Active = ok && c.ticks-at <= c.cfg.Consensus.ElectionTicks
	}
	return s
}

// Status returns what is known here.
func (c *Core) Status() Status {
	s := Status{
		Status: c.status(), Leading: c.leading, Stalled: c.stalled, Fenced: c.fenced != nil,
		Waiting: len(c.queue), Strays: c.strayed, Behind: c.behind, Excess: c.excess,
		Lost: len(c.takebacks.lost), Listening: c.leading && c.listens(),
		Foreign: len(c.foreign.queue) + len(c.foreign.flight),
		Stalls:  c.counts.stalls, Dropped: c.counts.dropped, Changing: c.node.Changing(),
	}
	for _, p := range c.stamped {
		for _, w := range p.requests {
			s.Waiting += 1 + len(w.retries)
		}
	}
	return s
}

// Role is what the replica is in its group now.
func (c *Core) Role() consensus.Role { return c.node.Role() }

// Members is the configuration as of the last applied entry.
func (c *Core) Members() consensus.Members { return c.node.Members() }

// Checkpointed tells of a checkpoint of which followers can be given a snapshot: the one after an entry.
func (c *Core) Checkpointed(index, term uint64, m consensus.Members) {
	c.node.Checkpointed(index, term, m)
}

// ReportSnapshot says what became of a snapshot that was wanted.
func (c *Core) ReportSnapshot(now Now, to uint64, ok bool) {
	c.now = now
	c.node.ReportSnapshot(to, ok)
	c.pump()
}

// ReportUnreachable says that packets to a member were lost.
func (c *Core) ReportUnreachable(now Now, to uint64) {
	c.now = now
	c.node.ReportUnreachable(to)
	c.pump()
}

// notLeader says who leads instead, as far as it is known.
func (c *Core) notLeader() error {
	role := c.node.Role()
	if role.Leader {
		return fault.ErrNotLeader // it will be, and doesn't stamp yet
	}
	m, _ := c.node.Members().Get(role.LeaderID)
	return &fault.NotLeader{Leader: role.LeaderID, URL: m.URL, Address: m.Address}
}
