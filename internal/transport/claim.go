package transport

import (
	"context"
	"maps"
	"slices"
	"time"
)

// claim is what one process has connected under one number. Its fields are guarded by the transport's mu.
type claim struct {
	process uint64
	conns   map[class]*inbound
}

// claim makes a connection the one of its number and class. An older one of the same process has been given up by its
// dialler; it is closed, and what it has delivered is worked off first, so that order holds. One of another process is
// either dead and nobody has noticed, or lives: then two processes claim one number, and the second is refused.
func (t *TCP) claim(ctx context.Context, in *inbound) error {
	number := in.number
	for {
		var before []*inbound
		t.mu.Lock()
		c := t.claims[number]
		switch {
		case t.closed:
			t.mu.Unlock()
			return ErrClosed
		case c == nil:
			t.claims[number] = &claim{process: in.process, conns: map[class]*inbound{in.class: in}}
		case c.process != in.process:
			before = slices.Collect(maps.Values(c.conns))
		case c.conns[in.class] != nil:
			before = []*inbound{c.conns[in.class]}
		default:
			c.conns[in.class] = in
		}
		t.mu.Unlock()
		if before == nil {
			return nil
		}
		if before[0].process != in.process && t.lives(ctx, before) {
			return Overlap(number, before[0].w.RemoteAddr().String(), in.w.RemoteAddr().String())
		}
		for _, old := range before {
			_ = old.w.Close()
			select {
			case <-old.done:
			case <-ctx.Done():
				return &Refusal{Reason: ReasonBusy, Text: "what came on the connection before is still being worked on"}
			}
		}
	}
}

// lives says whether something new arrives on one of the connections. A process sends signs of life in any case, so some
// of its intervals tell; what comes in the first may have lain in buffers when the process died. They pass in steps: where this machine
// stands still a step is over at once when it goes on, and what was sent meanwhile, or is sent then, comes in the next ones.
func (t *TCP) lives(ctx context.Context, conns []*inbound) bool {
	step := t.o.KeepAlive / 2
	var first uint64
	for n := range 7 {
		pass(ctx, step, conns)
		frames, open := arrived(conns)
		switch {
		case ctx.Err() != nil:
			return true // nobody knows, and who asks comes again
		case !open:
			return false
		case n < 2:
			first = frames
		case frames > first:
			return true
		}
	}
	return false
}

// pass waits until a time has passed, or all connections have ended.
func pass(ctx context.Context, d time.Duration, conns []*inbound) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for _, in := range conns {
		select {
		case <-in.done:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// arrived counts what has come on those connections that haven't ended, if any.
func arrived(conns []*inbound) (frames uint64, open bool) {
	for _, in := range conns {
		select {
		case <-in.done:
		default:
			open = true
			frames += in.frames.Load()
		}
	}
	return frames, open
}

// release takes a connection out of its claim, after its last frame was worked off.
func (t *TCP) release(in *inbound) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.claims[in.number]
	if c == nil || c.conns[in.class] != in {
		return
	}
	if delete(c.conns, in.class); len(c.conns) == 0 {
		delete(t.claims, in.number)
	}
}

// lookAgain asks whether connections that stand may stay.
func (t *TCP) lookAgain(c *claim) {
	t.mu.Lock()
	conns := slices.Collect(maps.Values(c.conns))
	t.mu.Unlock()
	for _, in := range conns {
		if why := in.admitted(); why != nil {
			in.why.Store(why)
			in.w.interrupt() // its goroutine says why, and ends
		}
	}
}
