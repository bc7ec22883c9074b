package pair

import (
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/transport"
)

// path is what travels from one member to another in one class. Frames leave in order: whatever their delays, each arrival
// takes the oldest, unless one was drawn to overtake.
type path struct {
	t      *Transport
	number uint64 // the receiver's
	peer   *peer
	class  int

	// Guarded by t.mu.
	under   [][]byte // under way, in order
	arrived [][]byte
	wake    *sync.Cond // for the pump; nil until there is one, and always with a scheduler
	ended   bool
}

func newPath(t *Transport, number uint64, p *peer, class int) *path {
	return &path{t: t, number: number, peer: p, class: class}
}

// trip is the fate of one copy of a frame.
type trip struct {
	delay time.Duration
	loose bool // may overtake
}

// draw decides what happens to a frame; false if nobody is at the address. None of the trips means that it is lost.
func (n *Network) draw(from, to string) ([]trip, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.members[to] == nil {
		return nil, false
	}
	w := n.wayLocked(from, to)
	if w.Cut || w.Loss > 0 && n.rand.Float64() < w.Loss {
		return nil, true
	}
	trips := make([]trip, 1, 2)
	if w.Duplicate > 0 && n.rand.Float64() < w.Duplicate {
		trips = trips[:2]
	}
	for i := range trips {
		trips[i].delay = w.Delay
		if w.Jitter > 0 {
			trips[i].delay += time.Duration(n.rand.Int64N(int64(w.Jitter) + 1))
		}
		trips[i].loose = i > 0 || w.Reorder > 0 && n.rand.Float64() < w.Reorder
	}
	return trips, true
}

// reach returns the member at an address if a question and its answer get through, or nil.
func (n *Network) reach(from, to string) *Transport {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wayLocked(from, to).Cut || n.wayLocked(to, from).Cut {
		return nil
	}
	return n.members[to]
}

func (p *path) address() string {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.peer.stats.Address
}

func (p *path) count(f func(*transport.ClassStats)) {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	f(p.peer.class(p.class))
}

// travel sends one copy of a frame on its way.
func (p *path) travel(frame []byte, trip trip) {
	t := p.t
	t.mu.Lock()
	if t.closed || p.ended {
		t.mu.Unlock()
		return
	}
	c := p.peer.class(p.class)
	c.QueuedFrames++
	c.QueuedBytes += int64(len(frame))
	if !trip.loose {
		p.under = append(p.under, frame)
	}
	stepped := t.net.o.Scheduler != nil
	if !stepped && p.wake == nil {
		p.wake = sync.NewCond(&t.mu)
		t.pumps.Go(p.pump)
	}
	t.mu.Unlock()
	arrive := func() {
		p.arrive(frame, trip.loose)
		if stepped {
			for p.deliver() {
			}
		}
	}
	switch {
	case stepped:
		t.net.o.Scheduler.After(trip.delay, arrive)
	case trip.delay == 0:
		arrive()
	default:
		time.AfterFunc(trip.delay, arrive)
	}
}

// arrive puts the oldest frame under way, or this one if it may overtake, where the receiver takes it from.
func (p *path) arrive(frame []byte, loose bool) {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	switch {
	case p.ended:
		return
	case loose:
		p.arrived = append(p.arrived, frame)
	default:
		p.arrived = append(p.arrived, p.under[0])
		p.under = p.under[1:]
	}
	if p.wake != nil {
		p.wake.Signal()
	}
}

// pump delivers what arrives until the path ends.
func (p *path) pump() {
	for {
		p.t.mu.Lock()
		for len(p.arrived) == 0 && !p.ended {
			p.wake.Wait()
		}
		ended := p.ended
		p.t.mu.Unlock()
		if ended {
			return
		}
		p.deliver()
	}
}

// deliver hands over the first frame that has arrived; false if there is none.
func (p *path) deliver() bool {
	t := p.t
	t.mu.Lock()
	if len(p.arrived) == 0 {
		t.mu.Unlock()
		return false
	}
	frame := p.arrived[0]
	p.arrived = p.arrived[1:]
	address := p.peer.stats.Address
	t.mu.Unlock()

	size := int64(len(frame)) // the handler owns the frame from here on
	t.net.mu.Lock()
	to := t.net.members[address]
	t.net.mu.Unlock()
	var why *transport.Refusal
	there := to != nil
	if there {
		why, there = to.receive(t, t.m.Identity(), p.number, frame)
	}

	t.mu.Lock()
	c := p.peer.class(p.class)
	if !p.ended { // endLocked has emptied the queue
		c.QueuedFrames--
		c.QueuedBytes -= size
	}
	switch {
	case why != nil:
		p.peer.stats.Refused++
		p.peer.stats.LastError, p.peer.stats.LastErrorAt = why.Error(), t.now()
		c.DroppedLost++
	case !there:
		c.DroppedLost++
	}
	t.mu.Unlock()
	if why != nil && t.m.Refused != nil {
		t.m.Refused(address, &transport.Refusal{Reason: why.Reason, Text: why.Text, Remote: true})
	}
	return true
}

// endLocked drops what is under way and ends the pump.
func (p *path) endLocked() {
	c := p.peer.class(p.class)
	c.DroppedLost += uint64(len(p.under) + len(p.arrived))
	c.QueuedFrames, c.QueuedBytes = 0, 0
	p.under, p.arrived, p.ended = nil, nil, true
	if p.wake != nil {
		p.wake.Broadcast()
	}
}
