package ship

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/id"
)

// lone is a leader's core whose other end is the test.
type lone struct {
	t       *testing.T
	core    *Core
	now     int64
	out     Output
	session uint64
	number  uint64
	work    []Work
}

var self, other = Peer{Region: 0, Replica: 1}, Peer{Region: 1, Replica: 1}

func newLone(t *testing.T) *lone {
	x := &lone{t: t, now: 1, core: New(Config{Self: self, Cluster: [16]byte{1}, Window: 32 << 10, Seed: 1})}
	x.core.Regions(x.clock(), []Region{{Number: 0, Replicas: []uint64{1}}, {Number: 1, Replicas: []uint64{1}}, {Number: 2}})
	x.core.Lead(x.clock(), true, 1)
	x.subscribe()
	return x
}

func (x *lone) clock() Now { return Now{Wall: x.now, Mono: x.now} }

// tick lets a tick pass.
func (x *lone) tick() {
	x.now += 25_000_000
	x.core.Tick(x.clock())
	x.take()
}

func (x *lone) take() {
	out := x.core.Take(1 << 20)
	x.out.Send = append(x.out.Send, out.Send...)
	x.out.Propose = append(x.out.Propose, out.Propose...)
	x.out.Events = append(x.out.Events, out.Events...)
	x.out.Ahead = append(x.out.Ahead, out.Ahead...)
	for _, w := range out.Work {
		if w.Kind != WorkMarks {
			x.work = append(x.work, w)
			continue
		}
		x.core.Done(x.clock(), WorkResult{Work: w}) // its log has no batches
		x.take()
	}
}

// subscribe waits for the next wish, and accepts it.
func (x *lone) subscribe() *Subscription {
	x.t.Helper()
	for range 400 {
		x.tick()
		for i := len(x.out.Send) - 1; i >= 0; i-- { // the last one: what isn't known of the log at first is asked for behind that
			if x.out.Send[i].Kind != PacketSubscribe {
				continue
			}
			p := x.out.Send[i]
			x.out.Send = nil
			x.session, x.number = p.Session, 0
			x.give(Packet{Kind: PacketAccept})
			return p.Subscribe
		}
	}
	x.t.Fatal("nobody is asked")
	return nil
}

// give has the other end send a packet.
func (x *lone) give(p Packet) {
	p.To, p.From = self, other
	if p.Session == 0 {
		p.Session = x.session
	}
	p.Pulse.Leads = true
	for i := range p.Items { // it has what it sends
		if it := &p.Items[i]; it.Origin.Region == other.Region && it.Last > p.Pulse.Vector.Get(it.Origin) {
			p.Pulse.Vector = p.Pulse.Vector.With(it.Origin, it.Last)
		}
	}
	x.core.Receive(x.clock(), &p)
	x.take()
}

func (x *lone) data(items ...Item) {
	x.number++
	x.give(Packet{Kind: PacketData, Number: x.number, Items: items})
}

func item(b Batch) Item { return Item{Origin: b.Origin, First: b.First, Last: b.Last, Data: b.Data} }

func TestWhatCantBeIsRefusedCountedAndToldOnce(t *testing.T) {
	w := newWorld(t, 1, 3, 1)
	own, far, third := w.towns[0], w.towns[1], w.towns[2]
	first, second, next := far.batch(2, 10), far.batch(2, 10), far.batch(1, 10)
	flipped := item(first)
	flipped.Data = slices.Clone(flipped.Data)
	flipped.Data[len(flipped.Data)-1] ^= 1
	elsewhere := item(second)
	elsewhere.First, elsewhere.Last = 1, 2
	newer := item(first)
	newer.Data = slices.Clone(newer.Data)
	binary.LittleEndian.PutUint32(newer.Data[4:], 9)
	unknown := item(first)
	unknown.Origin.Region = 9
	long := Item{Range: true, Origin: far.origin, First: 1, Last: 2, Data: make([]byte, MaxPacket+40<<10)}
	for _, x := range []struct {
		name  string
		cause Cause
		items []Item
	}{
		{"a batch behind a gap", CauseGap, []Item{item(second)}},
		{"a bit that flipped", CauseDamaged, []Item{flipped}},
		{"a batch in another's place", CauseDamaged, []Item{elsewhere}},
		{"a newer header under a checksum that isn't its own", CauseDamaged, []Item{newer}},
		{"what was stamped here", CauseOrigin, []Item{item(own.batch(1, 10))}},
		{"what wasn't asked for", CauseOrigin, []Item{item(third.batch(1, 10))}},
		{"an origin that nobody knows", CauseOrigin, []Item{unknown}},
		{"more than the window takes", CauseProtocol, []Item{long}},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newLone(t)
			for range 3 {
				c.data(x.items...)
				if x.cause == CauseDamaged {
					for range 10 * 80 { // it's left alone for that long
						c.tick()
					}
					c.out.Send = nil
				}
				c.subscribe()
			}
			got := c.core.Status().Regions[0].Refused
			want := [causes]uint64{}
			want[x.cause] = 3
			if got != want {
				t.Errorf("refused %v, want %v", got, want)
			}
			if len(c.out.Propose) > 0 {
				t.Errorf("%d of it were proposed", len(c.out.Propose))
			}
			if len(c.out.Events) != 1 || c.out.Events[0].Cause != x.cause || c.out.Events[0].Peer != other {
				t.Errorf("told %+v", c.out.Events)
			}
			// What is right is taken afterwards.
			c.data(item(first), item(second))
			c.data(item(next))
			if len(c.out.Propose) != 3 {
				t.Errorf("%d of 3 batches were proposed", len(c.out.Propose))
			}
		})
	}
}

