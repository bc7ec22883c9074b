package ship

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// Log is where the events of each origin lie on this replica, as far as they are applied. What is returned is the caller's,
// and never changes.
type Log interface {
	// First is the first number of an origin that Read can begin with; 0 if there is none.
	First(o id.Origin) id.Seq
	// Read returns the batches of an origin behind a number, in order, one at least unless a compacted range comes next: then
	// none. It stops at such a range, and when there are about maxBytes. [fault.ErrGone] says that the next event isn't held
	// as a batch any more.
	Read(o id.Origin, after id.Seq, maxBytes int) (batches [][]byte, err error)
	// Bytes is how many bytes the batches of an origin behind a number have.
	Bytes(o id.Origin, after id.Seq) int64
	// Range returns, as a log entry, a compacted stretch that begins at the event behind a number or before it, and ends
	// behind it. [fault.ErrGone] says that there is none.
	Range(o id.Origin, after id.Seq, maxBytes int) (entry []byte, err error)
}

// WorkKind says what is to be done.
type WorkKind uint8

// The kinds of work.
const (
	// WorkRead is to read the next items of an origin: [Do].
	WorkRead WorkKind = iota + 1
	// WorkFold is to verify a range and to take out of it what is here: its events up to After, of which the own log has the
	// batches. The result's Entry is what is left of it.
	WorkFold
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
	// Item is the range, for [WorkFold].
	Item Item
}

// WorkResult is what came of work.
type WorkResult struct {
	Work
	// Items were read.
	Items []Item
	// Entry is what is left of the range.
	Entry []byte
	// Err is why there is nothing.
	Err error
}

// Place says what a range entry holds.
type Place func(entry []byte) (o id.Origin, first, last id.Seq, err error)

// Do reads, for work of kind [WorkRead]: batches, or where the log has none any more a range. place reads the head of range
// entries.
func Do(log Log, place Place, w Work) WorkResult {
	r := WorkResult{Work: w}
	r.Items, r.Err = read(log, place, &w)
	return r
}

func read(log Log, place Place, w *Work) ([]Item, error) {
	batches, err := log.Read(w.Origin, w.After, w.MaxBytes)
	if err != nil && !errors.Is(err, fault.ErrGone) {
		return nil, err
	}
	if len(batches) == 0 {
		return readRange(log, place, w, err)
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

func readRange(log Log, place Place, w *Work, gone error) ([]Item, error) {
	entry, err := log.Range(w.Origin, w.After, w.MaxBytes)
	if err != nil {
		return nil, errors.Join(gone, err)
	}
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
	}
}
