package replica_test

import (
	"errors"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

// A leader that was replaced and hasn't heard so yet learns from another region of what its successor has stamped. It hasn't lost
// anything, and isn't to be kept from stamping when it leads again.
func TestWhoWasReplacedIsNoFork(t *testing.T) {
	f := founded(t, 3, nil)
	old := f.leader()
	at := written(t, f, replaced(t, f, old))

	old.core.Ahead(old.now(), at)
	ticket := old.propose(old.request(signal(0, "bob", "alpha")))
	end := len(old.log())
	old.flush()
	f.run()
	if len(old.log()) != end || old.core.Status().Behind != nil {
		t.Fatalf("it has stamped %d records, and is behind: %v", len(old.log())-end, old.core.Status().Behind)
	}
	f.heal()
	var moved *fault.NotLeader
	if x := old.replies[ticket]; !errors.As(x.Err, &moved) {
		t.Errorf("the request ends with %+v", x)
	}
	if err := old.core.Status().Behind; err != nil || old.engine.Vector().Get(origin) != at.Seq {
		t.Errorf("it's behind: %v, and has %v", err, old.engine.Vector())
	}
}

// Who leads, as a quorum says, and has never stamped what others have, has lost it.
func TestWhoLeadsAndHasLostItsEndStampsNoMore(t *testing.T) {
	for _, members := range []int{1, 3} {
		f := founded(t, members, nil)
		r := f.leader()
		f.run()
		r.core.Ahead(r.now(), origin.At(r.engine.Vector().Get(origin)+1))
		ticket := r.propose(r.request(signal(0, "ada", "alpha")))
		r.flush()
		f.run()
		if x := r.replies[ticket]; !errors.Is(x.Err, fault.ErrForked) || !errors.Is(r.core.Status().Behind, fault.ErrForked) {
			t.Errorf("of %d: the request ends with %+v, and it's behind: %v", members, x, r.core.Status().Behind)
		}
	}
}
