package replica

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
)

// The watchdog of a leader's disk, and the end of what a deposed leader can't tell.
//
// Raft doesn't notice that a leader's disk hangs: entries commit through the followers, the leader applies none of them,
// and its clients wait for ever while its heartbeats keep everybody else from being elected. So the oldest write
// without an answer is watched, in ticks. See docs/decisions/0039-a-stalled-disk-hands-over.md.

// watch looks at the age of the oldest write, and at what a deposed leader still waits for.
func (c *Core) watch() {
	c.ticks++
	c.forget()
	role := c.node.Role()
	switch {
	case c.stalled:
		c.handover++
		if !role.Leader || c.handover > c.cfg.Consensus.ElectionTicks {
			c.fence()
		}
	case role.Leader && c.isOverdue() && len(c.node.Members().Voters()) > 1:
		c.stall()
	}
}

// isOverdue reports whether the disk has owed an answer for too long.
func (c *Core) isOverdue() bool {
	return c.cfg.StallTicks > 0 && len(c.persisting) > 0 && c.ticks-c.persisting[0] >= c.cfg.StallTicks
}

// stall ends what waits and hands leadership to who is furthest. What was stamped may be durable elsewhere, and is
// never acknowledged here.
func (c *Core) stall() {
	c.stalled = true
	c.counts.stalls++
	if planted.AckStalled {
		for _, p := range c.stamped {
			for _, w := range p.requests {
				c.answer(w, p)
			}
		}
		c.stamped = nil
	}
	cause := c.overdue()
	c.end(cause, fmt.Errorf("%w: %w", fault.ErrNotLeader, cause))
	to := c.furthest()
	if to == 0 {
		c.fence()
		return
	}
	c.node.Transfer(to)
	c.pump()
}

func (c *Core) overdue() error {
	return fmt.Errorf("%w: a write has had no answer for %d ticks", fault.ErrStalled, c.ticks-c.persisting[0])
}

// fence makes the replica silent: it neither ticks, sends nor answers until it is started anew from its disk. The
// others elect one of them.
func (c *Core) fence() {
	err := fmt.Errorf("%w: it is to be started anew from its disk", fault.ErrStalled)
	c.end(err, fmt.Errorf("%w: %w", fault.ErrNotLeader, err))
	c.unread(c.noLeader())
	c.fenced = err
}

// silent reports whether the replica is fenced.
func (c *Core) silent() bool { return c.fenced != nil }

// forget ends the requests of a deposed leader when nothing was heard of them for two election timeouts: they may have
// become part of the log, and may not.
func (c *Core) forget() {
	if c.node.Role().Leader || len(c.stamped) == 0 && len(c.changes) == 0 && len(c.foreign.flight) == 0 {
		c.deposed = 0
		return
	}
	if c.deposed++; c.deposed >= 2*c.cfg.Consensus.ElectionTicks {
		c.unknown(fmt.Errorf("leadership was lost: %w", c.notLeader()))
	}
}

// end stops stamping and ends every request: those that were not stamped with an error after which nothing was
// written, the others as unknown.
func (c *Core) end(cause, dropped error) {
	c.leading, c.suspicion = false, id.Position{}
	for _, w := range c.queue {
		c.drop(w, dropped)
	}
	c.queue = nil
	c.dropRefusals(dropped)
	c.dropForeign(dropped)
	c.unknown(cause)
}

// unknown ends what was stamped and isn't applied.
func (c *Core) unknown(cause error) {
	for _, p := range c.stamped {
		c.life.unknown(c.now, p, cause)
		for _, w := range p.requests {
			c.doubt(w, cause)
		}
	}
	c.stamped = nil
	c.unknownForeign(cause)
	for _, ch := range c.changes {
		c.changed(ch, doubtful(cause))
	}
	c.changes = nil
}
