package ship

import (
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/id"
)

// What a region says that it can't give it may be able to give later: two histories were known of an origin, and its region has been
// removed since. So it's asked again, now and then, to pass on what is missing; and until it has, what is missing stays too far
// behind, also while it's being asked.
func TestWhoCouldntPassOnAnOriginIsAskedAgain(t *testing.T) {
	o := id.Origin{Region: 2}
	c := newLone(t)
	has := Pulse{Vector: id.VersionVector{}.With(o, 5)}
	c.core.Regions(c.clock(), []Region{{Number: 0, Replicas: []uint64{1}}, {Number: 1, Replicas: []uint64{1}}, {Number: 2, Removed: true}})
	c.give(Packet{Kind: PacketData, Pulse: has})
	if s := c.subscribe(); !slices.Contains(s.Relay, o) {
		t.Fatalf("it asks to be passed on %v", s.Relay)
	}
	c.give(Packet{Kind: PacketData, Gone: []id.Origin{o}, Pulse: has})
	again := 0
	for range 20 * c.core.cfg.Ticks.Silence {
		c.tick()
		if !c.core.Status().Regions[0].TooFarBehind {
			t.Fatal("what nobody gives isn't too far behind")
		}
		sent := c.out.Send
		c.out.Send = nil
		for _, p := range sent {
			if p.Kind != PacketSubscribe {
				continue
			}
			c.session, c.number = p.Session, 0
			c.give(Packet{Kind: PacketAccept, Pulse: has})
			if slices.Contains(p.Subscribe.Relay, o) {
				again++
				c.give(Packet{Kind: PacketData, Gone: []id.Origin{o}, Pulse: has})
			}
		}
		c.give(Packet{Kind: PacketData, Number: c.number, Pulse: has})
	}
	if again < 2 || again > 6 {
		t.Errorf("in 20 times the silence that ends a region it's asked again %d times", again)
	}
	c.core.Applied(c.clock(), id.VersionVector{}.With(o, 5), nil)
	if c.tick(); c.core.Status().Regions[0].TooFarBehind {
		t.Error("what is here is too far behind")
	}
}
