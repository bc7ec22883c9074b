package record

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/blake3"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/schema"
)

// Head is what a leader knows when it begins a batch.
type Head struct {
	// Origin and First are the position of the first record; First is at least 1.
	Origin id.Origin
	First  id.Seq
	// Last is the end of the covered range, for a projection alone; elsewhere the number of records tells it.
	Last id.Seq
	// Timestamp is the wall clock in Unix nanoseconds; event times count from it.
	Timestamp uint64
	// Base is at most the stamp of the first record; best is equal.
	Base hlc.Timestamp
	// Schema is the version that the records are stamped under.
	Schema schema.Hash
	// Epoch is the shard-map epoch.
	Epoch uint64
	// Level is the format level agreed on; at least 1. Kinds of a later level are refused.
	Level uint32
	// Projection makes the batch a projection: records keep their sequence numbers, and there may be none.
	Projection bool
}

// Builder builds one batch at a time: [Builder.Reset], the Add methods, [Builder.Finish]. Once its buffers have grown
// it takes no memory. A refused record leaves the builder as it was.
type Builder struct {
	head     Head
	millis   int64 // of the timestamp
	records  []byte
	count    int
	last     hlc.Timestamp
	lastSeq  id.Seq
	requests requests

	producers     []string
	index         map[string]uint32
	producerBytes int

	hasher *blake3.Hasher
}

// NewBuilder returns a builder; call Reset next.
func NewBuilder() *Builder { return &Builder{index: make(map[string]uint32), hasher: blake3.New()} }

// Reset begins a batch and forgets the one before, finished or not.
func (b *Builder) Reset(head Head) error {
	switch {
	case head.First == 0:
		return fault.Refuse("first_seq", "is 0; sequence numbers begin at 1")
	case head.Level == 0:
		return fault.Refuse("level", "is 0; format levels begin at 1")
	case head.Projection && head.Last < head.First:
		return fault.Refuse("last_seq", "is %d, below first_seq %d", head.Last, head.First)
	case !head.Projection && head.Last != 0:
		return fault.Refuse("last_seq", "is given, but only a projection has one before it is finished")
	}
	b.head = head
	b.millis = int64(head.Timestamp / nanosPerMilli)
	b.records = b.records[:0]
	b.count = 0
	b.last = 0
	b.lastSeq = 0
	b.requests = requests{}
	clear(b.producers)
	b.producers = b.producers[:0]
	clear(b.index)
	b.producerBytes = 0
	return nil
}

const nanosPerMilli = 1_000_000

// Len is the number of records so far.
func (b *Builder) Len() int { return b.count }

// Next is the sequence number that the next record gets.
func (b *Builder) Next() id.Seq { return b.head.First + id.Seq(b.count) }

// Size is the size in bytes that the batch has if it's finished now. It never exceeds [MaxBatch].
func (b *Builder) Size() int {
	ext := Extension{Level: b.head.Level, Producers: b.producers}
	n := ext.size(b.producerBytes)
	return HeaderSize + uvarintLen(uint64(n)) + n + len(b.records)
}

// AddSignal adds a signal.
func (b *Builder) AddSignal(m *Meta, s *Signal) error {
	if err := s.Check(); err != nil {
		return err
	}
	at, err := b.begin(KindSignal, m, 0)
	if err != nil {
		return err
	}
	b.records = s.append(b.records)
	return b.end(at)
}

// AddProposed adds a proposal of any kind, its facts filled in by now, under the meta that the leader made for it.
func (b *Builder) AddProposed(m *Meta, p *Proposed) error {
	if err := p.checkBody(); err != nil {
		return err
	}
	at, err := b.begin(p.Kind, m, 0)
	if err != nil {
		return err
	}
	b.records = p.appendBody(b.records)
	return b.end(at)
}

// AddRecord adds a record of an opened batch as it is: for a projection, which keeps the record's sequence number, or
// for re-stamping, which doesn't. The record's stamp and meta are taken from rec; its body isn't looked into.
func (b *Builder) AddRecord(rec *Record) error {
	at, err := b.begin(rec.Kind, &rec.Meta, rec.Seq)
	if err != nil {
		return err
	}
	b.records = append(b.records, rec.Body...)
	return b.end(at)
}

// mark is the state of a builder before a record, so that the record can be taken back.
type mark struct {
	records, body int // where the record and its body begin
	producers     int
	requests      requests
	last          hlc.Timestamp
	lastSeq       id.Seq
}

// begin checks what can be checked before the body and writes all in front of it.
func (b *Builder) begin(kind Kind, m *Meta, seq id.Seq) (mark, error) {
	at := mark{
		records: len(b.records), producers: len(b.producers), requests: b.requests, last: b.last, lastSeq: b.lastSeq,
	}
	if err := b.admit(kind, m, seq); err != nil {
		return mark{}, err
	}
	producer := b.producer(m.Lane.Producer)
	if !b.head.Projection {
		if err := b.requests.step(m, producer); err != nil {
			b.undo(at)
			return mark{}, err
		}
	}
	// One byte is kept for the length; end makes room when it takes more.
	b.records = append(b.records, 0, byte(kind))
	if b.head.Projection {
		b.records = binary.AppendUvarint(b.records, uint64(seq-b.head.First))
		b.lastSeq = seq
	}
	b.records = m.append(b.records, producer, b.millis, b.head.Base)
	b.last = m.HLC
	at.body = len(b.records)
	return at, nil
}

