package replica

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/lifecycle"
)

// answer ends a request of a proposal, and its retries, with a receipt. Those that were not proposed themselves are
// duplicates.
func (c *Core) answer(w *waiting, p *proposal) {
	r := w.receipt
	c.life.request(c.now, w.ref, lifecycle.Visible)
	c.life.request(c.now, w.ref, lifecycle.Answered)
	if w.takesBack.Seq != 0 {
		c.tookBack(w.takesBack, nil)
		return
	}
	c.out.Replies = append(c.out.Replies, Reply{Ticket: w.Ticket, Receipt: r, Durable: p.durable, Visible: c.now.Mono})
	r.Duplicate, r.Clamped = true, 0
	for _, retry := range w.retries {
		c.life.retried(c.now, retry.ref, w.ref)
		c.reply(retry, r, nil)
	}
}

// recognised ends a request that was accepted before.
func (c *Core) recognised(w *waiting, r Receipt) {
	r.Duplicate = true
	c.life.retried(c.now, w.ref, lifecycle.Ref{})
	c.reply(w, r, nil)
}

// drop ends a request that was not proposed: nothing was written, and it may be tried again.
func (c *Core) drop(w *waiting, err error) {
	c.life.ended(c.now, w.ref, lifecycle.Dropped, err)
	c.reply(w, Receipt{}, err)
}

// lost ends a request that was proposed and of which nothing was written, and its retries.
func (c *Core) lost(w *waiting, err error) {
	c.life.ended(c.now, w.ref, lifecycle.Dropped, err)
	c.reply(w, Receipt{}, err)
	c.lostRetries(w, err, err)
}

// doubt ends a request that was proposed and of which nobody knows here what became, and its retries.
func (c *Core) doubt(w *waiting, cause error) {
	err := doubtful(cause)
	c.life.ended(c.now, w.ref, lifecycle.Unknown, cause)
	c.reply(w, Receipt{}, err)
	c.lostRetries(w, cause, err)
}

func (c *Core) lostRetries(w *waiting, cause, err error) {
	for _, retry := range w.retries {
		c.life.ended(c.now, retry.ref, lifecycle.Dropped, cause)
		c.reply(retry, Receipt{}, err)
	}
}

// doubtful is [fault.ErrUnknown] with its cause. That may be why nothing else would have been written, [fault.ErrNotLeader], for
// which it mustn't be taken: who is told so sends again, to somebody else.
func doubtful(cause error) error {
	if errors.Is(cause, fault.ErrNotLeader) {
		return fmt.Errorf("%w: %v", fault.ErrUnknown, cause) //nolint:errorlint // on purpose: see above
	}
	return fmt.Errorf("%w: %w", fault.ErrUnknown, cause)
}

func (c *Core) reply(w *waiting, r Receipt, err error) {
	if w.takesBack.Seq != 0 {
		c.tookBack(w.takesBack, err)
		return
	}
	c.out.Replies = append(c.out.Replies, Reply{Ticket: w.Ticket, Receipt: r, Err: err})
}
