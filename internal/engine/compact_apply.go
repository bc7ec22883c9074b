package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// ApplyRange takes a compacted stretch in the place of its batches, which must begin right behind what is here of its
// origin. Then the vector says the end of the range; batches of it that wait are dropped; its requests are known again,
// as the group's own if the origin is.
//
// A range of which everything is here is a Duplicate, one that skips events a Gap: neither has an effect. Nor have
// those that are refused: one of which a part is here, with [fault.ErrOverlap], for then the sums of that part must be
// taken out first ([Compacted.Without]); a newer program's, with [fault.ErrFormatTooNew]; one that ends within a batch
// that waits here, with [fault.ErrForked]; and damage. After any other error part of it may have had its effect, and
// the replica must stop.
func (e *Engine) ApplyRange(c *Compacted) (Result, error) {
	r := &c.Range
	res := Result{Origin: r.Origin, First: r.First, Last: r.Last}
	var err error
	if res.Outcome, err = e.placeRange(c); res.Outcome != Applied || err != nil {
		return res, err
	}
	res.Outcome = 0
	if err := c.check(); err != nil {
		return res, fmt.Errorf("apply range %v: %w", *r, err)
	}
	left, err := e.leftBehind(r.Origin, r.Last)
	if err != nil {
		return res, err
	}
	for i := range r.Entries {
		if err := e.mergeEntry(&r.Entries[i]); err != nil {
			return res, fmt.Errorf("apply range %v, key %x: %w", *r, r.Entries[i].Key, err)
		}
	}
	e.loading = loading{}
	e.retractions.Add(1)
	e.enterRange(c)
	e.vector = e.vector.With(r.Origin, r.Last)
	e.forget(r.Origin, r.First, r.Last)
	if e.parked[r.Origin] = left; left == nil {
		delete(e.parked, r.Origin)
	}
	res.Outcome, res.Highest = Applied, c.Highest
	e.Trim(trimForBatch + trimForRecord*len(r.Entries))
	if err := e.applied(); err != nil {
		return res, err
	}
	return res, e.unpark()
}

// ApplyRange is [Engine.ApplyRange].
func (f *Fold) ApplyRange(c *Compacted) (Result, error) { return f.engine.ApplyRange(c) }

// leftBehind returns what still waits of an origin behind number last, nil for nothing.
func (e *Engine) leftBehind(origin id.Origin, last id.Seq) (*parkedOrigin, error) {
	p := e.parked[origin]
	if p == nil || p.last <= last {
		return nil, nil
	}
	for i, data := range p.batches {
		b, err := record.Open(data)
		if err != nil {
			return nil, fmt.Errorf("open parked batch: %w", err)
		}
		switch h := &b.Header; {
		case h.Last <= last:
		case h.First <= last:
			return nil, fmt.Errorf("range up to %d ends in batch %v…%d, which waits: %w", last, origin.At(h.First), h.Last,
				fault.ErrForked)
		default:
			return &parkedOrigin{batches: p.batches[i:], last: p.last}, nil
		}
	}
	panic("engine: parked batches end before they say")
}

// mergeEntry merges one entry into the state. An owner's generation is its first entry, so whatever is below it counts
// no more when it comes.
func (e *Engine) mergeEntry(x *algebra.RangeEntry) error {
	r, err := recordOf(x)
	if err != nil {
		return err
	}
	at := &e.loading
	if at.kind != r.OwnerKind || at.name != r.Owner || at.name == "" {
		*at = loading{kind: r.OwnerKind, name: r.Owner}
		at.half, at.ord = e.half(r.OwnerKind).owner(r.OwnerKind, r.Owner)
	}
	t := at.half.table
	switch r.Kind {
	case algebra.KindGeneration:
		gen, _ := binary.Uvarint(r.Value)
		at.half.raise(r.OwnerKind, at.ord, hlc.Timestamp(gen))
		if e.folding {
			h := e.half(r.OwnerKind)
			h.deleted = append(h.deleted, ownerRef{r.OwnerKind, at.ord})
		}
		return nil
	case algebra.KindSchemaVersion:
		if _, err := e.learn(r.Value); err != nil {
			return err
		}
	case algebra.KindFormatLevel:
		level, _ := binary.Uvarint(r.Value)
		e.level = max(e.level, level)
	case algebra.KindEntity:
	default:
		if !at.half.raise(r.OwnerKind, at.ord, r.Gen) {
			return nil
		}
	}
	key := state.Key{Kind: r.Kind, Owner: r.OwnerKind, Ord: at.ord, Sub: r.Sub}
	place := t.Lookup(key)
	merged, err := algebra.Merge(r.Kind, nil, t.Value(place), r.Value)
	if err != nil {
		return err
	}
	t.Set(key, place, merged)
	if err := e.noticed(&r, merged); err != nil {
		return err
	}
	return e.look(&key, merged)
}

