package engine

import (
	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/record"
)

// applyEntity puts, patches or deletes an entity. A delete starts a new generation of it.
func (e *Engine) applyEntity(ev *event, kind record.Kind, x *record.Entity) error {
	h := e.half(x.Kind)
	at, owner := h.owner(x.Kind, x.ID)
	key := entityKey(x.Kind, owner)
	var entity algebra.Entity
	if v, ok := at.table.Get(key); ok {
		var err error
		if entity, err = algebra.DecodeEntity(v); err != nil {
			return err
		}
	}
	changes := make([]algebra.Change, len(x.Fields))
	for i, f := range x.Fields {
		changes[i] = algebra.Change{Name: f.Name, Value: f.Value}
	}
	switch kind {
	case record.KindPut:
		entity = entity.ApplyPut(ev.stamp, changes)
	case record.KindPatch:
		entity = entity.ApplyPatch(ev.stamp, changes)
	case record.KindDelete:
		entity = entity.ApplyDelete(ev.stamp)
		if !planted.ForgetGeneration {
			at.raise(x.Kind, owner, ev.stamp.HLC)
			if e.folding {
				h.deleted = append(h.deleted, ownerRef{x.Kind, owner})
			}
		}
	}
	if x.Kind == id.KindItem && h.views != nil {
		h.views.Entity(owner, &entity) // before the record is put: the fields' values lie in what it takes the place of
	}
	h.scratch.bytes = entity.AppendBinary(h.scratch.bytes[:0])
	at.table.Put(key, h.scratch.bytes)
	return nil
}
