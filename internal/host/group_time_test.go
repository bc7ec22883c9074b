package host_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/pair"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// members are the numbers of those whom a member knows.
func numbers(t *testing.T, r *host.Replica) (out []uint64) {
	t.Helper()
	s, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Members {
		out = append(out, m.Number)
	}
	return out
}

// pass lets time pass, which in a bubble takes none.
func pass(d time.Duration) { <-time.After(d) }

// nobody asks, and has no number.
type nobody struct{ transport.Handler }

// The answer to a newcomer is lost: a learner stands there that nobody is. The same newcomer gets another number when it asks
// again, and the lost one goes; if it never asks again, it goes after a while.
func TestANumberThatWasLostIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		a := g.found("a")
		asker, err := g.net.Join("z", pair.Member{Identity: func() transport.Identity { return transport.Identity{} }, Handler: nobody{}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := asker.Ask(t.Context(), "a", host.JoinQuestion("z", time.Now().UnixMilli())); err != nil {
				t.Fatal(err)
			}
		}
		if got := numbers(t, a); len(got) != 2 || got[1] != 3 {
			t.Errorf("asked twice, the members are %v", got)
		}
		pass(2 * time.Minute)
		if got := numbers(t, a); len(got) != 1 {
			t.Errorf("after two minutes the members are %v", got)
		}
	})
}

// late is a transport whose first questions are longer under way than clocks may be apart.
type late struct {
	transport.Transport
	questions int
}

func (l *late) Ask(ctx context.Context, address string, request []byte) ([]byte, error) {
	if l.questions > 0 {
		l.questions--
		pass(3 * time.Second)
	}
	return l.Transport.Ask(ctx, address, request)
}

// A newcomer's question is held up, as where the machine stands still or an election is waited for. It isn't said for good that its
// clock is wrong.
func TestAQuestionThatComesLateIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		g.found("a")
		o := g.options("b", "a")
		network := o.Group.Network
		o.Group.Network = func(o transport.Options) (transport.Transport, error) {
			tr, err := network(o)
			return &late{tr, 2}, err
		}
		b, err := host.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		g.members["b"] = b
		g.voters(2)
	})
}

// A leader whose clock jumps stamps nothing any more, and somebody else leads.
func TestALeaderWithAWrongClockGivesUpLeading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		var ahead atomic.Int64
		opts := g.options("a")
		opts.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		a := g.foundWith("a", opts)
		g.start("b", "a")
		g.start("c", "a")
		g.voters(3)
		g.write("p", 1, "x")
		pass(5 * time.Second) // clocks are compared
		ahead.Store(int64(time.Hour))
		pass(5 * time.Second)
		if a.Leading() {
			t.Errorf("it still leads\n%s", g.picture())
		}
		if s, err := a.Status(t.Context()); err != nil || !errors.Is(s.Clock, fault.ErrClock) {
			t.Errorf("its status says %v, %v", s.Clock, err)
		}
		g.write("p", 2, "x")
		if _, err := write(t.Context(), a, "q", 1, "y", 1); !errors.Is(err, fault.ErrClock) && !errors.Is(err, fault.ErrNotLeader) {
			t.Errorf("a write through it: %v", err)
		}
		ahead.Store(0)
		pass(5 * time.Second)
		if s, err := a.Status(t.Context()); err != nil || s.Clock != nil {
			t.Errorf("set right, its status says %v, %v", s.Clock, err)
		}
		g.same()
	})
}

// A member comes back at another address: nobody sends anything there, and it tells them.
func TestAMemberThatMovedTellsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := three(t)
		g.write("p", 1, "x")
		out := "b"
		if g.members["b"].Leading() {
			out = "c"
		}
		g.kill(out)
		g.disks["moved"] = g.disks[out]
		m := g.start("moved")
		g.write("p", 2, "x")
		pass(10 * time.Second)
		g.same()
		number, _, _ := m.Leader()
		s, err := g.leader().Status(t.Context())
		if err != nil || number == 0 {
			t.Fatal(number, err)
		}
		found := false
		for _, x := range s.Members {
			found = found || x.Address == "moved" && x.URL == "http://moved"
		}
		if !found || total(t, m, "x") != 2 {
			t.Errorf("the leader knows %s; x counts %d", g.picture(), total(t, m, "x"))
		}
	})
}

// Two processes claim one number, since a directory was copied: the second is told so and stops, and the first goes on.
func TestACopiedDirectoryIsNoSecondMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := three(t)
		g.write("p", 1, "x")
		out := "b"
		if g.members["b"].Leading() {
			out = "c"
		}
		g.kill(out)
		disk := g.disks[out].(*crashable.FS)
		g.disks["copy"] = disk.CrashClone(pebblevfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
		first := g.start(out)
		g.same()
		second := g.start("copy")
		pass(10 * time.Second)
		delete(g.members, "copy")
		if err := second.Failure(); !errors.Is(err, fault.ErrInput) || !strings.Contains(err.Error(), "copied") {
			t.Errorf("the copy says %v", err)
		}
		if err := second.Close(); !errors.Is(err, fault.ErrInput) {
			t.Errorf("closing it: %v", err)
		}
		g.write("p", 2, "x")
		g.same()
		if got := total(t, first, "x"); got != 2 || first.Failure() != nil {
			t.Errorf("at the first one x counts %d times, %v", got, first.Failure())
		}
	})
}
