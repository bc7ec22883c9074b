package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/zeebo/blake3"
)

// docs/format/range.md describes the bytes of this file.

const (
	compactedMagic   = "TDRG"
	compactedVersion = 1
	compactedHash    = 32
	// requestMin is what a request takes at least.
	requestMin = 1 + 1 + 2 + 1 + 8 + 1
)

// The bits of a request.
const (
	requestLane = 1 << iota
	requestKey
	requestAllSignals
	requestSomeSignals
)

// AppendBinary appends the canonical encoding.
func (c *Compacted) AppendBinary(dst []byte) []byte {
	start := len(dst)
	dst = c.appendHead(dst)
	dst = c.Range.AppendBinary(dst)
	hash := blake3.Sum256(dst[start:])
	return append(dst, hash[:]...)
}

// appendHead appends all that stands before the range.
func (c *Compacted) appendHead(dst []byte) []byte {
	dst = append(dst, compactedMagic...)
	n := &c.Counters
	for _, v := range []uint64{
		compactedVersion, uint64(c.Level), uint64(c.Highest), uint64(c.HighestRegister),
		n.Batches, n.Records, n.Signals, n.Clamped,
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	if n.HasNewest {
		dst = binary.AppendVarint(append(dst, 1), n.Newest)
	} else {
		dst = append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Requests)))
	before := id.Seq(0)
	for i := range c.Requests {
		r := &c.Requests[i]
		dst = r.append(dst, before)
		before = r.First
	}
	return dst
}

func (r *Request) append(dst []byte, before id.Seq) []byte {
	dst = binary.AppendUvarint(dst, uint64(r.First-before))
	flags := byte(0)
	if r.Producer != "" {
		flags |= requestLane
	}
	if r.Key != "" {
		flags |= requestKey
	}
	switch {
	case r.Signals.All:
		flags |= requestAllSignals
	case len(r.Signals.Some) > 0:
		flags |= requestSomeSignals
	}
	dst = append(dst, flags)
	if r.Producer != "" {
		dst = append(binary.AppendUvarint(dst, uint64(len(r.Producer))), r.Producer...)
		dst = binary.AppendUvarint(dst, r.Number)
	}
	if r.Key != "" {
		dst = append(binary.AppendUvarint(dst, uint64(len(r.Key))), r.Key...)
	}
	dst = binary.AppendUvarint(dst, uint64(r.Count))
	dst = binary.LittleEndian.AppendUint64(dst, r.Content)
	dst = binary.AppendUvarint(dst, uint64(r.HLC))
	if flags&requestSomeSignals != 0 {
		dst = append(binary.AppendUvarint(dst, uint64(len(r.Signals.Some))), r.Signals.Some...)
	}
	return dst
}

// DecodeCompacted reads what AppendBinary wrote, all of b; values alias b. What a newer program wrote, or what one of a
// newer format level had a part in, is [fault.ErrFormatTooNew]; all else that isn't canonical is a *fault.Corrupt.
func DecodeCompacted(b []byte) (*Compacted, error) {
	c := &Compacted{}
	if len(b) < len(compactedMagic)+compactedHash || string(b[:len(compactedMagic)]) != compactedMagic {
		return nil, fault.Damaged("", 0, "%d bytes are no compacted range", len(b))
	}
	body := b[:len(b)-compactedHash]
	if hash := blake3.Sum256(body); !bytes.Equal(hash[:], b[len(body):]) {
		return nil, fault.Damaged("", int64(len(body)), "compacted range has another hash than it says")
	}
	r := localReader{b: body[len(compactedMagic):]}
	switch version, level := r.uvarint(), r.uvarint(); {
	case r.err != nil:
		return nil, r.err
	case version > compactedVersion:
		return nil, fmt.Errorf("compacted range of version %d: %w", version, fault.ErrFormatTooNew)
	case level > record.Level:
		return nil, tooNew(level)
	default:
		c.Level = uint32(level)
	}
	c.decodeHead(&r)
	if r.err != nil {
		return nil, r.err
	}
	head := body[:len(body)-len(r.b)]
	if !bytes.Equal(c.appendHead(nil), head) {
		return nil, fault.Damaged("", 0, "head of compacted range isn't canonical")
	}
	var err error
	if c.Range, err = algebra.DecodeRange(r.b); err != nil {
		return nil, fmt.Errorf("compacted range, behind its head of %d bytes: %w", len(head), err)
	}
	if err := c.checkRequests(); err != nil {
		return nil, err
	}
	return c, c.check()
}

// decodeHead reads what stands between the level and the range. That it is canonical is for its caller to find.
func (c *Compacted) decodeHead(r *localReader) {
	c.Highest, c.HighestRegister = r.stamp(), r.stamp()
	n := &c.Counters
	n.Batches, n.Records, n.Signals, n.Clamped = r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint()
	if n.HasNewest = r.byte() == 1; n.HasNewest {
		v, size := binary.Varint(r.b)
		n.Newest = v
		r.skip(size)
	}
	count := r.uvarint()
	if count > uint64(len(r.b))/requestMin {
		r.fail("more requests than bytes")
		return
	}
	c.Requests = make([]Request, 0, count)
	before := id.Seq(0)
	for range count {
		q := Request{First: before + id.Seq(r.uvarint())}
		flags := r.byte()
		if flags&requestLane != 0 {
			q.Producer, q.Number = r.text(record.MaxProducer), r.uvarint()
		}
		if flags&requestKey != 0 {
			q.Key = r.text(record.MaxKey)
		}
		q.Count = uint32(r.uvarint())
		q.Content = r.u64()
		q.HLC = hlc.Timestamp(r.uvarint())
		q.Signals.All = flags&requestAllSignals != 0
		if flags&requestSomeSignals != 0 {
			q.Signals.Some = []byte(r.text(record.MaxRecords / 8))
		}
		if r.err != nil {
			return
		}
		before = q.First
		c.Requests = append(c.Requests, q)
	}
	if count == 0 {
		c.Requests = nil
	}
}

