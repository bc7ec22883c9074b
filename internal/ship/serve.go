package ship

import (
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
)

// What a core does as a source.

// subscriber is somebody who gets batches from here.
type subscriber struct {
	peer    Peer
	session uint64
	want    Subscription
	cursor  map[id.Origin]id.Seq // sent up to, as far as it isn't what want.After says
	number  uint64               // of the last packet with data
	sent    uint64               // bytes
	taken   uint64               // of these it is done with
	heardAt int
	beat    int // when it was last sent something
	reading bool
	gone    map[id.Origin]bool   // what can't be given, and was said
	plain   map[id.Origin]id.Seq // up to where batches were found to be the cheaper way
	turn    int
	// unproven are its last batches that haven't been held against what is here in their places, and proving says that the log is read for it.
	unproven map[id.Origin]Mark
	proving  bool
}

const (
	// maxSubscribers bounds who gets batches from here: of each region its leader does, and for a while its former one.
	maxSubscribers = 64
	// maxReads bounds the reads of the log that are under way for all of them.
	maxReads = 4
	// runBytes is how many bytes a packet gathers, and a read of the log.
	runBytes = 512 << 10
)

func (c *Core) sameDatabase(s *Subscription) bool {
	return s != nil && s.Cluster == c.cfg.Cluster && s.Tenant == c.cfg.Tenant
}

// subscribed takes a wish. One who asks again under another number begins anew.
func (c *Core) subscribed(r *region, p *Packet) {
	reason, text := ReasonNone, ""
	switch {
	case !c.sameDatabase(p.Subscribe):
		reason, text = ReasonCluster, "it belongs to another database or tenant space"
	case r == nil:
		reason, text = ReasonBusy, "too many regions that aren't in the table subscribe here"
	case r.Removed:
		reason, text = ReasonRegion, "its region was removed"
	case c.subscriber(p.From) == nil && len(c.subscribers) >= maxSubscribers:
		reason, text = ReasonBusy, "too many subscribe here"
	}
	if reason != ReasonNone {
		if r != nil {
			c.refuse(r, p.From, CauseForeign, "it subscribes, but "+text)
		}
		c.send(p.From, Packet{Kind: PacketRefuse, Session: p.Session, Reason: reason, Text: text}, false)
		return
	}
	c.begun(r, p)
	s := c.subscriber(p.From)
	if s == nil || s.session != p.Session {
		c.unsubscribe(p.From)
		s = &subscriber{
			peer: p.From, session: p.Session, want: *p.Subscribe, cursor: map[id.Origin]id.Seq{}, gone: map[id.Origin]bool{},
			plain: map[id.Origin]id.Seq{}, unproven: unproven(p),
		}
		s.want.Window = min(max(s.want.Window, 1), 1<<30)
		c.subscribers = append(c.subscribers, s)
		slices.SortFunc(c.subscribers, func(a, b *subscriber) int { return a.peer.compare(b.peer) })
	}
	s.heardAt, s.beat = c.tick, c.tick
	c.send(s.peer, Packet{Kind: PacketAccept, Session: s.session, Name: c.name}, true)
	c.pump()
}

func (c *Core) subscriber(p Peer) *subscriber {
	for _, s := range c.subscribers {
		if s.peer == p {
			return s
		}
	}
	return nil
}

func (c *Core) unsubscribe(p Peer) {
	c.subscribers = slices.DeleteFunc(c.subscribers, func(s *subscriber) bool { return s.peer == p })
}

// acknowledged takes how far a subscriber is.
func (c *Core) acknowledged(r *region, p *Packet) {
	s := c.subscriber(p.From)
	if s == nil || s.session != p.Session {
		c.unknownSession(p)
		return
	}
	if p.Number > s.number || p.Taken > s.sent {
		c.refuse(r, p.From, CauseProtocol, "it acknowledges more than it was sent")
		c.unsubscribe(p.From)
		return
	}
	s.heardAt = c.tick
	s.taken = max(s.taken, p.Taken)
	c.toProve(s, p)
	c.pump()
}

// unknownSession has whoever sent a packet begin anew.
func (c *Core) unknownSession(p *Packet) {
	c.send(p.From, Packet{
		Kind: PacketRefuse, Session: p.Session, Reason: ReasonSession, Text: "the subscription isn't known here",
	}, false)
}

// left ends a subscription.
func (c *Core) left(p *Packet) {
	if s := c.subscriber(p.From); s != nil && s.session == p.Session {
		c.unsubscribe(p.From)
	}
}

// expire forgets subscribers that aren't heard of, or whose region is no more.
func (c *Core) expire() {
	c.subscribers = slices.DeleteFunc(c.subscribers, func(s *subscriber) bool {
		r := c.region(s.peer.Region)
		return r == nil || r.Removed || c.tick-s.heardAt > c.cfg.Ticks.Silence
	})
}

