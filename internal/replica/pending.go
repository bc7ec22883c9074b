package replica

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/lifecycle"
)

// What a leader takes back by itself: copies of events that were accepted in two regions, and events that were undone in
// another one. The engine says which, in [engine.Engine.Pending]; the log has what they were.

// Original is an event of the own origin as the log has it, asked for in [Output.Originals].
type Original struct {
	Position id.Position
	// Compensation takes it back. It is valid if Err is nil.
	Compensation record.Compensation
	// Err is [fault.ErrNotFound] when no signal stands there, and nothing is to be taken back; [fault.ErrGone] when the log
	// doesn't have it any more. After any other error it's asked for again.
	Err error
}

// maxTakebacks is how many events are being taken back at a time, so that clients' requests aren't kept from the log.
const maxTakebacks = 64

// takebacks are the events that are being taken back, in this term. What isn't among them is asked for.
type takebacks struct {
	open map[id.Position]bool // asked for, or its request waits or is under way
	lost map[id.Position]bool // the log doesn't have them
	// again are those that are asked for anew once a tick has passed.
	again []id.Position
}

func newTakebacks() takebacks {
	return takebacks{open: map[id.Position]bool{}, lost: map[id.Position]bool{}}
}

// askOriginals asks for what the engine wants taken back and isn't asked for yet.
func (c *Core) askOriginals() {
	t := &c.takebacks
	if !c.stamps() || c.transferring {
		return
	}
	last := id.Position{}
	for len(t.open) < maxTakebacks {
		list := c.engine.PendingAfter(last, maxTakebacks)
		for _, p := range list {
			if len(t.open) < maxTakebacks && !t.open[p] && !t.lost[p] && c.mayTakeBack(p) {
				t.open[p] = true
				c.out.Originals = append(c.out.Originals, p)
			}
			last = p
		}
		if len(list) < maxTakebacks {
			return
		}
	}
}

// mayTakeBack reports whether what was done about an event that is to be taken back is known here. Of an own one it is; what an
// earlier incarnation did about its own last may have been lost with a disk, and be on its way back from other regions.
func (c *Core) mayTakeBack(p id.Position) bool {
	o := p.Origin()
	return c.engine.Vector().Covers(p) && (o == c.cfg.Origin || c.cfg.Complete == nil || c.cfg.Complete(o))
}

// stamps reports whether the core may stamp.
func (c *Core) stamps() bool {
	return c.leading && c.behind == nil && c.suspicion.IsZero() && !c.stalled && c.fenced == nil
}

// Originals takes what was asked for in [Output.Originals], all of it or a part. [Core.Flush] is due behind it.
func (c *Core) Originals(now Now, list []Original) {
	c.now = now
	for i := range list {
		o := &list[i]
		if !c.takebacks.open[o.Position] || !c.stamps() {
			continue // of an earlier term; who leads then asks anew
		}
		var p record.Proposed
		switch {
		case o.Err == nil:
			p = record.Proposed{Kind: record.KindCompensate, Compensation: o.Compensation}
			p.Compensation.Original = o.Position
		case errors.Is(o.Err, fault.ErrGone):
			delete(c.takebacks.open, o.Position)
			c.takebacks.lost[o.Position] = true
			continue
		case errors.Is(o.Err, fault.ErrNotFound):
			p = record.Proposed{Kind: record.KindUndo, Undo: record.Undo{Original: o.Position, Void: true}}
		default:
			c.askAgain(o.Position)
			continue
		}
		r := &Request{Records: []record.Proposed{p}}
		Measure(r)
		w := &waiting{Request: r, takesBack: o.Position, ref: c.life.received(now, r)}
		c.life.request(now, w.ref, lifecycle.Queued)
		c.queue = append(c.queue, w)
	}
}

// tookBack ends a request of the core's own. What wasn't written is asked for again.
func (c *Core) tookBack(p id.Position, err error) {
	switch {
	case !c.takebacks.open[p]: // of an earlier term
	case err != nil:
		c.askAgain(p)
	default:
		delete(c.takebacks.open, p)
	}
}

func (c *Core) askAgain(p id.Position) { c.takebacks.again = append(c.takebacks.again, p) }

// reconsider lets what couldn't be taken back be asked for once more.
func (t *takebacks) reconsider() {
	for _, p := range t.again {
		delete(t.open, p)
	}
	t.again = nil
}

// takesBack fills in by what kind of record an event is taken back, and refuses to take it back a second time.
func (c *Core) takesBack(p *record.Proposed, at id.Position) error {
	kind := c.engine.TakesBack(at)
	if _, undone := c.suffix.facts[undoneKey(at)]; undone || kind == 0 {
		return fmt.Errorf("event %v: %w", at, fault.ErrUndone)
	}
	if p.Kind != record.KindUndo {
		p.Kind = kind
	}
	return nil
}
