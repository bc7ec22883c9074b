package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// StreamOptions tune a [Stream]. The zero value works.
type StreamOptions struct {
	// Batch is how many signals share a request at most, 1 to 10,000; 0 is 64.
	Batch int
	// Linger is how long a signal waits for others to share its request; 0 is 5 ms.
	Linger time.Duration
	// InFlight is how many requests are under way at once, 1 to 64; 0 is 1, which keeps signals in their order. More are
	// faster. Order matters where a signal takes back what another did, such as an unlike: the one written last rules.
	InFlight int
	// Done is told what became of each batch, once, on a goroutine of the stream's, one batch at a time. It must not call
	// the stream.
	Done func(Batch)
}

func (o StreamOptions) withDefaults() (StreamOptions, error) {
	switch {
	case o.Batch < 0 || o.Batch > 10_000:
		return o, fault.Refuse("batch", "is %d, must be 1 to 10000", o.Batch)
	case o.InFlight < 0 || o.InFlight > window:
		return o, fault.Refuse("in_flight", "is %d, must be 1 to %d", o.InFlight, window)
	case o.Linger < 0:
		return o, fault.Refuse("linger", "is %v, must not be negative", o.Linger)
	}
	if o.Batch == 0 {
		o.Batch = 64
	}
	if o.InFlight == 0 {
		o.InFlight = 1
	}
	if o.Linger == 0 {
		o.Linger = 5 * time.Millisecond
	}
	return o, nil
}

// Batch is what became of some signals that followed each other in a stream and were sent as one request.
type Batch struct {
	// First is the number of the first one in the stream, from 0.
	First   int64
	Signals []Signal
	// Receipt is the request's; Err is why there is none. Of signals whose error is [ErrUnknown] it isn't known whether they
	// count; all others with an error don't.
	Receipt Receipt
	Err     error
}

// Stream writes many signals, which share requests. [Stream.Send] waits while as many requests as may be are under way, so
// that a producer goes at the server's pace. Its methods may be called from any goroutine.
//
// The first request that fails, after all tries, ends the stream: what was sent before stands, or fails, by itself, and
// nothing further is sent. Signals with keys aren't taken: they are requests of their own.
type Stream struct {
	c      *Client
	opts   StreamOptions
	ctx    context.Context
	cancel context.CancelFunc

	in    chan Signal
	flush chan chan struct{}
	ended chan struct{} // closed when the collecting goroutine has ended

	closing sync.Once
	close   chan struct{}

	mu  sync.Mutex
	err error // the first failure
	// stopped is closed with the first failure.
	stopped chan struct{}

	telling sync.Mutex // one Done at a time
}

// ErrStreamFailed is of signals that a stream took and never sent, because it had failed by then.
var ErrStreamFailed = errors.New("wasn't sent: the stream had failed before")

// errStreamClosed is of calls behind Close.
var errStreamClosed = errors.New("the stream was closed")

// Stream begins a stream, which ends when ctx does, or is closed. Close must be called in any case.
func (c *Client) Stream(ctx context.Context, o StreamOptions) (*Stream, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Stream{
		c: c, opts: o, in: make(chan Signal), flush: make(chan chan struct{}), ended: make(chan struct{}),
		close: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	go s.run()
	return s, nil
}

// Send hands signals to the stream, in order, and returns when it has taken them all, which isn't yet that they are
// written. If it fails, those that it took before count among the stream's, and sent says how many these are.
func (s *Stream) Send(ctx context.Context, signals ...Signal) (sent int, err error) {
	for i := range signals {
		if signals[i].Key != "" {
			return i, fault.At(i, fault.Refuse("key", "is given; a signal with a key is a request of its own"))
		}
		select {
		case <-s.stopped: // looked at first: run may still take what comes
			return i, s.failed()
		case <-s.close:
			return i, errStreamClosed
		default:
		}
		select {
		case s.in <- signals[i]:
		case <-s.stopped:
			return i, s.failed()
		case <-s.ended:
			return i, errStreamClosed
		case <-ctx.Done():
			return i, context.Cause(ctx)
		}
	}
	return len(signals), nil
}

// Flush returns when everything that the stream took before is settled: written, or failed. It returns the stream's first
// failure, if there is one.
func (s *Stream) Flush(ctx context.Context) error {
	settled := make(chan struct{})
	select {
	case s.flush <- settled:
	case <-s.ended:
		return s.failed()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-settled:
		return s.failed()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close writes what is left, waits until everything is settled, and returns the stream's first failure. A second Close
// returns the same.
func (s *Stream) Close() error {
	s.closing.Do(func() { close(s.close) })
	<-s.ended
	s.cancel()
	return s.failed()
}

func (s *Stream) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// run collects batches and has them sent.
func (s *Stream) run() {
	defer close(s.ended)
	var (
		first   int64
		batch   []Signal
		linger  = time.NewTimer(0)
		slots   = make(chan struct{}, s.opts.InFlight)
		sending sync.WaitGroup
	)
	<-linger.C
	defer linger.Stop()
	send := func() {
		if len(batch) == 0 {
			return
		}
		linger.Stop()
		b := Batch{First: first, Signals: batch}
		first, batch = first+int64(len(batch)), nil
		slots <- struct{}{} // callers of Send wait meanwhile: nothing is taken from them
		sending.Add(1)
		go func() {
			defer sending.Done()
			s.send(b)
			<-slots
		}()
	}
	for {
		select {
		case x := <-s.in:
			if len(batch) == 0 {
				batch = make([]Signal, 0, s.opts.Batch)
				linger.Reset(s.opts.Linger)
			}
			if batch = append(batch, x); len(batch) == s.opts.Batch {
				send()
			}
		case <-linger.C:
			send()
		case settled := <-s.flush:
			send()
			sending.Wait()
			close(settled)
		case <-s.close:
			send()
			sending.Wait()
			return
		}
	}
}

// send writes one batch and tells what became of it.
func (s *Stream) send(b Batch) {
	if err := s.failed(); err != nil {
		b.Err = fmt.Errorf("%w: %s", ErrStreamFailed, err.Error()) // not wrapped: this batch's fate is known
	} else if b.Receipt, b.Err = s.c.Signals(s.ctx, b.Signals...); b.Err != nil {
		s.fail(b.Err)
	}
	if s.opts.Done != nil {
		s.telling.Lock()
		defer s.telling.Unlock()
		s.opts.Done(b)
	}
}

func (s *Stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		close(s.stopped)
	}
}
