package host

import (
	"context"
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/replica"
)

// What a loop does in a group of many beside writing.

// gatherPackets is how many packets at most are taken at once.
const gatherPackets = 32

// receive takes a packet and whatever else has come.
func (l *loop) receive(p *replica.Packet) error {
	for n := 1; ; n++ {
		if err := l.step.Receive(*p); err != nil {
			return err
		}
		if n >= gatherPackets {
			return nil
		}
		select {
		case next := <-l.packets:
			p = &next
		default:
			return nil
		}
	}
}

// send gives a packet to the transport. What isn't taken is sent again by whoever sent it, in due time.
func (l *loop) send(p replica.Packet) {
	if l.links != nil {
		_ = l.links.send(&p)
	}
}

func (l *loop) read(r replica.ReadReply) {
	if done := l.reads[r.Ticket]; done != nil {
		delete(l.reads, r.Ticket)
		done <- r // has room for one
	}
}

func (l *loop) changed(r replica.ChangeReply) {
	if done := l.changes[r.Ticket]; done != nil {
		delete(l.changes, r.Ticket)
		done <- r.Err // has room for one
	}
}

// endOrders ends what was ordered and isn't answered.
func (l *loop) endOrders(cause error) {
	for ticket := range l.reads {
		l.read(replica.ReadReply{Ticket: ticket, Err: cause})
	}
	for ticket := range l.changes {
		l.changed(replica.ChangeReply{Ticket: ticket, Err: fmt.Errorf("%w: %w", fault.ErrUnknown, cause)})
	}
}

// here is what was last seen of the group.
func (l *loop) here() *here { return l.seen.Load() }

// observe notes who leads and who is a member, and tells those who want to know. An error says that this replica is none.
func (l *loop) observe() error {
	l.observeRegions()
	old, role, leading := l.here(), l.step.Core.Role(), l.step.Core.Leading()
	configured := l.step.base.configured.Load()
	same := old.leader == role.LeaderID && old.term == role.Term && old.leading == leading
	if same && configured == l.configured && old.members.Highest() > 0 {
		return nil
	}
	now := &here{self: old.self, leader: role.LeaderID, term: role.Term, leading: leading, members: old.members}
	if configured != l.configured || old.members.Highest() == 0 {
		now.members = l.step.Core.Status().Members
		l.configured = configured
		// Who isn't a member yet reads of times when others may have been elsewhere. Where they are now it was told when it joined.
		if _, member := now.members.Get(now.self); l.links != nil && (member || now.self <= now.members.Highest()) {
			l.links.know(now.members.List(), now.members.Highest())
		}
	}
	l.seen.Store(now)
	if old.leading != leading {
		l.leads.say(leading)
	}
	l.moved.ring()
	if l.links == nil {
		return nil
	}
	return now.standing(now.self)
}

// do has something done between two steps.
func (l *loop) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case l.orders <- func() { f(); close(done) }:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ended:
		return l.stopped()
	}
	<-done // it doesn't wait for anything
	return nil
}

// readIndex returns the entry up to which everything is that was acknowledged before the call.
func (l *loop) readIndex(ctx context.Context) (uint64, error) {
	done := make(chan replica.ReadReply, 1)
	err := l.do(ctx, func() {
		l.tickets++
		l.reads[l.tickets] = done
		l.step.Core.ReadIndex(l.now(), l.tickets)
	})
	if err != nil {
		return 0, err
	}
	select {
	case r := <-done:
		return r.Index, r.Err
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-l.ended:
		return 0, l.stopped()
	}
}

// change proposes a change of members and waits until it is made here.
func (l *loop) change(ctx context.Context, ch consensus.Change) error {
	done := make(chan error, 1)
	err := l.do(ctx, func() {
		l.tickets++
		l.changes[l.tickets] = done
		l.step.Core.Change(l.now(), l.tickets, ch)
	})
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", fault.ErrUnknown, ctx.Err())
	case <-l.ended:
		return fmt.Errorf("%w: %w", fault.ErrUnknown, l.stopped())
	}
}

// awaitHere waits until what is seen of the group is as asked for.
func (l *loop) awaitHere(ctx context.Context, ok func(*here) bool) error {
	for {
		news := l.moved.next()
		if ok(l.here()) {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ended:
			return l.stopped()
		}
	}
}
