// Package pair is a network within one process: members that exchange frames as transport.TCP does, over ways that can be
// slow, lossy, out of order or cut, drawn from a seed.
//
//	n := pair.New(pair.Options{Seed: seed})
//	defer n.Close()
//	a, err := n.Join("a", pair.Member{Identity: who, Handler: h})
//	a.SetPeer(2, "b")
//	n.Cut("a", "b") // what a sends to b is lost from here on; b's frames still arrive
//
// Without a scheduler it has goroutines of its own and lives in real or synctest time. With one it has none: every delivery
// is an event of the scheduler, so a simulator on one thread owns the order of everything, and one seed gives one run.
//
// It doesn't encode frames, check certificates or measure time: that is transport.TCP's.
package pair

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/transport"
)

// Scheduler owns the time of a network that has no goroutines.
type Scheduler interface {
	// After calls f once, later and not from within After; those of equal delay in the order in which they were given.
	After(d time.Duration, f func())
}

// Options configures a network.
type Options struct {
	// Seed decides every loss, delay and order.
	Seed uint64
	// Scheduler owns time; zero: goroutines and timers.
	Scheduler Scheduler
	// Way is how every way is until something else is said.
	Way Way
	// MaxFrame bounds a frame, a request and an answer in bytes; zero: 16 MiB.
	MaxFrame int
	// QueueFrames and QueueBytes bound what is under way from one member to another in one class; zero: 4,096 and twice
	// MaxFrame.
	QueueFrames int
	QueueBytes  int64
}

// Way is how frames travel from one member to another. Zero: at once, all, in order.
type Way struct {
	// Delay is how long a frame travels, at least; Jitter is how much longer it may take, drawn evenly.
	Delay, Jitter time.Duration
	// Loss, Duplicate and Reorder are how probable it is, from 0 to 1, that a frame is lost, that it comes twice, and that
	// it may overtake others. Questions of Ask are only cut.
	Loss, Duplicate, Reorder float64
	// Cut loses everything, and lets no question through.
	Cut bool
}

// Member is one end that joins.
type Member struct {
	Identity func() transport.Identity
	Handler  transport.Handler
	// Admit refuses a replica, as transport.Options has it; zero: everybody of the cluster and group.
	Admit func(transport.Identity) error
	// Regions lets replicas of other regions in, as transport.Options has it.
	Regions bool
	// Refused is told of each frame that the other end refused, as transport.Options has it; zero: nobody.
	Refused func(address string, why *transport.Refusal)
}

// Network holds the members and the ways between them.
type Network struct {
	o Options

	mu      sync.Mutex
	rand    *rand.Rand
	members map[string]*Transport
	ways    map[[2]string]Way
	closed  bool
}

// New returns a network without members.
func New(o Options) *Network {
	if o.MaxFrame <= 0 {
		o.MaxFrame = 16 << 20
	}
	if o.QueueFrames <= 0 {
		o.QueueFrames = 4096
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 2 * int64(o.MaxFrame)
	}
	return &Network{
		o: o, rand: rand.New(rand.NewPCG(o.Seed, 0x7061697273)), members: map[string]*Transport{}, ways: map[[2]string]Way{},
	}
}

// Join adds a member at an address, any text that isn't taken. It is gone once its Close returns; another may then have
// the address, as a process that was started again.
func (n *Network) Join(address string, m Member) (*Transport, error) {
	if m.Identity == nil || m.Handler == nil {
		return nil, fault.Refuse("Member", "needs an identity and a handler")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, transport.ErrClosed
	}
	if address == "" || n.members[address] != nil {
		return nil, fault.Refuse("address", "%q is empty or taken", address)
	}
	t := newTransport(n, address, m)
	n.members[address] = t
	return t, nil
}

// SetWay says how frames travel from one address to another, from now on; those under way aren't changed.
func (n *Network) SetWay(from, to string, w Way) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ways[[2]string{from, to}] = w
}

// SetAll says how all ways are, and forgets what was said of single ones.
func (n *Network) SetAll(w Way) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.o.Way = w
	clear(n.ways)
}

// Cut cuts one direction.
func (n *Network) Cut(from, to string) { n.setCut(from, to, true) }

// Mend undoes Cut; the rest of the way stays as it was.
func (n *Network) Mend(from, to string) { n.setCut(from, to, false) }

// Isolate cuts a member off from all that are there now, both ways.
func (n *Network) Isolate(address string) { n.around(address, true) }

// Rejoin undoes Isolate.
func (n *Network) Rejoin(address string) { n.around(address, false) }

// Close closes all members that are still there.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	left := make([]*Transport, 0, len(n.members))
	for _, t := range n.members {
		left = append(left, t)
	}
	n.mu.Unlock()
	for _, t := range left {
		if err := t.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (n *Network) around(address string, cut bool) {
	n.mu.Lock()
	others := make([]string, 0, len(n.members))
	for a := range n.members {
		if a != address {
			others = append(others, a)
		}
	}
	n.mu.Unlock()
	for _, a := range others {
		n.setCut(a, address, cut)
		n.setCut(address, a, cut)
	}
}

func (n *Network) setCut(from, to string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := n.wayLocked(from, to)
	w.Cut = cut
	n.ways[[2]string{from, to}] = w
}

func (n *Network) wayLocked(from, to string) Way {
	if w, ok := n.ways[[2]string{from, to}]; ok {
		return w
	}
	return n.o.Way
}