// noticed keeps up with a replicated record what the engine remembers beside the state. The record's value is given
// as it is now.
func (e *Engine) noticed(r *Record, value []byte) error {
	switch r.Kind {
	case algebra.KindSession: // also of a user who stays in the store
		return e.dueIn(r.Owner, value)
	case algebra.KindUndone:
		u, err := algebra.DecodeUndone(value)
		if p, ok := undonePosition(r.Owner, r.Sub); ok && err == nil {
			e.marked(p, u)
		}
		return err
	case algebra.KindRegister:
		return e.surveyRegions()
	}
	return nil
}

// enterRange enters what a range brings beside its effects.
func (e *Engine) enterRange(c *Compacted) {
	origin := c.Range.Origin
	for i := range c.Requests {
		r := &c.Requests[i]
		e.fallen.spans = e.fallen.spans[:0]
		if e.enter(origin, r); len(e.fallen.spans) > 0 {
			r.Signals.each(r.Count, func(i uint32) { e.fell(origin.At(r.First + id.Seq(i))) })
		}
	}
	to, from := &e.counters, &c.Counters
	to.Batches += from.Batches
	to.Records += from.Records
	to.Signals += from.Signals
	to.Clamped += from.Clamped
	if from.HasNewest && (!to.HasNewest || from.Newest > to.Newest) {
		to.Newest, to.HasNewest = from.Newest, true
	}
	e.highest = max(e.highest, c.Highest)
	e.highestRegister = max(e.highestRegister, c.HighestRegister)
	if e.ours(origin) {
		e.highestOwn = max(e.highestOwn, c.Highest)
		e.lanes.Expire(e.highestOwn)
		e.sweep()
	}
}

// forget drops the checksums of batches from first to last: what counts of them is now the range. The others move up
// in their order, as they stand after a restart.
func (e *Engine) forget(origin id.Origin, first, last id.Seq) {
	old := e.recent[origin]
	if old == nil {
		return
	}
	kept := &recentBatches{}
	for i := range old.marks {
		m := old.marks[(old.next+i)%recentKept]
		if m.last == 0 || m.first <= last && first <= m.last {
			continue
		}
		kept.marks[kept.next] = m
		kept.next = (kept.next + 1) % recentKept
	}
	e.recent[origin] = kept
}

// check finds what apply couldn't take, before anything has an effect.
func (c *Compacted) check() error {
	if c.Level > record.Level {
		return tooNew(uint64(c.Level))
	}
	for i := range c.Range.Entries {
		r, err := recordOf(&c.Range.Entries[i])
		if err != nil {
			return err
		}
		switch r.Kind {
		case algebra.KindSchemaVersion:
			s, err := schema.Decode(r.Value)
			if err != nil {
				return fmt.Errorf("decode schema: %w", err)
			}
			if hash := s.Hash(); r.Sub != string(hash[:]) {
				return fault.Damaged("", 0, "schema version %v lies under another hash", hash)
			}
		case algebra.KindFormatLevel:
			if level, _ := binary.Uvarint(r.Value); level > record.Level {
				return tooNew(level)
			}
		}
	}
	return nil
}
