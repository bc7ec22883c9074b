package ship

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/reconcile"
	"github.com/tidaldb/tidal/internal/record"
)

// Log is where the events of each origin lie on this replica.
type Log = reconcile.Log

// Place says which events a range entry holds.
type Place = reconcile.Place

// WorkKind says what is to be done.
type WorkKind uint8

// The kinds of work.
const (
	// WorkRead is to read the next items of an origin: [Do].
	WorkRead WorkKind = iota + 1
	// WorkFold is to verify a range and to take out of it what is here: its events up to After, of which the own log has the
	// batches. The result's Entry is what is left of it.
	WorkFold
	// WorkMarks is to find the batches that hold the last events of some marks: [Do].
	WorkMarks
)

// Work is something to be done with the replica's log, beside everything else.
type Work struct {
	Kind WorkKind
	// Peer and Session are whom it is for.
	Peer    Peer
	Session uint64
	// Origin is whose, and After behind what. Last is up to where the log is known to have it.
	Origin   id.Origin
	After    id.Seq
	Last     id.Seq
	MaxBytes int
	// Choose asks which way is cheaper, batches or ranges; without it batches are, as long as they are there.
	Choose bool
	// Item is the range, for [WorkFold], and Before what adjoins it in front, batches and ranges in order: a range that begins inside
	// of one that the own log has can't be taken apart by itself, which is what [Earlier] says.
	Item   Item
	Before []Item
	// Marks are what is looked for, for [WorkMarks].
	Marks []Mark
}

// WorkResult is what came of work.
type WorkResult struct {
	Work
	// Items were read, and Batches says that they are batches because that is cheaper.
	Items   []Item
	Batches bool
	// Entry is what is left of the range.
	Entry []byte
	// Found are marks of the batches that were looked for, without who holds them; of those that aren't there any more there is none.
	Found []Mark
	// Err is why there is nothing.
	Err error
}

// Do reads, for work of kind [WorkRead]: batches, or a range where the log has none any more, or where that is fewer bytes; or looks for
// batches, for [WorkMarks]. place reads the head of range entries.
func Do(log Log, place Place, w Work) WorkResult {
	if w.Kind == WorkMarks {
		return doMarks(log, w)
	}
	r := WorkResult{Work: w}
	if w.Choose {
		s, entry := reconcile.Look(log, place, w.Origin, w.After, w.Last)
		switch {
		case s.Choose() == reconcile.Ranges && entry != nil:
			r.Items, r.Err = rangeItem(place, &w, entry)
			return r
		case s.Choose() == reconcile.Batches:
			r.Batches = true
		}
	}
	r.Items, r.Err = read(log, place, &w)
	return r
}

func read(log Log, place Place, w *Work) ([]Item, error) {
	batches, err := log.Read(w.Origin, w.After, w.MaxBytes)
	if err != nil && !errors.Is(err, fault.ErrGone) {
		return nil, err
	}
	if len(batches) == 0 {
		entry, err2 := log.Range(w.Origin, w.After, reconcile.RangeBytes)
		if err2 != nil {
			return nil, errors.Join(err, err2)
		}
		return rangeItem(place, w, entry)
	}
	items := make([]Item, 0, len(batches))
	for _, data := range batches {
		h, err := record.DecodeHeader(data)
		if err != nil {
			return items, fmt.Errorf("read batch behind %v: %w", w.Origin.At(w.After), err)
		}
		items = append(items, Item{Origin: w.Origin, First: h.First, Last: h.Last, Data: data})
	}
	return items, nil
}

func rangeItem(place Place, w *Work, entry []byte) ([]Item, error) {
	o, first, last, err := place(entry)
	if err != nil {
		return nil, err
	}
	if o != w.Origin || first > w.After+1 || last <= w.After {
		return nil, fmt.Errorf("range %v to %d for what lies behind %v: %w", o.At(first), last, w.Origin.At(w.After), fault.ErrGone)
	}
	return []Item{{Range: true, Origin: o, First: first, Last: last, Data: entry}}, nil
}

// Done takes what came of work.
func (c *Core) Done(now Now, r WorkResult) {
	c.now = now
	switch r.Kind {
	case WorkRead:
		c.readDone(&r)
	case WorkFold:
		c.folded(&r)
	case WorkMarks:
		c.lookedUp(&r)
	}
}
