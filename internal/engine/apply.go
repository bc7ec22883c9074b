package engine

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/lane"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/record"
)

// Outcome says what became of a batch.
type Outcome uint8

// The outcomes.
const (
	// Applied: the batch had its effects.
	Applied Outcome = iota + 1
	// Duplicate: every event of it was there before. Nothing changed.
	Duplicate
	// Gap: events before it are missing. Nothing changed.
	Gap
	// Parked: it waits, in order, for a schema version or for a newer program. It will be applied by itself when
	// the version comes; until then its origin stands still in the vector.
	Parked
)

func (o Outcome) String() string {
	return [...]string{"none", "applied", "duplicate", "gap", "parked"}[o]
}

// Result is what Apply did with a batch.
type Result struct {
	Outcome Outcome
	Origin  id.Origin
	// First and Last are the batch's range of sequence numbers.
	First, Last id.Seq
	// Highest is the highest stamp in the batch, 0 if it has none.
	Highest hlc.Timestamp
}

// event is what all effects of one record share.
type event struct {
	position id.Position
	meta     *record.Meta
	stamp    algebra.Stamp // of registers
	order    algebra.Order // of interactions
	rules    *typeRules    // of the signal's type; nil for other kinds
}

// Apply takes one batch. The bytes must not change afterwards: parked batches and nothing else are kept.
//
// A batch of another origin that repeats or skips events is without effect, and one that this program doesn't
// understand waits for one that does. A batch of the own origin in such a place, or one that can't be read, is an error,
// and the replica must stop: part of it may have had its effect. Own batches of a newer program are
// [fault.ErrFormatTooNew].
func (e *Engine) Apply(data []byte) (Result, error) {
	b, err := record.Open(data)
	if err != nil {
		return Result{}, fmt.Errorf("open batch: %w", err)
	}
	return e.ApplyBatch(&b)
}

// ApplyBatch is [Engine.Apply] for a batch that is open already: who has compared its checksum needn't do so again.
func (e *Engine) ApplyBatch(b *record.Batch) (Result, error) {
	h := b.Header
	origin, data := b.Origin(), b.Data()
	res := Result{Origin: origin, First: h.First, Last: h.Last}
	var err error
	if res.Outcome, err = e.place(origin, &h); err != nil {
		return res, err
	}
	if res.Outcome != Applied {
		if origin == e.cfg.Origin && res.Outcome != Parked {
			return res, fmt.Errorf("own batch %v…%d meets %v: %w", origin.At(h.First), h.Last,
				origin.At(e.vector.Get(origin)), fault.ErrForked)
		}
		if res.Outcome == Parked {
			e.note(origin, &h)
			e.park(origin, data, &h)
		}
		return res, nil
	}
	e.note(origin, &h)
	ready, err := e.ready(origin, b)
	if err != nil {
		return res, fmt.Errorf("apply batch %v: %w", origin.At(h.First), err)
	}
	if !ready {
		res.Outcome = Parked
		e.park(origin, data, &h)
		return res, nil
	}
	if res.Highest, err = e.applyBatch(origin, b); err != nil {
		return res, fmt.Errorf("apply batch %v: %w", origin.At(h.First), err)
	}
	return res, nil
}

// applyBatch applies a batch that is next in its origin's order, and then whatever waited for it.
func (e *Engine) applyBatch(origin id.Origin, b *record.Batch) (hlc.Timestamp, error) {
	news, highest, err := e.applyRecords(origin, b)
	if err != nil {
		return 0, err
	}
	e.vector = e.vector.With(origin, b.Header.Last)
	e.counters.Batches++
	if news {
		err = e.unpark()
	}
	e.Trim(trimForBatch + trimForRecord*int(b.Header.Count))
	if err == nil {
		err = e.applied()
	}
	return highest, err
}

// applyRecords returns whether the batch brought a schema version, and its highest stamp.
func (e *Engine) applyRecords(origin id.Origin, b *record.Batch) (news bool, highest hlc.Timestamp, err error) {
	version := e.versions[b.Ext.Schema]
	e.fallen.spans = e.fallen.spans[:0]
	e.pending.events, e.pending.itemIDs, e.pending.userIDs = e.pending.events[:0], e.pending.itemIDs[:0], e.pending.userIDs[:0]
	rec, ev := &e.reading.rec, &e.reading.event
	for err := range b.RecordsIn(rec) {
		if err != nil {
			return false, 0, err
		}
		// A record that changes nothing still has a stamp, and may begin a request.
		*ev = event{
			position: origin.At(rec.Seq),
			meta:     &rec.Meta,
			stamp:    algebra.Stamp{HLC: rec.Meta.RegisterStamp(), Origin: origin},
			order:    algebra.Order{Time: rec.Meta.Time, HLC: rec.Meta.HLC, Origin: origin, Seq: rec.Seq},
		}
		highest = max(highest, rec.Meta.HLC)
		e.accept(ev)
		if rec.Kind.Stateless() {
			continue
		}
		e.highestRegister = max(e.highestRegister, ev.stamp.HLC)
		if rec.Kind == record.KindSignal {
			if len(e.fallen.spans) > 0 {
				e.fell(ev.position)
			}
			err = e.postpone(ev, version, rec)
		} else if err = e.perform(); err == nil {
			err = e.applyRecord(ev, version, rec)
		}
		if err != nil {
			return false, 0, fmt.Errorf("%s at %v: %w", rec.Kind, ev.position, err)
		}
		e.counters.Records++
		news = news || rec.Kind == record.KindSchemaVersion
	}
	if err := e.perform(); err != nil {
		return false, 0, err
	}
	e.highest = max(e.highest, highest)
	if e.ours(origin) {
		e.highestOwn = max(e.highestOwn, highest)
		e.lanes.Expire(e.highestOwn)
		e.sweep()
	}
	return news, highest, nil
}

