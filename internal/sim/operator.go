package sim

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/replica"
)

// operator looks after the group's members, as somebody does who is called when a machine is lost: what has no machine
// any more is taken out, and machines with an empty disk join.
type operator struct {
	f      *fleet
	now    *errand // a removal that is under way
	number uint64  // of the last errand
}

// errand is one change of members that was asked for.
type errand struct {
	ticket uint64
	change consensus.Change
	asked  int64
	over   bool
	done   func(consensus.Member)
}

// patience is how long an errand may take before it's asked for again.
const errandPatience = 3 * second

func (o *operator) schedule() {
	o.f.jobs.enter(o.f.now+o.f.between(50*milli, 250*milli), work{kind: toAct, client: o})
}

// act takes out a member that has no machine, or whose machine is to leave.
func (o *operator) act() {
	o.schedule()
	f := o.f
	if o.now != nil && !o.now.over && f.now < o.now.asked+errandPatience {
		return
	}
	o.now = nil
	members := f.agreed.members()
	for _, x := range members.List() {
		if m := f.member(x.Number); m != nil && !m.leaving || m == nil && o.joins(x) {
			continue
		}
		if m := f.member(x.Number); m != nil && m.up() && m.process.led != 0 {
			// A leader isn't taken out: it hands over first.
			m.process.enter()
			m.process.step.Core.Transfer(m.clock(), 0)
			m.process.settle()
			return
		}
		o.now = o.ask(consensus.Change{Kind: consensus.Remove, Member: x}, nil)
		return
	}
}

// joins reports whether a machine may still hear that it's this member.
func (o *operator) joins(x consensus.Member) bool {
	return slices.ContainsFunc(o.f.machines, func(m *machine) bool { return m.number == 0 && m.address() == x.Address && m.joins != nil })
}

// ask asks whom somebody takes for the leader; nil if nobody knows one.
func (o *operator) ask(c consensus.Change, done func(consensus.Member)) *errand {
	f := o.f
	m := f.machines[f.rng.IntN(len(f.machines))]
	if !m.up() {
		return nil
	}
	leader := f.member(m.process.step.Core.Status().LeaderID)
	if leader == nil || !leader.up() {
		return nil
	}
	o.number++
	e := &errand{ticket: o.number, change: c, asked: f.now, done: done}
	p := leader.process
	p.enter()
	f.tell(leader, "change", o.number, c.Member.Number, c.Kind.String())
	p.errands = append(p.errands, e)
	p.step.Core.Change(leader.clock(), e.ticket, c)
	p.settle()
	return e
}

// changed takes the answer to an errand.
func (p *resident) changed(r replica.ChangeReply) {
	for i, e := range p.errands {
		if e.ticket != r.Ticket {
			continue
		}
		p.errands = slices.Delete(p.errands, i, i+1)
		e.over = true
		if r.Err == nil && e.done != nil {
			p.m.f.after(0, func() { e.done(r.Member) })
		}
		return
	}
	p.m.f.breaks(fmt.Errorf("%s: change %d is answered, and nobody waits for it", p.m.name, r.Ticket))
}

// changed is told of a configuration that the group agreed on.
func (o *operator) changed(index uint64, before, now consensus.Members) {
	f := o.f
	for _, x := range now.List() {
		if was, had := before.Get(x.Number); !had {
			f.report.Joined++
			f.tell(nil, "joined", x.Number, index, x.Address)
		} else if was.Learner && !x.Learner {
			f.tell(nil, "promoted", x.Number, index, "")
		}
	}
	for _, x := range before.List() {
		if _, has := now.Get(x.Number); has {
			continue
		}
		f.report.Removed++
		f.tell(nil, "removed", x.Number, index, "")
		if m := f.member(x.Number); m != nil {
			f.after(between(m.rng, 0, second), func() { m.retire(x.Number) })
		}
	}
}

// retire ends a member that was taken out, and lets its machine join as another one.
func (m *machine) retire(number uint64) {
	if m.number != number {
		return
	}
	f := m.f
	f.tell(m, "retire", number, 0, "")
	if p := m.process; p != nil {
		p.enter()
		p.leave(true)
		m.process = nil
	}
	m.leaving = false
	m.wipe(f.rng.Uint64())
	m.join()
}

// join asks until the machine's empty disk is somebody's.
func (m *machine) join() {
	f := m.f
	if m.number != 0 {
		return
	}
	directory := m.directories
	f.after(between(m.rng, 100*milli, 400*milli), func() {
		if m.directories == directory {
			m.join()
		}
	})
	if e := m.joins; e != nil && !e.over && f.now < e.asked+errandPatience {
		return
	}
	c := consensus.Change{Kind: consensus.AddLearner, Member: consensus.Member{Address: m.address()}}
	m.joins = f.operator.ask(c, func(x consensus.Member) {
		if m.number == 0 && m.directories == directory {
			m.number = x.Number
			m.joined = &host.Joined{
				Replica: x.Number, Cluster: f.cluster, Region: f.origin.Region, Incarnation: f.origin.Incarnation,
			}
			m.start()
		}
	})
}

// whole reports whether every machine's member votes: a moment in which one may be lost for good.
func (f *fleet) whole() bool {
	voters := f.agreed.members().Voters()
	for _, m := range f.machines {
		if m.number == 0 || m.leaving || m.rots > 0 || !slices.Contains(voters, m.number) {
			return false
		}
	}
	return len(voters) == len(f.machines)
}
