package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/lifecycle"
)

// refusal is a refusal that isn't told yet. Who is told that an event isn't there, is undone already, or that a name is taken, rests on that;
// and what this replica knows may be wrong about it. Another member may lead by now, and have what isn't here; and what is stamped
// here and isn't applied may never be. So it's told once a quorum has said that this replica led behind the refusal, and everything is
// applied that was stamped before the request. If leadership is lost first nothing is refused: whoever leads then is to be asked.
type refusal struct {
	w         *waiting
	err       error
	before    id.Seq // every own event below it has to be applied
	confirmed bool
	over      bool
}

// refuse ends a request that is wrong: nothing is written of it. Its refusal rests on events of the own origin below before.
func (c *Core) refuse(w *waiting, err error, before id.Seq) {
	var in *fault.Input
	if w.takesBack.Seq != 0 || errors.As(err, &in) || errors.Is(err, fault.ErrReadOnly) {
		c.refused(w, err)
		return
	}
	r := &refusal{w: w, err: err, before: before}
	c.refusals = append(c.refusals, r)
	// It's asked behind what goes on now: asking may end leadership, and with it the queue.
	c.reads.waiting = append(c.reads.waiting, reading{refusal: r})
}

// refused tells a refusal.
func (c *Core) refused(w *waiting, err error) {
	c.life.ended(c.now, w.ref, lifecycle.Refused, err)
	c.reply(w, Receipt{}, err)
}

// tellRefusals tells those that are certain.
func (c *Core) tellRefusals() {
	if len(c.refusals) == 0 {
		return
	}
	applied := c.engine.Vector().Get(c.cfg.Origin)
	c.refusals = slices.DeleteFunc(c.refusals, func(r *refusal) bool {
		if r.over = r.confirmed && r.before <= applied+1; r.over {
			c.refused(r.w, r.err)
		}
		return r.over
	})
}

// withdrawRefusals ends requests that were refused by events from a number on, of which nothing was written after all.
func (c *Core) withdrawRefusals(from id.Seq, err error) {
	c.refusals = slices.DeleteFunc(c.refusals, func(r *refusal) bool {
		if r.over = r.before > from; r.over {
			c.drop(r.w, fmt.Errorf("what refused it wasn't written: %w", err))
		}
		return r.over
	})
}

// dropRefusals ends them all: this replica can't say any more.
func (c *Core) dropRefusals(err error) {
	for _, r := range c.refusals {
		r.over = true
		c.drop(r.w, err)
	}
	c.refusals = nil
}
