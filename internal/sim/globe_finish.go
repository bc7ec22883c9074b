package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
)

// finish ends the clients' work: faults stop, the sea is open, what is open is answered, and all regions come to hold the same.
func (g *globe) finish() {
	if g.frozen {
		return // it ends otherwise
	}
	g.closing = true
	g.settings.latency = min(g.settings.latency, milli)
	g.sea.heal()
	for _, f := range g.regions {
		f.network.heal()
		f.calm()
	}
	g.regions[0].tell(nil, "finish", 0, 0, "")
	g.await()
}

// await ends the run once everyone has an answer and all regions hold the same.
func (g *globe) await() {
	g.regions[0].after(50*milli, func() {
		if g.frozen {
			return
		}
		if g.waitsFor() != "" {
			g.await()
			return
		}
		g.last()
	})
}

// waitsFor says why the run can't end yet; empty when it can.
func (g *globe) waitsFor() string {
	if g.frozen {
		return g.books.schism.unknown(g)
	}
	for _, c := range g.writers {
		for _, o := range c.open {
			if o.retried() {
				return o.String()
			}
		}
	}
	for _, t := range g.travellers {
		if !t.idle() {
			return t.user + " has no answer"
		}
	}
	if g.admin.now != nil {
		return g.admin.now.String()
	}
	if g.clerk.now != nil || len(g.clerk.queue) > 0 {
		return "the clerk has something to write"
	}
	for _, f := range g.regions {
		if why := f.rests(); why != "" {
			return f.province.name + ": " + why
		}
	}
	first := g.regions[0].machines[0].process.base.Engine.Vector()
	for _, f := range g.regions[1:] {
		if v := f.machines[0].process.base.Engine.Vector(); !v.Equal(first) {
			return fmt.Sprintf("%s holds %v, %s %v", g.regions[0].province.name, first, f.province.name, v)
		}
	}
	return ""
}

// rests says what a region waits for, as far as it doesn't take others.
func (f *fleet) rests() string {
	switch {
	case !f.province.begun:
		return "hasn't begun"
	case f.province.shut:
		return "is shut"
	case !f.whole():
		return fmt.Sprintf("it has the voters %v", f.agreed.members().Voters())
	case len(f.agreed.members().List()) != len(f.machines):
		return "it has members without a machine"
	}
	if why := f.machinesWait(); why != "" {
		return why
	}
	for _, m := range f.machines {
		if pending := m.process.base.Engine.Pending(1); len(pending) > 0 {
			return fmt.Sprintf("%s has %v to compensate", m.name, pending[0])
		}
	}
	if f.leader() == nil {
		return "nobody leads"
	}
	return ""
}

// last looks at everything once more: what was asked and answered, what every region holds, and what clients saw.
func (g *globe) last() {
	g.ended = true
	f := g.regions[0]
	final := f.machines[0].process.base.Engine.Vector()
	for _, check := range []func() error{
		func() error { return g.books.settle(final, &g.report.Regions) }, g.atRest, g.sameEverywhere,
		func() error { return g.asDefined(final) }, g.readers.hiddenStays,
	} {
		if err := check(); err != nil {
			f.breaks(err)
			return
		}
	}
	for _, f := range g.regions {
		for _, m := range f.machines {
			m.process.leave(false)
			m.process = nil
		}
	}
}

func (g *globe) atRest() error {
	for _, f := range g.regions {
		g.report.Entries += len(f.agreed.entries)
		for _, m := range f.machines {
			if n := m.process.step.Core.Status().Waiting; n > 0 {
				return fmt.Errorf("everybody has an answer, and %d requests wait in %s", n, m.name)
			}
			if n := m.process.base.Engine.Memory(); n > restingMemory {
				return fmt.Errorf("%s's state takes %d bytes", m.name, n)
			}
		}
	}
	return nil
}

// sameEverywhere compares all replicas' digests, of all regions.
func (g *globe) sameEverywhere() error {
	for _, f := range g.regions {
		for _, m := range f.machines {
			if err := m.process.sameDigest(); err != nil {
				return err
			}
		}
	}
	return nil
}

// asDefined compares one replica's state with what the definition makes of the events, in any order.
func (g *globe) asDefined(final id.VersionVector) error {
	// The shuffle takes nothing from the run's own draws.
	rng := rand.New(rand.NewPCG(g.story.sum, 0))
	f := g.regions[rng.IntN(len(g.regions))]
	p := f.machines[rng.IntN(len(f.machines))].process
	l := g.ledger
	l.events = g.books.events(final)
	g.report.Events = len(l.events)
	if err := l.foldAfresh(p.base, rng); err != nil {
		return fmt.Errorf("%s: %w", p.m.name, err)
	}
	return p.base.Records(func(engine.Record) bool { g.report.Records++; return true })
}