// admit refuses a record that doesn't belong here.
func (b *Builder) admit(kind Kind, m *Meta, seq id.Seq) error {
	switch {
	case b.head.Level == 0:
		panic("record: Builder used before Reset")
	case !kind.Known() && !kind.Stateless():
		return fault.Refuse("kind", "%d is unknown", uint8(kind))
	case kind.Level() > b.head.Level:
		return fault.Refuse("kind", "%v needs format level %d, agreed is %d", kind, kind.Level(), b.head.Level)
	case b.count >= MaxRecords:
		return fault.Refuse("batch", "is full: it holds %d records", b.count)
	case m.HLC < b.head.Base:
		return fault.Refuse("hlc", "is %v, below the batch's base %v", m.HLC, b.head.Base)
	case m.HLC <= b.last:
		return fault.Refuse("hlc", "is %v, not above the record before, %v", m.HLC, b.last)
	case !b.head.Projection && b.Next() < b.head.First:
		return fault.Refuse("batch", "is full: sequence numbers are used up")
	}
	if b.head.Projection {
		if seq < b.head.First || seq > b.head.Last || b.count > 0 && seq <= b.lastSeq {
			return fault.Refuse("seq", "%d doesn't rise within %d to %d", seq, b.head.First, b.head.Last)
		}
	}
	return m.check()
}

// producer returns the index of a producer and enters it if it's new.
func (b *Builder) producer(name string) uint32 {
	if name == "" {
		return 0
	}
	if i, ok := b.index[name]; ok {
		return i
	}
	i := uint32(len(b.producers))
	b.producers = append(b.producers, name)
	b.index[name] = i
	b.producerBytes += uvarintLen(uint64(len(name))) + len(name)
	return i
}

// end puts the length in front and takes the record back if it doesn't fit.
func (b *Builder) end(at mark) error {
	if n := len(b.records) - at.body; n > MaxBody {
		b.undo(at)
		return fault.Refuse("body", "has %d bytes; at most %d are allowed", n, MaxBody)
	}
	n := uint64(len(b.records) - at.records - 1)
	if more := uvarintLen(n) - 1; more > 0 {
		var room [binary.MaxVarintLen64]byte
		b.records = append(b.records, room[:more]...)
		copy(b.records[at.records+1+more:], b.records[at.records+1:])
	}
	binary.PutUvarint(b.records[at.records:], n)
	b.count++
	if size := b.Size(); size > MaxBatch {
		b.count--
		b.undo(at)
		return fault.Refuse("batch", "is full: it would have %d bytes; at most %d are allowed", size, MaxBatch)
	}
	return nil
}

func (b *Builder) undo(at mark) {
	b.records = b.records[:at.records]
	b.requests, b.last, b.lastSeq = at.requests, at.last, at.lastSeq
	for _, name := range b.producers[at.producers:] {
		delete(b.index, name)
		b.producerBytes -= uvarintLen(uint64(len(name))) + len(name)
	}
	b.producers = b.producers[:at.producers]
}

// Finish appends the batch to dst and returns it. From then on nobody may write to those bytes. A batch without
// records is refused, unless it's a projection, and so is one whose last request isn't whole.
func (b *Builder) Finish(dst []byte) ([]byte, error) {
	if b.count == 0 && !b.head.Projection {
		return dst, fault.Refuse("batch", "is empty")
	}
	if err := b.requests.end(); err != nil {
		return dst, err
	}
	h := Header{
		Version:   Version,
		First:     b.head.First,
		Last:      b.head.First + id.Seq(b.count) - 1,
		Count:     uint64(b.count),
		Timestamp: b.head.Timestamp,
		Shard:     b.head.Origin.Shard,
		Region:    b.head.Origin.Region,
	}
	if b.head.Projection {
		h.Last = b.head.Last
	}
	ext := Extension{
		Projection:  b.head.Projection,
		Incarnation: b.head.Origin.Incarnation,
		Schema:      b.head.Schema,
		Base:        b.head.Base,
		Epoch:       b.head.Epoch,
		Level:       b.head.Level,
		Producers:   b.producers,
	}
	start := len(dst)
	var room [HeaderSize]byte
	dst = append(dst, room[:]...)
	dst = ext.append(dst, b.producerBytes)
	dst = append(dst, b.records...)
	b.hasher.Reset()
	if _, err := encodeHeader(dst[start:start], &h, dst[start+HeaderSize:], b.hasher); err != nil {
		return dst[:start], fmt.Errorf("finish batch: %w", err)
	}
	return dst, nil
}
