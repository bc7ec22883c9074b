package ship

import (
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/id"
)

// A region whose disk was taken back asks the others what they have of it, before it stamps. What has come to them and isn't
// applied counts, and nothing of before may come behind the answer.

// ask has the other end subscribe, and returns what it is told.
func (x *lone) ask(session uint64) Packet {
	x.t.Helper()
	x.out.Send = nil
	x.give(Packet{Kind: PacketSubscribe, Session: session, Subscribe: &Subscription{
		Cluster: [16]byte{1}, Origin: id.Origin{Region: 1}, Own: true, Window: 1 << 20,
	}})
	i := slices.IndexFunc(x.out.Send, func(p Packet) bool { return p.Kind == PacketAccept })
	if i < 0 {
		x.t.Fatalf("it's answered by %+v", x.out.Send)
	}
	return x.out.Send[i]
}

// told is what an answer says of the other end's events that are on their way into the log.
func toldOf(p Packet) id.VersionVector {
	for _, r := range p.Pulse.Knows {
		if r.Region == other.Region {
			return r.Vector
		}
	}
	return id.VersionVector{}
}

func TestWhoAsksIsToldWhatIsOnItsWayIntoTheLog(t *testing.T) {
	c := newLone(t)
	far := newWorld(t, 1, 2, 1).towns[1]
	one, two := far.batch(2, 10), far.batch(3, 10)
	if v := toldOf(c.ask(1<<32 | 1)); v.Len() != 0 {
		t.Fatalf("nothing has come, and it's told of %v", v)
	}
	c.subscribe() // what that process, which is new, sends is asked for anew
	c.out.Propose = nil
	c.data(item(one), item(two))
	if v := toldOf(c.ask(1<<32 | 3)); v.Get(far.origin) != 5 {
		t.Errorf("5 events are on their way, and it's told of %v", v)
	}
	// Of the second one the group can't tell: the first is proposed all the same.
	last := c.out.Propose[len(c.out.Propose)-1].Ticket
	c.core.Proposed(c.clock(), Outcome{Ticket: last, What: Missing})
	if v := toldOf(c.ask(1<<32 | 5)); v.Get(far.origin) != 2 {
		t.Errorf("2 events are on their way, and it's told of %v", v)
	}
	c.core.Applied(c.clock(), id.VersionVector{}.With(far.origin, 2), nil)
	if v := toldOf(c.ask(1<<32 | 7)); v.Len() != 0 {
		t.Errorf("all is applied, and it's told of %v", v)
	}
}

func TestWhatAProcessSentThatIsNoMoreIsntTaken(t *testing.T) {
	c := newLone(t)
	far := newWorld(t, 1, 2, 1).towns[1]
	c.ask(1<<32 | 1)
	c.subscribe()
	former := c.session
	if c.ask(1<<32 | 3); slices.ContainsFunc(c.out.Send, func(p Packet) bool { return p.Kind == PacketSubscribe }) {
		t.Error("it's asked anew when the same process subscribes again")
	}
	c.ask(2<<32 | 1) // it was started, perhaps with an older disk
	c.give(Packet{Kind: PacketData, Session: former, Number: 1, Items: []Item{item(far.batch(2, 10))}})
	if len(c.out.Propose) > 0 {
		t.Error("what was on its way since before is proposed")
	}
}

func TestWhatOthersAreAboutToHaveCountsAsTheirs(t *testing.T) {
	c := newLone(t)
	c.core.Applied(c.clock(), id.VersionVector{}.With(id.Origin{}, 5), nil)
	third := Packet{To: self, From: Peer{2, 1}, Kind: PacketAck, Session: 1}
	c.core.Receive(c.clock(), &third)
	c.give(Packet{Kind: PacketData})
	if c.core.Heard() {
		t.Error("of two regions one has answered")
	}
	frozen := id.Origin{Region: 0, Incarnation: 1}
	report := func(v id.VersionVector) []Report { return []Report{{Region: self.Region, Vector: v}} }
	c.core.Regions(c.clock(), []Region{{Number: 0, Replicas: []uint64{1}}, {Number: 1, Replicas: []uint64{1}}})
	c.give(Packet{Kind: PacketData, Pulse: Pulse{Knows: report(id.VersionVector{}.With(frozen, 3))}})
	if !c.core.Heard() || c.core.Complete(id.Origin{}) || len(c.out.Ahead) > 0 {
		t.Errorf("3 events of another incarnation are on their way there: heard %v, complete %v, ahead %v", c.core.Heard(),
			c.core.Complete(id.Origin{}), c.out.Ahead)
	}
	c.give(Packet{Kind: PacketData}) // they were lost with a process
	if !c.core.Complete(id.Origin{}) {
		t.Error("nobody has more")
	}
	c.give(Packet{Kind: PacketData, Pulse: Pulse{Knows: report(id.VersionVector{}.With(id.Origin{}, 9))}})
	if len(c.out.Ahead) != 1 || c.out.Ahead[0] != (id.Origin{}).At(9) {
		t.Errorf("event 9 is on its way there, and it's told %v", c.out.Ahead)
	}
}
