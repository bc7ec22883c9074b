package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// maxHeld bounds what one direction of a connection holds, as the buffers of kernels and routers do.
const maxHeld = 1 << 20

// packet is the largest piece that is read at once.
const packet = 16 << 10

// carried is one connection through the proxy.
type carried struct {
	p    *Proxy
	near net.Conn
	once sync.Once
	gone chan struct{} // closed when the connection ends

	mu  sync.Mutex
	far net.Conn
}

func (c *carried) run() {
	defer c.end(true)
	// A cut network doesn't let a connection begin.
	if !c.p.await(c.gone, func() bool { return c.p.cut == 0 }) {
		return
	}
	far, err := c.dial()
	if err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { c.carry(Up, c.near, far) })
	both.Go(func() { c.carry(Down, far, c.near) })
	both.Wait()
	c.end(false)
}

func (c *carried) dial() (net.Conn, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.p.wg.Go(func() {
		select {
		case <-c.gone:
			cancel()
		case <-ctx.Done():
		}
	})
	c.p.mu.Lock()
	target := c.p.target
	c.p.mu.Unlock()
	far, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.far = far
	c.mu.Unlock()
	select {
	case <-c.gone:
		_ = far.Close()
		return nil, net.ErrClosed
	default:
		return far, nil
	}
}

// end closes both ends, once.
func (c *carried) end(hard bool) {
	c.once.Do(func() {
		c.mu.Lock()
		far := c.far
		close(c.gone)
		c.mu.Unlock()
		for _, conn := range []net.Conn{c.near, far} {
			switch {
			case conn == nil:
			case hard:
				reset(conn)
			default:
				_ = conn.Close()
			}
		}
		c.p.mu.Lock()
		delete(c.p.conns, c)
		c.p.mu.Unlock()
	})
}

// piece is what was read at once; no bytes are the end of the stream.
type piece struct {
	bytes []byte
	read  time.Time
	late  time.Duration // drawn for this piece
	draw  float64       // from 0 to 1: how much of the jitter it gets
}

// carry reads from one end and writes to the other, each at its own pace, with at most maxHeld between.
func (c *carried) carry(d Direction, from, to net.Conn) {
	pieces := make(chan piece, maxHeld/packet)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(pieces)
		c.read(d, from, pieces)
	})
	last := time.Time{}
	for pc := range pieces {
		if len(pc.bytes) == 0 {
			if c.wait(d, pc, &last) {
				if t, ok := to.(*net.TCPConn); ok {
					_ = t.CloseWrite()
				}
			}
			break
		}
		ok := c.wait(d, pc, &last)
		if ok {
			_, err := to.Write(pc.bytes)
			ok = err == nil
		}
		c.p.count(d, pc, ok)
		if !ok {
			c.end(true)
			break
		}
	}
	for pc := range pieces { // so that the reader ends
		c.p.count(d, pc, false)
	}
	reader.Wait()
}

func (c *carried) read(d Direction, from net.Conn, pieces chan<- piece) {
	for {
		buf := make([]byte, packet)
		n, err := from.Read(buf)
		pc := c.p.drawn(d, buf[:n])
		select {
		case pieces <- pc:
		case <-c.gone:
			c.p.count(d, pc, false)
			return
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				c.end(true)
			} else if n > 0 {
				select {
				case pieces <- c.p.drawn(d, nil):
				case <-c.gone:
				}
			}
			return
		}
	}
}

// drawn is a piece with its fate.
func (p *Proxy) drawn(d Direction, bytes []byte) piece {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.weatherLocked(d)
	pc := piece{bytes: bytes, read: time.Now(), draw: p.rand.Float64()}
	if w.Stall > 0 && p.rand.Float64() < w.Stall {
		pc.late = w.StallTime
		if pc.late == 0 {
			pc.late = 200 * time.Millisecond
		}
	}
	*p.heldLocked(d) += int64(len(bytes))
	return pc
}

func (p *Proxy) weatherLocked(d Direction) Weather {
	if d == Up {
		return p.up
	}
	return p.down
}

func (p *Proxy) heldLocked(d Direction) *int64 {
	if d == Up {
		return &p.stats.UpHeld
	}
	return &p.stats.DownHeld
}

func (p *Proxy) count(d Direction, pc piece, delivered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.heldLocked(d) -= int64(len(pc.bytes))
	switch {
	case !delivered:
	case d == Up:
		p.stats.UpBytes += int64(len(pc.bytes))
	default:
		p.stats.DownBytes += int64(len(pc.bytes))
	}
}

// wait waits until a piece is due and its direction isn't cut; last is when the one before it was. False: the connection
// has ended.
func (c *carried) wait(d Direction, pc piece, last *time.Time) bool {
	for {
		c.p.mu.Lock()
		w, cut, changed := c.p.weatherLocked(d), c.p.cut&d != 0, c.p.changed
		c.p.mu.Unlock()
		due := pc.read.Add(w.Delay + time.Duration(pc.draw*float64(w.Jitter)) + pc.late)
		if w.BytesPerSecond > 0 {
			took := time.Duration(float64(len(pc.bytes)) / float64(w.BytesPerSecond) * float64(time.Second))
			if next := last.Add(took); next.After(due) {
				due = next
			}
		}
		var timer <-chan time.Time
		left := time.Until(due)
		if !cut {
			if left <= 0 {
				select {
				case <-c.gone:
					return false
				default:
				}
				// What a timer was late by is made up for, what a cut took isn't.
				if *last = due; left < -50*time.Millisecond {
					*last = time.Now()
				}
				return true
			}
			timer = time.After(left)
		}
		select {
		case <-timer:
		case <-changed:
		case <-c.gone:
			return false
		}
	}
}

// await waits until a condition holds, which is looked at with the lock held after every change. False: the connection has
// ended.
func (p *Proxy) await(gone <-chan struct{}, holds func() bool) bool {
	for {
		p.mu.Lock()
		ok, changed := holds(), p.changed
		p.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-gone:
			return false
		case <-p.stop:
			return false
		}
	}
}
