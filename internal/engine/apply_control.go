package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// applySchema learns a schema version. Versions are facts: each is kept for ever, and the newest is current.
func (e *Engine) applySchema(r *record.SchemaVersion) error {
	v, err := e.learn(r.Encoded)
	if err != nil {
		return err
	}
	e.table.Put(state.Key{
		Kind:  algebra.KindSchemaVersion,
		Owner: state.KindGlobal,
		Ord:   e.table.Owner(state.KindGlobal, schemaOwner),
		Sub:   string(v.hash[:]),
	}, r.Encoded)
	return nil
}

// learn makes a schema version known.
func (e *Engine) learn(encoded []byte) (*version, error) {
	s, err := schema.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("decode schema: %w", err)
	}
	v := compile(s)
	if e.versions[v.hash] == nil {
		e.versions[v.hash] = v
		if v.supersedes(e.current) {
			e.current = v
			if e.items.views != nil {
				e.items.views.Schema(s)
			}
		}
	}
	return v, nil
}

// applyLevel raises the format level that leaders may stamp. A replica that doesn't know the level can't take part any
// more.
func (e *Engine) applyLevel(l *record.FormatLevel) error {
	if l.Level > record.Level {
		return tooNew(uint64(l.Level))
	}
	e.level = max(e.level, uint64(l.Level))
	e.table.Put(state.Key{
		Kind:  algebra.KindFormatLevel,
		Owner: state.KindGlobal,
		Ord:   e.table.Owner(state.KindGlobal, levelOwner),
	}, binary.AppendUvarint(nil, e.level))
	return nil
}

func tooNew(level uint64) error {
	return fmt.Errorf("level %d is agreed on, this program knows up to %d; use a newer tidal: %w",
		level, record.Level, fault.ErrFormatTooNew)
}
