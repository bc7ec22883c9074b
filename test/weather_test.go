package test

import (
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fleet"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
)

// Peers are far from one another, packets are lost, and now and then nothing that is said to one of them arrives.
func TestABadNetworkBetweenServers(t *testing.T) {
	n := times(1, 1, 20)
	x := newTrial(t, 3*time.Minute+time.Duration(n)*30*time.Second, fleet.Options{Proxies: true})
	for range n {
		for _, w := range []struct {
			name    string
			weather faultproxy.Weather
		}{
			{"20 ms each way", faultproxy.Weather{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}},
			{"lost packets", faultproxy.Weather{Delay: time.Millisecond, Stall: 0.02}},
			{"a narrow line", faultproxy.Weather{BytesPerSecond: 2 << 20}},
			{"fine weather", faultproxy.Weather{}},
		} {
			for _, node := range x.f.Nodes {
				node.Network().SetWeather(faultproxy.Both, w.weather)
			}
			x.served(w.name)
		}
		for _, c := range []struct {
			name      string
			leads     bool
			direction faultproxy.Direction
		}{
			{"nothing that is said to the leader arrives", true, faultproxy.Up},
			{"nothing that is said to a follower arrives", false, faultproxy.Up},
			{"nobody reaches the leader, and it reaches all", true, faultproxy.Both},
		} {
			node, others := x.leader()
			if !c.leads {
				node = others[0]
			}
			node.Network().Cut(c.direction)
			x.served(c.name)
			node.Network().Mend()
			x.whole()
		}
		for _, node := range x.f.Nodes {
			node.Network().Reset()
		}
		x.served("all connections are reset")
	}
	x.settle()
}