func TestMoreThanItsSourceHasIsRefused(t *testing.T) {
	w := newWorld(t, 1, 2, 1)
	first, far := w.towns[1].batch(2, 10), &town{w: w, origin: id.Origin{Region: 1, Incarnation: 7}}
	c := newLone(t)
	c.data(item(first))
	c.out = Output{}
	p := Packet{To: self, From: other, Kind: PacketData, Session: c.session, Number: 2, Items: []Item{item(far.batch(1, 10))}}
	p.Pulse = Pulse{Leads: true, Vector: id.VersionVector{}.With(first.Origin, 2)}
	c.core.Receive(c.clock(), &p)
	c.take()
	if got := c.core.Status().Regions[0].Refused[CauseOrigin]; got != 1 || len(c.out.Propose) > 0 || len(c.out.Events) != 1 {
		t.Errorf("an incarnation that its source doesn't know is refused %d times, proposed %d times, told of %v", got, len(c.out.Propose), c.out.Events)
	}
}

func TestABatchWithinAnotherIsRefused(t *testing.T) {
	w := newWorld(t, 1, 2, 1)
	b := w.towns[1].batch(4, 10)
	c := newLone(t)
	c.core.Applied(c.clock(), id.VersionVector{}.With(b.Origin, 2), nil)
	c.data(item(b))
	if got := c.core.Status().Regions[0].Refused[CauseForked]; got != 1 || len(c.out.Propose) > 0 {
		t.Errorf("refused %d times, %d proposed", got, len(c.out.Propose))
	}
}

func TestAnotherDatabaseIsServedNothing(t *testing.T) {
	c := newLone(t)
	c.core.Applied(c.clock(), id.VersionVector{}.With(id.Origin{}, 5), nil)
	c.take()
	for name, s := range map[string]Subscription{
		"cluster": {Cluster: [16]byte{2}, Own: true, Window: 1 << 20},
		"tenant":  {Cluster: [16]byte{1}, Tenant: "other", Own: true, Window: 1 << 20},
	} {
		c.out = Output{}
		c.give(Packet{Kind: PacketSubscribe, Session: 77, Subscribe: &s, Pulse: Pulse{
			Vector: id.VersionVector{}.With(id.Origin{Region: 1}, 1000),
		}})
		if len(c.out.Send) != 1 || c.out.Send[0].Kind != PacketRefuse || c.out.Send[0].Reason != ReasonCluster {
			t.Errorf("%s: answered by %+v", name, c.out.Send)
		}
		if s := c.core.Status(); len(s.Subscribers) > 0 || s.Regions[0].Vector.Len() > 0 {
			t.Errorf("%s: it counts for something: %+v", name, s)
		}
	}
	if got := c.core.Status().Regions[0].Refused[CauseForeign]; got != 2 {
		t.Errorf("counted %d times", got)
	}
	// Nor is a region of it that isn't in the table.
	p := Packet{To: self, From: Peer{7, 1}, Kind: PacketSubscribe, Session: 78, Subscribe: &Subscription{Cluster: [16]byte{2}}}
	c.out = Output{}
	c.core.Receive(c.clock(), &p)
	c.take()
	if len(c.out.Send) != 1 || c.out.Send[0].Reason != ReasonCluster || len(c.core.Guests()) > 0 {
		t.Errorf("a region of another database that nobody knows is answered by %+v", c.out.Send)
	}
}

