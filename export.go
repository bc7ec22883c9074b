package tidal

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/tidaldb/tidal/internal/export"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// ExportQuery asks for events of the log. All that is given must hold.
type ExportQuery struct {
	// From and To bound the events' own times: from From on, and before To. At least one is needed; zero is no bound.
	From, To time.Time
	// Types are names of signal types; none means all, and what sessions say beside signals, too: notes and searches, which
	// belong to no type and no item.
	Types []string
	// User, Item and Session are the events' own; empty means any.
	User, Item, Session string
	// Cursor goes on behind an event ([Exported.Cursor]), or where another export ended ([ExportSummary.Cursor]). Empty
	// begins with what the log has, or, with a Name, where that export stands.
	Cursor string
	// Name makes it a named export: from then on the log keeps what lies behind where the export stands, until
	// [DB.AdvanceExport] moves it on or [DB.DropExport] forgets it. Exporting alone doesn't move it. 1 to 63 of a-z, 0-9,
	// '-', '_' and '.'.
	Name string
	// Limit ends the export behind so many events; 0 is no limit.
	Limit int
	// WithUndone gives the events that were undone, too; they say so.
	WithUndone bool
	// Summary is filled in when the export ends, for whatever reason; nil is nobody.
	Summary *ExportSummary
}

// ExportSummary says how an export ended.
type ExportSummary struct {
	// Events is how many were given.
	Events int
	// Whole reports that everything was looked at that was visible when the export began. It's false if the export ended
	// before: at its limit, with an error, or because nobody wanted to know more.
	Whole bool
	// Cursor is where an export goes on: behind the last event given, or, if Whole, behind everything.
	Cursor string
	// LogBegins is when the first batch was written that the log still has, zero if it has none.
	LogBegins time.Time
	// Missing reports that the log had lost events that might belong to the answer: older parts of it were let go, and the
	// query asks for times that they may hold. With a cursor it's false unless Compacted isn't 0: then an export that lacks
	// something fails.
	Missing bool
	// Compacted is how many events were passed over that came from other regions as a compacted range, when this one had been
	// away for long: what they amount to counts, and they can't be told apart any more.
	Compacted uint64
}

// Exported is one event of the log. Its JSON form, one object, is what docs/exports.md describes.
type Exported struct {
	// Kind is "signal", or, of what a session says beside signals, "annotation" ([Note]) or "search" ([Search]).
	Kind string
	// Position names the event, as an [Undo] takes it.
	Position Position
	// Time is the event's own, to the millisecond.
	Time time.Time
	// Type, User, Item, Creator, Weight and Cohorts are as in [Signal], with what was filled in when it was written.
	Type, User, Item, Creator string
	Weight                    float64
	Cohorts                   []string
	// Key is the signal's, Lane and Number are its request's.
	Key    string
	Lane   string
	Number uint64
	// Session is the session that it was written in, empty for none; Number then counts the session's requests, and Lane is
	// empty.
	Session string
	// Ref says which list the event answers; nil if it doesn't echo a reference, or one that can't be verified: that stands
	// in RawRef as it was sent.
	Ref    *FeedRef
	RawRef []byte
	// Text is an annotation's text, whose name stands in Type, or what a search was for; Results are the items that it found.
	Text    string
	Results []string
	// Undone reports that the event was undone.
	Undone bool
	// Trace is the trace id of the event's request, zero for none.
	Trace TraceID
	// Cursor goes on behind this event.
	Cursor string
}

// Kinds of exported events.
const (
	kindSignal     = "signal"
	kindAnnotation = "annotation"
	kindSearch     = "search"
)

// Export goes once through the log, in its order, and gives the events asked for, each once: what was visible when it
// began. It ends with an error, if there is one, as its last.
//
// Events of users who were erased or deleted since aren't given, however late that came, nor are those that were undone. Of
// these two apart, the same query with the same cursor gives the same events, in every copy of the database. The log reaches
// back as far as [Options].Retention keeps it, or a named export does; see [ExportSummary].
//
// Writes go on meanwhile and are held up no longer than it takes to look up some hundred users; memory doesn't grow with
// the log. What is given is the caller's.
//
// Errors: [InputError] for the query; [GoneError], which is [ErrNotFound] to errors.Is, if the log has lost events behind
// the cursor; ctx's; [ErrClosed]; [CorruptError].
func (db *DB) Export(ctx context.Context, q ExportQuery) iter.Seq2[Exported, error] {
	return func(yield func(Exported, error) bool) {
		summary := q.Summary
		if summary == nil {
			summary = new(ExportSummary)
		}
		*summary = ExportSummary{}
		if err := db.export(ctx, &q, summary, yield); err != nil {
			yield(Exported{}, err)
		}
	}
}

// export gives events until there is no more, yield wants no more, or something fails.
func (db *DB) export(ctx context.Context, q *ExportQuery, s *ExportSummary, yield func(Exported, error) bool) error {
	if err := db.begin(ctx); err != nil {
		return err
	}
	r, err := db.newExport(ctx, q)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer r.walk.Close()
	var cut bool
	s.LogBegins, cut = r.walk.Begins()
	s.Missing = cut && r.fresh && !r.after(s.LogBegins)
	defer func() {
		s.Cursor, s.Compacted = r.cursor(), r.walk.Compacted()
		s.Missing = s.Missing || s.Compacted > 0
	}()
	for {
		some, err := r.next(ctx)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		if !some {
			s.Whole = true
			return nil
		}
		for i := range r.found {
			if err := r.pace(ctx); err != nil {
				return fmt.Errorf("export: %w", err)
			}
			x, ok, err := r.give(i)
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			if !ok {
				continue
			}
			s.Events++
			if !yield(x, nil) || s.Events == q.Limit {
				return nil
			}
		}
	}
}

// newExport checks a query, and begins its walk.
func (db *DB) newExport(ctx context.Context, q *ExportQuery) (*exportRun, error) {
	r := &exportRun{db: db, query: q, fresh: q.Cursor == "", versions: map[schema.Hash]*schema.Schema{}}
	if err := r.check(); err != nil {
		return nil, err
	}
	var from *export.Cursor
	if q.Cursor != "" {
		c, err := export.ParseCursor("cursor", q.Cursor)
		if err != nil {
			return nil, err
		}
		from = &c
	}
	if q.Name != "" {
		pin, err := db.host.Pin(ctx, q.Name)
		if err != nil {
			return nil, err
		}
		if from == nil {
			from, r.fresh = &pin.Cursor, pin.Created == pin.Advanced
		}
	}
	var err error
	if r.walk, err = db.host.Walk(from); err != nil {
		return nil, err
	}
	r.began = r.walk.Cursor()
	return r, nil
}

// check refuses what can't be asked, and makes the bounds out of it.
func (r *exportRun) check() error {
	q := r.query
	switch {
	case q.From.IsZero() && q.To.IsZero():
		return fault.Refuse("from", "is missing, and so is to: an export needs a bound of time at one end at least")
	case !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To):
		return fault.Refuse("to", "is %v, not after from, which is %v", q.To, q.From)
	case q.Limit < 0:
		return fault.Refuse("limit", "is %d; 0 is no limit", q.Limit)
	}
	s := r.db.Schema()
	for _, name := range q.Types {
		if _, _, ok := s.Signal(name); !ok {
			return fault.Refuse("types", "%q is no signal type of schema %s", name, s.Name)
		}
	}
	r.from, r.to = ceilMilli(q.From), ceilMilli(q.To)
	r.bound = s.FutureBound.Milliseconds()
	return nil
}

// ceilMilli is the first whole millisecond that isn't before a time.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}
