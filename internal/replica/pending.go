package replica

import (
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// Original is an event of the own origin as the log has it, asked for in [Output.Originals].
type Original struct {
	Position id.Position
	// Compensation takes it back. It is valid if Err is nil.
	Compensation record.Compensation
	// Err is [fault.ErrNotFound] when the log doesn't have it any more.
	Err error
}

// Originals takes what was asked for in [Output.Originals], all of it or a part.
func (c *Core) Originals(now Now, list []Original) { c.now = now }
