package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/engine"
)

// finish ends the clients' work: faults stop, what is open is answered, lost machines join, and all replicas come to
// hold the same.
func (f *fleet) finish() {
	f.closing = true
	f.settings.latency = min(f.settings.latency, milli)
	f.network.heal()
	f.calm()
	f.tell(nil, "finish", 0, 0, "")
	f.await()
}

// calm ends what goes wrong at the machines.
func (f *fleet) calm() {
	ahead := int64(0)
	for _, m := range f.machines {
		ahead = max(ahead, m.ahead)
	}
	for _, m := range f.machines {
		m.disk.Calm()
		m.disk.Interrupt(0)
		m.keeper.faulty = false
		m.slow, m.stalled, m.down = 0, 0, 0
		m.skew = ahead // nobody has to wait for a clock that was set back
		if m.process == nil && m.number != 0 {
			f.after(0, m.start)
		}
	}
}

// await ends the run once everyone has an answer and all replicas are where the group is.
func (f *fleet) await() {
	f.after(50*milli, func() {
		if f.waitsFor() != "" {
			f.await()
			return
		}
		f.last()
	})
}

// waitsFor says why the run can't end yet; empty when it can.
func (f *fleet) waitsFor() string {
	for _, c := range f.writers {
		for _, o := range c.open {
			if o.retried() {
				return o.String()
			}
		}
	}
	for _, s := range f.readers.sessions {
		if !s.idle() {
			return s.user + " has no answer"
		}
	}
	if f.admin.now != nil {
		return f.admin.now.String()
	}
	if !f.whole() {
		why := fmt.Sprintf("the group has the voters %v", f.agreed.members().Voters())
		for _, m := range f.machines {
			why += fmt.Sprintf("; %s is %d", m.name, m.number)
			if m.leaving {
				why += " and leaves"
			}
		}
		return why
	}
	if len(f.agreed.members().List()) != len(f.machines) {
		return "the group has members without a machine"
	}
	return f.machinesWait()
}

// machinesWait says which machine isn't done yet, and with what.
func (f *fleet) machinesWait() string {
	for _, m := range f.machines {
		switch {
		case !m.up():
			return m.name + " has no process"
		case m.process.applied < uint64(len(f.agreed.entries)):
			return fmt.Sprintf("%s has applied %d of %d entries", m.name, m.process.applied, len(f.agreed.entries))
		case len(m.process.open) > 0:
			return m.name + " has requests without an answer"
		}
	}
	return ""
}

// last looks at everything once more: what was asked and answered, what every replica holds, and what clients saw.
func (f *fleet) last() {
	f.ended = true
	for _, check := range []func() error{
		f.ledger.accounts, f.atRest, f.sameEverywhere, f.asDefined, f.readers.linearizable, f.readers.hiddenStays,
	} {
		if err := check(); err != nil {
			f.breaks(err)
			return
		}
	}
	for _, m := range f.machines {
		m.process.leave(false)
		m.process = nil
	}
}

// sameEverywhere compares the replicas' digests.
func (f *fleet) sameEverywhere() error {
	for _, m := range f.machines {
		if got := m.process.base.Engine.Vector().Get(f.origin); got != f.ledger.last.seq {
			return fmt.Errorf("%s is at event %d, the group at %d", m.name, got, f.ledger.last.seq)
		}
		if err := m.process.sameDigest(); err != nil {
			return err
		}
	}
	return nil
}

// restingMemory bounds what a replica's state takes once a run is over, in bytes. A run has about 700 events; of 600 runs most
// took less than 1 MiB, in whole blocks, and none 4.
const restingMemory = 8 << 20

// atRest checks that a replica that everybody had an answer from holds on to nothing: no request waits in its core, and its
// state takes what that many events may.
func (f *fleet) atRest() error {
	for _, m := range f.machines {
		if n := m.process.step.Core.Status().Waiting; n > 0 {
			return fmt.Errorf("everybody has an answer, and %d requests wait in %s", n, m.name)
		}
		if n := m.process.base.Engine.Memory(); n > restingMemory {
			return fmt.Errorf("%s's state takes %d bytes after %d events", m.name, n, len(f.ledger.events))
		}
	}
	return nil
}

// asDefined compares one replica's state with what the definition makes of the events, in any order.
func (f *fleet) asDefined() error {
	f.report.Entries, f.report.Events = len(f.agreed.entries), len(f.ledger.events)
	// The shuffle takes nothing from the run's own draws.
	rng := rand.New(rand.NewPCG(f.story.sum, 0))
	p := f.machines[rng.IntN(len(f.machines))].process
	if err := f.ledger.foldAfresh(p.base, rng); err != nil {
		return err
	}
	return p.base.Records(func(engine.Record) bool { f.report.Records++; return true })
}
