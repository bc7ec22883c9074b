package engine

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// Views follow what changes about items, so that reads find the best of them without looking at all. They are made of
// records alone: an engine that was loaded from a checkpoint tells new views everything that it holds, and they must
// then answer as those that saw each change. What they are told is theirs until the call returns.
//
// Calls come one at a time, while nobody reads.
type Views interface {
	// Schema is the current version from now on.
	Schema(s *schema.Schema)
	// Entity is what is known of an item's fields now. x.Exists tells whether it's one that may be shown.
	Entity(n state.Ord, x *algebra.Entity)
	// Cell is what an item's cell of a signal type became, CohortCell the same for a cohort.
	Cell(n state.Ord, typeName string, cell *algebra.SignalState)
	CohortCell(n state.Ord, cohort, typeName string, cell *algebra.SignalState)
	// Dropped tells that an item's cells are gone: it was deleted.
	Dropped(n state.Ord)
	// Applied ends what belongs together: a batch, a range, or all that was loaded. The engine may be read meanwhile.
	Applied(e *Engine) error
}

// Views returns what the engine tells about items, nil if nobody listens.
func (e *Engine) Views() Views { return e.items.views }

// raiseItem raises an item's generation, and tells views when that dropped its cells.
func (h *half) raiseItem(n state.Ord, gen hlc.Timestamp) bool {
	if h.views != nil && gen != 0 && gen > h.table.Generation(id.KindItem, n) {
		h.views.Dropped(n)
	}
	return h.table.Raise(id.KindItem, n, gen)
}

// changed tells views what a record of an item has become.
func (h *half) changed(n state.Ord, kind algebra.Kind, sub string, cell *algebra.SignalState) {
	switch {
	case h.views == nil:
	case kind == algebra.KindCell:
		h.views.Cell(n, sub, cell)
	case kind == algebra.KindCohortCell:
		cohort, typeName := parted(sub)
		h.views.CohortCell(n, cohort, typeName, cell)
	}
}

// look tells views what a record of the table holds that may be an item's.
func (e *Engine) look(key *state.Key, value []byte) error {
	if e.items.views == nil || key.Owner != id.KindItem {
		return nil
	}
	switch key.Kind {
	case algebra.KindEntity:
		x, err := algebra.DecodeEntity(value)
		if err != nil {
			return err
		}
		e.items.views.Entity(key.Ord, &x)
	case algebra.KindCell, algebra.KindCohortCell:
		cell := &e.items.scratch.cell
		if err := algebra.ViewSignalState(value, cell); err != nil {
			return err
		}
		e.items.changed(key.Ord, key.Kind, key.Sub, cell)
	}
	return nil
}

// Show tells the views everything that the engine holds about items: what was loaded from a checkpoint, that is.
func (e *Engine) Show() error {
	v := e.items.views
	if v == nil {
		return nil
	}
	if e.current != nil {
		v.Schema(e.current.schema)
	}
	for n := range e.table.Owners(id.KindItem) {
		for key, value := range e.table.All(id.KindItem, n) {
			if err := e.look(&key, value); err != nil {
				return fmt.Errorf("show item %q to the views: %w", e.table.Name(id.KindItem, n), err)
			}
		}
	}
	return v.Applied(e)
}

// applied tells views that something is whole.
func (e *Engine) applied() error {
	if e.items.views == nil {
		return nil
	}
	if err := e.items.views.Applied(e); err != nil {
		return fmt.Errorf("bring views up to date: %w", err)
	}
	return nil
}
