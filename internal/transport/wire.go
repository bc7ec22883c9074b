package transport

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// flushAt is how much a wire gathers before it writes to the socket. TLS makes records of at most 16 KiB, and one write of
// each; a system call for every 16 KiB would cost more than their encryption.
const flushAt = 256 << 10

// wire is a socket below TLS. Once it gathers, what is written waits for flush; and each read waits for at most the idle
// time, however slowly bytes come.
type wire struct {
	net.Conn
	idle time.Duration // 0 until the greeting is over: then the deadline of the whole holds

	armed  time.Time // when the read deadline was last set; the reader's alone
	ended  atomic.Bool
	gather atomic.Bool
	mu     sync.Mutex
	out    []byte
}

// settle ends the greeting: deadlines are by idle time from here on. Who writes much gathers.
func (w *wire) settle(idle time.Duration, gather bool) error {
	w.idle = idle
	w.gather.Store(gather)
	return w.SetDeadline(time.Time{})
}

// Read renews the deadline when a quarter of the idle time has gone, not with every call: it is never less than idle.
func (w *wire) Read(b []byte) (int, error) {
	if w.idle > 0 && !w.ended.Load() {
		if now := time.Now(); now.Sub(w.armed) > w.idle/4 {
			if err := w.SetReadDeadline(now.Add(w.idle + w.idle/4)); err != nil {
				return 0, err
			}
			w.armed = now
		}
	}
	return w.Conn.Read(b)
}

func (w *wire) Write(b []byte) (int, error) {
	if !w.gather.Load() {
		return w.Conn.Write(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.out)+len(b) >= flushAt {
		if err := w.flushLocked(); err != nil {
			return 0, err
		}
	}
	if len(b) >= flushAt {
		return w.Conn.Write(b)
	}
	w.out = append(w.out, b...)
	return len(b), nil
}

func (w *wire) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushLocked()
}

func (w *wire) flushLocked() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.Conn.Write(w.out)
	w.out = w.out[:0]
	return err
}

// Close closes the socket at once.
func (w *wire) Close() error {
	w.gather.Store(false)
	return w.Conn.Close()
}

// interrupt ends the read that waits, and every one after it.
func (w *wire) interrupt() {
	w.ended.Store(true)
	_ = w.SetReadDeadline(time.Unix(1, 0))
}

// lingering is how long an end waits for the other end to read why. A socket that is closed with unread bytes is reset,
// and a reset overtakes what was written.
const lingering = 500 * time.Millisecond

// linger ends the direction that this end writes, and reads until the other end has closed too.
func (w *wire) linger() {
	half, ok := w.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	w.ended.Store(true)
	if w.SetReadDeadline(time.Now().Add(lingering)) == nil {
		_, _ = io.Copy(io.Discard, w.Conn) // what comes isn't looked at, nor how it ends
	}
}
