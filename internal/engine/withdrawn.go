package engine

import (
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// Withdrawn reports whether a signal of the log may not be told any more: its user was erased or deleted after it was
// stamped, however late that came.
func (e *Engine) Withdrawn(s *record.Signal) bool {
	return s.User != "" && e.Generation(id.KindUser, s.User) > s.UserGen
}

// Retractions counts what may have withdrawn or undone signals since the engine was made. Who has looked whether some were,
// and finds the same number again, need not look again. It may be called beside Apply.
func (e *Engine) Retractions() uint64 { return e.retractions.Load() }

// Version returns a version of the schema, nil if it isn't here. It must not be changed.
func (e *Engine) Version(hash schema.Hash) *schema.Schema {
	if v := e.versions[hash]; v != nil {
		return v.schema
	}
	return nil
}
