package replica

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
)

// ChangeReply ends a [Core.Change].
type ChangeReply struct {
	Ticket uint64
	// Member is the one that was changed, with the number that it was given.
	Member consensus.Member
	// Err is what [consensus.Node.Change] returns, or [fault.ErrUnknown] when leadership was lost before the change
	// was made.
	Err error
}

// reconfiguration is a change of members that was proposed and isn't made yet.
type reconfiguration struct {
	entryName
	consensus.Change
	ticket uint64 // 0 for the core's own
	made   bool   // applied; whether it lasts isn't known yet
}

// promoteWithin is how many entries a learner may lack when it is given its vote. It lacks some at any moment while
// others write.
const promoteWithin = 256

// Change asks for a change of members. A learner that is added with the number 0 is given the next one. The answer
// comes in [Output.Changes], exactly one: once the change is made and a quorum knows of it for good, or it can't be made. A
// leader that is to remove itself hands over instead, and says so; the next one is to be asked again.
func (c *Core) Change(now Now, ticket uint64, ch consensus.Change) {
	c.now = now
	if ch.Kind == consensus.AddLearner && ch.Member.Number == 0 {
		ch.Member.Number = c.node.Members().Highest() + 1
	}
	err := c.reconfigure(ticket, ch)
	if err == fault.ErrNotLeader { //nolint:errorlint // the very value is meant: no other reason is given
		err = c.notLeader()
	}
	if err != nil {
		c.changed(reconfiguration{ticket: ticket, Change: ch}, err)
	}
}

// reconfigure proposes a change of members.
func (c *Core) reconfigure(ticket uint64, ch consensus.Change) error {
	if c.fenced != nil || c.stalled {
		return fault.ErrNotLeader
	}
	if own := ch.Member.Number == c.cfg.Consensus.Replica; own && ch.Kind == consensus.Remove && c.furthest() != 0 {
		c.Transfer(c.now, 0)
		return fmt.Errorf("leadership is handed over first: %w", fault.ErrNotLeader)
	}
	if err := c.node.Change(ch); err != nil {
		return err
	}
	c.pump()
	c.changes = append(c.changes, reconfiguration{entryName: c.created, Change: ch, ticket: ticket})
	return nil
}

func (c *Core) changed(ch reconfiguration, err error) {
	if ch.ticket != 0 {
		c.out.Changes = append(c.out.Changes, ChangeReply{Ticket: ch.ticket, Member: ch.Member, Err: err})
	}
}

// reconfigured notes the change whose entry was applied, and answers one whose index went to another term's entry.
func (c *Core) reconfigured(e consensus.Entry) {
	for i := 0; i < len(c.changes); {
		ch := &c.changes[i]
		switch {
		case ch.made || ch.index > e.Index:
			i++
		case ch.index == e.Index && ch.term == e.Term:
			ch.made = true
			i++
		default:
			c.changed(*ch, fmt.Errorf("another leader's entry took its place: %w", fault.ErrNotLeader))
			c.changes = append(c.changes[:i:i], c.changes[i+1:]...)
		}
	}
}

// assure answers a change that was made once a quorum knows of it for good: only then may the machine of a member that was
// removed be thrown away.
func (c *Core) assure() {
	for len(c.changes) > 0 && c.changes[0].made && c.node.Sure() {
		c.changed(c.changes[0], nil)
		c.changes = c.changes[1:]
	}
}

// promote gives a learner its vote when it has caught up: one at a time, and the leader's own business. A leader that
// is lost on the way leaves it to the next.
func (c *Core) promote() {
	if !c.leading || len(c.changes) > 0 || c.transferring {
		return
	}
	s := c.status()
	for _, p := range s.Peers {
		m, _ := s.Members.Get(p.Number)
		if m.Learner && p.Active && p.State == "replicate" && p.Match+promoteWithin >= s.Last {
			// It may be refused, as every change may; then it is tried again.
			_ = c.reconfigure(0, consensus.Change{Kind: consensus.Promote, Member: m})
			return
		}
	}
}
