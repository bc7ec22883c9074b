package client_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// faults are how often a connection through a [proxy] has which, each from 0 to 1.
type faults struct {
	refuse float64 // closed at once
	cut    float64 // closes somewhere on the way, in one direction or the other, in the middle of anything
	delay  float64 // every piece takes up to longest
	stall  float64 // nothing comes back any more from somewhere on, and the connection stays open
	replay float64 // when it's over, everything that the client had sent arrives once more

	longest time.Duration
	farther int // how many times as many bytes as otherwise pass before a connection is cut or stalls; 0 is 1
}

// proxy stands between client and server and is bad at it. What it does to a connection is drawn when it begins.
type proxy struct {
	listener net.Listener
	target   string
	faults   faults

	mu    sync.Mutex
	rng   *rand.Rand
	conns map[net.Conn]bool
	over  bool
	works sync.WaitGroup

	cuts, replays, stalls atomic.Int64
}

// newProxy begins to listen; the test's end ends it.
func newProxy(t testing.TB, target string, seed uint64, f faults) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{
		listener: l, target: target, faults: f, rng: rand.New(rand.NewPCG(seed, 1)), conns: map[net.Conn]bool{},
	}
	p.works.Add(1)
	go p.run()
	t.Cleanup(p.stop)
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// stop ends every connection and waits for all that is on its way.
func (p *proxy) stop() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.over = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.works.Wait()
}

func (p *proxy) run() {
	defer p.works.Done()
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.works.Add(1)
		go func() {
			defer p.works.Done()
			p.carry(c)
		}()
	}
}

// keep takes note of a connection, so that stop ends it.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		_ = c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// plan is what happens to one connection. Numbers of bytes below 0 are never.
type plan struct {
	refuse, replay          bool
	cutUp, cutDown, stallAt int
	delay                   time.Duration
}

func (p *proxy) plan() plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	far := max(1, p.faults.farther)
	chance := func(of float64) bool { return p.rng.Float64() < of }
	x := plan{cutUp: -1, cutDown: -1, stallAt: -1, refuse: chance(p.faults.refuse), replay: chance(p.faults.replay)}
	if chance(p.faults.cut) {
		if p.rng.IntN(2) == 0 {
			x.cutUp = p.rng.IntN(5000 * far)
		} else {
			x.cutDown = p.rng.IntN(4000 * far)
		}
	}
	if chance(p.faults.stall) {
		x.stallAt = p.rng.IntN(4000 * far)
	}
	if chance(p.faults.delay) {
		x.delay = time.Duration(p.rng.Int64N(int64(p.faults.longest)))
	}
	return x
}

// carry moves bytes both ways until one end is over or the plan says so.
func (p *proxy) carry(c net.Conn) {
	x := p.plan()
	if x.refuse || !p.keep(c) {
		_ = c.Close()
		return
	}
	defer p.drop(c)
	s, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(s) {
		return
	}
	defer p.drop(s)
	var sent []byte
	var up sync.WaitGroup
	up.Add(1)
	go func() {
		defer up.Done()
		p.pipe(s, c, x.cutUp, -1, x.delay, func(b []byte) { sent = append(sent, b...) })
		_ = s.Close()
		_ = c.Close()
	}()
	p.pipe(c, s, x.cutDown, x.stallAt, x.delay, func([]byte) {})
	_ = c.Close()
	_ = s.Close()
	up.Wait()
	if x.replay && len(sent) > 0 {
		p.again(sent)
	}
}

// pipe copies until an error, or a number of bytes at which the connection is cut. From stallAt on it swallows all.
func (p *proxy) pipe(to io.Writer, from io.Reader, cutAt, stallAt int, delay time.Duration, saw func([]byte)) {
	buf := make([]byte, 4096)
	for n := 0; ; {
		got, err := from.Read(buf)
		b := buf[:got]
		if delay > 0 {
			<-time.After(delay)
		}
		saw(b)
		if cutAt >= 0 && n+got > cutAt {
			_, _ = to.Write(b[:cutAt-n])
			p.cuts.Add(1)
			return
		}
		if stallAt >= 0 && n+got > stallAt {
			if n <= stallAt {
				p.stalls.Add(1)
			}
		} else if _, werr := to.Write(b); werr != nil {
			return
		}
		if n += got; err != nil {
			return
		}
	}
}

// again sends what a client had sent once more, as a network that had kept it would.
func (p *proxy) again(sent []byte) {
	s, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(s) {
		return
	}
	defer p.drop(s)
	p.replays.Add(1)
	go func() {
		_, _ = s.Write(sent)
		_ = s.(*net.TCPConn).CloseWrite() // the server answers all, and closes
	}()
	_, _ = io.Copy(io.Discard, s)
}
