package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// lender gives copies of this member's database to regions that begin, one at a time: a copy holds an instant of the
// checkpoint, and what follows it of the log.
type lender struct {
	mu    sync.Mutex
	ended bool
	one   *lending      // nil while there is none
	begun int           // how many there were
	given atomic.Uint64 // bytes of all of them that were given, each once
	piece int           // the size of a piece; 0 is pieceBytes
}

// lending is one copy under way: its own goroutine writes it, and whoever asks takes it from there.
type lending struct {
	number uint64
	region id.Region
	pieces chan []byte // closed at the end
	cancel context.CancelFunc
	given  *atomic.Uint64
	idle   *time.Timer   // ends it when nobody asks any more
	done   chan struct{} // closed when the goroutine has ended
	err    error         // valid behind done

	mu     sync.Mutex // held while a piece is waited for
	offset uint64     // of the piece that was given last
	piece  []byte
	last   bool
}

const (
	// pieceBytes is the size of a piece but for the last. One waits to be asked for, one is being written, and the one that
	// was given last is kept.
	pieceBytes = 2 << 20
	// pieceWait is how long who asks is kept waiting for a piece; then it's told to ask again.
	pieceWait = 5 * time.Second
	// lendLog is how much of the log from before the copy goes along: who begins holds it as the others do, and gives it to a
	// region that is taken back to before it.
	lendLog = 1 << 30
	// lendIdle is how long a copy is held that nobody asks for.
	lendIdle = 30 * time.Second
)

// lend answers who asks for a piece of a copy, if there is somebody who can.
func (n *links) lend(ctx context.Context, request []byte) []byte {
	r := n.asked.Load()
	if r == nil {
		p := piece{Code: pieceBusy, Text: "this member is about to open its directory"}
		return p.encode()
	}
	p := r.lend(ctx, request)
	return p.encode()
}

// lend answers who asks for a piece of a copy.
func (r *Replica) lend(ctx context.Context, request []byte) piece {
	w, err := decodeWanted(request)
	if err != nil {
		return piece{Code: pieceRefused, Text: err.Error()}
	}
	if err := r.lendable(w.Region); errors.Is(err, fault.ErrNotYet) {
		return piece{Code: pieceBusy, Text: err.Error()}
	} else if err != nil {
		return piece{Code: pieceRefused, Text: err.Error()}
	}
	one, no := r.lends.find(r, &w)
	if one == nil {
		return no
	}
	return one.give(ctx, &w)
}

// lendable refuses who can't begin with this member's state, and who can't yet: only of a region that is in the table here is the
// log kept that lies behind its copy.
func (r *Replica) lendable(region id.Region) error {
	if region == r.base.identity.Region {
		return fault.Refuse("region", "%d is this member's own; a new member of it joins it", region)
	}
	return r.Read(func(e *engine.Engine) error {
		switch known, ok := e.Region(region); {
		case !ok:
			return fmt.Errorf("this member hasn't heard of region %d yet: %w", region, fault.ErrNotYet)
		case known.Removed:
			return fault.Refuse("region", "%d, %s, was removed; numbers are given once", region, known.Name)
		}
		return nil
	})
}

// find returns the copy that is asked for, which may be a new one, or what to answer if there is none.
func (l *lender) find(r *Replica, w *wanted) (*lending, piece) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.one
	switch {
	case l.ended:
		return nil, piece{Code: pieceGone, Text: "this member is about to close"}
	case w.Copy > 0 && (one == nil || one.number != w.Copy):
		return nil, piece{Code: pieceGone, Text: fmt.Sprintf("copy %d isn't held any more, or never was; begin anew", w.Copy)}
	case w.Copy > 0:
		return one, piece{}
	case one != nil && one.region != w.Region && !one.over():
		return nil, piece{Code: pieceBusy, Text: fmt.Sprintf("this member is giving a copy to region %d", one.region)}
	}
	if one != nil {
		one.stop()
	}
	one, err := startLending(r, w.Region, cmp.Or(l.piece, pieceBytes), &l.given)
	if err != nil {
		return nil, piece{Code: pieceGone, Text: err.Error()}
	}
	l.one = one
	l.begun++
	return one, piece{}
}

