package tidal

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// Cell reads what was counted for an item under a signal type, as of a time; the zero time is now. An item without
// events of the type has zeros; [ErrNotFound] means that the item, or the type, is unknown.
func (db *DB) Cell(ctx context.Context, item, signalType string, at time.Time) (Cell, error) {
	return db.cell(ctx, at, func(e *engine.Engine, cell *algebra.SignalState) (*schema.SignalType, error) {
		return e.ReadCell(item, signalType, cell)
	})
}

// CohortCell is [DB.Cell] for what a cohort sent alone: one of the schema's, or one that signals named. A cohort from
// which nothing came has zeros.
func (db *DB) CohortCell(ctx context.Context, cohort, item, signalType string, at time.Time) (Cell, error) {
	if cohort == "" {
		return Cell{}, fault.Refuse("cohort", "is empty; name one")
	}
	return db.cell(ctx, at, func(e *engine.Engine, cell *algebra.SignalState) (*schema.SignalType, error) {
		return e.ReadCohortCell(cohort, item, signalType, cell)
	})
}

func (db *DB) cell(
	ctx context.Context, at time.Time, read func(*engine.Engine, *algebra.SignalState) (*schema.SignalType, error),
) (Cell, error) {
	q := db.millis(at)
	var out Cell
	err := db.read(ctx, func(e *engine.Engine) error {
		var cell algebra.SignalState
		t, err := read(e, &cell)
		if err != nil {
			return err
		}
		out = cellOf(&cell, t, q)
		return nil
	})
	return out, err
}

func cellOf(cell *algebra.SignalState, t *schema.SignalType, q int64) Cell {
	out := Cell{
		AsOfMark: cell.AsOfMark(q),
		Total:    max(0, cell.Total()),
		Windows:  map[string]int64{},
		Scores:   map[string]float64{},
	}
	if mark, ok := cell.Mark(); ok && out.AsOfMark {
		q = mark
	}
	out.At = time.UnixMilli(q).UTC()
	for _, w := range t.Windows {
		own, err := algebra.ParseWindow(w.String())
		if err != nil {
			panic(fmt.Sprintf("tidal: schema window %v is unknown to the cell: %v", w, err))
		}
		n := cell.Count(own, q)
		out.Windows[w.String()] = n
		if t.Velocity && w.Duration() > 0 {
			if out.Velocity == nil {
				out.Velocity = map[string]float64{}
			}
			out.Velocity[w.String()] = float64(n) / w.Duration().Seconds()
		}
	}
	for _, h := range t.HalfLives {
		score := 0.0
		if s, ok := cell.Score(h.Milliseconds(), q); ok {
			score = s.Float()
		}
		out.Scores[schema.FormatDuration(h)] = score
	}
	if t.Permanent {
		out.Scores["permanent"] = max(0, engine.PlainSum(cell.PermanentSum()))
	}
	if t.UniqueUsers {
		out.Unique = cell.Unique()
	}
	return out
}

// Top returns the items with the highest decayed scores, highest first, ties by id; also of items that were never put. By
// the plain sum it looks at every item.
func (db *DB) Top(ctx context.Context, q TopQuery) ([]Scored, error) {
	if q.Limit == 0 {
		q.Limit = 10
	}
	if q.Limit < 0 || q.Limit > 10000 {
		return nil, fault.Refuse("limit", "is %d; it must be from 1 to 10000", q.Limit)
	}
	var out []Scored
	err := db.read(ctx, func(e *engine.Engine) error {
		halfLife := q.HalfLife.Milliseconds()
		if s, _ := e.Schema(); s != nil && q.HalfLife == 0 {
			if _, t, ok := s.Signal(q.Type); ok && len(t.HalfLives) > 0 {
				halfLife = t.HalfLives[0].Milliseconds()
			}
		}
		best, err := db.top(e, q.Type, halfLife, db.millis(q.At), q.Limit)
		for _, b := range best {
			out = append(out, Scored{Item: b.Item, Score: b.Score})
		}
		return err
	})
	return out, err
}

// Suggestion is a value of a field, and how many existing items have it.
type Suggestion struct {
	Value string
	Items int
}

// Suggest returns the values of a keyword or tags field of items that begin with a prefix, those that most existing items
// have first; limit is 1–100, 0 is 10. Upper and lower case differ. A field that is neither is an [InputError].
func (db *DB) Suggest(ctx context.Context, field, prefix string, limit int) ([]Suggestion, error) {
	if limit == 0 {
		limit = 10
	}
	if limit < 0 || limit > 100 {
		return nil, fault.Refuse("limit", "is %d; it must be from 1 to 100", limit)
	}
	var out []Suggestion
	err := db.read(ctx, func(e *engine.Engine) error {
		x := viewsOf(e).Index
		if _, ok := x.Keyword(field); !ok {
			return fault.Refuse("field", "%q is no keyword or tags field of items", field)
		}
		for _, s := range x.Suggest(field, prefix, limit) {
			out = append(out, Suggestion{s.Text, s.Items})
		}
		return nil
	})
	return out, err
}

// top takes the best from a head, where there is one.
func (db *DB) top(e *engine.Engine, signal string, halfLife, q int64, limit int) ([]engine.Scored, error) {
	items, ok := viewsOf(e).Top(signal, halfLife, limit)
	if !ok {
		return e.Top(signal, halfLife, q, limit)
	}
	return e.ScoresOf(signal, halfLife, q, items, limit)
}

// Items returns the ids of every item that has an event or a field, in ascending order of their bytes, as they were when
// the loop began. Where it ends with an error, that is its last pair: ctx ended, or the database was closed.
func (db *DB) Items(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var all []string
		err := db.read(ctx, func(e *engine.Engine) error {
			e.Items(func(item string) bool {
				all = append(all, item)
				return true
			})
			return nil
		})
		if err != nil {
			yield("", err)
			return
		}
		slices.Sort(all)
		for _, item := range all {
			if err := db.begin(ctx); err != nil {
				yield("", err)
				return
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// Entities returns every entity of a kind, in ascending order of the bytes of their ids, page by page as [DB.List] reads
// them. Where it ends with an error, that is its last pair.
func (db *DB) Entities(ctx context.Context, kind EntityKind) iter.Seq2[Entity, error] {
	return func(yield func(Entity, error) bool) {
		q := ListQuery{Kind: kind, Limit: 1000}
		for {
			page, err := db.List(ctx, q)
			if err != nil {
				yield(Entity{}, err)
				return
			}
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
			}
			if len(page) < q.Limit {
				return
			}
			q.After = page[len(page)-1].ID
		}
	}
}

func (db *DB) millis(at time.Time) int64 {
	if at.IsZero() {
		at = db.now()
	}
	return at.UnixMilli()
}
