package test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fleet"
	"github.com/tidaldb/tidal/internal/stall"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
)

// trouble is what can happen to one server, and how it ends.
type trouble struct {
	name  string
	begin func(*trial, *fleet.Node) error
	end   func(*trial, *fleet.Node) error
}

// troubles are all that need neither root nor a network of their own.
func troubles() []trouble {
	cut := func(d faultproxy.Direction) func(*trial, *fleet.Node) error {
		return func(_ *trial, n *fleet.Node) error { n.Network().Cut(d); return nil }
	}
	mend := func(_ *trial, n *fleet.Node) error { n.Network().Mend(); return nil }
	start := func(x *trial, n *fleet.Node) error { return n.Start(x.ctx) }
	all := []trouble{
		{"is killed", func(_ *trial, n *fleet.Node) error { return n.Kill() }, start},
		{"is stopped in order", func(x *trial, n *fleet.Node) error { return n.Stop(x.ctx) }, start},
		{"stands still", func(_ *trial, n *fleet.Node) error { return n.Pause() }, func(_ *trial, n *fleet.Node) error { return n.Continue() }},
		{"isn't heard by its peers", cut(faultproxy.Down), mend},
		{"doesn't hear its peers", cut(faultproxy.Up), mend},
		{"is out of its peers' reach", cut(faultproxy.Both), mend},
		{
			"is far away",
			func(_ *trial, n *fleet.Node) error {
				n.Network().SetWeather(faultproxy.Both, faultproxy.Weather{Delay: 40 * time.Millisecond, Jitter: 40 * time.Millisecond})
				return nil
			},
			func(_ *trial, n *fleet.Node) error {
				n.Network().SetWeather(faultproxy.Both, faultproxy.Weather{})
				return nil
			},
		},
		{"loses its connections", func(_ *trial, n *fleet.Node) error { n.Network().Reset(); return nil }, func(*trial, *fleet.Node) error { return nil }},
		{
			"is replaced",
			func(x *trial, n *fleet.Node) error {
				number, err := n.Number(x.ctx)
				if err == nil {
					err = n.Kill()
				}
				if err != nil {
					return err
				}
				if err := x.remove(number); err != nil {
					return err
				}
				return n.Wipe()
			},
			start,
		},
	}
	if stall.Supported() == nil {
		all = append(all, trouble{
			"has a disk that stalls", func(_ *trial, n *fleet.Node) error { n.Disk().Stall(); return nil },
			func(x *trial, n *fleet.Node) error { n.Disk().Resume(); return n.Ready(x.ctx) },
		})
	}
	return all
}

// One thing after the other happens to one server after the other, in an order that a seed draws; now and then the power
// fails.
func TestAStorm(t *testing.T) {
	rng := rand.New(rand.NewPCG(testseed.Of(t), 2))
	n := times(2, 6, 200)
	x := newTrial(t, 3*time.Minute+time.Duration(n)*15*time.Second, fleet.Options{Proxies: true, Stalls: stall.Supported() == nil})
	all := troubles()
	for range n {
		if rng.IntN(12) == 0 {
			good(t, x.f.KillAll())
			good(t, x.f.StartAll(x.ctx))
			x.served("the power failed")
			x.whole()
			continue
		}
		node, what := x.f.Nodes[rng.IntN(3)], all[rng.IntN(len(all))]
		good(t, what.begin(x, node))
		if rng.IntN(3) > 0 { // else it ends before anybody noticed, perhaps
			x.served("node " + node.Name + " " + what.name)
		}
		good(t, what.end(x, node))
		x.served("node " + node.Name + " is well again")
		x.whole()
	}
	x.settle()
}
