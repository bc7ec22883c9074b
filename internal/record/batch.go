package record

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Batch is an opened batch. It holds the bytes it was opened from, and shares them with everything read from it.
type Batch struct {
	Header  Header
	Ext     Extension
	data    []byte
	records int // offset of the first record
}

// Record is one record of a batch. Body is decoded by the function for its kind; it's read-only.
type Record struct {
	Seq  id.Seq
	Kind Kind
	Meta Meta
	Body []byte
	at   int // offset of Body in the batch
}

// Open reads the header and the extension of a batch and checks its checksum. data is exactly one batch and must
// never change again. The records are looked at when they are read; see [Batch.Verify].
func Open(data []byte) (Batch, error) {
	h, err := DecodeHeader(data)
	if err != nil {
		if errors.Is(err, fault.ErrFormatTooNew) && !sound(data, &h) {
			return Batch{}, fault.Damaged("", 0, "batch header has version %d and a wrong checksum", h.Version)
		}
		return Batch{}, err
	}
	if len(data) != h.Size() {
		return Batch{}, wrongSize(data, &h)
	}
	if !sound(data, &h) {
		return Batch{}, fault.Damaged("", 56, "batch has a wrong checksum")
	}
	return opened(data, h)
}

// opened reads the extension of a batch of that header.
func opened(data []byte, h Header) (Batch, error) {
	c := cursor{b: data, off: HeaderSize}
	ext, err := decodeExtension(&c)
	if err != nil {
		return Batch{}, err
	}
	if !ext.Projection && h.Count != uint64(h.Last-h.First)+1 {
		return Batch{}, fault.Damaged("", 24, "batch has %d records for sequence numbers %d to %d, and is no projection",
			h.Count, h.First, h.Last)
	}
	return Batch{Header: h, Ext: ext, data: data, records: c.off}, nil
}

// sound reports whether the checksum holds.
func sound(data []byte, h *Header) bool {
	return checksum(data, data[HeaderSize:], blake3.New()) == h.Checksum
}

// Data returns the bytes of the batch. They are read-only.
func (b *Batch) Data() []byte { return b.data }

// Origin is the group that stamped the batch.
func (b *Batch) Origin() id.Origin {
	return id.Origin{Region: b.Header.Region, Shard: b.Header.Shard, Incarnation: b.Ext.Incarnation}
}

// Head returns what the batch was begun with, to build one like it.
func (b *Batch) Head() Head {
	head := Head{
		Origin:     b.Origin(),
		First:      b.Header.First,
		Timestamp:  b.Header.Timestamp,
		Base:       b.Ext.Base,
		Schema:     b.Ext.Schema,
		Epoch:      b.Ext.Epoch,
		Level:      b.Ext.Level,
		Projection: b.Ext.Projection,
	}
	if head.Projection {
		head.Last = b.Header.Last
	}
	return head
}

// Records yields the records in order, and ends with the first error. Damage is [fault.ErrCorrupt] with the offset in
// the batch. A stateful record of an unknown kind is yielded together with [fault.ErrFormatTooNew]; a stateless one
// without, for the caller to skip.
//
// Bodies are not looked into: what is wrong with one, its decoder says.
func (b *Batch) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var rec Record
		for err := range b.RecordsIn(&rec) {
			if !yield(rec, err) {
				return
			}
		}
	}
}

// RecordsIn is [Batch.Records] for who reads very many: each record is read into the same one, which is good until the next.
func (b *Batch) RecordsIn(rec *Record) iter.Seq[error] {
	return func(yield func(error) bool) {
		s := scanner{batch: b, c: cursor{b: b.data, off: b.records}, millis: int64(b.Header.Timestamp / nanosPerMilli)}
		for s.next(rec) {
			if !yield(s.err) || s.err != nil {
				return
			}
		}
		if s.err != nil {
			*rec = Record{}
			yield(s.err)
		}
	}
}

// Ordinary reports whether the batch has no record but of kinds that this program knows and that aren't among some others. It looks
// at the kinds alone, which is far less than reading the records; of a batch that can't be read it may say anything.
func (b *Batch) Ordinary(others ...Kind) bool {
	c := cursor{b: b.data, off: b.records}
	for range b.Header.Count {
		n := c.uvarint()
		if n == 0 || n > uint64(c.left()) {
			return false
		}
		kind := Kind(c.b[c.off])
		if !kind.Known() || slices.Contains(others, kind) {
			return false
		}
		c.off += int(n)
	}
	return true
}

