package engine

import (
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/schema"
)

// Withdrawn reports whether an event of the log may not be told any more: its user, who had that generation when it was
// stamped, was erased or deleted since, however late that came.
func (e *Engine) Withdrawn(user string, gen hlc.Timestamp) bool {
	return user != "" && e.Generation(id.KindUser, user) > gen
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
