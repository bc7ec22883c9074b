package transport

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// link sends the frames of one class to one peer. It has one goroutine, which dials and writes, and while a connection
// stands one more, which reads signs of life.
type link struct {
	t     *TCP
	peer  *peer
	class class
	ctx   context.Context // ends with the peer or the transport
	stop  context.CancelFunc
	wake  chan struct{} // there are frames
	now   chan struct{} // dial at once: it has moved, or was heard of

	mu    sync.Mutex
	to    string // the peer's address
	queue [][]byte
	down  bool // the last attempt failed, and none has succeeded since
	conn  net.Conn
	moves int                // how often the address has changed
	abort context.CancelFunc // ends the attempt that is under way; nil if none is
	tried time.Time          // when it began
	stats ClassStats
}

func newLink(t *TCP, p *peer, c class) *link {
	l := &link{t: t, peer: p, to: p.address, class: c, wake: make(chan struct{}, 1), now: make(chan struct{}, 1)}
	l.ctx, l.stop = context.WithCancel(t.ctx)
	t.wg.Go(l.run)
	return l
}

func (l *link) send(frame []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(frame) > l.t.o.MaxFrame:
		l.stats.TooLong++
		return fmt.Errorf("%d bytes, at most %d: %w", len(frame), l.t.o.MaxFrame, ErrFrame)
	case l.ctx.Err() != nil:
		return ErrNoPeer
	case l.down:
		l.stats.DroppedDown++
		return ErrDown
	case l.stats.QueuedFrames >= l.t.o.QueueFrames || l.stats.QueuedBytes >= l.t.o.QueueBytes:
		l.stats.DroppedFull++
		return ErrBusy
	}
	l.queue = append(l.queue, frame)
	l.stats.QueuedFrames++
	l.stats.QueuedBytes += int64(len(frame))
	signal(l.wake)
	return nil
}

// signal wakes whoever waits, now or next.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// moved ends a connection to an address that isn't the peer's any more.
func (l *link) moved(to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
	l.moves++
	if l.conn != nil {
		_ = l.conn.Close()
	}
	if l.abort != nil {
		l.abort()
	}
	signal(l.now)
}

// heard is called when the peer has connected by itself: it is there again. An attempt that already takes long hangs where
// nobody was, and is begun anew.
func (l *link) heard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.down {
		return
	}
	if l.abort != nil && time.Since(l.tried) > l.t.o.BackoffMin {
		l.abort()
	}
	signal(l.now)
}

func (l *link) snapshot() ClassStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// run dials again and again, until the peer is removed.
func (l *link) run() {
	defer l.drop(nil)
	pause := time.Duration(0)
	for l.wanted() {
		began := time.Now()
		conn, w, err := l.dial()
		switch {
		case errors.Is(err, errAgain):
			continue
		case err == nil:
			began = time.Now()
			err = l.serve(conn, w)
		default:
			l.drop(err)
		}
		if l.ctx.Err() != nil {
			return
		}
		l.tell(err)
		if time.Since(began) > l.t.o.BackoffMax {
			pause = 0
		}
		if pause = l.rest(pause, err); pause < 0 {
			return
		}
	}
}

// wanted waits until a connection is needed. The urgent one always is, so that it is known whether the peer is there; the
// other once there is something to send, and while the peer is down.
func (l *link) wanted() bool {
	for l.ctx.Err() == nil {
		l.mu.Lock()
		wanted := l.class == urgent || l.down || len(l.queue) > 0
		l.mu.Unlock()
		if wanted {
			return true
		}
		select {
		case <-l.wake:
		case <-l.ctx.Done():
		}
	}
	return false
}

// rest pauses before the next attempt, and returns the pause; negative: there is none any more.
func (l *link) rest(last time.Duration, err error) time.Duration {
	o := &l.t.o
	pause := min(max(2*last, o.BackoffMin), o.BackoffMax)
	if lasting(err) {
		pause = o.BackoffMax
	}
	timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return pause
	case <-l.now:
		return 0
	case <-l.ctx.Done():
		return -1
	}
}

// lasting says whether only people can mend an error.
func lasting(err error) bool {
	var refused *Refusal
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Reason {
	case ReasonCluster, ReasonGroup, ReasonVersion, ReasonCertificate, ReasonNotAdmitted, ReasonPlain:
		return true
	}
	return false
}

// tell logs and keeps why a connection isn't there; and tells the owner that the other end refuses.
func (l *link) tell(err error) {
	l.t.noted(l.peer.number, err)
	address := l.address()
	l.t.warn("no connection to replica", address, fmt.Errorf("%s (%s): %w", called(l.peer.number), l.class, err))
	var refused *Refusal
	if errors.As(err, &refused) && refused.Remote && l.t.o.Refused != nil {
		l.t.o.Refused(address, refused)
	}
}

func (l *link) address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to
}

// drop empties the queue; with an error the peer is down from here on.
func (l *link) drop(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.DroppedLost += uint64(len(l.queue))
	l.queue = nil
	l.stats.QueuedFrames, l.stats.QueuedBytes = 0, 0
	l.down = err != nil
}

