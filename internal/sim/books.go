package sim

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/schema"
)

// books keep what all regions' groups have agreed on: what each has stamped, what each has taken of others', and which requests
// that are. They know nothing of lanes, keys, shipping or who told whom.
type books struct {
	ledger  *ledger
	streams map[id.Origin]*stream
	vectors map[*fleet]id.VersionVector // of what each group's log holds
	// claims are batches that were seen elsewhere before their group was seen to agree on them.
	claims map[id.Position][]byte
	// deletes are where entities were deleted and users erased, as far as groups were seen to agree on it.
	deletes []id.Position
	// compensations by what they compensate.
	compensations map[id.Position]*workload.Event
	// overwritten are compensations that nobody had any more when the event was compensated again.
	overwritten []*workload.Event
	// restamped are events that were lost with a disk and whose positions went to others.
	restamped uint64
	schism    *schism // nil as long as no region was left alone
}

// stream is what an origin has stamped.
type stream struct {
	origin  id.Origin
	last    mark
	batches []stamped
	// lost says that a disk with a part of it was lost: what nobody else has is gone.
	lost bool
}

// stamped is one batch.
type stamped struct {
	first, last id.Seq
	data        []byte
	events      []*workload.Event
}

// twin is one place at which a request counts.
type twin struct {
	by      *attempt
	at      id.Position
	records []*workload.Event
}

func newBooks(l *ledger) books {
	return books{
		ledger: l, streams: map[id.Origin]*stream{}, vectors: map[*fleet]id.VersionVector{}, claims: map[id.Position][]byte{},
		compensations: map[id.Position]*workload.Event{},
	}
}

// held is what a group's log holds.
func (b *books) held(f *fleet) id.VersionVector { return b.vectors[f] }

// takenBack notes that a region's disk holds less than it did.
func (b *books) takenBack(f *fleet, v id.VersionVector) {
	b.vectors[f] = v
	for origin, s := range b.streams {
		if origin.Region == f.province.number {
			s.lost = true
		}
	}
}

// enter takes in an entry that a group has agreed on.
func (b *books) enter(f *fleet, data []byte) error {
	if engine.IsRange(data) {
		return b.enterRange(f, data)
	}
	x, err := record.Open(data)
	if err != nil {
		return err
	}
	origin, first, last := x.Origin(), x.Header.First, x.Header.Last
	have := b.vectors[f].Get(origin)
	if origin == f.origin || b.unseen(f, origin, first) {
		if first != have+1 {
			return fmt.Errorf("own batch begins at %v, behind %d", origin.At(first), have)
		}
		if s := b.schism; s != nil && s.of == f && s.origin == origin && first >= s.from {
			b.vectors[f] = b.vectors[f].With(origin, last)
			if err := s.stamp(first, last, data); err != nil {
				return err
			}
			f.province.globe.schismed()
			return nil
		}
		if err := b.stamp(origin, &x, data); err != nil {
			return err
		}
		b.vectors[f] = b.vectors[f].With(origin, last)
		return nil
	}
	err = b.verbatim(origin, first, last, data)
	if s := b.schism; s != nil && s.origin == origin && first >= s.from {
		err = s.take(f, &x, data, first == have+1, err)
	}
	if err != nil {
		return err
	}
	if first == have+1 {
		f.report.Regions.Foreign++
		b.vectors[f] = b.vectors[f].With(origin, last)
	}
	return nil // everything else is without effect
}

// unseen reports whether a batch is of an earlier incarnation of a group, and was in its log when that ended, though nobody had seen it
// applied: a disk was slow, and the batch durable when that was taken back.
func (b *books) unseen(f *fleet, origin id.Origin, first id.Seq) bool {
	s := b.streams[origin]
	_, claimed := b.claims[origin.At(first)]
	return origin.Region == f.origin.Region && s != nil && first > s.last.seq && !claimed
}

// enterRange takes in a range. What is in it is compared by the digests.
func (b *books) enterRange(f *fleet, data []byte) error {
	c, err := engine.DecodeEntry(data)
	if err != nil {
		return err
	}
	origin, first, last := c.Range.Origin, c.Range.First, c.Range.Last
	if s := b.streams[origin]; s == nil || s.last.seq < last {
		return fmt.Errorf("a range of %v ends at %d, beyond what was stamped", origin, last)
	}
	f.report.Regions.Ranges++
	// It takes the place of batches that wait for a schema version, which are held here as well.
	if have := b.vectors[f].Get(origin); first <= have+1 && last > have {
		b.vectors[f] = b.vectors[f].With(origin, last)
	}
	return nil
}

// verbatim compares a batch with what its origin stamped.
func (b *books) verbatim(origin id.Origin, first, last id.Seq, data []byte) error {
	s := b.streams[origin]
	if s == nil || first > s.last.seq {
		// Its group has applied it, and nobody looked yet.
		at := origin.At(first)
		if claim, ok := b.claims[at]; ok && !bytes.Equal(claim, data) {
			return fmt.Errorf("%v has two contents in two regions", at)
		}
		b.claims[at] = data
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.batches, first, func(x stamped, first id.Seq) int { return cmp.Compare(x.first, first) })
	if !ok || s.batches[i].last != last || !bytes.Equal(s.batches[i].data, data) {
		return fmt.Errorf("batch at %v isn't the one that was stamped there", origin.At(first))
	}
	return nil
}

