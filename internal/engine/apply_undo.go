package engine

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
)

// applyCompensate takes one signal's sums back and marks its position, whether or not the signal is here yet.
//
// It subtracts blindly: that a position is compensated once is the business of the one origin that may do so.
// Registers, lists and unique users stay: an undone entry keeps its slot, and what a user decided changes by the
// user's own writes.
func (e *Engine) applyCompensate(ev *event, kind record.Kind, c *record.Compensation) error {
	if planted.SubtractTwice && ev.position.Region != e.cfg.Origin.Region {
		c.Signal.Weight *= 2
	}
	v := e.versions[c.Schema]
	rules, err := v.rules(c.Signal.Type)
	if err != nil {
		return fmt.Errorf("original of %v: %w", c.Original, err)
	}
	s := &c.Signal
	item := e.table.Owner(id.KindItem, s.Item)
	if e.items.raiseItem(item, s.ItemGen) {
		if err := e.items.uncount(cellKey(item, rules.name), rules, c); err != nil {
			return err
		}
		for _, cohort := range s.Cohorts {
			if err := e.items.uncount(cohortKey(item, cohort, rules.name), rules, c); err != nil {
				return err
			}
		}
	}
	if s.User != "" {
		at, user := e.users.owner(id.KindUser, s.User)
		if at.raise(id.KindUser, user, s.UserGen) && rules.recent && s.Creator != "" {
			if err := at.uncount(creatorKey(user, s.Creator, rules.name), rules, c); err != nil {
				return err
			}
		}
	}
	if kind == record.KindDuplicate {
		return e.mark(c.Original, algebra.UndoneDuplicate)
	}
	return e.mark(c.Original, algebra.UndoneCompensated)
}

func (h *half) uncount(key state.Key, rules *typeRules, c *record.Compensation) error {
	cell := &h.scratch.cell
	at, err := h.load(key, cell)
	if err != nil {
		return err
	}
	cell.Subtract(rules.shape, c.Time, c.Signal.Weight)
	h.store(key, at, cell)
	h.changed(key.Ord, key.Kind, key.Sub, cell)
	return nil
}

// ours reports whether this group stamped an origin's events, in this incarnation or an earlier one: a frozen
// incarnation's events are compensated by the newest.
func (e *Engine) ours(o id.Origin) bool {
	own := e.cfg.Origin
	return o.Region == own.Region && o.Shard == own.Shard && o.Incarnation <= own.Incarnation
}

// Undoable returns fault.ErrNotFound or fault.ErrUndone when the event at p can't be compensated by this group, or will
// be without anybody asking again.
func (e *Engine) Undoable(p id.Position) error {
	switch {
	case !e.ours(p.Origin()) || !e.vector.Covers(p) || p.IsZero():
		return fmt.Errorf("event %v: %w", p, fault.ErrNotFound)
	case e.Negated(p):
		return fmt.Errorf("event %v: %w", p, fault.ErrUndone)
	}
	return nil
}
