package tidal

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/export"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
)

// ExportLimits bound what named exports may hold of the log. The zero value is right for most.
type ExportLimits struct {
	// AlarmBytes is how much of the log may stay for named exports alone before [ExportStats].Alarm says so; 0 is 4 GiB, less
	// than 0 is no alarm.
	AlarmBytes int64
	// MaxBytes is how much of it stays at most: beyond that the oldest goes, and exports that need it fail with
	// [GoneError]; 0 is no limit.
	MaxBytes int64
	// StaleAfter is how long a named export may stand still before [ExportStats].Stale names it; 0 is seven days.
	StaleAfter time.Duration
}

// ExportStats say what named exports hold.
type ExportStats struct {
	// Named counts them, Stale are the names of those that stood still for longer than Options.Exports allows, and of those
	// whose file is damaged; both hold the log for as long as they are there.
	Named int
	Stale []string
	// HeldBytes is how much of the log stays for them alone, as of the last time that it was looked at, at the latest an
	// hour ago; Alarm reports that this is more than Options.Exports.AlarmBytes. GivenUpBytes is how much went since Open
	// although an export needed it, because of MaxBytes.
	HeldBytes, GivenUpBytes int64
	Alarm                   bool
}

// NamedExport is an export that the log waits for.
type NamedExport struct {
	Name string
	// Cursor is where it stands; Created is when the name was first used, Advanced when it moved last.
	Cursor            string
	Created, Advanced time.Time
	// LagBytes is how much of the log lies behind the cursor, Oldest when the first of it was written; zero if nothing
	// does.
	LagBytes int64
	Oldest   time.Time
	// Gone reports that the log has lost events behind the cursor, as it may if MaxBytes is set: exporting fails with
	// [GoneError]. Stale is as in [ExportStats].
	Gone, Stale bool
	// Err is what is wrong with its file, nil for nothing; then nothing else is known of it.
	Err error
}

// Exports returns the named exports, by name.
func (db *DB) Exports(ctx context.Context) ([]NamedExport, error) {
	if err := db.begin(ctx); err != nil {
		return nil, err
	}
	pins, err := db.host.Pins()
	if err != nil {
		return nil, fmt.Errorf("list exports: %w", err)
	}
	var out []NamedExport
	for i := range pins {
		p := &pins[i]
		x := NamedExport{Name: p.Name, Err: p.Err, Stale: db.stale(p)}
		if p.Err == nil {
			x.Cursor, x.LagBytes, x.Oldest, x.Gone = p.Pin.Cursor.Text(), p.Behind, p.Oldest, p.Gone
			x.Created, x.Advanced = time.UnixMilli(p.Pin.Created).UTC(), time.UnixMilli(p.Pin.Advanced).UTC()
		}
		out = append(out, x)
	}
	return out, nil
}

// AdvanceExport moves a named export on to a cursor that it gave, durably: what lies before that may go from the log. A cursor
// behind where the export stands is without effect, so one that's late does no harm. [ErrNotFound] means that there is no
// export of the name.
//
// Call it when what was exported is safe. A database that is open read-only may: named exports are all that it writes.
func (db *DB) AdvanceExport(ctx context.Context, name, cursor string) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	c, err := export.ParseCursor("cursor", cursor)
	if err == nil {
		err = db.host.Advance(ctx, name, c)
	}
	if err != nil {
		return fmt.Errorf("advance export: %w", err)
	}
	return nil
}

// DropExport forgets a named export, durably: the log waits for it no longer. [ErrNotFound] means that there is none of the
// name.
func (db *DB) DropExport(ctx context.Context, name string) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	if err := db.host.Unpin(ctx, name); err != nil {
		return fmt.Errorf("drop export: %w", err)
	}
	return nil
}

// stale reports whether a named export needs somebody to look after it.
func (db *DB) stale(p *host.Pinned) bool {
	return p.Err != nil || db.now().Sub(time.UnixMilli(p.Pin.Advanced)) > db.staleAfter
}

// exportStats counts named exports.
func (db *DB) exportStats() ExportStats {
	var s ExportStats
	s.HeldBytes, s.GivenUpBytes, s.Alarm = db.host.Held()
	pins, err := db.host.Named()
	if err != nil {
		return s // DB.Exports says what is wrong
	}
	s.Named = len(pins)
	for i := range pins {
		if db.stale(&pins[i]) {
			s.Stale = append(s.Stale, pins[i].Name)
		}
	}
	return s
}

const (
	defaultExportAlarm = 4 << 30
	defaultStaleAfter  = 7 * 24 * time.Hour
)

func (l *ExportLimits) check() error {
	switch {
	case l.MaxBytes < 0:
		return fault.Refuse("exports.max_bytes", "is %d; 0 is no limit", l.MaxBytes)
	case l.StaleAfter < 0:
		return fault.Refuse("exports.stale_after", "is %v; 0 is seven days", l.StaleAfter)
	}
	l.AlarmBytes = max(0, cmp.Or(l.AlarmBytes, defaultExportAlarm))
	l.StaleAfter = cmp.Or(l.StaleAfter, defaultStaleAfter)
	return nil
}
