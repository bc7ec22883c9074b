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
func (e *Engine) applyItem(ev *event, s *record.Signal) error {
	item := e.table.Owner(id.KindItem, s.Item)
	if !e.table.Raise(id.KindItem, item, s.ItemGen) {
		e.counters.Stale++
		return nil
	}
	r := ev.rules
	user := uint64(0)
	if r.shape.Unique && s.User != "" {
		user = xxh3.HashString(s.User)
	}
	if err := e.count(cellKey(item, r.name), ev, s, user); err != nil {
		return err
	}
	for _, cohort := range s.Cohorts {
		if err := e.count(cohortKey(item, cohort, r.name), ev, s, user); err != nil {
			return err
		}
	}
	if r.engages && s.User != "" {
		e.remember(engagersKey(item), algebra.Interaction{
			Order: ev.order, ID: s.User, Gen: s.UserGen, Type: r.name,
		})
	}
	return nil
}

// count adds the event to one cell. A user of 0 adds to no set of unique users.
func (e *Engine) count(key state.Key, ev *event, s *record.Signal, user uint64) error {
	cell := &e.scratch.cell
	at, err := e.load(key, cell)
	if err != nil {
		return err
	}
	t := ev.order.Time
	if planted.FoldByWallClock {
		t = ev.meta.HLC.Millis()
	}
	cell.Add(ev.rules.shape, t, s.Weight)
	if user != 0 {
		cell.AddUnique(user)
	}
	e.store(key, at, cell)
	return nil
}

// load reads a cell, an empty one if there is none, and says where it is.
func (e *Engine) load(key state.Key, cell *algebra.SignalState) (state.Place, error) {
	at := e.table.Lookup(key)
	return at, algebra.ViewSignalState(e.table.Value(at), cell)
}

func (e *Engine) store(key state.Key, at state.Place, cell *algebra.SignalState) {
	e.scratch.bytes = cell.AppendBinary(e.scratch.bytes[:0])
	e.table.Set(key, at, e.scratch.bytes)
}

// remember puts an interaction in a list of the newest.
func (e *Engine) remember(key state.Key, in algebra.Interaction) {
	at := e.table.Lookup(key)
	e.scratch.bytes = key.Kind.List().InsertEncoded(e.scratch.bytes[:0], e.table.Value(at), in)
	e.table.Set(key, at, e.scratch.bytes)
}