// errAgain ends an attempt that isn't wanted any more; another one is.
var errAgain = errors.New("dial again")

func (l *link) dial() (net.Conn, *wire, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.t.o.Handshake)
	defer cancel()
	aborted := false
	l.mu.Lock()
	to, moves := l.to, l.moves
	l.abort, l.tried = func() { aborted = true; cancel() }, time.Now()
	select { // from here on a change of the address aborts
	case <-l.now:
	default:
	}
	l.mu.Unlock()
	conn, w, err := l.t.begin(ctx, to, l.class, l.peer.number)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.abort = nil
	switch {
	case err == nil && moves != l.moves:
		_ = w.Close()
		return nil, nil, errAgain
	case err == nil:
		l.conn = w
	case aborted && l.ctx.Err() == nil:
		return nil, nil, errAgain
	}
	return conn, w, err
}

// serve writes what is queued until the connection ends, and returns why.
func (l *link) serve(conn net.Conn, w *wire) error {
	l.mu.Lock()
	l.down = false
	l.stats.Connected = time.Now()
	l.stats.Connects++
	l.mu.Unlock()
	l.t.o.Log.Info("connected to replica", logged(l.peer.number), slog.String("class", l.class.String()),
		slog.String("address", conn.RemoteAddr().String()))
	if l.class == urgent && l.t.o.Connected != nil {
		l.t.o.Connected(l.peer.number)
	}
	stop := context.AfterFunc(l.ctx, func() { _ = w.Close() })
	ended := make(chan struct{})
	var readErr error
	go func() {
		defer close(ended)
		readErr = l.signs(conn)
		_ = w.Close() // so that the writer ends
	}()
	writeErr := l.write(conn, w, ended)
	_ = w.Close()
	<-ended
	stop()
	l.mu.Lock()
	l.conn, l.stats.Connected = nil, time.Time{}
	l.stats.RoundTrip = 0
	l.stats.QueuedFrames = len(l.queue) // what was being written is lost
	l.stats.QueuedBytes = 0
	for _, frame := range l.queue {
		l.stats.QueuedBytes += int64(len(frame))
	}
	l.mu.Unlock()
	var refused *Refusal
	if errors.As(readErr, &refused) || writeErr == nil || errors.Is(writeErr, net.ErrClosed) {
		return readErr
	}
	return writeErr
}

// write empties the queue again and again: everything that is there goes out with one flush, and nothing waits for company.
func (l *link) write(conn net.Conn, w *wire, ended <-chan struct{}) error {
	out := bufio.NewWriterSize(conn, 16<<10) // a record of TLS
	ping := time.NewTicker(l.t.o.KeepAlive)
	defer ping.Stop()
	signal(l.wake)
	for {
		select {
		case <-l.wake:
			if err := l.writeQueue(out); err != nil {
				return err
			}
		case <-ping.C:
			sent := uint64(time.Since(l.t.started))
			if err := writeFrame(out, kindPing, binary.LittleEndian.AppendUint64(nil, sent)); err != nil {
				return err
			}
		case <-ended:
			return nil
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if err := w.flush(); err != nil {
			return err
		}
	}
}

func (l *link) writeQueue(out *bufio.Writer) error {
	l.mu.Lock()
	batch := l.queue
	l.queue = nil
	l.mu.Unlock()
	done, from := 0, 0 // written, and counted
	count := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := from; i < done; i++ {
			l.stats.QueuedBytes -= int64(len(batch[i]))
			l.stats.SentBytes += uint64(len(batch[i]))
			batch[i] = nil
		}
		l.stats.QueuedFrames -= done - from
		l.stats.SentFrames += uint64(done - from)
		from = done
	}
	since := 0
	for _, frame := range batch {
		if err := writeFrame(out, kindData, frame); err != nil {
			count()
			l.mu.Lock()
			l.stats.DroppedLost += uint64(len(batch) - done)
			l.mu.Unlock()
			return err
		}
		done++
		if since += len(frame) + 1024; since >= 256<<10 { // a lock for every small frame would cost as much as the frame
			count()
			since = 0
		}
	}
	count()
	return nil
}

// signs reads what comes back: that the other end lives, how long that took, and why it ends.
func (l *link) signs(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, 512)
	for {
		k, payload, err := readFrame(r, 0)
		if err != nil {
			return lost(err, l.t.o.Idle)
		}
		switch {
		case k == kindBye:
			return decodeBye(payload)
		case k == kindAlive:
		case k == kindPong && len(payload) == 8:
			l.mu.Lock()
			l.stats.RoundTrip = max(1, time.Since(l.t.started)-time.Duration(binary.LittleEndian.Uint64(payload)))
			l.mu.Unlock()
		default:
			return &Refusal{Reason: ReasonProtocol, Text: fmt.Sprintf("a frame of kind %d came from where only signs of life may", k)}
		}
	}
}

// lost says for people why a connection ended.
func lost(err error, idle time.Duration) error {
	var timeout net.Error
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the other end closed the connection")
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("nothing was heard for %v: the network is cut, or the machine hangs", idle)
	}
	return explain(err)
}
