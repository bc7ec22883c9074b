package host

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/ship"
	"github.com/tidaldb/tidal/internal/transport"
)

// links are a replica's connections to the others of its group: what travels on them, and who is at their ends.
//
// Every frame begins with its kind and the group's incarnation: who comes back from before a recovery isn't listened to.
type links struct {
	group *Group
	tr    transport.Transport
	who   atomic.Pointer[identity] // nil until the directory has one
	// packets are those that came and wait for the loop; a transport whose packets aren't taken waits with them.
	packets chan replica.Packet
	ships   chan ship.Packet // likewise, about shipping
	opened  chan ship.Peer   // to whom a way has opened
	quit    chan struct{}    // closed by close
	clocks  clocks
	asked   atomic.Pointer[Replica] // who answers questions, nil while nobody can

	mu    sync.Mutex
	peers map[uint64]string // as the transport was told
	far   map[uint64]string // likewise, of other regions
	// dropped counts frames that couldn't be read, or were of another incarnation.
	dropped atomic.Uint64
	pulled  atomic.Uint64                      // copies of another region that were taken whole
	drawn   atomic.Uint64                      // bytes of copies that came, those of an attempt that failed among them
	gone    atomic.Pointer[map[id.Region]bool] // regions that were removed
	barred  atomic.Pointer[barring]            // who said last that it doesn't let this member in
}

// The kinds of frames.
const (
	frameRaft byte = iota + 1
	// frameClock asks for the other's clock, frameClockIs says it.
	frameClock
	frameClockIs
	// frameShip has a packet about shipping, of a member of any region.
	frameShip
)

// packetsWaiting bounds the packets that wait for the loop. The largest is about as large as a batch.
const packetsWaiting = 64

// maxFrame bounds a frame: an entry, or a chunk of a snapshot, with the largest record there can be.
const maxFrame = 32 << 20

// connect opens the transport. Nobody is there to answer yet.
func connect(g *Group) (*links, error) {
	n := &links{
		group: g, packets: make(chan replica.Packet, packetsWaiting), quit: make(chan struct{}), peers: map[uint64]string{},
		ships: make(chan ship.Packet, packetsWaiting), opened: make(chan ship.Peer, packetsWaiting), far: map[uint64]string{},
	}
	n.clocks.of = map[uint64]clockOf{}
	network := g.Network
	if network == nil {
		network = func(o transport.Options) (transport.Transport, error) { return transport.Listen(o) }
	}
	tr, err := network(transport.Options{
		Listen: g.Listen, Advertise: g.Advertise, Identity: n.identity, TLS: g.TLS, Handler: n, Admit: n.admit, Log: g.Log,
		MaxFrame: maxFrame, Regions: true, Connected: n.connected, Refused: n.refused,
	})
	if err != nil {
		return nil, err
	}
	n.tr = tr
	return n, nil
}

// barring is what somebody says who doesn't let this member in.
type barring struct{ address, text string }

// refused notes that the other end let nobody in from here. The transport waits for it, so it takes no lock.
func (n *links) refused(address string, why *transport.Refusal) {
	if why.Reason == transport.ReasonNotAdmitted {
		n.barred.Store(&barring{address, why.Text})
	}
}

// removed returns an error if a member of another region says that this one's region was removed: then it's so for good. What the
// own group says of this member it's asked by [tending.seek].
func (n *links) removed() error {
	b := n.barred.Load()
	if b == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, address := range n.far {
		if address == b.address {
			return fmt.Errorf("%s says: %s; whoever stands in for it takes back what it has to, and what it had shipped to nobody is here "+
				"alone: move its directory away, and let it begin as another region: %w", b.address, b.text, fault.ErrRemoved)
		}
	}
	return nil
}

// admit refuses who was removed, and members of regions that were.
func (n *links) admit(who transport.Identity) error {
	if own := n.who.Load(); own != nil && uint16(own.Region) != who.Region {
		if gone := n.gone.Load(); gone != nil && (*gone)[id.Region(who.Region)] {
			return fmt.Errorf("region %d was removed from the database", who.Region)
		}
		return nil
	}
	if r := n.asked.Load(); r != nil {
		return r.loop.here().standing(who.Replica)
	}
	return nil
}

// identity is who this end is, for the transport.
func (n *links) identity() transport.Identity {
	who := n.who.Load()
	if who == nil {
		return transport.Identity{}
	}
	out := transport.Identity{Region: uint16(who.Region), Shard: uint16(who.Shard), Replica: who.Replica}
	_, _ = hex.Decode(out.Cluster[:], []byte(who.Cluster)) // it was checked when it was read
	return out
}

// address is what others are told.
func (n *links) address() string {
	if n.group.Advertise != "" {
		return n.group.Advertise
	}
	return n.tr.Address()
}

func (n *links) close() error {
	close(n.quit)
	return n.tr.Close()
}

