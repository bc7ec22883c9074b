package replica_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// An event that was undone elsewhere and that the log has let go of is counted as lost, and isn't asked for again in the
// term; one that couldn't be read for another reason is, once a tick has passed.
func TestWhatTheLogLetGoOfIsNotTakenBack(t *testing.T) {
	m := newRealm(t, 2, 1, nil)
	a, b := m.lead(1), m.lead(2)
	gone, busy := a.must(a.request(signal(0, "ada", "alpha"))).First, a.must(a.request(signal(0, "bob", "alpha"))).First
	m.ship(a, b)
	b.run()
	b.must(b.request(record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: gone}}))
	b.must(b.request(record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: busy}}))
	m.ship(b, a)
	a.run()
	if len(a.wanted) != 2 {
		t.Fatalf("%v are wanted", a.wanted)
	}
	a.wanted = nil
	a.core.Originals(a.now(), []replica.Original{
		{Position: gone, Err: fault.ErrGone}, {Position: busy, Err: fault.ErrOverloaded},
	})
	a.take()
	if s := a.core.Status(); s.Lost != 1 || len(a.wanted) != 0 {
		t.Fatalf("%d are lost, and %v wanted", s.Lost, a.wanted)
	}
	a.core.Tick(a.now())
	a.take()
	if len(a.wanted) != 1 || a.wanted[0] != busy {
		t.Fatalf("%v are wanted after a tick", a.wanted)
	}
	a.originals()
	a.run()
	m.settle()
	if pending := a.engine.Pending(9); len(pending) != 1 || pending[0] != gone || a.core.Status().Lost != 1 {
		t.Errorf("%v are pending, %d lost", pending, a.core.Status().Lost)
	}
}

// An event of an incarnation that has ended may be compensated already, by what was lost of that incarnation and is at others alone. It
// is asked for then, and compensated once it's known that nobody has more.
func TestAnEndedIncarnationsEventIsNotCompensatedTwice(t *testing.T) {
	r := leading(t, nil)
	at := r.must(r.request(signal(0, "ada", "alpha"))).First
	complete := false
	r.cfg.Origin.Incarnation++
	r.cfg.Complete = func(o id.Origin) bool { return complete }
	r.restart(0, false)
	r.lead()
	_, hash := r.engine.Schema()
	ask := func() (replica.Receipt, error) {
		return r.write(inLane(r.request(undo(at, signal(0, "ada", "alpha").Signal, 1000, hash)), "p", 1))
	}
	if _, err := ask(); err != nil {
		t.Fatal(err)
	}
	log := r.log()
	if last := log[len(log)-1]; last.Kind != record.KindUndo || !r.engine.Undone(at) {
		t.Fatalf("it's written as %v", last.Kind)
	}
	if again, err := ask(); err != nil || !again.Duplicate {
		t.Errorf("its retry: %+v, %v", again, err)
	}
	r.core.Tick(r.now())
	r.take()
	if len(r.wanted) != 0 {
		t.Fatalf("%v are wanted before it is known what was lost", r.wanted)
	}
	complete = true
	r.core.Tick(r.now())
	r.take()
	r.originals()
	r.run()
	log = r.log()
	if last := log[len(log)-1]; last.Kind != record.KindCompensate || len(r.engine.Pending(9)) != 0 {
		t.Errorf("the last record is %v; %v are pending", last.Kind, r.engine.Pending(9))
	}
}
