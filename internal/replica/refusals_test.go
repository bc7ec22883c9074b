package replica_test

import (
	"errors"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// replaced lets the leader of a fleet be cut off and replaced without hearing so, and returns its successor.
func replaced(t *testing.T, f *fleet, old *rig) *rig {
	t.Helper()
	f.cut[old.cfg.Consensus.Replica] = true
	for range 100 {
		if f.tick(f.rigs[1:]...); f.leader() != old {
			break
		}
		f.run()
	}
	f.run()
	successor := f.leader()
	if successor == old || !old.core.Leading() {
		t.Fatalf("the old one leads: %v; and so does a new one: %v", old.core.Leading(), successor != old)
	}
	return successor
}

// heal ends a cut and lets everybody follow one leader.
func (f *fleet) heal() {
	f.tb.Helper()
	clear(f.cut)
	f.elect()
	f.run()
}

// send proposes a request without waiting for what becomes of it.
func send(r *rig, records ...record.Proposed) (ticket uint64) {
	ticket = r.propose(r.request(records...))
	r.flush()
	return ticket
}

// written has a signal written, and returns where.
func written(t *testing.T, f *fleet, r *rig) id.Position {
	t.Helper()
	ticket := send(r, signal(0, "ada", "alpha"))
	f.run()
	x := r.replies[ticket]
	if x.Err != nil || x.Receipt.Count != 1 {
		t.Fatalf("the signal ends with %+v", x)
	}
	return x.Receipt.First
}

func takesBack(r *rig, p id.Position) record.Proposed {
	return undo(p, signal(0, "ada", "alpha").Signal, r.wall, r.request().Schema)
}

// A leader that was replaced doesn't know what its successor has acknowledged. It doesn't say that there's no such event.
func TestWhoWasReplacedMissesNothing(t *testing.T) {
	f := founded(t, 3, nil)
	old := f.leader()
	at := written(t, f, replaced(t, f, old))
	ticket := send(old, takesBack(old, at))
	if x, told := old.replies[ticket]; told {
		t.Errorf("it's answered before anybody was asked: %+v", x)
	}
	f.heal()
	if x, told := old.replies[ticket]; !told || !errors.Is(x.Err, fault.ErrNotLeader) {
		t.Errorf("the request ends with %+v", x)
	}
	if old.engine.Undone(at) {
		t.Error("it's undone")
	}
}

// Nobody is told that an event is undone, or a name taken, by something that a leader stamped and that was never written.
func TestWhatWasNeverWrittenRefusesNothing(t *testing.T) {
	f := founded(t, 3, nil)
	old := f.leader()
	at := written(t, f, old)
	f.cut[1] = true
	undoing := send(old, takesBack(old, at))
	undone := send(old, takesBack(old, at))
	other := signal(0, "bob", "alpha")
	other.Key = "k"
	naming := send(old, other)
	other.Signal.Item = "beta"
	named := send(old, other)
	replaced(t, f, old)
	for _, ticket := range []uint64{undone, named} {
		if x, told := old.replies[ticket]; told {
			t.Errorf("request %d is answered before anything is written: %+v", ticket, x)
		}
	}
	f.heal()
	written(t, f, f.leader()) // in the place of what it had stamped
	for _, ticket := range []uint64{undoing, undone, naming, named} {
		if x, told := old.replies[ticket]; !told || !errors.Is(x.Err, fault.ErrNotLeader) {
			t.Errorf("request %d ends with %+v", ticket, x)
		}
	}
	if old.engine.Undone(at) {
		t.Error("it's undone")
	}
}

// Who leads and has written it says so, behind what it rests on.
func TestRefusalsAreToldBehindWhatTheyRestOn(t *testing.T) {
	for _, members := range []int{1, 3} {
		f := founded(t, members, nil)
		r := f.leader()
		at := written(t, f, r)
		undoing := send(r, takesBack(r, at))
		undone := send(r, takesBack(r, at))
		missing := send(r, takesBack(r, origin.At(99)))
		f.run()
		if x := r.replies[undoing]; x.Err != nil {
			t.Errorf("of %d: it isn't taken back: %v", members, x.Err)
		}
		if x, told := r.replies[undone]; !told || !errors.Is(x.Err, fault.ErrUndone) {
			t.Errorf("of %d: taking it back once more ends with %+v", members, x)
		}
		if x, told := r.replies[missing]; !told || !errors.Is(x.Err, fault.ErrNotFound) {
			t.Errorf("of %d: taking back what isn't there ends with %+v", members, x)
		}
	}
}
