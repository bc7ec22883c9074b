package engine

import (
	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/zeebo/xxh3"
)

// applyItem is a signal's effect on its item: cells, cohort cells, engagers. It reads nothing of the user.
func (h *half) applyItem(ev *event, s *record.Signal) error {
	item := h.table.Owner(id.KindItem, s.Item)
	if !h.raiseItem(item, s.ItemGen) {
		h.stale++
		return nil
	}
	r := ev.rules
	user := uint64(0)
	if r.shape.Unique && s.User != "" {
		user = xxh3.HashString(s.User)
	}
	if err := h.count(cellKey(item, r.name), ev, s, user); err != nil {
		return err
	}
	for _, cohort := range s.Cohorts {
		if err := h.count(cohortKey(item, cohort, r.name), ev, s, user); err != nil {
			return err
		}
	}
	if r.engages && s.User != "" {
		h.remember(engagersKey(item), &algebra.Interaction{
			Order: ev.order, ID: s.User, Gen: s.UserGen, Type: r.name,
		})
	}
	return nil
}

// count adds the event to one cell. A user of 0 adds to no set of unique users.
func (h *half) count(key state.Key, ev *event, s *record.Signal, user uint64) error {
	cell := &h.scratch.cell
	at, err := h.load(key, cell)
	if err != nil {
		return err
	}
	t := ev.order.Time
	if planted.FoldByWallClock {
		t = ev.order.HLC.Millis()
	}
	cell.Add(ev.rules.shape, t, s.Weight)
	if user != 0 {
		cell.AddUnique(user)
	}
	h.store(key, at, cell)
	h.changed(key.Ord, key.Kind, key.Sub, cell)
	return nil
}

// load reads a cell, an empty one if there is none, and says where it is.
func (h *half) load(key state.Key, cell *algebra.SignalState) (state.Place, error) {
	at := h.table.Lookup(key)
	return at, algebra.ViewSignalState(h.table.Value(at), cell)
}

func (h *half) store(key state.Key, at state.Place, cell *algebra.SignalState) {
	h.scratch.bytes = cell.AppendBinary(h.scratch.bytes[:0])
	h.table.Set(key, at, h.scratch.bytes)
}

// remember puts an interaction in a list of the newest.
func (h *half) remember(key state.Key, in *algebra.Interaction) {
	at := h.table.Lookup(key)
	rule, list := key.Kind.List(), h.table.Value(at)
	if notes := h.table.Notes(key, at); notes != nil {
		edit, changed, ok := rule.Edit(h.scratch.bytes, notes, list, in)
		if changed {
			h.scratch.bytes = edit.Entry
			h.table.Splice(key, at, &edit)
		}
		if ok {
			return
		}
	}
	h.scratch.bytes = rule.InsertEncoded(h.scratch.bytes[:0], list, *in)
	h.table.Set(key, at, h.scratch.bytes)
}
