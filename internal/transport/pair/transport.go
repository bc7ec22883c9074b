package pair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/transport"
)

// Transport is one member's end. It is a transport.Transport.
type Transport struct {
	net     *Network
	address string
	m       Member
	ctx     context.Context // ends when Close begins
	stop    context.CancelFunc
	pumps   sync.WaitGroup // the goroutines of its paths

	mu     sync.Mutex
	closed bool
	peers  map[uint64]*peer
	claims map[uint64]*Transport // who sends under a number
	calls  sync.WaitGroup        // calls of the handler; added to under mu, and not after closed
}

var _ transport.Transport = (*Transport)(nil)

type peer struct {
	stats transport.PeerStats
	paths [2]*path // urgent, bulk
}

func newTransport(n *Network, address string, m Member) *Transport {
	t := &Transport{net: n, address: address, m: m, peers: map[uint64]*peer{}, claims: map[uint64]*Transport{}}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// Address returns the address at which it joined.
func (t *Transport) Address() string { return t.address }

// SetPeer says where a replica is.
func (t *Transport) SetPeer(number uint64, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peerLocked(number)
	p.stats.Address, p.stats.Learned = address, false
}

// peerLocked returns the peer, which it makes if there is none.
func (t *Transport) peerLocked(number uint64) *peer {
	p := t.peers[number]
	if p == nil {
		p = &peer{stats: transport.PeerStats{Number: number}}
		for class := range p.paths {
			p.paths[class] = newPath(t, number, p, class)
		}
		t.peers[number] = p
	}
	return p
}

// RemovePeer forgets a replica and what is under way to it.
func (t *Transport) RemovePeer(number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.peers[number]; p != nil {
		delete(t.peers, number)
		for _, path := range p.paths {
			path.endLocked()
		}
	}
}

// Send queues an urgent frame.
func (t *Transport) Send(to uint64, frame []byte) error { return t.send(to, 0, frame) }

// SendBulk queues a frame that may take its time.
func (t *Transport) SendBulk(to uint64, frame []byte) error { return t.send(to, 1, frame) }

func (t *Transport) send(to uint64, class int, frame []byte) error {
	t.mu.Lock()
	p := t.peers[to]
	err := t.mayLocked(p, class, frame)
	t.mu.Unlock()
	if err != nil {
		return err
	}
	path := p.paths[class]
	fate, there := t.net.draw(t.address, path.address())
	if !there {
		path.count(func(c *transport.ClassStats) { c.DroppedDown++ })
		return transport.ErrDown
	}
	path.count(func(c *transport.ClassStats) {
		c.SentFrames++
		c.SentBytes += uint64(len(frame))
		if len(fate) == 0 {
			c.DroppedLost++ // only who draws fates knows it
		}
	})
	for i, trip := range fate {
		if i > 0 {
			frame = slices.Clone(frame)
		}
		path.travel(frame, trip)
	}
	return nil
}

// mayLocked returns why a frame can't be sent now.
func (t *Transport) mayLocked(p *peer, class int, frame []byte) error {
	switch {
	case t.closed:
		return transport.ErrClosed
	case p == nil:
		return transport.ErrNoPeer
	}
	c := p.class(class)
	switch {
	case len(frame) > t.net.o.MaxFrame:
		c.TooLong++
		return transport.ErrFrame
	case c.QueuedFrames >= t.net.o.QueueFrames || c.QueuedBytes >= t.net.o.QueueBytes:
		c.DroppedFull++
		return transport.ErrBusy
	}
	return nil
}

func (p *peer) class(class int) *transport.ClassStats {
	if class == 1 {
		return &p.stats.Bulk
	}
	return &p.stats.Urgent
}

// Ask asks the member at an address, which answers within the call. It may not be used by a handler that its own answer
// would have to wait for.
func (t *Transport) Ask(ctx context.Context, address string, request []byte) ([]byte, error) {
	if len(request) > t.net.o.MaxFrame {
		return nil, transport.ErrFrame
	}
	if t.ctx.Err() != nil {
		return nil, transport.ErrClosed
	}
	to := t.net.reach(t.address, address)
	if to == nil {
		return nil, fmt.Errorf("ask %s: %w", address, transport.ErrDown)
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	answer, err := to.answer(inner, t.m.Identity(), slices.Clone(request))
	var refused *transport.Refusal
	switch {
	case errors.As(err, &refused):
		return nil, &transport.Refusal{Reason: refused.Reason, Text: refused.Text, Remote: true}
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case t.ctx.Err() != nil:
		return nil, transport.ErrClosed
	case err != nil:
		return nil, &transport.AnswerError{Text: err.Error()}
	case len(answer) > t.net.o.MaxFrame:
		return nil, &transport.AnswerError{Text: transport.ErrFrame.Error()}
	}
	return slices.Clone(answer), nil
}

func (t *Transport) answer(ctx context.Context, from transport.Identity, request []byte) ([]byte, error) {
	if from.Cluster != ([16]byte{}) {
		if why := transport.Compare(from, t.m.Identity(), 0, t.m.Regions); why != nil {
			return nil, why
		}
	}
	if !t.enter() {
		return nil, transport.ErrClosed
	}
	defer t.calls.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	here := t.m.Identity()
	return t.m.Handler.Answer(ctx, from.SeenFrom(here.Region), request)
}

// enter begins a call of the handler, unless the transport closes.
func (t *Transport) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.calls.Add(1)
	return true
}

// Stats returns what is known of each peer, by number. As there are no connections, one stands where somebody who may be sent frames
// has joined at the peer's address and neither way is cut; since when is when that was first looked at, and of a stepped network, which
// has no clock, the second after the epoch.
func (t *Transport) Stats() []transport.PeerStats {
	t.mu.Lock()
	at := make(map[uint64]string, len(t.peers))
	for number, p := range t.peers {
		at[number] = p.stats.Address
	}
	t.mu.Unlock()
	stands := map[uint64]bool{}
	for number, address := range at { // outside of the lock: identities are asked for
		to := t.net.reach(t.address, address)
		stands[number] = to != nil && t.ctx.Err() == nil && transport.Compare(t.m.Identity(), to.m.Identity(), number, to.m.Regions) == nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]transport.PeerStats, 0, len(t.peers))
	for number, p := range t.peers {
		switch {
		case !stands[number] || p.stats.Address != at[number]:
			p.stats.Urgent.Connected = time.Time{}
		case p.stats.Urgent.Connected.IsZero():
			p.stats.Urgent.Connected = t.since()
		}
		p.stats.Bulk.Connected = p.stats.Urgent.Connected
		out = append(out, p.stats)
	}
	slices.SortFunc(out, func(a, b transport.PeerStats) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

// Close takes the member out of the network, and returns when no call of its handler runs any more.
func (t *Transport) Close() error {
	t.net.mu.Lock()
	if t.net.members[t.address] == t {
		delete(t.net.members, t.address)
	}
	t.net.mu.Unlock()
	t.mu.Lock()
	t.closed = true
	for _, p := range t.peers {
		for _, path := range p.paths {
			path.endLocked()
		}
	}
	t.mu.Unlock()
	t.stop()
	t.pumps.Wait()
	t.calls.Wait()
	return nil
}

// receive takes one frame from a member, or says why it is refused; false says that nobody is here any more.
func (t *Transport) receive(from *Transport, as transport.Identity, to uint64, frame []byte) (*transport.Refusal, bool) {
	here := t.m.Identity()
	if why := transport.Compare(as, here, to, t.m.Regions); why != nil {
		return why, true
	}
	if t.m.Admit != nil {
		if err := t.m.Admit(as); err != nil {
			return &transport.Refusal{Reason: transport.ReasonNotAdmitted, Text: err.Error()}, true
		}
	}
	number := as.SeenFrom(here.Region)
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil, false
	}
	if other := t.claims[number]; other != nil && other != from && other.ctx.Err() == nil {
		t.mu.Unlock()
		return transport.Overlap(number, other.address, from.address), true
	}
	t.claims[number] = from
	p := t.peerLocked(number)
	if p.stats.Address == "" {
		p.stats.Address, p.stats.Learned = from.address, true
	}
	p.stats.ReceivedFrames++
	p.stats.ReceivedBytes += uint64(len(frame))
	t.calls.Add(1)
	t.mu.Unlock()
	defer t.calls.Done()
	t.m.Handler.Receive(number, frame)
	return nil, true
}

// since is now, or where there is no clock some time that isn't zero.
func (t *Transport) since() time.Time {
	if t.net.o.Scheduler != nil {
		return time.Unix(1, 0)
	}
	return time.Now()
}

func (t *Transport) now() time.Time {
	if t.net.o.Scheduler != nil {
		return time.Time{} // a stepped network has no clock
	}
	return time.Now()
}