// beat is a sign of life, which also tells a subscriber of packets that were lost.
func (c *Core) beat(s *subscriber) {
	s.beat = c.tick
	c.send(s.peer, Packet{Kind: PacketData, Session: s.session, Number: s.number}, true)
}

// pump sends every subscriber what it lacks, as far as windows and reads go, another one first each time.
func (c *Core) pump() {
	n := len(c.subscribers)
	c.turn++
	for i := range n {
		c.feed(c.subscribers[(c.turn+i)%n])
	}
}

// at is up to where an origin was sent to a subscriber.
func (s *subscriber) at(o id.Origin) id.Seq {
	if seq, ok := s.cursor[o]; ok {
		return seq
	}
	return s.want.After.Get(o)
}

// wants reports whether a subscriber gets an origin from here.
func (s *subscriber) wants(o id.Origin, self id.Region) bool {
	if o == s.want.Origin {
		return false
	}
	if s.want.Own && o.Region == self {
		return true
	}
	_, ok := slices.BinarySearchFunc(s.want.Relay, o, id.Origin.Compare)
	return ok
}

func (s *subscriber) full() bool { return s.sent-s.taken >= uint64(s.want.Window) }

// feed sends a subscriber what is in memory, and has the rest read.
func (c *Core) feed(s *subscriber) {
	c.prove(s)
	var items []Item
	size := 0
	for o, end := range c.vector.All {
		at := s.at(o)
		if at >= end || !s.wants(o, c.cfg.Self.Region) || !c.gives(s, o) {
			continue
		}
		for _, b := range c.hot.after(o, at) {
			if s.sent-s.taken+uint64(size) >= uint64(s.want.Window) || b.Last > end {
				break
			}
			items = append(items, Item{Origin: o, First: b.First, Last: b.Last, Data: b.Data})
			size += len(b.Data)
			s.cursor[o] = b.Last
			if size >= runBytes || len(items) == maxItems {
				c.give(s, items, size)
				items, size = nil, 0
			}
		}
	}
	if len(items) > 0 {
		c.give(s, items, size)
	}
	c.read(s)
}

// give sends items.
func (c *Core) give(s *subscriber, items []Item, size int) {
	s.number++
	s.sent += uint64(size)
	if r := c.region(s.peer.Region); r != nil {
		for i := range items {
			r.sent.add(&items[i], len(items[i].Data))
		}
	}
	s.beat = c.tick
	c.send(s.peer, Packet{Kind: PacketData, Session: s.session, Number: s.number, Items: items}, false)
}

// read has a part of the log read for a subscriber that lacks what isn't in memory, of another origin each time.
func (c *Core) read(s *subscriber) {
	if s.reading || s.full() || c.reads >= maxReads {
		return
	}
	var lacking []id.Origin
	for o, end := range c.vector.All {
		if at := s.at(o); at < end && s.wants(o, c.cfg.Self.Region) && !s.gone[o] && c.gives(s, o) && len(c.hot.after(o, at)) == 0 &&
			!(planted.DropReturningTail && o == c.cfg.Origin) {
			lacking = append(lacking, o)
		}
	}
	if len(lacking) == 0 {
		return
	}
	s.turn++
	o := lacking[s.turn%len(lacking)]
	s.reading = true
	c.reads++
	c.out.Work = append(c.out.Work, Work{
		Kind: WorkRead, Peer: s.peer, Session: s.session, Origin: o, After: s.at(o), Last: c.vector.Get(o),
		MaxBytes: int(min(uint64(s.want.Window)-(s.sent-s.taken), runBytes)), Choose: s.at(o) >= s.plain[o],
	})
}

// readDone takes what was read of the log.
func (c *Core) readDone(r *WorkResult) {
	c.reads--
	s := c.subscriber(r.Peer)
	if s == nil || s.session != r.Session {
		c.pump()
		return
	}
	s.reading = false
	if r.Batches {
		s.plain[r.Origin] = r.Last
	}
	at := s.at(r.Origin)
	var items []Item
	size := 0
	for _, it := range r.Items {
		if it.First <= at && !it.Range || it.Last <= at || it.Range && it.First > at+1 || !it.Range && it.First != at+1 {
			continue // memory was faster
		}
		at = it.Last
		items, size = append(items, it), size+len(it.Data)
	}
	if len(items) > 0 {
		s.cursor[r.Origin] = at
		c.give(s, items, size)
	} else if s.at(r.Origin) == r.After {
		s.gone[r.Origin] = true
		if r.Err == nil {
			r.Err = fault.ErrNotFound // no batch begins there
		}
		s.beat = c.tick
		c.send(s.peer, Packet{Kind: PacketData, Session: s.session, Number: s.number, Gone: []id.Origin{r.Origin}}, false)
		c.event(r.Peer, CauseGone, "it lacks what isn't here any more of origin "+r.Origin.String()+": "+r.Err.Error())
	}
	c.pump()
}
