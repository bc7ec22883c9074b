package host

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/replica"
)

// here is what a loop last saw of its group. A value never changes.
type here struct {
	self    uint64
	leader  uint64
	term    uint64
	leading bool
	members consensus.Members
}

// standing returns an error if a number isn't a member's.
func (h *here) standing(number uint64) error {
	if _, ok := h.members.Get(number); ok || number > h.members.Highest() {
		return nil // who isn't known yet will be
	}
	return fmt.Errorf("replica %d was removed from its group, and numbers aren't given twice; move its directory away and let it "+
		"join anew, with an empty one: %w", number, fault.ErrRemoved)
}

// notLeader says who leads instead.
func (h *here) notLeader() *fault.NotLeader {
	e := &fault.NotLeader{Leader: h.leader}
	if h.leader == h.self {
		e.Leader = 0 // it will, and doesn't yet
	}
	if m, ok := h.members.Get(e.Leader); ok {
		e.URL, e.Address = m.URL, m.Address
	}
	return e
}

// Leader says who leads, as far as is known here: its number, 0 if nobody does, and where it is.
func (r *Replica) Leader() (number uint64, address, url string) {
	if r.loop == nil {
		return 0, "", ""
	}
	h := r.loop.here()
	m, _ := h.members.Get(h.leader)
	return h.leader, m.Address, m.URL
}

// Address is where other members reach this one, "" outside of groups.
func (r *Replica) Address() string {
	if r.links == nil {
		return ""
	}
	return r.links.address()
}

// Leading reports whether this replica takes writes.
func (r *Replica) Leading() bool { return r.loop != nil && r.loop.here().leading }

// Reign is the term in which this replica takes writes, 0 if it doesn't.
func (r *Replica) Reign() uint64 {
	if r.loop == nil {
		return 0
	}
	h := r.loop.here()
	if !h.leading {
		return 0
	}
	return h.term
}

// Status says how the group is, as seen from here. Without a group it's of one member.
func (r *Replica) Status(ctx context.Context) (GroupStatus, error) {
	if r.loop == nil {
		return GroupStatus{}, errReadOnly
	}
	return r.status(ctx)
}

func (r *Replica) status(ctx context.Context) (GroupStatus, error) {
	var core replica.Status
	out := GroupStatus{Failed: r.Failure()}
	err := r.loop.do(ctx, func() { core = r.loop.step.Core.Status() })
	if err != nil && out.Failed == nil {
		return out, err
	}
	h := r.loop.here()
	out.Number, out.Leader, out.Leading, out.Term = h.self, h.leader, h.leading, h.term
	out.Commit, out.Applied, out.Last, out.Raft = core.Commit, core.Applied, core.Last, core.Peers
	out.Stalled, out.Changing = core.Stalled || core.Fenced, core.Changing
	if core.Leader {
		out.Forked = core.Behind
	}
	out.Cluster, out.Incarnation = r.base.identity.Cluster, uint32(r.base.identity.Incarnation)
	if r.links != nil {
		out.Peers, out.Address = r.links.tr.Stats(), r.links.address()
		out.Clock = r.clockWrong()
	}
	self, member := h.members.Get(h.self)
	out.Joining = !member || self.Learner
	for _, m := range h.members.List() {
		out.Members = append(out.Members, r.member(m, h, &core.Status))
	}
	return out, nil
}

// member is one member as it is seen from here.
func (r *Replica) member(m consensus.Member, h *here, core *consensus.Status) MemberStatus {
	x := MemberStatus{Member: m, Leader: m.Number == h.leader}
	if m.Number == h.self {
		x.Alive, x.Known, x.ClockKnown = true, h.leading, true
		return x
	}
	if r.links != nil {
		x.Clock, x.ClockKnown = r.links.clocks.get(m.Number, r.loop.mono())
	}
	for _, p := range core.Peers {
		if h.leading && p.Number == m.Number {
			x.Known, x.Alive, x.Behind = true, p.Active, core.Last-min(core.Last, p.Match)
			x.Snapshot = p.State == "snapshot"
		}
	}
	return x
}

// reached reports whether a member ever had something of the log.
func (s *GroupStatus) reached(number uint64) bool {
	for _, p := range s.Raft {
		if p.Number == number {
			return p.Match > 0
		}
	}
	return false
}

// names lists the members.
func (s *GroupStatus) names() string {
	var out []string
	for _, m := range s.Members {
		out = append(out, fmt.Sprintf("%d at %s", m.Number, m.Address))
	}
	return strings.Join(out, ", ")
}

func (r *Replica) clockWrong() error {
	if r.links == nil {
		return nil
	}
	return r.links.clocks.wrong(r.loop.mono(), r.base.opts.SkewBound, len(r.loop.here().members.List()))
}

