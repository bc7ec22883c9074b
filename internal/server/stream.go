package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"connectrpc.com/connect"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// maxInFlight is how many requests of one stream may be under way at once: a lane's window.
const maxInFlight = 64

type writeStream = connect.BidiStream[tidalpb.StreamWritesRequest, tidalpb.StreamWritesResponse]

// StreamWrites is in the schema's words. One goroutine reads, as many write as may be in flight, and this one acknowledges
// in order; all of them have ended when it returns.
func (x *service) StreamWrites(ctx context.Context, stream *writeStream) error {
	if err := x.s.lead(false); err != nil {
		return err // some of its requests may count as often as they arrive
	}
	first, err := stream.Receive()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	n := first.GetInFlight()
	if n < 0 || n > maxInFlight {
		return fault.Refuse("in_flight", "is %d; it must be from 1 to %d", n, maxInFlight)
	}
	defer callOf(ctx).endsWithServer()()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &pipeline{s: x.s, stream: stream, queue: make(chan *pending, max(n, 1)-1)}
	p.reading.Go(func() { p.read(ctx, first) })
	err = p.acknowledge()
	if err != nil {
		cancel()
		// The reader may wait for a caller who waits for us.
		callOf(ctx).body.stop()
		for range p.queue { //nolint:revive // until the reader is done
		}
	}
	p.reading.Wait()
	return err
}

// pipeline is one stream of writes.
type pipeline struct {
	s       *Server
	stream  *writeStream
	queue   chan *pending // in the order of the stream; its length and the one that is waited for are what is in flight
	reading sync.WaitGroup
}

// pending is a request that was begun.
type pending struct {
	index   int64
	done    chan struct{}
	receipt *tidalpb.Receipt
	err     error
}

// read begins a write for every request, and closes the queue behind the last one.
func (p *pipeline) read(ctx context.Context, m *tidalpb.StreamWritesRequest) {
	defer close(p.queue)
	var writing sync.WaitGroup
	defer writing.Wait()
	for index := int64(0); ; index++ {
		one := &pending{index: index, done: make(chan struct{})}
		if cap(p.queue) == 0 {
			p.write(ctx, m, one) // here, so that the next one isn't read before
		} else {
			now := m
			writing.Go(func() { p.write(ctx, now, one) })
		}
		select {
		case p.queue <- one:
		case <-ctx.Done():
			return
		}
		if cap(p.queue) == 0 && one.err != nil { // else it is being written
			return
		}
		var err error
		if m, err = p.stream.Receive(); err != nil {
			if !errors.Is(err, io.EOF) {
				if callOf(ctx).body.closing.Load() {
					err = errClosing // which the library would have taken for a slow caller
				}
				end := &pending{index: index + 1, done: make(chan struct{}), err: err}
				close(end.done)
				select {
				case p.queue <- end:
				case <-ctx.Done():
				}
			}
			return
		}
	}
}

func (p *pipeline) write(ctx context.Context, m *tidalpb.StreamWritesRequest, one *pending) {
	defer close(one.done)
	defer func() {
		if v := recover(); v != nil { // on a goroutine of ours nobody else would
			one.err = fmt.Errorf("%w: panic: %v\n%s", errInternal, v, debug.Stack())
		}
	}()
	one.receipt, one.err = p.s.write(ctx, m.GetWrite(), m.GetWrite().GetKey())
}

// acknowledge answers each request, and returns with the first error.
func (p *pipeline) acknowledge() error {
	for one := range p.queue {
		<-one.done
		if one.err != nil {
			return &refused{error: one.err, request: one.index}
		}
		if err := p.stream.Send(&tidalpb.StreamWritesResponse{Index: one.index, Receipt: one.receipt}); err != nil {
			return err
		}
	}
	return nil
}