// applyRecord applies a record of any kind but signal.
func (e *Engine) applyRecord(ev *event, v *version, rec *record.Record) error {
	switch rec.Kind {
	case record.KindDelete, record.KindErase, record.KindCompensate, record.KindDuplicate,
		record.KindUndo:
		e.retractions.Add(1)
	}
	switch rec.Kind {
	case record.KindMark:
		var m record.Mark
		if err := record.DecodeMark(rec.Body, &m); err != nil {
			return err
		}
		return e.users.applyMark(ev, &m)
	case record.KindRelation:
		var r record.Relation
		if err := record.DecodeRelation(rec.Body, &r); err != nil {
			return err
		}
		return e.users.applyRelation(ev, &r)
	case record.KindPut, record.KindPatch, record.KindDelete:
		var x record.Entity
		if err := record.DecodeEntity(rec.Kind, rec.Body, &x); err != nil {
			return err
		}
		return e.applyEntity(ev, rec.Kind, &x)
	case record.KindErase:
		var x record.Erase
		if err := record.DecodeErase(rec.Body, &x); err != nil {
			return err
		}
		return e.applyEntity(ev, record.KindDelete, &record.Entity{Kind: id.KindUser, ID: x.User})
	case record.KindCompensate, record.KindDuplicate:
		var c record.Compensation
		if err := record.DecodeCompensation(rec.Body, &c); err != nil {
			return err
		}
		return e.applyCompensate(ev, rec.Kind, &c)
	case record.KindSchemaVersion:
		var s record.SchemaVersion
		if err := record.DecodeSchemaVersion(rec.Body, &s); err != nil {
			return err
		}
		return e.applySchema(&s)
	case record.KindFormatLevel:
		var l record.FormatLevel
		if err := record.DecodeFormatLevel(rec.Body, &l); err != nil {
			return err
		}
		return e.applyLevel(&l)
	case record.KindSession:
		var s record.Session
		if err := record.DecodeSession(rec.Body, &s); err != nil {
			return err
		}
		return e.applySession(ev, v, &s)
	case record.KindSealingKey:
		var k record.SealingKey
		if err := record.DecodeSealingKey(rec.Body, &k); err != nil {
			return err
		}
		return e.applySealingKey(&k)
	case record.KindUndo:
		var u record.Undo
		if err := record.DecodeUndo(rec.Body, &u); err != nil {
			return err
		}
		return e.applyUndo(&u)
	case record.KindRegion, record.KindEndpoints, record.KindHome:
		return e.applyRegionRecord(ev, rec)
	}
	return fmt.Errorf("unknown kind of record: %w", fault.ErrFormatTooNew)
}

func (v *version) rules(index uint16) (*typeRules, error) {
	if v == nil || int(index) >= len(v.types) {
		return nil, fault.Damaged("", 0, "signal type %d is not in the batch's schema version", index)
	}
	return &v.types[index], nil
}

// accept enters the request that a record begins, so that its retries are known again.
func (e *Engine) accept(ev *event) {
	m := ev.meta
	if !m.Begins() {
		return
	}
	r := begun(ev.position.Seq, m)
	e.enter(ev.position.Origin(), &r)
}

func (e *Engine) enter(origin id.Origin, r *Request) {
	a := lane.Accepted{Position: origin.At(r.First), Count: r.Count, Content: r.Content, HLC: r.HLC}
	if r.Producer != "" {
		e.meets(&a, e.lanes.Accept(r.Producer, r.Number, a))
	}
	if r.Key != "" {
		e.meets(&a, e.lanes.AcceptKey(r.Key, a))
	}
}

// meets notes what a request met.
func (e *Engine) meets(a *lane.Accepted, m lane.Meeting) {
	if !m.Twice {
		return
	}
	e.counters.Twice++
	switch {
	case m.Reused:
		e.counters.Reused++
	case m.Falls.IsZero():
		e.counters.Undecided++
	}
	e.fallen.met(a.Position, a.Count, a.HLC, m)
}

// place says where a batch stands against what its origin has brought so far, parked batches included.
func (e *Engine) place(origin id.Origin, h *record.Header) (Outcome, error) {
	last := e.vector.Get(origin)
	waiting := e.parked[origin]
	if waiting != nil {
		last = waiting.last
	}
	switch {
	case planted.ApplyTwice && h.Last == last:
		return Applied, nil
	case h.First > last+1 && planted.SkipGap && origin != e.cfg.Origin:
		return Applied, nil
	case h.First > last+1:
		return Gap, nil
	case h.Last <= last:
		return Duplicate, e.sameAsHeld(origin, h)
	case h.First <= last:
		return 0, fmt.Errorf("batch %v…%d overlaps what was received up to %d: %w", origin.At(h.First), h.Last, last,
			fault.ErrForked)
	case waiting != nil:
		return Parked, nil
	}
	return Applied, nil
}