// Verify reads the whole batch, bodies included, and returns the first error: after it, no decoder fails on a record
// of this batch. Unknown stateless records pass, an unknown stateful one is [fault.ErrFormatTooNew].
func (b *Batch) Verify() error {
	var into Proposed
	var rec Record
	for err := range b.RecordsIn(&rec) {
		if err != nil {
			return err
		}
		if err := into.DecodeBody(rec.Kind, rec.Body); err != nil {
			return fmt.Errorf("read %v record %d: %w", rec.Kind, rec.Seq, shift(err, rec.at))
		}
	}
	return nil
}

// scanner reads one record after the other.
type scanner struct {
	batch     *Batch
	c         cursor
	millis    int64
	read      uint64
	producers uint32 // how many of the table were used
	last      hlc.Timestamp
	lastSeq   id.Seq
	requests  requests
	err       error
}

// next reads a record into rec. It returns false at the end and on damage, which it leaves in err; an unknown stateful
// record is returned with err set.
func (s *scanner) next(rec *Record) bool {
	if s.read == s.batch.Header.Count {
		s.err = s.finish()
		return false
	}
	start := s.c.off
	n := s.c.uvarint()
	s.c.bytes(n, "record")
	if s.c.err != nil {
		s.err = s.c.err
		return false
	}
	// The record is read through a cursor that ends where the record ends.
	c := cursor{b: s.c.b[:s.c.off], off: s.c.off - int(n)}
	producer, ok := s.decode(&c, rec, start)
	if !ok {
		return false
	}
	if err := s.follow(rec, producer, start); err != nil {
		s.err = err
		return false
	}
	s.read++
	if !rec.Kind.Known() && !rec.Kind.Stateless() {
		s.err = fmt.Errorf("read record %d of kind %d: %w", rec.Seq, uint8(rec.Kind), fault.ErrFormatTooNew)
	}
	return true
}

// decode reads what stands in one record.
func (s *scanner) decode(c *cursor, rec *Record, start int) (producer uint32, ok bool) {
	h := &s.batch.Header
	rec.Kind = Kind(c.u8())
	rec.Seq = h.First + id.Seq(s.read)
	if s.batch.Ext.Projection {
		rec.Seq = h.First + id.Seq(c.atMost(uint64(h.Last-h.First), "offset"))
	}
	producer = rec.Meta.decode(c, &s.batch.Ext, s.millis)
	rec.at = c.off
	rec.Body = c.rest()
	if s.err = c.err; s.err != nil {
		return 0, false
	}
	if err := rec.Meta.check(); err != nil {
		s.err = asDamage(err, start)
		return 0, false
	}
	return producer, true
}

// follow checks a record against those before it.
func (s *scanner) follow(rec *Record, producer uint32, start int) error {
	m := &rec.Meta
	switch {
	case rec.Kind == 0 || rec.Kind == 0x80:
		return fault.Damaged("", int64(start), "record has kind %d", uint8(rec.Kind))
	case rec.Kind.Level() > s.batch.Ext.Level:
		return fault.Damaged("", int64(start), "%v record in a batch of format level %d", rec.Kind, s.batch.Ext.Level)
	case len(rec.Body) > MaxBody:
		return fault.Damaged("", int64(start), "record body has %d bytes", len(rec.Body))
	case m.HLC <= s.last:
		return fault.Damaged("", int64(start), "stamp %v isn't above %v", m.HLC, s.last)
	case s.batch.Ext.Projection && s.read > 0 && rec.Seq <= s.lastSeq:
		return fault.Damaged("", int64(start), "sequence number %d isn't above %d", rec.Seq, s.lastSeq)
	}
	if m.Lane.Producer != "" {
		if producer > s.producers {
			return fault.Damaged("", int64(start), "producer %d is used before %d", producer, s.producers)
		}
		s.producers = max(s.producers, producer+1)
	}
	if !s.batch.Ext.Projection {
		if err := s.requests.step(m, producer); err != nil {
			return asDamage(err, start)
		}
	}
	s.last, s.lastSeq = m.HLC, rec.Seq
	return nil
}

// finish checks that nothing is left over and nothing missing.
func (s *scanner) finish() error {
	if err := s.c.end(); err != nil {
		return err
	}
	if used, have := int(s.producers), len(s.batch.Ext.Producers); used != have {
		return fault.Damaged("", int64(s.c.off), "%d of %d producers are used", used, have)
	}
	return asDamage(s.requests.end(), s.c.off)
}

// shift returns damage with its offset moved by n.
func shift(err error, n int) error {
	var damage *fault.Corrupt
	if !errors.As(err, &damage) {
		return err
	}
	return fault.Damaged(damage.File, damage.Offset+int64(n), "%s", damage.Reason)
}