func TestAVectorFromTheFutureCountsForNothing(t *testing.T) {
	c := newLone(t)
	c.core.Applied(c.clock(), id.VersionVector{}.With(id.Origin{}, 5), nil)
	// More of what is stamped here than is here: the group has lost its end, or somebody lies.
	future := Pulse{Vector: id.VersionVector{}.With(id.Origin{}, 9)}
	for range 3 {
		c.give(Packet{Kind: PacketData, Pulse: future})
	}
	if len(c.out.Ahead) != 1 || c.out.Ahead[0] != (id.Origin{}).At(9) {
		t.Errorf("told %v", c.out.Ahead)
	}
	if n := c.core.Covered(id.Origin{}.At(6)); n != 0 {
		t.Errorf("%d regions have what isn't stamped yet", n)
	}
	// More of a third region's than that region itself says there is, for long.
	third := func(seq id.Seq) Packet {
		v := id.VersionVector{}.With(id.Origin{Region: 2}, seq)
		p := Packet{To: self, From: Peer{2, 1}, Kind: PacketAck, Session: 1, Pulse: Pulse{Vector: v, Leads: true}}
		return p
	}
	for range 200 {
		c.tick()
		p := third(4)
		c.core.Receive(c.clock(), &p)
		c.give(Packet{Kind: PacketData, Pulse: Pulse{Vector: id.VersionVector{}.With(id.Origin{Region: 2}, 1000)}})
	}
	s := c.core.Status()
	if s.Regions[0].Refused[CauseFuture] == 0 || s.Regions[0].Vector.Get(id.Origin{Region: 2}) != 4 {
		t.Errorf("it's believed: %+v", s.Regions[0])
	}
}

// TestWhatWasHeardBeforeItLedCounts: who follows may be behind its leader, so what others claim means nothing then; a leader has
// what its group has.
func TestWhatWasHeardBeforeItLedCounts(t *testing.T) {
	for _, has := range []id.Seq{5, 9} {
		c := newLone(t)
		c.core.Lead(c.clock(), false, 2)
		c.core.Applied(c.clock(), id.VersionVector{}.With(id.Origin{}, 5), nil)
		c.give(Packet{Kind: PacketData, Pulse: Pulse{Vector: id.VersionVector{}.With(id.Origin{}, 9)}})
		if len(c.out.Ahead) != 0 {
			t.Errorf("a follower is told %v", c.out.Ahead)
		}
		c.core.Applied(c.clock(), id.VersionVector{}.With(id.Origin{}, has), nil)
		for range 2 {
			c.core.Lead(c.clock(), true, 1)
			c.take()
		}
		if n := len(c.out.Ahead); n != 1 && has == 5 || n != 0 && has == 9 {
			t.Errorf("with %d events it's told %v", has, c.out.Ahead)
		}
	}
}

func TestWhoAcknowledgesMoreThanWasSentIsDropped(t *testing.T) {
	c := newLone(t)
	s := Subscription{Cluster: [16]byte{1}, Origin: id.Origin{Region: 1}, Own: true, Window: 1 << 20}
	c.give(Packet{Kind: PacketSubscribe, Session: 77, Subscribe: &s})
	if n := len(c.core.Status().Subscribers); n != 1 {
		t.Fatalf("%d subscribers", n)
	}
	c.give(Packet{Kind: PacketAck, Session: 77, Taken: 1})
	if s := c.core.Status(); len(s.Subscribers) != 0 || s.Regions[0].Refused[CauseProtocol] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestMemoryIsBoundedWhateverAPeerSends(t *testing.T) {
	c := newLone(t)
	w := newWorld(t, 1, 2, 1)
	// All packets but the first, again and again under numbers that rise.
	b := w.towns[1].batch(3, 300)
	for n := range uint64(100_000) {
		c.give(Packet{Kind: PacketData, Number: n + 2, Items: []Item{item(b)}})
	}
	if got := c.core.waits(); got > MaxPacket+1<<20 {
		t.Errorf("%d bytes wait", got)
	}
	if len(c.out.Propose) > 0 {
		t.Errorf("%d were proposed", len(c.out.Propose))
	}
	for n := range 3 * maxSubscribers {
		p := Packet{To: self, From: Peer{1, uint64(n + 1)}, Kind: PacketSubscribe, Session: 1, Subscribe: &Subscription{
			Cluster: [16]byte{1}, Window: 1 << 40,
		}}
		c.core.Receive(c.clock(), &p)
		c.take()
	}
	if n := len(c.core.Status().Subscribers); n > maxSubscribers {
		t.Errorf("%d subscribers", n)
	}
}
