package replica_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
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
