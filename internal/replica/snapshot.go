package replica

import "github.com/tidaldb/tidal/internal/consensus"

// Courier is a replica's part in sending and receiving snapshots, as a stepped core of its own beside [Core]: what comes in
// calls one of its methods, and [Courier.Take] then returns what is to be done. Create it with [NewCourier].
//
// A snapshot is pulled: the leader offers an instant of its state to a member that needs entries which the log doesn't hold
// any more, and the member asks for one chunk after another, saying how far it has come. So whatever is lost, repeated or
// late on the way is mended by asking again. What it takes of disk and store is [SnapWork] for the driver, who goes on with
// everything else meanwhile.
type Courier struct {
	self     uint64
	sender   sender
	receiver receiver
	out      snapOut

	installed uint64
}

// Counts says how many snapshots members were sent that hold them now, and how many were installed here.
func (x *Courier) Counts() (sent, installed uint64) { return x.sender.held, x.installed }

// Errand is what a courier wants done.
type Errand struct {
	// Work is for the store, in order; each piece that has a result gives it to [Courier.Done].
	Work []SnapWork
	// Send is for other replicas; it may be lost.
	Send []Packet
	// Reports are for [Core.ReportSnapshot].
	Reports []SnapReport
}

// SnapReport says what became of a snapshot that a member needed.
type SnapReport struct {
	To uint64
	OK bool
}

// NewCourier returns the courier of a replica. How long it waits for others follows from how many ticks it takes to notice
// that a leader is gone.
func NewCourier(self uint64, electionTicks int) *Courier {
	x := &Courier{self: self}
	pace := newPace(electionTicks)
	x.sender = sender{pace: pace, out: &x.out}
	x.receiver = receiver{pace: pace, out: &x.out}
	return x
}

// Wanted begins to send a snapshot to a member for which the log doesn't reach back any more; index is the entry whose state
// it needs, or a later one's.
func (x *Courier) Wanted(to, index uint64) { x.sender.want(to, index) }

// Receive takes a packet about snapshots.
func (x *Courier) Receive(p Packet, k Known) {
	switch p.Kind {
	case PacketSnapOffer:
		x.receiver.offered(p.From, p.Snap.Instant, k)
	case PacketSnapPull:
		x.sender.pulled(p.From, p.Snap)
	case PacketSnapChunk:
		x.receiver.chunk(p.Snap)
	case PacketSnapDone:
		if p.Snap.Outcome == SnapGone {
			x.receiver.gone(p.From, p.Snap.Instant)
		} else {
			x.sender.done(p.From, p.Snap)
		}
	case PacketRaft: // it isn't about one
	}
}

// Done takes what came of a piece of work.
func (x *Courier) Done(r SnapResult) {
	switch r.Kind {
	case SnapOpen:
		x.sender.opened(&r)
	case SnapRead:
		x.sender.read(&r)
	case SnapBegin:
		x.receiver.begun(&r)
	case SnapAdd:
		x.receiver.added(&r)
	case SnapPrepare:
		x.receiver.ready(&r)
	case SnapClose, SnapAbort: // nobody waits for these
	}
}

// Tick lets a tick pass. s is what the replica knows of its group.
func (x *Courier) Tick(s *consensus.Status, k Known) {
	if s.Leader {
		x.sender.tick(s)
	} else {
		x.sender.stop()
	}
	x.receiver.tick(k, s.Leader)
}

// Ready returns a snapshot that is received whole and prepared, and who sent it. It waits to be installed, which the driver
// does when nothing is on its way to the disk, and only if the replica doesn't hold as much by then.
func (x *Courier) Ready() (from uint64, at Instant, ok bool) {
	return x.receiver.from, x.receiver.at, x.receiver.phase == prepared
}

// Installed ends the receiving of the snapshot that was ready: the replica's state is that now.
func (x *Courier) Installed() {
	r := &x.receiver
	x.installed++
	x.sender.stop()
	if r.from != 0 {
		x.out.packet(r.from, PacketSnapDone, &Snap{Instant: r.at, Outcome: SnapHeld})
	}
	r.phase, r.from, r.at, r.progress = resting, 0, Instant{}, SnapProgress{}
}

// Keep is the first entry that a member who is given a snapshot will need from the log, 0 for none. The log should hold it,
// or the member begins anew.
func (x *Courier) Keep() uint64 { return x.sender.keep() }

// Take returns what is to be done and forgets it.
func (x *Courier) Take() Errand {
	out := Errand{Work: x.out.work, Send: x.out.send, Reports: x.out.reports}
	for i := range out.Send {
		out.Send[i].From = x.self
	}
	x.out = snapOut{}
	return out
}

// SnapWork is something to be done with the replica's store. The driver does one after the other in the order received,
// beside everything else.
type SnapWork struct {
	Kind SnapTask
	// Peer is the member that the snapshot goes to or comes from.
	Peer uint64
	// Instant is which snapshot it is about; zero for [SnapOpen].
	Instant Instant
	// Progress is behind what a chunk is wanted, for [SnapRead].
	Progress SnapProgress
	// Chunk is what came, for [SnapAdd].
	Chunk []byte
}

// SnapTask is a kind of work.
type SnapTask uint8

// The kinds of work. Those of a sender:
const (
	// SnapOpen is to hold the newest checkpoint for a receiver; the result has its Instant.
	SnapOpen SnapTask = iota + 1
	// SnapRead is to read a chunk for a receiver; the result has Chunk and Last.
	SnapRead
	// SnapClose is to give an instant up. It has no result.
	SnapClose

	// SnapBegin is a receiver's: to make room beside the store.
	SnapBegin
	// SnapAdd is to take a chunk in; the result has Progress and Last.
	SnapAdd
	// SnapPrepare is to make ready what was received, so that exchanging it takes little time.
	SnapPrepare
	// SnapAbort is to drop what was received. It has no result.
	SnapAbort
)

// SnapResult is what came of work.
type SnapResult struct {
	SnapWork
	// Err is why it wasn't done. What isn't the sender's or the snapshot's fault ends the replica: the driver doesn't give
	// such a result back.
	Err error
	// Last tells that there is no chunk behind this one.
	Last bool
}

// Replace ends the core: a snapshot takes the place of the replica's state, and of what isn't applied of its log. Requests
// that are open end as in [Core.Stop].
func (c *Core) Replace(now Now, cause error) {
	if first := c.node.Status().Applied + 1; first <= c.created.index {
		c.life.replaced(now, first, c.created.index)
	}
	c.Stop(now, cause)
}

// Ticks counts the ticks since the core was made.
func (c *Core) Ticks() int { return c.ticks }

// Commit is the last entry known to be committed.
func (c *Core) Commit() uint64 { return c.node.Status().Commit }
