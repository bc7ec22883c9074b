package replica

import (
	"errors"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/lifecycle"
)

// answer ends a request of a proposal, and its retries, with a receipt. Those that were not proposed themselves are
// duplicates.
func (c *Core) answer(w *waiting, p *proposal) {
	r := w.receipt
	c.life.request(c.now, w.ref, lifecycle.Visible)
	c.life.request(c.now, w.ref, lifecycle.Answered)
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

// refuse ends a request that is wrong: nothing was written.
func (c *Core) refuse(w *waiting, err error) {
	c.life.ended(c.now, w.ref, lifecycle.Refused, err)
	c.reply(w, Receipt{}, err)
}

// lost ends a request that was proposed and will not be heard of again, and its retries. Unless the error says that
// nobody knows, nothing of it was written.
func (c *Core) lost(w *waiting, err error) {
	end := lifecycle.Dropped
	if errors.Is(err, fault.ErrUnknown) {
		end = lifecycle.Unknown
	}
	c.life.ended(c.now, w.ref, end, err)
	c.reply(w, Receipt{}, err)
	for _, retry := range w.retries {
		c.life.ended(c.now, retry.ref, lifecycle.Dropped, err)
		c.reply(retry, Receipt{}, err)
	}
}

func (c *Core) reply(w *waiting, r Receipt, err error) {
	c.out.Replies = append(c.out.Replies, Reply{Ticket: w.Ticket, Receipt: r, Err: err})
}