// stamp takes in a batch that an origin's own group has agreed on.
func (b *books) stamp(origin id.Origin, x *record.Batch, data []byte) error {
	s := b.streams[origin]
	if s == nil {
		s = &stream{origin: origin}
		b.streams[origin] = s
	}
	if x.Header.First <= s.last.seq { // after its past was replaced
		err := b.verbatim(origin, x.Header.First, x.Header.Last, data)
		if err == nil || !s.lost || b.elsewhere(origin, x.Header.First) {
			return err
		}
		b.gone(s, x.Header.First)
	}
	if x.Header.First != s.last.seq+1 {
		return fmt.Errorf("batch begins at %v, behind %d", origin.At(x.Header.First), s.last.seq)
	}
	at := origin.At(x.Header.First)
	if claim, ok := b.claims[at]; ok {
		if !bytes.Equal(claim, data) {
			return fmt.Errorf("%v is another batch in another region", at)
		}
		delete(b.claims, at)
	}
	version := b.ledger.schemas[x.Ext.Schema]
	batch := stamped{first: x.Header.First, last: x.Header.Last, data: data}
	for rec, err := range x.Records() {
		if err != nil {
			return err
		}
		if rec.Seq != s.last.seq+1 || rec.Meta.HLC <= s.last.hlc {
			return fmt.Errorf("record %d stamped %v follows %d stamped %v", rec.Seq, rec.Meta.HLC, s.last.seq, s.last.hlc)
		}
		s.last = mark{rec.Seq, rec.Meta.HLC}
		e := &workload.Event{Position: origin.At(rec.Seq), Schema: version, Meta: rec.Meta}
		if err := e.Body.DecodeBody(rec.Kind, rec.Body); err != nil {
			return err
		}
		if err := b.attribute(e); err != nil {
			return fmt.Errorf("record at %v: %w", e.Position, err)
		}
		batch.events = append(batch.events, e)
		if deletes(e) {
			b.deletes = append(b.deletes, e.Position)
		}
	}
	s.batches = append(s.batches, batch)
	return nil
}

// attribute finds the request that a record belongs to, unless a leader wrote it by itself.
func (b *books) attribute(e *workload.Event) error {
	l := b.ledger
	if takesBack(e.Body.Kind) {
		at := e.Body.Compensation.Original
		if before := b.compensations[at]; before != nil {
			if b.kept(before.Position) {
				return fmt.Errorf("%v is taken back twice", at)
			}
			b.overwritten = append(b.overwritten, before) // it was lost with a disk, before anybody had it
		}
		if at.Region != e.Position.Region || at.Incarnation > e.Position.Incarnation {
			return fmt.Errorf("%v is taken back by another region", at)
		}
		b.compensations[at] = e
	}
	if e.Meta.Trace == [16]byte{} && (takesBack(e.Body.Kind) || e.Body.Kind == record.KindUndo && e.Body.Undo.Void) {
		return nil // a leader does so
	}
	number := binary.BigEndian.Uint64(e.Meta.Trace[:8])
	try := binary.BigEndian.Uint64(e.Meta.Trace[8:])
	if number-1 >= uint64(len(l.ops)) || try-1 >= uint64(len(l.attempts)) || l.attempts[try-1].op != l.ops[number-1] {
		return errors.New("nobody asked for it")
	}
	o, a := l.ops[number-1], l.attempts[try-1]
	if a.end == refused {
		return fmt.Errorf("%v was refused, and is there", o)
	}
	t := o.twinOf(e.Position.Origin())
	switch {
	case t == nil:
		t = &twin{by: a, at: e.Position}
		o.twins = append(o.twins, t)
	case t.by != a || len(t.records) == len(o.request):
		return fmt.Errorf("%v counts twice in one region, at %v and %v", o, t.at, e.Position)
	}
	t.records = append(t.records, e)
	if e.Body.Kind == record.KindSchemaVersion {
		s, err := schema.Decode(e.Body.Schema.Encoded)
		if err != nil {
			return err
		}
		l.schemas[s.Hash()] = s
	}
	return nil
}

// takesBack reports whether records of a kind subtract what an event added.
func takesBack(k record.Kind) bool { return k == record.KindCompensate || k == record.KindDuplicate }

// twinOf is where a request counts in an origin, nil if it doesn't.
func (o *op) twinOf(origin id.Origin) *twin {
	for _, t := range o.twins {
		if t.at.Origin() == origin {
			return t
		}
	}
	return nil
}

// counts reports whether a request counts at a position.
func (o *op) counts(at id.Position) bool {
	t := o.twinOf(at.Origin())
	return t != nil && t.at == at
}
