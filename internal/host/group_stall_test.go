package host_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
)

// stalling is a disk of which the log's syncs can be held up.
type stalling struct {
	mu   sync.Mutex
	gate chan struct{} // nil while they aren't
}

func (s *stalling) observe(op errorfs.Op) error {
	sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if sync && gate != nil && strings.HasSuffix(op.Path, ".seg") {
		<-gate
	}
	return nil
}

func (s *stalling) stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = make(chan struct{})
}

func (s *stalling) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.gate)
	s.gate = nil
}

// A leader whose disk hangs hands over, ends what waited with an outcome that nobody knows, and goes on from its disk once that
// answers: what it had written counts once, wherever it was written in the end.
func TestALeaderWhoseDiskHangsHandsOverAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		disk := &stalling{}
		g.disks["a"] = errorfs.Wrap(pebblevfs.NewMem(), errorfs.InjectorFunc(disk.observe))
		a := g.found("a")
		g.start("b", "a")
		g.start("c", "a")
		g.voters(3)
		g.write("p", 1, "x")
		if !a.Leading() {
			t.Fatal("another one leads")
		}
		disk.stall()
		answer := make(chan error, 1)
		go func() {
			_, err := write(t.Context(), a, "p", 2, "y", 1)
			answer <- err
		}()
		began := time.Now()
		if err := <-answer; !errors.Is(err, fault.ErrUnknown) {
			t.Errorf("what waited for the disk ends with %v", err)
		}
		g.write("p", 2, "y") // through whoever leads now
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("nothing was written for %v", took)
		}
		if a.Leading() {
			t.Error("the stalled one leads")
		}
		if s, err := a.Status(t.Context()); err != nil || !s.Stalled && s.Leader == s.Number {
			t.Errorf("it says of itself %+v, %v", s, err)
		}
		disk.resume()
		g.write("p", 3, "z")
		g.same()
		for _, item := range []string{"x", "y", "z"} {
			if got := total(t, a, item); got != 1 {
				t.Errorf("%s counts %d times", item, got)
			}
		}
	})
}

// The same where nobody can take over at first: the leader falls silent, and takes part again when its disk answers.
func TestAFencedLeaderBeginsAnewInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		disk := &stalling{}
		g.disks["a"] = errorfs.Wrap(pebblevfs.NewMem(), errorfs.InjectorFunc(disk.observe))
		a := g.found("a")
		g.start("b", "a")
		g.voters(2)
		g.write("p", 1, "x")
		g.net.Isolate("b") // nobody is there to take over
		disk.stall()
		answer := make(chan error, 1)
		go func() {
			_, err := write(t.Context(), a, "p", 2, "y", 1)
			answer <- err
		}()
		if err := <-answer; !errors.Is(err, fault.ErrUnknown) && !errors.Is(err, fault.ErrNotLeader) {
			t.Errorf("what waited for the disk ends with %v", err)
		}
		pass(10 * time.Second)
		g.net.Rejoin("b")
		disk.resume()
		g.write("p", 2, "y")
		g.same()
		for _, m := range []*host.Replica{a, g.members["b"]} {
			if got := total(t, m, "y"); got != 1 || m.Failure() != nil {
				t.Errorf("y counts %d times, %v", got, m.Failure())
			}
		}
	})
}
