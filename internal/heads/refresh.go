package heads

import (
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/state"
)

// ReadCohortCell returns an item's cell of a cohort and a signal type, nil if there is none. The cell is good until the
// next call.
type ReadCohortCell func(n state.Ord, cohort, typ string) (*algebra.SignalState, error)

// rebuild is a head that is being built anew, for a column or for a cohort.
type rebuild struct {
	column *column
	cohort *cohortHead
	next   head
	cursor state.Ord // the items below it are done
}

func (c *Columns) queue(r *rebuild) {
	if r.column != nil {
		r.column.next = r
		r.next.init(r.column.head.keep, r.column.none())
	} else {
		r.cohort.next = r
		r.next.init(r.cohort.keep, none)
	}
	// Columns come before cohorts, which take a hundred times as long.
	at := len(c.short)
	if r.column != nil {
		if i := slices.IndexFunc(c.short, func(r *rebuild) bool { return r.cohort != nil }); i >= 0 {
			at = i
		}
	}
	c.short = slices.Insert(c.short, at, r)
}

// Refresh goes on with building heads anew that ran short of members, for about limit items, and says whether there is
// more to do. It is to be called now and then, such as at the end of each batch, by the writer; a million items of a
// column take a few milliseconds, of a cohort as long as reading as many cells. Without it answers are right, and more
// often call for a scan.
//
// A nil read leaves cohorts as they are, and those are more to do. An error of read ends the call, which may be
// repeated.
func (c *Columns) Refresh(limit int, read ReadCohortCell) (more bool, err error) {
	c.Settle()
	for i := 0; i < len(c.short) && limit > 0; {
		r := c.short[i]
		switch {
		case r.column != nil:
			limit = r.walkColumn(c, limit)
		case read == nil:
			i++
			continue
		default:
			if limit, err = r.walkCohort(c, limit, read); err != nil {
				return true, err
			}
		}
		if r.cursor >= c.items {
			r.finish(c)
			c.short = slices.Delete(c.short, i, i+1)
		}
	}
	return len(c.short) > 0, nil
}

// walkColumn looks at the next items of the column, and returns what is left of the limit.
func (r *rebuild) walkColumn(c *Columns, limit int) int {
	col := r.column
	for limit > 0 && r.cursor < c.items {
		i := int(r.cursor >> pieceBits)
		end := min(state.Ord(i+1)<<pieceBits, c.items)
		if i >= len(col.pieces) || col.pieces[i] == nil {
			r.cursor = end
			limit--
			continue
		}
		end = min(end, r.cursor+state.Ord(min(limit, pieceItems)))
		limit -= int(end - r.cursor)
		for ; r.cursor < end; r.cursor++ {
			if v := col.pieces[i].word(r.cursor) >> col.shift; v > r.next.bar {
				r.next.add(r.cursor, v, &c.scratch)
			}
		}
	}
	return limit
}

// walkCohort reads the cells of the next items.
func (r *rebuild) walkCohort(c *Columns, limit int, read ReadCohortCell) (int, error) {
	for h := r.cohort; limit > 0 && r.cursor < c.items; limit-- {
		cell, err := read(r.cursor, h.cohort.name, c.types[h.typ].name)
		if err != nil {
			return limit, err
		}
		if cell != nil {
			if v := logScore(cell, h.halfLife); v > r.next.bar {
				r.next.add(r.cursor, v, &c.scratch)
				c.cohorts.mark(r.cursor)
			}
		}
		r.cursor++
	}
	return limit, nil
}

// finish puts the new head in the place of the old one. Both hold exactly what is above their bars, so the one with the
// lower bar holds more.
func (r *rebuild) finish(c *Columns) {
	var old *head
	if r.column != nil {
		old, r.column.next = &r.column.head, nil
	} else {
		old, r.cohort.next = &r.cohort.head, nil
	}
	if r.next.bar < old.bar {
		if r.cohort != nil {
			c.cohorts.bytes += r.next.memory() - old.memory()
		}
		*old = r.next
	}
	old.credit = 0
}
