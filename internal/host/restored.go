package host

import (
	"time"

	"github.com/tidaldb/tidal/internal/wal"
)

// Restored is what a restore tells of what it made, beside its manifest.
type Restored struct {
	// Regions are the names of the other regions that the backup knows of, those that were removed not among them.
	Regions []string
	// LogFrom is when the first batch of its log was written, zero without one.
	LogFrom time.Time
}

// madeOf looks at a database that was restored and that nobody else has open.
func (b *Base) madeOf() Restored {
	out := Restored{LogFrom: b.logFrom()}
	for _, r := range b.Engine.Regions() {
		if !r.Removed && r.Number != b.Origin().Region {
			out.Regions = append(out.Regions, r.Name)
		}
	}
	return out
}

// logFrom is when the first batch in the log was written, zero if there is none among its first entries.
func (b *Base) logFrom() time.Time {
	first := b.Log.FirstIndex()
	entries, err := b.Log.Entries(first, b.Log.LastIndex()+1, replayBytes)
	if err != nil {
		return time.Time{}
	}
	for _, e := range entries {
		if e.Kind != wal.KindBatch {
			continue
		}
		if x, err := glance(e.Data); err == nil {
			return time.UnixMilli(x.written).UTC()
		}
	}
	return time.Time{}
}
