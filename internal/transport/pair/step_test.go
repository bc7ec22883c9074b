package pair_test

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/pair"
)

// agenda is a scheduler on one thread: events by time, and by order of arrival where times are equal.
type agenda struct {
	now    time.Duration
	next   int
	events []event
}

type event struct {
	at    time.Duration
	order int
	f     func()
}

func (a *agenda) After(d time.Duration, f func()) {
	a.events = append(a.events, event{a.now + d, a.next, f})
	a.next++
}

// run calls everything that is due, and whatever that brings about.
func (a *agenda) run() {
	for len(a.events) > 0 {
		first := slices.MinFunc(a.events, func(x, y event) int {
			if x.at != y.at {
				return int(x.at - y.at)
			}
			return x.order - y.order
		})
		a.events = slices.DeleteFunc(a.events, func(e event) bool { return e.order == first.order })
		a.now = first.at
		first.f()
	}
}

// notes is a handler that keeps what it received.
type notes struct{ got []uint64 }

func (n *notes) Receive(_ uint64, frame []byte) {
	n.got = append(n.got, binary.LittleEndian.Uint64(frame))
}

func (n *notes) Answer(_ context.Context, _ uint64, request []byte) ([]byte, error) {
	return append(request, '!'), nil
}

func number(n uint64) func() transport.Identity {
	return func() transport.Identity { return transport.Identity{Cluster: [16]byte{7}, Replica: n} }
}

// two joins a and b, which know each other, and returns a's end and what b receives.
func two(t *testing.T, o pair.Options) (*pair.Network, *pair.Transport, *notes) {
	t.Helper()
	n := pair.New(o)
	t.Cleanup(func() { n.Close() })
	got := &notes{}
	a, err := n.Join("a", pair.Member{Identity: number(1), Handler: &notes{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Join("b", pair.Member{Identity: number(2), Handler: got}); err != nil {
		t.Fatal(err)
	}
	a.SetPeer(2, "b")
	return n, a, got
}

func TestOneSeedIsOneRun(t *testing.T) {
	seed := testseed.Of(t)
	run := func() []uint64 {
		var times agenda
		_, a, got := two(t, pair.Options{Seed: seed, Scheduler: &times, Way: pair.Way{
			Delay: time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.2, Duplicate: 0.2, Reorder: 0.2,
		}})
		for i := range uint64(500) {
			if err := a.Send(2, binary.LittleEndian.AppendUint64(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		times.run()
		return got.got
	}
	first := run()
	if !slices.Equal(first, run()) {
		t.Error("the same seed gave two runs")
	}
	seen := map[uint64]int{}
	for _, v := range first {
		seen[v]++
	}
	lost, twice := 500-len(seen), len(first)-len(seen)
	if lost < 50 || lost > 150 || twice < 30 || twice > 150 || slices.IsSorted(first) {
		t.Errorf("of 500 frames %d were lost, %d came twice, in order: %v; want about 100, 80, false",
			lost, twice, slices.IsSorted(first))
	}
}

func TestDelaysKeepOrder(t *testing.T) {
	var times agenda
	_, a, got := two(t, pair.Options{Seed: testseed.Of(t), Scheduler: &times, Way: pair.Way{Jitter: time.Second}})
	for i := range uint64(300) {
		if err := a.Send(2, binary.LittleEndian.AppendUint64(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	times.run()
	if len(got.got) != 300 || !slices.IsSorted(got.got) {
		t.Errorf("%d of 300 frames came, in order: %v", len(got.got), slices.IsSorted(got.got))
	}
}
