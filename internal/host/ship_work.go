package host

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/ship"
)

// What shipping has done with the log beside the loop.

// ShipWork does a piece of work on the log. It may be called beside the stepper, several at a time.
func (b *Base) ShipWork(w ship.Work) ship.WorkResult {
	if w.Kind != ship.WorkFold {
		return ship.Do(b.Streams(), placeOfRange, w)
	}
	r := ship.WorkResult{Work: w}
	r.Entry, r.Err = b.foldOverlap(&w.Item, w.After)
	return r
}

// placeOfRange reads of which events a range entry is.
func placeOfRange(entry []byte) (o id.Origin, first, last id.Seq, err error) {
	c, err := engine.DecodeEntry(entry)
	if err != nil {
		return o, 0, 0, err
	}
	return c.Range.Origin, c.Range.First, c.Range.Last, nil
}

// foldOverlap verifies a range, and returns what of it lies behind an event: the events up to there are folded from the own
// log, and taken out.
func (b *Base) foldOverlap(it *ship.Item, after id.Seq) ([]byte, error) {
	c, err := engine.DecodeEntry(it.Data)
	if err != nil {
		return nil, err
	}
	r := &c.Range
	if r.Origin != it.Origin || r.First != it.First || r.Last != it.Last {
		return nil, fault.Damaged("", 0, "range %v says of itself that it is %v", it.Origin.At(it.First), *r)
	}
	switch {
	case r.First == after+1:
		return it.Data, nil
	case r.First > after || r.Last <= after:
		return nil, fmt.Errorf("range %v doesn't hold what follows %d: %w", *r, after, fault.ErrGap)
	}
	overlap, err := b.foldOwn(r.Origin, r.First, after)
	if err != nil {
		return nil, fmt.Errorf("fold %v to %d of the own log: %w", r.Origin.At(r.First), after, err)
	}
	rest, err := c.Without(overlap)
	if err != nil {
		return nil, err
	}
	return rest.AppendEntry(nil), nil
}

// foldOwn folds the batches of an origin from first to last, which the own log must have.
func (b *Base) foldOwn(o id.Origin, first, last id.Seq) (*engine.Compacted, error) {
	fold := b.compactor()
	for next := first; next <= last; {
		batches, err := b.Streams().Read(o, next-1, streamWork)
		if err != nil {
			return nil, err
		}
		if len(batches) == 0 {
			return nil, fmt.Errorf("the log ends at %d: %w", next-1, fault.ErrGone)
		}
		for _, data := range batches {
			_, h, err := record.Glance(data)
			if err != nil {
				return nil, err
			}
			if h.First > last {
				break
			}
			if h.First < next || h.Last > last {
				return nil, errors.Join(fault.ErrGone, fmt.Errorf("batch %d to %d doesn't end there", h.First, h.Last))
			}
			if err := fold.Add(data); err != nil {
				return nil, err
			}
			next = h.Last + 1
		}
	}
	return fold.Finish()
}
