package pair_test

import (
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/pair"
	"github.com/tidaldb/tidal/internal/transport/transporttest"
)

// world is members of a network, whose names are their addresses.
type world struct {
	t     *testing.T
	n     *pair.Network
	times *agenda // nil: goroutines
}

func newWorld(t *testing.T, l transporttest.Limits, times *agenda, way pair.Way) *world {
	o := pair.Options{
		Seed: testseed.Of(t), Way: way, MaxFrame: l.MaxFrame, QueueFrames: l.QueueFrames, QueueBytes: l.QueueBytes,
	}
	if times != nil {
		o.Scheduler = times
	}
	w := &world{t: t, n: pair.New(o), times: times}
	t.Cleanup(func() { w.n.Close() })
	return w
}

func (w *world) Join(name string, m transporttest.Member) transport.Transport {
	w.t.Helper()
	end, err := w.n.Join(name, pair.Member{
		Identity: m.Identity, Handler: m.Handler, Admit: m.Admit, Regions: m.Regions, Refused: m.Refused,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return end
}

func (w *world) Route(_, to string) string { return to }

func (w *world) Cut(from, to string) { w.n.Cut(from, to) }

func (w *world) Mend(from, to string) { w.n.Mend(from, to) }

func (w *world) Stepped() bool { return w.times != nil }

func (w *world) Until(what string, holds func() bool) {
	w.t.Helper()
	if w.times != nil {
		for range 1000 {
			if holds() {
				return
			}
			w.times.run()
		}
		w.t.Fatalf("it never came: %s", what)
	}
	deadline, tick := time.After(2*time.Minute), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("it never came: %s", what)
		}
	}
}

func TestConformanceWithGoroutines(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, l transporttest.Limits) transporttest.World {
		return newWorld(t, l, nil, pair.Way{})
	})
}

func TestConformanceSlow(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, l transporttest.Limits) transporttest.World {
		return newWorld(t, l, nil, pair.Way{Delay: time.Millisecond, Jitter: 2 * time.Millisecond})
	})
}

func TestConformanceStepped(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, l transporttest.Limits) transporttest.World {
		return newWorld(t, l, &agenda{}, pair.Way{Jitter: 20 * time.Millisecond})
	})
}