// count is how many copies were begun.
func (l *lender) count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(l.begun)
}

// end ends what is under way and waits for it. Nothing begins any more.
func (l *lender) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.one != nil {
		l.one.stop()
	}
}

func startLending(r *Replica, region id.Region, size int, given *atomic.Uint64) (*lending, error) {
	var number [8]byte
	if _, err := io.ReadFull(r.base.opts.random(), number[:]); err != nil {
		return nil, fmt.Errorf("draw a copy's number: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &lending{
		number: binary.LittleEndian.Uint64(number[:]) | 1, region: region, pieces: make(chan []byte, 1), cancel: cancel,
		done: make(chan struct{}), given: given,
	}
	l.idle = time.AfterFunc(lendIdle, cancel)
	go l.run(ctx, r, &pieces{ctx: ctx, out: l.pieces, size: size})
	return l, nil
}

func (l *lending) run(ctx context.Context, r *Replica, w *pieces) {
	defer close(l.done)
	_, _, l.err = r.Backup(ctx, w, BackupOptions{LogBytes: lendLog})
	if l.err == nil {
		l.err = w.flush()
	}
	if l.err == nil {
		close(l.pieces)
	}
}

// stop ends the copy and waits for its goroutine.
func (l *lending) stop() {
	l.idle.Stop()
	l.cancel()
	<-l.done
}

// over reports whether the copy ended, given whole or not.
func (l *lending) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// give returns the piece at an offset: the next one, or again the one before.
func (l *lending) give(ctx context.Context, w *wanted) piece {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle.Reset(lendIdle)
	p := piece{Code: pieceData, Copy: l.number, Offset: w.Offset}
	next := l.offset + uint64(len(l.piece))
	if w.Offset == l.offset && (len(l.piece) > 0 || l.last) {
		p.Data, p.Last = l.piece, l.last
		return p
	}
	if w.Offset != next {
		p.Code, p.Text = pieceGone, fmt.Sprintf("the copy is at offset %d, and %d was asked for", next, w.Offset)
		return p
	}
	wait, cancel := context.WithTimeout(ctx, pieceWait)
	defer cancel()
	select {
	case b, more := <-l.pieces:
		l.take(&p, b, !more)
	case <-l.done:
		if l.err == nil {
			b, more := <-l.pieces // what is left of it
			l.take(&p, b, !more)
			break
		}
		p.Code, p.Text = pieceGone, fmt.Sprintf("the copy ended: %v", l.err)
	case <-wait.Done():
		p.Code = pieceLater
	}
	return p
}

// take keeps a piece, which may be asked for again, and gives it.
func (l *lending) take(p *piece, b []byte, last bool) {
	l.offset, l.piece, l.last = p.Offset, b, last
	l.given.Add(uint64(len(b)))
	p.Data, p.Last = b, last
}

// pieces is an io.Writer that cuts a stream into pieces. A piece belongs to whoever takes it.
type pieces struct {
	ctx  context.Context
	out  chan<- []byte
	size int
	b    []byte
}

func (w *pieces) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if w.b == nil {
			w.b = make([]byte, 0, w.size)
		}
		k := min(len(b), w.size-len(w.b))
		w.b = append(w.b, b[:k]...)
		b, n = b[k:], n+k
		if len(w.b) == w.size {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush hands over what there is.
func (w *pieces) flush() error {
	if len(w.b) == 0 {
		return nil
	}
	select {
	case w.out <- w.b:
		w.b = nil
		return nil
	case <-w.ctx.Done():
		return errors.Join(w.ctx.Err(), errors.New("nobody asks for the copy any more"))
	}
}
