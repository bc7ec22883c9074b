package sim

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/wal"
)

// agreement is what the members have agreed on, and what may not be otherwise any more. It's learned from what they
// apply, and knows nothing of how they come to it.
type agreement struct {
	f       *fleet
	entries []consensus.Entry // by index − 1: applied by somebody
	configs []configuration   // by index, the last one is in force
	leaders map[uint64]uint64 // by term
	digests map[id.Seq]state.Digest
}

// configuration is a configuration and the entry that brought it.
type configuration struct {
	index   uint64
	members consensus.Members
}

func newAgreement(f *fleet) agreement {
	return agreement{f: f, leaders: map[uint64]uint64{}, digests: map[id.Seq]state.Digest{}, configs: make([]configuration, 1)}
}

// members are those of the configuration in force.
func (g *agreement) members() consensus.Members { return g.configs[len(g.configs)-1].members }

// observe holds what a process has just done against what was agreed on.
func (p *resident) observe() error {
	if err := p.leads(); err != nil {
		return err
	}
	if err := p.stable(); err != nil {
		return err
	}
	applied := p.base.Applied()
	if applied == p.applied {
		if p.answers {
			p.look()
		}
		return nil
	}
	if applied < p.applied {
		return fmt.Errorf("entry %d was applied, now the last one is %d", p.applied, applied)
	}
	for i := p.applied + 1; i <= applied; i++ {
		if err := p.m.f.agreed.visible(p.m, i); err != nil {
			return err
		}
	}
	p.applied = applied
	if p.line != nil {
		p.line.know()
	}
	for _, a := range p.acknowledges {
		if v := p.m.f.province; v != nil {
			if !a.op.counts(a.at) {
				return fmt.Errorf("%v is acknowledged at %v, and isn't there", a.op, a.at)
			}
			continue
		}
		if o := a.op; o.by == nil || o.logged != a.at {
			return fmt.Errorf("%v is acknowledged at %v, and is at %v", o, a.at, o.logged)
		}
	}
	p.acknowledges = p.acknowledges[:0]
	if len(p.lookups)+len(p.doubted) > 0 {
		p.look()
	}
	if len(p.views) > 0 {
		p.show()
	}
	return nil
}

// leads notes who leads: a term has one leader.
func (p *resident) leads() error {
	if p.step.Core.Leading() == (p.led != 0) {
		return nil
	}
	f := p.m.f
	if p.led != 0 {
		p.led = 0
		f.tell(p.m, "follows", 0, 0, "")
		return nil
	}
	p.led = p.step.Core.Status().Role.Term
	f.tell(p.m, "leads", p.led, 0, "")
	g := &f.agreed
	other, had := g.leaders[p.led]
	if had && other != p.m.number {
		return fmt.Errorf("term %d is led by %d and by %d", p.led, other, p.m.number)
	}
	if !had {
		g.leaders[p.led] = p.m.number
		f.report.Leaders++
	}
	return nil
}

// visible takes an entry that a machine's member has applied. The first to do so needs it to be durable on a quorum;
// everyone else must have applied the same.
func (g *agreement) visible(m *machine, i uint64) error {
	e := m.mirror.at(i)
	switch {
	case e == nil:
		return fmt.Errorf("entry %d is applied, and not in the log", i)
	case i <= uint64(len(g.entries)):
		if held := &g.entries[i-1]; !same(held, e) {
			return fmt.Errorf("%s is applied; the group had agreed on %s", nameOf(e), nameOf(held))
		}
		return nil
	case i != uint64(len(g.entries))+1:
		return fmt.Errorf("entry %d is applied, of those before only %d are known", i, len(g.entries))
	case !m.mirror.holds(i, e.Term):
		return fmt.Errorf("%s is applied, and not durable here", nameOf(e))
	case !g.durable(e):
		where := ""
		for _, v := range g.members().Voters() {
			if x := g.f.mirrorOf(v); x != nil {
				where += fmt.Sprintf("; %d has entries %d to %d, up to %d synced", v, x.before+1, x.last(), x.synced)
				if at := x.at(e.Index); at != nil {
					where += fmt.Sprintf(", this one of term %d", at.Term)
				}
			}
		}
		return fmt.Errorf("%s is applied, and not durable on a quorum%s", nameOf(e), where)
	}
	return g.agree(*e)
}

