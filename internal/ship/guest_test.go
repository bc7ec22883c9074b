package ship

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/id"
)

// old is a leader that knows of no other region, and has stamped five events.
func old(t *testing.T) *lone {
	x := &lone{t: t, now: 1, core: New(Config{Self: self, Cluster: [16]byte{1}, Window: 32 << 10, Seed: 1})}
	x.core.Regions(x.clock(), []Region{{Number: 0, Replicas: []uint64{1}}})
	x.core.Lead(x.clock(), true, 1)
	x.core.Applied(x.clock(), id.VersionVector{}.With(id.Origin{}, 5), nil)
	x.take()
	return x
}

// visit has a region subscribe, which has what a vector says.
func (x *lone) visit(from Peer, name string, v id.VersionVector) {
	p := Packet{To: self, From: from, Kind: PacketSubscribe, Session: 9, Name: name, Pulse: Pulse{Leads: true, Vector: v}}
	p.Subscribe = &Subscription{Cluster: [16]byte{1}, Origin: id.Origin{Region: from.Region}, Own: true, Window: 1 << 20}
	x.core.Receive(x.clock(), &p)
	x.take()
}

// sent are the packets of a kind for somebody since the last look.
func (x *lone) sent(to Peer, k PacketKind) (out []Packet) {
	for _, p := range x.out.Send {
		if p.To == to && p.Kind == k {
			out = append(out, p)
		}
	}
	return out
}

func TestWhoSubscribesAndIsntInTheTableIsServedAndAsked(t *testing.T) {
	x := old(t)
	x.visit(other, "eu", id.VersionVector{}.With(id.Origin{Region: 1}, 7))
	x.tick()
	wishes := x.sent(other, PacketSubscribe)
	if len(x.sent(other, PacketAccept)) != 1 || len(wishes) == 0 {
		t.Fatalf("it's sent %+v", x.out.Send)
	}
	if got := x.core.Guests(); !slices.Equal(got, []id.Region{1}) {
		t.Errorf("guests are %v", got)
	}
	x.session = wishes[len(wishes)-1].Session
	x.give(Packet{Kind: PacketAccept, Name: "eu", Pulse: Pulse{Vector: id.VersionVector{}.With(id.Origin{Region: 1}, 7)}})
	w := newWorld(t, 1, 2, 1)
	x.data(item(w.towns[1].batch(2, 10)))
	if len(x.out.Propose) != 1 {
		t.Errorf("%d of what it sends are proposed", len(x.out.Propose))
	}
	// What it sent says that it's there, and it goes on as a region of the table.
	x.out = Output{}
	x.core.Regions(x.clock(), []Region{{Number: 0, Replicas: []uint64{1}}, {Number: 1, Name: "eu", Replicas: []uint64{1}}})
	x.data(item(w.towns[1].batch(2, 10)))
	if len(x.core.Guests()) > 0 || len(x.out.Propose) != 1 || len(x.sent(other, PacketLeave)) > 0 {
		t.Errorf("guests %v, %d proposed, sent %+v", x.core.Guests(), len(x.out.Propose), x.out.Send)
	}
}

// TestAGuestSaysThatSomethingIsLost: what was stamped here and is elsewhere alone is heard of with the first word.
func TestAGuestSaysThatSomethingIsLost(t *testing.T) {
	x := old(t)
	if !x.core.Heard() {
		t.Error("who knows of nobody waits for somebody before it stamps")
	}
	x.visit(other, "eu", id.VersionVector{}.With(id.Origin{}, 9))
	if len(x.out.Ahead) != 1 || x.out.Ahead[0] != (id.Origin{}).At(9) {
		t.Errorf("told %v", x.out.Ahead)
	}
	if x.core.Complete(id.Origin{}) {
		t.Error("everything is here before the guest has answered")
	}
}

func TestGuestsThatFallSilentAreForgotten(t *testing.T) {
	x := old(t)
	for n := range id.Region(3 * maxGuests) {
		x.visit(Peer{n + 1, 1}, "", id.VersionVector{})
	}
	if n := len(x.core.Guests()); n != maxGuests {
		t.Errorf("%d guests", n)
	}
	if last := x.sent(Peer{3 * maxGuests, 1}, PacketRefuse); len(last) != 1 || last[0].Reason != ReasonBusy {
		t.Errorf("one too many is answered by %+v", last)
	}
	for range 100 {
		x.tick()
	}
	if s := x.core.Status(); len(x.core.Guests()) > 0 || len(s.Subscribers) > 0 || !x.core.Heard() {
		t.Errorf("after silence: %+v", s)
	}
}

