package host

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/reconcile"
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

// placeOfRange reads of which events a range entry of the own log is.
func placeOfRange(entry []byte) (o id.Origin, first, last id.Seq, err error) {
	g, err := engine.GlanceRange(entry)
	return g.Origin, g.First, g.Last, err
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
	case r.First == after+1, planted.OverlapAsIs && r.First <= after && r.Last > after:
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

// foldOwn folds the events of an origin from first to last, which the own log must have: as batches, or as ranges that begin
// and end where these do.
func (b *Base) foldOwn(o id.Origin, first, last id.Seq) (*engine.Compacted, error) {
	var all *engine.Compacted
	for next := first; next <= last; {
		part, err := b.foldBatches(o, next, last)
		if errors.Is(err, fault.ErrGone) {
			part, err = b.ownRange(o, next, last)
		}
		if err == nil && all != nil {
			part, err = all.Join(part)
		}
		if err != nil {
			return nil, err
		}
		all, next = part, part.Range.Last+1
	}
	return all, nil
}

// foldBatches folds the batches that the own log has from first on, up to last or as far as they go.
func (b *Base) foldBatches(o id.Origin, first, last id.Seq) (*engine.Compacted, error) {
	fold := b.compactor()
	next := first
	for next <= last {
		batches, err := b.Streams().Read(o, next-1, streamWork)
		if err != nil && (next == first || !errors.Is(err, fault.ErrGone)) {
			return nil, err
		}
		if len(batches) == 0 {
			break
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
				return nil, fmt.Errorf("batch %d to %d of %v doesn't begin or end where the range does: %w", h.First, h.Last, o,
					fault.ErrForked)
			}
			if err := fold.Add(data); err != nil {
				return nil, err
			}
			next = h.Last + 1
		}
	}
	if next == first {
		return nil, fmt.Errorf("nothing of %v is in the log: %w", o.At(first), fault.ErrGone)
	}
	return fold.Finish()
}

// ownRange returns the range in the own log that begins at first and ends at last or before.
func (b *Base) ownRange(o id.Origin, first, last id.Seq) (*engine.Compacted, error) {
	entry, err := b.Streams().Range(o, first-1, reconcile.RangeBytes)
	if err != nil {
		return nil, err
	}
	c, err := engine.DecodeEntry(entry)
	if err == nil && (c.Range.First != first || c.Range.Last > last) {
		err = fmt.Errorf("the log has %v as range %v alone: %w", o.At(first), c.Range, fault.ErrGone)
	}
	return c, err
}
