package engine

import (
	"bytes"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/record"
)

// What a log entry holds is a batch or a range: a compacted stretch that came in the place of its batches. The first
// four bytes tell which.

// IsRange reports whether a log entry's data is a range, and not a batch.
func IsRange(entry []byte) bool { return bytes.HasPrefix(entry, []byte(compactedMagic)) }

// AppendEntry appends the range as the data of a log entry: the bytes of [Compacted.AppendBinary].
func (c *Compacted) AppendEntry(dst []byte) []byte { return c.AppendBinary(dst) }

// DecodeEntry is [DecodeCompacted].
func DecodeEntry(b []byte) (*Compacted, error) { return DecodeCompacted(b) }

// ApplyEntry applies a log entry's data, whichever it is: [Engine.Apply] for a batch, [Engine.ApplyRange] for a range.
func (e *Engine) ApplyEntry(data []byte) (Result, error) {
	if !IsRange(data) {
		return e.Apply(data)
	}
	c, err := DecodeEntry(data)
	if err != nil {
		return Result{}, fmt.Errorf("open range: %w", err)
	}
	return e.ApplyRange(c)
}

// ApplyEntry is [Engine.ApplyEntry].
func (f *Fold) ApplyEntry(data []byte) (Result, error) { return f.engine.ApplyEntry(data) }

// Offer says what [Engine.ApplyEntry] would do with an entry of another origin, if it came next, and changes nothing.
// A leader asks it before it proposes what another region sent. It returns [fault.ErrForked] for what contradicts what
// is here, and for what claims to be of the own origin and isn't here; [fault.ErrOverlap] for a range of which a part is
// here; [fault.ErrFormatTooNew] for a newer program's range; and damage.
//
// It looks at what was applied, and not at what was proposed and is under way.
func (e *Engine) Offer(data []byte) (Outcome, error) {
	if IsRange(data) {
		c, err := DecodeEntry(data)
		if err != nil {
			return 0, fmt.Errorf("open range: %w", err)
		}
		outcome, err := e.placeRange(c)
		if c.Range.Origin == e.cfg.Origin && outcome != Duplicate {
			return 0, fmt.Errorf("range %v is of the own origin, and not here: %w", c.Range, fault.ErrForked)
		}
		if outcome != Applied || err != nil {
			return outcome, err
		}
		if err := c.check(); err != nil {
			return 0, fmt.Errorf("range %v: %w", c.Range, err)
		}
		_, err = e.leftBehind(c.Range.Origin, c.Range.Last)
		return Applied, err
	}
	b, err := record.Open(data)
	if err != nil {
		return 0, fmt.Errorf("open batch: %w", err)
	}
	return e.OfferBatch(&b)
}

// OfferBatch is [Engine.Offer] for a batch that is open already.
func (e *Engine) OfferBatch(b *record.Batch) (Outcome, error) {
	origin := b.Origin()
	outcome, err := e.place(origin, &b.Header)
	if origin == e.cfg.Origin && err == nil && outcome != Duplicate {
		return 0, fmt.Errorf("batch %v…%d is of the own origin, and not here: %w", origin.At(b.Header.First), b.Header.Last,
			fault.ErrForked)
	}
	if outcome != Applied || err != nil {
		return outcome, err
	}
	if ready, err := e.ready(origin, b); err != nil || !ready {
		return Parked, err
	}
	return Applied, nil
}

// placeRange says where a range stands against what is here of its origin.
func (e *Engine) placeRange(c *Compacted) (Outcome, error) {
	r := &c.Range
	switch last := e.vector.Get(r.Origin); {
	case r.Last <= last:
		return Duplicate, nil
	case r.First > last+1:
		return Gap, nil
	case r.First <= last && planted.OverlapAsIs:
		return Applied, nil
	case r.First <= last:
		return 0, fmt.Errorf("apply range %v to what holds it up to %d: %w", *r, last, fault.ErrOverlap)
	}
	return Applied, nil
}

// Received returns the last number of an origin that was received here, what waits included.
func (e *Engine) Received(origin id.Origin) id.Seq {
	if p := e.parked[origin]; p != nil {
		return p.last
	}
	return e.vector.Get(origin)
}