// TestANumberThatWasGivenTwiceIsRefused, whoever asks whom: the table knows another region under it.
func TestANumberThatWasGivenTwiceIsRefused(t *testing.T) {
	x := old(t)
	x.core.Regions(x.clock(), []Region{{Number: 0, Name: "home"}, {Number: 1, Name: "ap", Replicas: []uint64{1}}})
	x.visit(other, "eu", id.VersionVector{}.With(id.Origin{}, 9))
	refusals := x.sent(other, PacketRefuse)
	if len(refusals) != 1 || refusals[0].Reason != ReasonTwice || len(x.sent(other, PacketAccept)) > 0 {
		t.Errorf("it's answered by %+v", x.out.Send)
	}
	s := x.core.Status().Regions[0]
	if s.Refused[CauseTwice] != 1 || s.Vector.Len() > 0 || len(x.out.Ahead) > 0 {
		t.Errorf("it counts for something: %+v", s)
	}
	if len(x.out.Events) != 1 || !strings.Contains(x.out.Events[0].Text, `"eu"`) || !strings.Contains(x.out.Events[0].Text, `"ap"`) {
		t.Errorf("told %+v", x.out.Events)
	}
	x.out = Output{}
	for len(x.sent(other, PacketSubscribe)) == 0 {
		x.tick()
	}
	x.session = x.sent(other, PacketSubscribe)[0].Session
	x.give(Packet{Kind: PacketAccept, Name: "eu"})
	w := newWorld(t, 1, 2, 1)
	x.data(item(w.towns[1].batch(2, 10)))
	if len(x.out.Propose) > 0 || x.core.Status().Regions[0].Refused[CauseTwice] != 2 {
		t.Errorf("%d batches of it are proposed: %+v", len(x.out.Propose), x.core.Status().Regions[0])
	}
	x.visit(other, "ap", id.VersionVector{})
	if len(x.sent(other, PacketAccept)) != 1 {
		t.Errorf("whose the number is gets %+v", x.out.Send)
	}
}

// TestWhoWasSubscribedBeforeSubscribesAnew: it's told that its subscription is no more, without waiting for silence.
func TestWhoWasSubscribedBeforeSubscribesAnew(t *testing.T) {
	x := old(t)
	p := Packet{To: self, From: other, Kind: PacketAck, Session: 4, Pulse: Pulse{Leads: true, Vector: id.VersionVector{}.With(id.Origin{}, 9)}}
	x.core.Receive(x.clock(), &p)
	x.take()
	no := x.sent(other, PacketRefuse)
	if len(no) != 1 || no[0].Reason != ReasonSession || no[0].Session != 4 {
		t.Errorf("it's answered by %+v", no)
	}
	if len(x.core.Guests()) > 0 || len(x.out.Ahead) > 0 {
		t.Errorf("what doesn't say whose database it's of counts: guests %v, told %v", x.core.Guests(), x.out.Ahead)
	}
}

// TestNothingIsCompleteBeforeItIsKnownWhoThereIs: of an earlier incarnation somebody may have more who isn't in the table.
func TestNothingIsCompleteBeforeItIsKnownWhoThereIs(t *testing.T) {
	x := old(t)
	past := id.Origin{Incarnation: 0}
	if x.core.Complete(past) {
		t.Error("it's complete at once, without anybody")
	}
	for range (lonely + 1) * 80 {
		x.tick()
	}
	if !x.core.Complete(past) {
		t.Error("a region alone waits for ever")
	}
	x.core.Regions(x.clock(), []Region{{Number: 0}, {Number: 1, Replicas: []uint64{1}}})
	x.subscribe()
	v := id.VersionVector{}.With(id.Origin{}, 5)
	if x.give(Packet{Kind: PacketData, Pulse: Pulse{Vector: v}}); !x.core.Complete(past) {
		t.Error("the only other one has answered")
	}
	if x.give(Packet{Kind: PacketData, Pulse: Pulse{Vector: v.With(id.Origin{Region: 2}, 1)}}); x.core.Complete(past) {
		t.Error("there's a region 2, of which nothing is known")
	}
	x.core.Regions(x.clock(), []Region{{Number: 0}, {Number: 1, Replicas: []uint64{1}}, {Number: 2, Removed: true}})
	if !x.core.Complete(past) {
		t.Error("it was removed")
	}
}