// checkRequests holds requests against what records can say, and against the range.
func (c *Compacted) checkRequests() error {
	before := id.Seq(0)
	for i := range c.Requests {
		r := &c.Requests[i]
		switch {
		case r.First <= before || r.First < c.Range.First || r.last() < r.First || r.last() > c.Range.Last:
			return fault.Damaged("", 0, "request of %d records at %d in a range from %d to %d, behind one at %d",
				r.Count, r.First, c.Range.First, c.Range.Last, before)
		case r.Producer == "" && r.Key == "", r.Producer != "" && r.Number == 0:
			return fault.Damaged("", 0, "request at %d without a number, or without lane and key", r.First)
		case !r.Signals.fits(r.Count):
			return fault.Damaged("", 0, "request at %d of %d records has other signals", r.First, r.Count)
		case r.Count == 0 || r.Count > record.MaxRecords || r.HLC == 0:
			return fault.Damaged("", 0, "request at %d has %d records, stamped %v", r.First, r.Count, r.HLC)
		}
		before = r.First
	}
	return nil
}

func (r *localReader) u64() uint64 {
	b := r.b
	r.skip(8)
	if r.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (r *localReader) text(limit uint64) string {
	n := r.uvarint()
	if n > limit || n > uint64(len(r.b)) {
		r.fail("a text is too long or cut short")
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// The keys of a range are those of a store without their first byte, so they sort as the records of a store do: by
// owner kind and owner; of an owner the generation, the entity, the records of the highest generation, by kind and
// sub-key, those of lower ones.
const (
	sectionGeneration = 0
	sectionEntity     = 1
	sectionRecords    = 2
)

func sectionOf(kind algebra.Kind) byte {
	switch kind {
	case algebra.KindGeneration:
		return sectionGeneration
	case algebra.KindEntity:
		return sectionEntity
	}
	return sectionRecords
}

// entryOf copies a record of [Fold.Effects]. A generation's record has its value only here.
func entryOf(r Record) algebra.RangeEntry {
	x := algebra.RangeEntry{Key: string(rangeKey(nil, &r)), Kind: r.Kind, Value: bytes.Clone(r.Value)}
	if r.Kind == algebra.KindGeneration {
		x.Value = binary.AppendUvarint(nil, uint64(r.Gen))
	}
	return x
}

func rangeKey(dst []byte, r *Record) []byte {
	dst = append(dst, byte(r.OwnerKind))
	for i := range len(r.Owner) {
		dst = append(dst, r.Owner[i])
		if r.Owner[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	section := sectionOf(r.Kind)
	dst = append(dst, 0, 1, section)
	if section != sectionRecords {
		return append(dst, byte(r.Kind))
	}
	dst = binary.BigEndian.AppendUint64(dst, ^uint64(r.Gen))
	return append(append(dst, byte(r.Kind)), r.Sub...)
}

// recordOf takes the key of an entry apart, and accepts none that rangeKey wouldn't write.
func recordOf(x *algebra.RangeEntry) (Record, error) {
	r := Record{Kind: x.Kind, Value: x.Value}
	if x.Key == "" {
		return r, fault.Damaged("", 0, "entry without a key")
	}
	end := 1 + strings.Index(x.Key[1:], "\x00\x01") // the owner kind may be a zero, and the owner begin with a one
	if end < 1 || len(x.Key) < end+4 {
		return r, fault.Damaged("", 0, "key %x has no owner, or is cut short", x.Key)
	}
	r.OwnerKind = id.Kind(x.Key[0])
	r.Owner = strings.ReplaceAll(x.Key[1:end], "\x00\xff", "\x00")
	if rest := x.Key[end+2:]; rest[0] == sectionRecords && len(rest) >= 10 {
		r.Gen, r.Sub = hlc.Timestamp(^binary.BigEndian.Uint64([]byte(rest[1:9]))), rest[10:]
	}
	switch {
	case r.OwnerKind > id.Kinds || r.Owner == "" || len(r.Owner) > id.MaxLen || len(r.Sub) > 1<<16-1:
		return r, fault.Damaged("", 0, "owner of kind %d with %d bytes, sub-key of %d bytes", r.OwnerKind, len(r.Owner),
			len(r.Sub))
	case len(x.Value) == 0:
		return r, fault.Damaged("", 0, "key %x without a value", x.Key)
	}
	var room [128]byte
	if string(rangeKey(room[:0], &r)) != x.Key {
		return r, fault.Damaged("", 0, "key %x isn't canonical, or is of another kind than %v", x.Key, x.Kind)
	}
	return r, nil
}
