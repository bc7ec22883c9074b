package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// ReadCell returns the cell of an item under a signal type of the current schema, and that type. An item that has
// events, but none of the type, has an empty cell; fault.ErrNotFound means that item or type is unknown.
func (e *Engine) ReadCell(item, typeName string, into *algebra.SignalState) (*schema.SignalType, error) {
	return e.readCell(item, typeName, into, func(n state.Ord, t *schema.SignalType) state.Key { return cellKey(n, t.Name) })
}

// ReadCohortCell is [Engine.ReadCell] for what a cohort sent. A cohort that sent nothing has an empty cell.
func (e *Engine) ReadCohortCell(cohort, item, typeName string, into *algebra.SignalState) (*schema.SignalType, error) {
	return e.readCell(item, typeName, into, func(n state.Ord, t *schema.SignalType) state.Key {
		return cohortKey(n, cohort, t.Name)
	})
}

func (e *Engine) readCell(item, typeName string, into *algebra.SignalState,
	key func(state.Ord, *schema.SignalType) state.Key,
) (*schema.SignalType, error) {
	t, err := e.signalType(typeName)
	if err != nil {
		return nil, err
	}
	n, ok := e.table.Find(id.KindItem, item)
	if !ok {
		return nil, fmt.Errorf("item %q: %w", item, fault.ErrNotFound)
	}
	v, _ := e.table.Get(key(n, t))
	return t, algebra.DecodeSignalState(v, into)
}

func (e *Engine) signalType(name string) (*schema.SignalType, error) {
	if e.current != nil {
		if _, t, ok := e.current.schema.Signal(name); ok {
			return t, nil
		}
	}
	return nil, fmt.Errorf("signal type %q: %w", name, fault.ErrNotFound)
}

func hasHalfLife(declared []time.Duration, millis int64) bool {
	return slices.ContainsFunc(declared, func(h time.Duration) bool { return h.Milliseconds() == millis })
}

// Items calls yield with the id of every item that has an event or a field, in no particular order.
func (e *Engine) Items(yield func(string) bool) {
	for n := range e.table.Owners(id.KindItem) {
		if e.holds(id.KindItem, n) && !yield(e.table.Name(id.KindItem, n)) {
			return
		}
	}
}

// holds reports whether an entity has more than the record of its deletion.
func (e *Engine) holds(kind id.Kind, n state.Ord) bool {
	for key, v := range e.table.All(kind, n) {
		if key.Kind != algebra.KindEntity {
			return true
		}
		if x, err := algebra.DecodeEntity(v); err != nil || x.Exists() {
			return true
		}
	}
	return false
}

// Known returns how many entities of a kind have an ordinal: those that an event or an entity record ever named.
func (e *Engine) Known(kind id.Kind) int {
	if kind == id.KindUser {
		m := e.UserMemory()
		return m.Resident + m.Cold
	}
	return int(e.table.Owners(kind))
}

// Cells returns the number of cells of all kinds. Those of cold users aren't among them.
func (e *Engine) Cells() int {
	return e.table.Count(algebra.KindCell) + e.table.Count(algebra.KindCohortCell) + e.table.Count(algebra.KindCreatorCell)
}

// Generation returns an entity's generation, 0 if it was never deleted.
func (e *Engine) Generation(kind id.Kind, name string) hlc.Timestamp {
	gen := e.table.GenerationOf(kind, name)
	if kind == id.KindUser && e.cold != nil {
		gen = max(gen, e.cold.buried.GenerationOf(kind, name))
	}
	return gen
}

// Entity returns what was put and patched of an entity; false when it doesn't exist.
func (e *Engine) Entity(kind id.Kind, name string) (algebra.Entity, bool, error) {
	n, ok := e.find(kind, name)
	if !ok {
		return algebra.Entity{}, false, nil
	}
	return e.entity(kind, n)
}

func (e *Engine) entity(kind id.Kind, n state.Ord) (algebra.Entity, bool, error) {
	v, ok := e.table.Get(entityKey(kind, n))
	if !ok {
		return algebra.Entity{}, false, nil
	}
	x, err := algebra.DecodeEntity(v)
	return x, err == nil && x.Exists(), err
}

// Marks returns a user's marks on an item.
func (e *Engine) Marks(user, item string) (algebra.PairMarks, error) {
	n, ok := e.user(user)
	if !ok {
		return algebra.PairMarks{}, nil
	}
	v, ok := e.table.Get(marksKey(n, item))
	if !ok {
		return algebra.PairMarks{}, nil
	}
	return algebra.DecodePairMarks(v)
}

// Relation returns the stamps of a user's relation to an item or creator.
func (e *Engine) Relation(user string, what byte, target string) (algebra.MaxPair, error) {
	n, ok := e.user(user)
	if !ok {
		return algebra.MaxPair{}, nil
	}
	v, ok := e.table.Get(relationKey(n, what, target))
	if !ok {
		return algebra.MaxPair{}, nil
	}
	return algebra.DecodeMaxPair(v)
}

// Recents returns a user's newest interactions, one for each item, newest first.
func (e *Engine) Recents(user string) (algebra.TopN, error) {
	n, ok := e.user(user)
	if !ok {
		return nil, nil
	}
	v, ok := e.table.Get(recentsKey(n))
	if !ok {
		return nil, nil
	}
	return algebra.KindRecents.List().Decode(v)
}
