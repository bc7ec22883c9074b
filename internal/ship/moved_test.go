package ship

import (
	"slices"
	"testing"
)

// TestASubscriptionFollowsWhoLeads: a new leader may have heard of nobody.
func TestASubscriptionFollowsWhoLeads(t *testing.T) {
	w := newWorld(t, 1, 2, 3)
	w.mustAgree(second)
	far := w.towns[1]
	source := func() Peer { return w.towns[0].houses[0].core.Status().Regions[0].Source }
	if source() != far.houses[0].peer {
		t.Fatalf("it's %v that is asked, and %v leads", source(), far.houses[0].peer)
	}
	far.elect(1)
	w.calm(10 * second)
	if source() != far.houses[1].peer {
		t.Errorf("it's %v that is asked, and %v leads", source(), far.houses[1].peer)
	}
}

// TestALeaderThatDoesntAnswerIsLeftAloneWhileAnotherDoes: what is reached of a region stays its source.
func TestALeaderThatDoesntAnswerIsLeftAloneWhileAnotherDoes(t *testing.T) {
	c := newLone(t)
	c.core.Regions(c.clock(), []Region{{Number: 0, Replicas: []uint64{1}}, {Number: 1, Replicas: []uint64{1, 2}}, {Number: 2}})
	alive := func(ticks int) (asked int) {
		for range ticks {
			c.out.Send = nil
			c.tick()
			for i := range c.out.Send {
				p := &c.out.Send[i]
				switch {
				case p.Kind != PacketSubscribe:
				case p.To.Replica == 2:
					asked++
				default:
					c.session = p.Session
					c.follow(Packet{Kind: PacketAccept})
				}
			}
			c.follow(Packet{Kind: PacketData})
		}
		return asked
	}
	if asked := alive(40 * second); asked == 0 || asked > 3 {
		t.Errorf("a leader that doesn't answer was asked %d times", asked)
	}
	p := Packet{To: self, From: Peer{1, 2}, Kind: PacketAck, Session: 7}
	c.core.Receive(c.clock(), &p)
	if asked := alive(10 * second); asked == 0 || asked > 3 {
		t.Errorf("once it's heard of it was asked %d times", asked)
	}
}

// follow has the other end send a packet, as one that follows replica 2.
func (x *lone) follow(p Packet) {
	p.To, p.From = self, other
	p.Session, p.Pulse.Leader = x.session, 2
	x.core.Receive(x.clock(), &p)
	x.take()
}

// TestWhoHasSpokenIsAskedWhenTheTablesReplicasAreNoMore: a member that was replaced is in a table that is old.
func TestWhoHasSpokenIsAskedWhenTheTablesReplicasAreNoMore(t *testing.T) {
	c := newLone(t)
	p := Packet{To: self, From: Peer{1, 3}, Kind: PacketAck, Session: 7, Pulse: Pulse{Leads: true}}
	c.core.Receive(c.clock(), &p)
	c.out.Send = nil
	for range 10 * second {
		c.tick()
	}
	if !slices.ContainsFunc(c.out.Send, func(p Packet) bool { return p.Kind == PacketSubscribe && p.To == Peer{1, 3} }) {
		t.Errorf("replica 3, which has spoken, isn't asked")
	}
}
