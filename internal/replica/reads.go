package replica

import (
	"slices"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/planted"
)

// ReadReply answers a [Core.ReadIndex].
type ReadReply struct {
	Ticket uint64
	// Index is an entry: once it is applied here, everything is visible that anybody had acknowledged when it was asked.
	Index uint64
	// Err is a [fault.NotLeader] when no leader answered in time, or [fault.ErrOverloaded].
	Err error
}

// reads are questions for the index. One is under way for all that had come by then; those that come meanwhile are the
// next one.
type reads struct {
	asked, waiting []reading
	number         uint64 // of the question under way
	age            int    // its age in ticks
}

type reading struct {
	ticket    uint64
	age       int      // in ticks
	suspicion bool     // it's the core's own: does this replica still lead?
	refusal   *refusal // the core's own, too: did it lead when it refused that?
}

// ReadIndex asks for an entry such that whoever has applied it sees all that anybody had acknowledged by now. The answer
// comes in [Output.Reads], exactly one, within two election timeouts.
func (c *Core) ReadIndex(now Now, ticket uint64) {
	c.now = now
	if c.fenced != nil {
		c.out.Reads = append(c.out.Reads, ReadReply{Ticket: ticket, Err: &fault.NotLeader{}})
		return
	}
	if planted.StaleRead {
		c.out.Reads = append(c.out.Reads, ReadReply{Ticket: ticket, Index: c.node.Status().Applied})
		return
	}
	if len(c.reads.asked)+len(c.reads.waiting) >= c.cfg.MaxWaiting {
		c.out.Reads = append(c.out.Reads, ReadReply{Ticket: ticket, Err: fault.ErrOverloaded})
		return
	}
	c.reads.waiting = append(c.reads.waiting, reading{ticket: ticket})
	c.ask()
}

// ask sends the next question if none is under way and somebody may answer it.
func (c *Core) ask() {
	r := &c.reads
	if len(r.asked) > 0 || len(r.waiting) == 0 {
		return
	}
	if role := c.node.Role(); role.LeaderID == 0 || role.Leader && !c.leading {
		return
	}
	r.asked, r.waiting = r.waiting, r.asked[:0]
	r.number++
	r.age = 0
	c.node.ReadIndex(r.number)
	c.pump()
}

// read takes an answer. One to an earlier question has been given up.
func (c *Core) read(answer consensus.Read) {
	if answer.Ticket != c.reads.number {
		return
	}
	suspicious := false
	for _, r := range c.reads.asked {
		switch {
		case r.suspicion:
			suspicious = true
		case r.refusal != nil:
			r.refusal.confirmed = true
		default:
			c.out.Reads = append(c.out.Reads, ReadReply{Ticket: r.ticket, Index: answer.Index})
		}
	}
	if c.reads.asked = c.reads.asked[:0]; suspicious {
		c.confirmed()
	}
	c.tellRefusals()
}

// patience ends questions that nobody answers, and asks again what may have been lost on its way.
func (c *Core) patience() {
	r := &c.reads
	limit := 2 * c.cfg.Consensus.ElectionTicks
	for _, list := range []*[]reading{&r.asked, &r.waiting} {
		*list = slices.DeleteFunc(*list, func(x reading) bool { return c.expired(x, limit) })
		for i := range *list {
			(*list)[i].age++
		}
	}
	if r.age++; r.age >= 2*c.cfg.Consensus.HeartbeatTicks {
		r.waiting, r.asked = append(r.asked, r.waiting...), nil
	}
	c.ask()
}

func (c *Core) expired(x reading, limit int) bool {
	if x.suspicion {
		return c.suspicion.IsZero() // it's asked as long as this replica takes itself for the leader
	}
	if x.refusal != nil {
		return x.refusal.over // and so is this
	}
	if x.age < limit {
		return false
	}
	c.out.Reads = append(c.out.Reads, ReadReply{Ticket: x.ticket, Err: c.noLeader()})
	return true
}

// unread ends all questions.
func (c *Core) unread(err error) {
	for _, x := range slices.Concat(c.reads.asked, c.reads.waiting) {
		if x.suspicion || x.refusal != nil {
			continue
		}
		c.out.Reads = append(c.out.Reads, ReadReply{Ticket: x.ticket, Err: err})
	}
	c.reads.asked, c.reads.waiting = nil, nil
}

// noLeader is the error of a question that no leader answered.
func (c *Core) noLeader() error {
	m, _ := c.node.Members().Get(c.node.Role().LeaderID)
	return &fault.NotLeader{Leader: m.Number, URL: m.URL, Address: m.Address}
}
