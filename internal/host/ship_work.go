package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/reconcile"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/ship"
)

// What shipping has done with the log beside the loop.

// ShipWork does a piece of work on the log. It may be called beside the stepper, several at a time.
func (b *Base) ShipWork(w ship.Work) ship.WorkResult {
	if w.Kind != ship.WorkFold {
		return ship.Do(b.Streams(), placeOfRange, w)
	}
	r := ship.WorkResult{Work: w}
	r.Entry, r.Err = b.foldOverlap(&w.Item, w.Before, w.After)
	return r
}

// placeOfRange reads of which events a range entry of the own log is.
func placeOfRange(entry []byte) (o id.Origin, first, last id.Seq, err error) {
	g, err := engine.GlanceRange(entry)
	return g.Origin, g.First, g.Last, err
}

// foldOverlap verifies a range, and returns what of it lies behind an event: the events up to there are folded from the own
// log, and taken out.
// What comes before it goes with it.
func (b *Base) foldOverlap(it *ship.Item, before []ship.Item, after id.Seq) ([]byte, error) {
	c, err := openRange(it)
	if err != nil {
		return nil, err
	}
	if len(before) > 0 {
		if c, err = b.joinRange(before, c); err != nil {
			return nil, fmt.Errorf("join what lies before %v: %w", it.Origin.At(it.First), err)
		}
	}
	r := &c.Range
	switch {
	case r.First == after+1, planted.OverlapAsIs && r.First <= after && r.Last > after:
		if len(before) == 0 {
			return it.Data, nil
		}
		return c.AppendEntry(nil), nil
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
	entry := rest.AppendEntry(nil)
	if len(entry) > replica.MaxForeign {
		return nil, fmt.Errorf("what is left of range %v has %d bytes, an entry at most %d: %w", *r, len(entry), replica.MaxForeign,
			fault.ErrGone)
	}
	return entry, nil
}

// openRange verifies a range.
func openRange(it *ship.Item) (*engine.Compacted, error) {
	c, err := engine.DecodeEntry(it.Data)
	if err != nil {
		return nil, err
	}
	if r := &c.Range; r.Origin != it.Origin || r.First != it.First || r.Last != it.Last {
		return nil, fault.Damaged("", 0, "range %v says of itself that it is %v", it.Origin.At(it.First), *r)
	}
	return c, nil
}

// joinRange returns a range together with what adjoins it in front.
func (b *Base) joinRange(before []ship.Item, c *engine.Compacted) (*engine.Compacted, error) {
	var all *engine.Compacted
	join := func(part *engine.Compacted, err error) error {
		if err == nil && all != nil {
			part, err = all.Join(part)
		}
		all = part
		return err
	}
	for len(before) > 0 {
		n := slices.IndexFunc(before, func(it ship.Item) bool { return it.Range })
		if n < 0 {
			n = len(before)
		}
		var err error
		if n == 0 {
			n, err = 1, join(openRange(&before[0]))
		} else {
			err = join(b.foldItems(before[:n]))
		}
		if err != nil {
			return nil, err
		}
		before = before[n:]
	}
	return all.Join(c)
}

// foldItems returns the range of some batches.
func (b *Base) foldItems(batches []ship.Item) (*engine.Compacted, error) {
	fold := b.compactor()
	for i := range batches {
		if err := fold.Add(batches[i].Data); err != nil {
			return nil, err
		}
	}
	return fold.Finish()
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
	switch {
	case err != nil:
	case c.Range.First < first:
		err = &ship.Earlier{Origin: o, First: c.Range.First, Range: c.Range.String()}
	case c.Range.First != first || c.Range.Last > last:
		err = fmt.Errorf("the log has %v as range %v alone: %w", o.At(first), c.Range, fault.ErrGone)
	}
	return c, err
}
