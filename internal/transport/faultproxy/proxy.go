// Package faultproxy is a TCP proxy that makes a network bad on demand: slow, jittery, narrow, with stalls as lost packets
// cause them, or cut in one direction or both.
//
//	p, err := faultproxy.Listen("127.0.0.1:0", target, seed)
//	defer p.Close()
//	dial(p.Address())      // instead of target
//	p.Cut(faultproxy.Up)   // what the dialler sends no longer arrives; what comes back does
//	p.Mend()
//
// A cut network loses no byte of a TCP connection, it only doesn't deliver: what was sent arrives after Mend, unless
// somebody has given up. So does a connection that is begun while the network is cut. Reset is what a killed process or a
// firewall does.
//
// It changes nothing in what it carries and doesn't look into it. Its randomness has a seed; when packets arrive hasn't.
package faultproxy

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// Direction is one of the two, or both.
type Direction uint8

// The directions.
const (
	Up   Direction = 1 << iota // from the side that dialled to the target
	Down                       // from the target back
	Both = Up | Down
)

// Weather is how one direction is. Zero: as the machine does it.
type Weather struct {
	// Delay is how long each byte travels, at least; Jitter is how much longer a packet may take, drawn evenly.
	// Order is kept, so a late packet holds up those behind it.
	Delay, Jitter time.Duration
	// BytesPerSecond bounds the throughput of each connection; 0: no bound.
	BytesPerSecond int
	// Stall is how probable it is, from 0 to 1, that a packet is late by StallTime, as one is that was lost and sent
	// again; zero StallTime: 200 ms, the least that Linux waits before it does.
	Stall     float64
	StallTime time.Duration
}

// Stats is what went through since the start.
type Stats struct {
	// Accepted is how many connections were begun; Open how many there are.
	Accepted, Open int
	// UpBytes and DownBytes were delivered; UpHeld and DownHeld were read and wait, for time or for a cut to end.
	UpBytes, DownBytes, UpHeld, DownHeld int64
}

// Proxy carries connections from its address to a target's.
type Proxy struct {
	listener net.Listener
	wg       sync.WaitGroup
	stop     chan struct{} // closed when Close begins

	mu      sync.Mutex
	target  string
	rand    *rand.Rand
	up      Weather
	down    Weather
	cut     Direction
	refuse  bool
	changed chan struct{} // closed and replaced with every change
	conns   map[*carried]struct{}
	stats   Stats
	closed  bool
}

// Listen starts a proxy at an address, of which port 0 takes a free one, for a target. The target is dialled anew for every
// connection, so it needn't be there yet.
func Listen(address, target string, seed uint64) (*Proxy, error) {
	if target == "" {
		return nil, fault.Refuse("target", "is empty; give a host:port")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		listener: l, target: target, stop: make(chan struct{}), changed: make(chan struct{}),
		rand: rand.New(rand.NewPCG(seed, 0x70726f7879)), conns: map[*carried]struct{}{},
	}
	p.wg.Go(p.accept)
	return p, nil
}

// Address returns where to dial.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// SetTarget changes where new connections go.
func (p *Proxy) SetTarget(target string) { p.change(func() { p.target = target }) }

// SetWeather changes how a direction is, also for connections that stand and for what waits in them.
func (p *Proxy) SetWeather(d Direction, w Weather) {
	p.change(func() {
		if d&Up != 0 {
			p.up = w
		}
		if d&Down != 0 {
			p.down = w
		}
	})
}

// Cut stops a direction; nothing is delivered in it until Mend. No call undoes a part of another.
func (p *Proxy) Cut(d Direction) { p.change(func() { p.cut |= d }) }

// Mend delivers again, first of all what was held back.
func (p *Proxy) Mend() { p.change(func() { p.cut = 0 }) }

// Refuse says whether new connections are reset at once, as by a machine on which nobody listens.
func (p *Proxy) Refuse(on bool) { p.change(func() { p.refuse = on }) }

// Reset ends all connections at once, both ends with a reset; what was held is lost.
func (p *Proxy) Reset() {
	for _, c := range p.open() {
		c.end(true)
	}
}

// Stats returns what went through.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Open = len(p.conns)
	return s
}

// Close ends all connections and waits for everything of the proxy to end.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.stop)
	p.mu.Unlock()
	err := p.listener.Close()
	for _, c := range p.open() {
		c.end(true)
	}
	p.wg.Wait()
	return err
}

func (p *Proxy) open() []*carried {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*carried, 0, len(p.conns))
	for c := range p.conns {
		out = append(out, c)
	}
	return out
}

func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// accept takes connections until the listener is closed.
func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		c := &carried{p: p, near: conn, gone: make(chan struct{})}
		p.mu.Lock()
		p.stats.Accepted++
		if p.closed || p.refuse {
			p.mu.Unlock()
			reset(conn)
			continue
		}
		p.conns[c] = struct{}{}
		p.mu.Unlock()
		p.wg.Go(c.run)
	}
}

// reset closes a connection so that its other end sees a reset and not an end.
func reset(conn net.Conn) {
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}
