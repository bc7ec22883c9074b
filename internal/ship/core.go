package ship

import (
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// Now is the moment of an input, as the driver read its clocks.
type Now struct {
	// Wall is Unix time in nanoseconds. It may jump; what depends on it is only ever shown.
	Wall int64
	// Mono is nanoseconds of a clock that never goes back.
	Mono int64
}

// Config describes a core. [New] takes a copy.
type Config struct {
	// Self is the replica, and Origin what its group stamps.
	Self   Peer
	Origin id.Origin
	// Cluster and Tenant name the database.
	Cluster [16]byte
	Tenant  string
	// Ticks are its times.
	Ticks Ticks
	// Window is how many bytes may be on their way to this replica from each region, about; 0 is 4 MiB.
	Window int64
	// Keep is how many bytes of what was applied last are kept in memory for those who subscribe; 0 is 16 MiB.
	Keep int64
	// Seed makes sessions' numbers and the scatter of retries. It must differ from one start of a replica to the next.
	Seed uint64
}

// Ticks are times, in ticks of the driver's clock. What is zero has the value in brackets.
type Ticks struct {
	// Heartbeat is between two signs of life (8), and Retry how long an answer is waited for, or what is missing between two
	// packets (24).
	Heartbeat, Retry int
	// Silence is after how long without word a peer counts as gone: a source is asked anew, a subscriber forgotten, and a region
	// that isn't heard of is relayed by others (80).
	Silence int
}

const (
	standardWindow = 4 << 20
	standardKeep   = 16 << 20
)

func (c *Config) complete() {
	standard := func(n *int, std int) {
		if *n == 0 {
			*n = std
		}
	}
	standard(&c.Ticks.Heartbeat, 8)
	standard(&c.Ticks.Retry, 24)
	standard(&c.Ticks.Silence, 80)
	if c.Window == 0 {
		c.Window = standardWindow
	}
	if c.Keep == 0 {
		c.Keep = standardKeep
	}
}

// Batch is a batch that was applied.
type Batch struct {
	Origin      id.Origin
	First, Last id.Seq
	Data        []byte // read-only, for ever
}

// Proposal is a batch, or a range entry, for the own group.
type Proposal struct {
	// Ticket is the core's name for it; [Outcome] carries it.
	Ticket uint64
	// Data is verified, but for the inside of a range.
	Data []byte
	// Batch is Data as it was opened; nil of a range.
	Batch *record.Batch
}

// Outcome is what became of a proposal.
type Outcome struct {
	Ticket uint64
	What   What
	// Err says more, for people.
	Err error
}

// What says what became of a proposal.
type What uint8

// The outcomes. Behind all but the first, what else came of the origin is asked for again.
const (
	// Taken: it is applied, or waits for a schema version, or was there before.
	Taken What = iota + 1
	// Missing: what lies before it isn't there.
	Missing
	// Lost: the replica doesn't lead any more, or can't tell.
	Lost
	// Full: there was no room. It's proposed again.
	Full
	// Overlapping: a part of the range is there.
	Overlapping
	// Forked: the group holds something else in its place.
	Forked
	// Broken: it can't be read.
	Broken
)

// Output is what the inputs since the last Take made necessary.
type Output struct {
	// Send is for other replicas; it may be lost.
	Send []Packet
	// Propose is for the own group, in order. Each gets one [Outcome].
	Propose []Proposal
	// Work is for [Do] and its like, each on its own; the result goes to [Core.Done].
	Work []Work
	// Ahead are positions of the own origin that other regions say they have, and that aren't here.
	Ahead []id.Position
	// Forked are forks of the own origin: others hold other events in its places.
	Forked []Fork
	// Events are for the log that people read.
	Events []Event
}

// Core is one replica's part in shipping. Create it with [New]; it is not safe for concurrent use.
type Core struct {
	cfg    Config
	random *rand.Rand
	now    Now
	tick   int

	leading    bool
	leader     uint64
	vector     id.VersionVector
	recalls    []Report  // of before this replica was started, of regions that aren't in the table yet
	recalledAt int64     // of the monotonic clock
	tabled     bool      // somebody has said which regions there are
	table      []*region // by number, without the own region, with guests
	name       string    // the own region's, empty if it isn't known
	mates      []uint64  // the other replicas of the own region
	hot        hot
	marks      marks
	own        ownHistory

	// As a source: who has subscribed, by peer; and whose turn it is.
	subscribers []*subscriber
	reads       int // under way
	turn        int

	// As a leader: what was handed over of each origin, and what is under way.
	expect  map[id.Origin]id.Seq
	flying  map[uint64]*flight
	inhand  map[id.Origin]int // proposals under way
	tickets uint64
	relays  map[id.Origin]relay
	blocked map[id.Origin]int // until which tick
	apart   map[id.Origin]*apart
	newsAt  int
	ahead   id.Seq // what was said of claimed
	claimed id.Seq // the highest number of the own origin that others have said they have, at any time
	ownFork *Fork  // of the own origin, the first that was found

	process uint32 // names this start of the replica, in the sessions' numbers
	strays  uint64
	out     Output
}

// New returns a core that knows nothing yet.
func New(cfg Config) *Core {
	cfg.complete()
	c := &Core{
		cfg:    cfg,
		random: rand.New(rand.NewPCG(cfg.Seed, uint64(cfg.Self.Region)<<48|cfg.Self.Replica)),
		hot:    hot{limit: cfg.Keep},
		marks:  marks{last: map[id.Origin]Mark{}, looked: map[id.Origin]id.Seq{}},
	}
	c.hot.lost = func(b *Batch) { c.keep(markOf(cfg.Self.Region, b)) }
	c.process = rand.New(rand.NewPCG(^cfg.Seed, uint64(cfg.Self.Region)<<48|cfg.Self.Replica)).Uint32()
	c.forget()
	return c
}

// forget drops what a leader knows of what is under way.
func (c *Core) forget() {
	c.expect, c.flying, c.inhand = map[id.Origin]id.Seq{}, map[uint64]*flight{}, map[id.Origin]int{}
	c.relays, c.blocked, c.apart = map[id.Origin]relay{}, map[id.Origin]int{}, map[id.Origin]*apart{}
	c.ahead = 0
}

// Lead says whether the replica leads its group, and takes what it is given, and who does.
func (c *Core) Lead(now Now, leading bool, leader uint64) {
	c.now = now
	c.leader = leader
	if c.leading == leading {
		return
	}
	c.leading = leading
	if !leading {
		for _, r := range c.table {
			c.leave(r)
		}
		c.forget()
		return
	}
	c.forget()
	c.tellAhead()
	c.tellForked()
	c.assign()
}

// Tick lets a tick pass.
func (c *Core) Tick(now Now) {
	c.now = now
	c.tick++
	c.own.note(c.now.Mono, c.vector.Get(c.cfg.Origin))
	c.partWith()
	c.expire()
	for _, s := range c.subscribers {
		if c.tick-s.beat >= c.cfg.Ticks.Heartbeat {
			c.beat(s)
		}
	}
	c.pump()
	if c.leading {
		c.unblock()
		c.assign()
		c.tend()
		c.news()
	}
}

// Receive takes a packet.
func (c *Core) Receive(now Now, p *Packet) {
	c.now = now
	if p.To != c.cfg.Self || p.From == p.To {
		c.strays++
		return
	}
	if p.From.Region == c.cfg.Self.Region { // which isn't in the table of others
		if p.Kind == PacketNews {
			c.told(p)
		}
		return
	}
	r := c.region(p.From.Region)
	if r == nil && p.Kind != PacketSubscribe {
		c.strays++
		if p.Kind == PacketAck {
			c.unknownSession(p) // so that it subscribes anew, by which it's heard of
		}
		return
	}
	if r == nil && c.sameDatabase(p.Subscribe) {
		r = c.welcome(p)
	}
	if r != nil && c.refuseTwice(r, p) {
		return
	}
	if r != nil && (p.Kind != PacketSubscribe || c.sameDatabase(p.Subscribe)) {
		if p.Kind == PacketSubscribe {
			r.renewed(p)
		}
		c.heard(r, p)
	}
	switch p.Kind {
	case PacketSubscribe:
		c.subscribed(r, p)
		c.risen(r)
	case PacketAck:
		c.acknowledged(r, p)
	case PacketLeave:
		c.left(p)
	case PacketAccept, PacketData:
		c.given(r, p)
	case PacketRefuse:
		c.refusedBy(r, p)
	case PacketNews: // of another region it tells of a fork alone, which was heard
	}
}

// Applied says what is here now, and brings the batches of it that were applied since the last call, in order.
func (c *Core) Applied(now Now, vector id.VersionVector, batches []Batch) {
	c.now = now
	grown := !vector.Equal(c.vector)
	c.vector = vector
	for i := range batches {
		c.hot.add(&batches[i])
	}
	if !grown {
		return
	}
	c.own.note(now.Mono, vector.Get(c.cfg.Origin))
	for _, r := range c.table {
		r.behind.have(vector)
		if s := r.source; s != nil && s.state == open {
			s.ackDue = true
		}
	}
	c.pump()
}

// Take returns what is to be done and forgets it. room is how many bytes the own group takes of what is proposed.
func (c *Core) Take(room int) Output {
	if c.leading {
		c.propose(room)
		c.acknowledge()
	}
	out := c.out
	c.out = Output{}
	return out
}

// send queues a packet.
func (c *Core) send(to Peer, p Packet, full bool) {
	p.To, p.From = to, c.cfg.Self
	p.Pulse = Pulse{Wall: c.now.Wall / 1e6, Leads: c.leading, Leader: c.leader, Vector: c.vector}
	if full {
		p.Pulse.Knows, p.Pulse.Marks = c.knows(to.Region), c.marksFor(to.Region)
	}
	c.out.Send = append(c.out.Send, p)
}

// reachesInto is the error of an item that overlaps what is here.
func reachesInto(it *Item, have id.Seq) error {
	return fault.Damaged("", 0, "batch %v to %d overlaps what is here up to %d", it.Origin.At(it.First), it.Last, have)
}