// Latest returns once everything is visible here that was acknowledged by anybody before the call. A majority is asked, so
// without one it fails: with ctx, or with fault.ErrNotLeader when nobody leads.
func (r *Replica) Latest(ctx context.Context) error {
	if r.loop == nil {
		return errReadOnly
	}
	index, err := r.loop.readIndex(ctx)
	if err != nil {
		return r.explain(err)
	}
	for {
		news := r.base.arrivals.next()
		if r.base.applied.Load() >= index {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("wait for entry %d: %w", index, ctx.Err())
		case <-r.loop.ended:
			return r.loop.stopped()
		}
	}
}

// Remove takes a member out of the group. It is refused with a *fault.Input where those left and alive would be no majority,
// unless by force. One that was taken out before is no error. It may be called on any member. Errors: fault.ErrChanging,
// fault.ErrNotLeader when nobody leads, fault.ErrUnknown.
func (r *Replica) Remove(ctx context.Context, number uint64, force bool) error {
	return r.have(ctx, question{Kind: questionRemove, Number: number, Force: force})
}

// Transfer has another member lead, 0 for the one that has most of the log, and returns once it does.
func (r *Replica) Transfer(ctx context.Context, to uint64) error {
	return r.have(ctx, question{Kind: questionTransfer, Number: to})
}

// have has a question answered, wherever.
func (r *Replica) have(ctx context.Context, q question) error {
	if r.loop == nil {
		return errReadOnly
	}
	if r.links == nil {
		return fault.Refuse("group", "is of one: this database was not opened as a member")
	}
	q.Incarnation, q.Wall = r.base.identity.Incarnation, r.loop.now().Wall/1e6
	a := r.answer(ctx, &q)
	return a.err()
}

// transfer gives leadership away, and waits until that is done.
func (r *Replica) transfer(ctx context.Context, to uint64) error {
	h := r.loop.here()
	if m, ok := h.members.Get(to); to != 0 && (!ok || m.Learner) {
		return fault.Refuse("number", "%d is no member that votes", to)
	}
	if to == h.self {
		return nil
	}
	// Raft gives up a transfer after an election timeout; then it is tried once more.
	ctx, cancel := context.WithTimeout(ctx, 4*r.links.group.election())
	defer cancel()
	for {
		if err := r.loop.do(ctx, func() { r.loop.step.Core.Transfer(r.loop.now(), to) }); err != nil {
			return err
		}
		wait, stop := context.WithTimeout(ctx, 2*r.links.group.election())
		err := r.loop.awaitHere(wait, func(h *here) bool { return !h.leading && (h.leader != h.self && h.leader != 0) })
		stop()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return r.noSuccessor(to)
		}
	}
}

// noSuccessor says why leadership stayed: who was asked for, or anybody else who votes, isn't there.
func (r *Replica) noSuccessor(to uint64) error {
	wait, cancel := context.WithTimeout(context.Background(), r.links.group.election())
	defer cancel()
	within := 4 * r.links.group.election()
	status, err := r.status(wait)
	if err != nil || !status.Leading {
		return fmt.Errorf("for %v, after replica %d gave it up: %w", within, r.loop.here().self, fault.ErrNoSuccessor)
	}
	alive := 0
	for _, m := range status.Members {
		if m.Number != status.Number && !m.Learner && m.Alive {
			alive++
		}
	}
	switch {
	case alive == 0:
		return fmt.Errorf("no other replica that votes was heard of lately: %w", fault.ErrNoSuccessor)
	case to != 0:
		return fmt.Errorf("replica %d was asked to, for %v, and replica %d leads as before: %w", to, within, status.Number, fault.ErrNoSuccessor)
	}
	return fmt.Errorf("replica %d leads as before, after %v: %w", status.Number, within, fault.ErrNoSuccessor)
}

// HandOver gives leadership away before Close, which then doesn't, if there is somebody to take it. It ends with ctx, or
// after two election timeouts; the others elect somebody if nobody took over.
func (r *Replica) HandOver(ctx context.Context) {
	r.handed.Store(true)
	if r.links == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*r.links.group.election())
	defer cancel()
	h := r.loop.here()
	if !h.leading || len(h.members.Voters()) < 2 {
		return
	}
	status, err := r.status(ctx)
	if err != nil {
		return
	}
	for _, m := range status.Members {
		if m.Alive && !m.Learner && m.Number != h.self {
			_ = r.transfer(ctx, 0) // the others elect somebody
			return
		}
	}
}

// Ended waits until the replica does no work any more, or ctx ends.
func (r *Replica) Ended(ctx context.Context) {
	select {
	case <-r.loop.ended:
	case <-ctx.Done():
	}
}