// agree adds an entry.
func (g *agreement) agree(e consensus.Entry) error {
	g.entries = append(g.entries, e)
	switch e.Kind {
	case consensus.Batch:
		if v := g.f.province; v != nil {
			if err := v.globe.books.enter(g.f, e.Data); err != nil {
				return fmt.Errorf("entry %d: %w", e.Index, err)
			}
			return nil
		}
		if err := g.f.ledger.enter(wal.Entry{Index: e.Index, Data: e.Data}, g.f.origin); err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
	case consensus.Configuration:
		before := g.members()
		next, err := before.After(e)
		if err != nil {
			return err
		}
		g.configs = append(g.configs, configuration{e.Index, next})
		g.f.operator.changed(e.Index, before, next)
	}
	return nil
}

// durable reports whether an entry is durable on a quorum. A leader counts by the configuration that it had applied,
// which may be the one before the last.
func (g *agreement) durable(e *consensus.Entry) bool {
	for i := len(g.configs) - 1; i >= max(0, len(g.configs)-2); i-- {
		voters := g.configs[i].members.Voters()
		if len(voters) == 0 {
			return true // the group is founded
		}
		have := 0
		for _, v := range voters {
			if x := g.f.mirrorOf(v); x != nil && x.holds(e.Index, e.Term) {
				have++
			}
		}
		if have > len(voters)/2 {
			return true
		}
	}
	return false
}

// mirrorOf is what a member holds, or held when its disk was lost: what it has said to be durable counts.
func (f *fleet) mirrorOf(number uint64) *mirror {
	if m := f.member(number); m != nil {
		return &m.mirror
	}
	return f.lost[number]
}

// keeps refuses that a member's log loses what was agreed on.
func (g *agreement) keeps(m *machine, entries []consensus.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	for i := range entries {
		at := entries[i].Index
		if at > uint64(len(g.entries)) || at > m.mirror.last() {
			return nil
		}
		if had := m.mirror.at(at); had != nil && same(had, &g.entries[at-1]) && !same(&entries[i], had) {
			return fmt.Errorf("%s takes the place of %s, on which the group had agreed", nameOf(&entries[i]), nameOf(had))
		}
	}
	return nil
}

// recovered holds what a process found at its start against what was agreed on.
func (p *resident) recovered() error {
	m, g := p.m, &p.m.f.agreed
	if err := m.mirror.reread(p.base.Log); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	p.applied = p.base.Log.FirstIndex() - 1
	for i := p.applied + 1; i <= p.base.Applied(); i++ {
		if err := g.visible(m, i); err != nil {
			return err
		}
	}
	p.applied = p.base.Applied()
	if p.applied > uint64(len(g.entries)) {
		return fmt.Errorf("entry %d is applied, the group has agreed on %d", p.applied, len(g.entries))
	}
	if m.rng.IntN(2) == 0 {
		return nil // it takes time, and would be found later
	}
	return p.sameDigest()
}

// sameDigest compares the state with what others had after the same events.
func (p *resident) sameDigest() error {
	if v := p.m.f.province; v != nil {
		return p.sameDigestAnywhere(v.globe.digests)
	}
	g := &p.m.f.agreed
	seq := p.base.Engine.Vector().Get(p.m.f.origin)
	d, err := p.base.Digest()
	if err != nil {
		return err
	}
	if had, ok := g.digests[seq]; ok && had != d {
		return fmt.Errorf("%s: digest after event %d is %v; another replica, or another run of this one, had %v", p.m.name, seq, d, had)
	}
	g.digests[seq] = d
	return nil
}