// know tells the transport where the others are.
//
// Whoever catches up reads of members of long ago first: those with higher numbers came later, and stay.
func (n *links) know(members []consensus.Member, highest uint64) {
	self := n.who.Load().Replica
	n.mu.Lock()
	defer n.mu.Unlock()
	here := map[uint64]bool{}
	for _, m := range members {
		if m.Number == self || m.Address == "" {
			continue
		}
		here[m.Number] = true
		if n.peers[m.Number] != m.Address {
			n.peers[m.Number] = m.Address
			n.tr.SetPeer(m.Number, m.Address)
		}
	}
	for number := range n.peers {
		if !here[number] && number <= highest {
			delete(n.peers, number)
			n.tr.RemovePeer(number)
			n.clocks.forget(number)
		}
	}
}

// find says where a member is that isn't where it's believed to be, as another one says or itself. It holds until the log says more. It
// reports whether that is news.
func (n *links) find(number uint64, address string) (news bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if address == "" || number == n.who.Load().Replica || n.peers[number] == address {
		return false
	}
	n.peers[number] = address
	n.tr.SetPeer(number, address)
	return true
}

// numbers are the peers' numbers, in any order.
func (n *links) numbers() (out []uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for number := range n.peers {
		out = append(out, number)
	}
	return out
}

// frame begins a frame.
func (n *links) frame(kind byte) []byte {
	return binary.AppendUvarint([]byte{kind}, uint64(n.who.Load().Incarnation))
}

// send gives a packet to the transport. An error says that it wasn't taken; Raft and those who send snapshots send again.
func (n *links) send(p *replica.Packet) error {
	b := p.Append(n.frame(frameRaft))
	if p.Kind == replica.PacketSnapChunk {
		return n.tr.SendBulk(p.To, b)
	}
	return n.tr.Send(p.To, b)
}

// Receive implements transport.Handler.
func (n *links) Receive(from uint64, b []byte) {
	who := n.who.Load()
	if len(b) == 0 || who == nil {
		n.dropped.Add(1)
		return
	}
	incarnation, k := binary.Uvarint(b[1:])
	_, _, far := transport.Near(from)
	same := id.Incarnation(incarnation) == who.Incarnation && incarnation < 1<<32
	if k <= 0 || far && b[0] != frameShip || !far && !same {
		n.dropped.Add(1)
		return
	}
	kind, body := b[0], b[1+k:]
	switch kind {
	case frameRaft:
		p, err := replica.DecodePacket(body)
		if err != nil || p.From != from {
			n.dropped.Add(1)
			return
		}
		select {
		case n.packets <- p:
		case <-n.quit:
		}
	case frameShip:
		n.shipped(from, body)
	case frameClock, frameClockIs:
		n.clock(from, kind, body)
	default:
		n.dropped.Add(1)
	}
}

// Answer implements transport.Handler.
func (n *links) Answer(ctx context.Context, from uint64, request []byte) ([]byte, error) {
	if len(request) > 0 && request[0] == copyMark {
		return n.lend(ctx, request), nil
	}
	q, err := decodeQuestion(request)
	if err != nil {
		return nil, err
	}
	if region, _, far := transport.Near(from); far && !q.Kind.ofRegions() {
		a := answer{}.with(fmt.Errorf("region %d asks what only members of a group ask each other; look at the addresses: %w", region,
			fault.ErrForeign))
		return a.encode(), nil
	}
	r := n.asked.Load()
	if r == nil {
		a := answer{Code: answerNoLeader, Text: "this member is about to open its directory"}
		return a.encode(), nil
	}
	if region, replica, far := transport.Near(from); far && q.Kind == questionRegions && q.Address != "" {
		if err := r.sameName(id.Region(region), q.Name); err != nil {
			a := answer{}.with(err)
			return a.encode(), nil
		}
		n.moved(id.Region(region), []RegionMember{{Number: replica, Address: q.Address}})
	}
	a := r.answer(ctx, &q)
	return a.encode(), nil
}

// ask asks one address.
func (n *links) ask(ctx context.Context, address string, q question) (answer, error) {
	b, err := n.tr.Ask(ctx, address, q.encode())
	if err != nil {
		return answer{}, err
	}
	return decodeAnswer(b)
}

// errCode is how an error travels.
func errCode(err error) answerCode {
	switch {
	case err == nil:
		return answerDone
	case errors.Is(err, fault.ErrChanging):
		return answerChanging
	case errors.Is(err, fault.ErrNoSuccessor):
		return answerNoSuccessor
	case errors.Is(err, fault.ErrUnknown): // also of who ceased to lead meanwhile
		return answerUnknown
	case errors.Is(err, fault.ErrNotLeader):
		return answerNoLeader
	case errors.Is(err, fault.ErrForeign):
		return answerForeign
	case errors.Is(err, fault.ErrClock):
		return answerClock
	case errors.Is(err, fault.ErrRemoved):
		return answerRemoved
	case errors.Is(err, fault.ErrInput), errors.Is(err, fault.ErrReadOnly):
		return answerRefused
	}
	return answerUnknown
}
