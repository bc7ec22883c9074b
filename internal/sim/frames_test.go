package sim

import (
	"context"
	"testing"

	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/pair"
	"github.com/tidaldb/tidal/internal/transport/transporttest"
)

// suiteWorld is the network of a run in which no process runs: the suite's members are at its machines, and the run's own
// clock and list of what is to be done carry what they send.
type suiteWorld struct {
	t     *testing.T
	f     *fleet
	named map[string]*machine
}

func newSuiteWorld(t *testing.T, l transporttest.Limits, latency, slow int64) *suiteWorld {
	seed := testseed.Of(t)
	f := newFleet(seed, ClusterOptions{Nodes: 7, Seconds: 1, Story: true}, &Room{})
	f.settings.ordered, f.settings.latency = true, latency
	for i := range f.network.wires {
		f.network.wires[i].slow = slow
	}
	f.network.carriesFrames(pair.Options{Seed: seed, MaxFrame: l.MaxFrame, QueueFrames: l.QueueFrames, QueueBytes: l.QueueBytes})
	t.Cleanup(func() {
		if f.broken != nil {
			t.Error(f.broken)
		}
	})
	return &suiteWorld{t, f, map[string]*machine{}}
}

// machine is where a member is.
func (w *suiteWorld) machine(name string) *machine {
	m := w.named[name]
	if m == nil {
		m = w.f.machines[len(w.named)]
		w.named[name] = m
	}
	return m
}

func (w *suiteWorld) Join(name string, m transporttest.Member) transport.Transport {
	w.t.Helper()
	end, err := w.f.network.join(w.machine(name), pair.Member{
		Identity: m.Identity, Handler: m.Handler, Admit: m.Admit, Regions: m.Regions, Refused: m.Refused,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return end
}

func (w *suiteWorld) Route(_, to string) string { return w.machine(to).address() }

func (w *suiteWorld) Cut(from, to string) { w.cut(from, to, 1) }

func (w *suiteWorld) Mend(from, to string) { w.cut(from, to, -1) }

func (w *suiteWorld) cut(from, to string, n int) {
	w.f.network.wire(w.machine(from).place, w.machine(to).place).cut += n
	w.f.network.pave()
}

func (w *suiteWorld) Stepped() bool { return true }

func (w *suiteWorld) Until(what string, holds func() bool) {
	w.t.Helper()
	for idle := 0; idle < 1000; {
		if holds() {
			return
		}
		if len(w.f.jobs.heap) == 0 {
			idle++
			continue
		}
		w.f.next()
	}
	w.t.Fatalf("it never came: %s", what)
}

// TestTheNetworkOfARunIsATransport runs the suite that every form of the transport passes over the network of a run.
func TestTheNetworkOfARunIsATransport(t *testing.T) {
	for name, x := range map[string]struct{ latency, slow int64 }{
		"quick": {300 * micro, 0}, "far": {8 * milli, 0}, "slow wires": {milli, 60 * milli},
	} {
		t.Run(name, func(t *testing.T) {
			transporttest.Run(t, func(t *testing.T, l transporttest.Limits) transporttest.World {
				return newSuiteWorld(t, l, x.latency, x.slow)
			})
		})
	}
}

// TestARunWhosePacketsAreFrames: some runs give every packet to a transport, all of them keep their promises, and one seed
// is one story there, too.
func TestARunWhosePacketsAreFrames(t *testing.T) {
	var room Room
	found := 0
	for seed := uint64(1); found < 5; seed++ {
		if seed > 200 {
			t.Fatalf("of 200 seeds %d have frames; want an eighth", found)
		}
		o := ClusterOptions{Nodes: 3, Seconds: 5, Story: true}
		if f := newFleet(seed, o, &Room{}); !f.settings.codec {
			continue
		}
		found++
		a, err := Cluster(seed, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := room.Cluster(seed, o)
		if err != nil {
			t.Fatal(err)
		}
		if a.Frames < 1000 || a.Frames+a.Lost < a.Packets {
			t.Errorf("seed %d: of %d packets %d were given to a transport, %d are lost", seed, a.Packets, a.Frames, a.Lost)
		}
		if a.Story != b.Story || a.Lost != b.Lost || a.Frames != b.Frames {
			t.Errorf("seed %d: two runs differ: stories of %d and %d bytes, %d and %d of %d frames lost", seed, len(a.Story),
				len(b.Story), a.Lost, b.Lost, a.Frames)
		}
	}
}

// TestWiresAreWays: what mishaps do to a wire is what a transport's frames meet.
func TestWiresAreWays(t *testing.T) {
	w := newSuiteWorld(t, transporttest.Limits{}, milli, 0)
	n, got := &w.f.network, map[byte]int{}
	count := counter(func(frame []byte) { got[frame[0]]++ })
	w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: count})
	a := w.Join("a", transporttest.Member{Identity: transporttest.Who(1), Handler: count})
	a.SetPeer(2, w.Route("a", "b"))
	const each = 1000
	send := func(class byte) int64 {
		began := w.f.now
		for range each {
			if err := a.Send(2, []byte{class}); err != nil {
				t.Fatal(err)
			}
		}
		for len(w.f.jobs.heap) > 0 {
			w.f.next()
		}
		return w.f.now - began
	}
	if took := send(0); got[0] != each || took > milli {
		t.Errorf("in good weather %d of %d frames came in %d ns", got[0], each, took)
	}
	wire := n.wire(w.machine("a").place, w.machine("b").place)
	wire.loss, wire.twice, wire.slow = 300, 300, 60*milli
	n.pave()
	if took := send(1); got[1] == each || got[1] < 800 || got[1] > 1020 || took < 30*milli || took > 62*milli {
		t.Errorf("in bad weather %d of %d frames came in %d ns; want about 910, and 61 ms", got[1], each, took)
	}
	wire.cut++
	n.pave()
	if send(2); got[2] != 0 {
		t.Errorf("%d frames went through a cut", got[2])
	}
	if lost := a.Stats()[0].Urgent.DroppedLost; lost < each+200 || lost > each+400 {
		t.Errorf("%d frames are counted as lost; want the %d of the cut, and about 300", lost, each)
	}
	n.heal()
	if send(3); got[3] != each {
		t.Errorf("after it was healed %d of %d frames came", got[3], each)
	}
}

// counter is a handler that tells of each frame.
type counter func(frame []byte)

func (c counter) Receive(_ uint64, frame []byte) { c(frame) }

func (c counter) Answer(_ context.Context, _ uint64, request []byte) ([]byte, error) {
	return request, nil
}
