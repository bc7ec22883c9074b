package record

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/blake3"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// HeaderSize is the size of a batch header in bytes, in every version.
const HeaderSize = 64

// Version is the header version that is written. Version 1, which knew no shard and no region, is read.
const Version = 2

// magic is "TIDA" as a number; written little endian, a file shows it as "ADIT".
const magic = 0x54494441

const versionOne = 1

// Header is the first 64 bytes of a batch.
//
// A later version may change what bytes 8–55 mean, but it keeps the magic, the version, the sizes, the checksum and
// its rule in their places, so that a program can tell "newer than I" from "damaged".
type Header struct {
	// Version is 1 or 2. Version 1 has zeros where version 2 has shard and region, and a checksum without them.
	Version uint32
	// First and Last are the range of sequence numbers that the batch covers, both included; First is at least 1.
	First, Last id.Seq
	// Count is the number of records: Last − First + 1, or fewer in a projection.
	Count uint64
	// Uncompressed and Compressed are the size of the payload in bytes. They are equal: batches are framed raw, and
	// compressed, if at all, in outer frames.
	Uncompressed, Compressed uint64
	// Timestamp is the leader's wall clock when it began the batch, in Unix nanoseconds.
	Timestamp uint64
	// Checksum is the first 4 bytes of BLAKE3 over bytes 0–55, 60–63 and the payload, little endian.
	Checksum uint32
	Shard    id.Shard
	Region   id.Region
}

// Size is the size of the whole batch in bytes.
func (h *Header) Size() int { return HeaderSize + int(h.Compressed) }

// EncodeHeader appends the header of a batch with this payload to dst. It fills in both sizes and the checksum, in h
// and in the bytes. It refuses a header that [DecodeHeader] would not take.
func EncodeHeader(dst []byte, h *Header, payload []byte) ([]byte, error) {
	return encodeHeader(dst, h, payload, blake3.New())
}

func encodeHeader(dst []byte, h *Header, payload []byte, hasher *blake3.Hasher) ([]byte, error) {
	h.Uncompressed, h.Compressed = uint64(len(payload)), uint64(len(payload))
	if err := h.check(); err != nil {
		return dst, err
	}
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = binary.LittleEndian.AppendUint32(dst, h.Version)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.First))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Last))
	dst = binary.LittleEndian.AppendUint64(dst, h.Count)
	dst = binary.LittleEndian.AppendUint64(dst, h.Uncompressed)
	dst = binary.LittleEndian.AppendUint64(dst, h.Compressed)
	dst = binary.LittleEndian.AppendUint64(dst, h.Timestamp)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(h.Shard))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(h.Region))
	h.Checksum = checksum(dst[start:], payload, hasher)
	binary.LittleEndian.PutUint32(dst[start+56:], h.Checksum)
	return dst, nil
}

// DecodeHeader reads the header at the beginning of b, which may be longer. It checks all but the checksum, for which
// the payload is needed; see [Open]. A version that this program doesn't know is [fault.ErrFormatTooNew].
func DecodeHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fault.Damaged("", int64(len(b)), "batch header is cut short")
	}
	if m := binary.LittleEndian.Uint32(b); m != magic {
		return Header{}, fault.Damaged("", 0, "batch begins with %#08x, not with %#08x", m, uint32(magic))
	}
	h := Header{
		Version:      binary.LittleEndian.Uint32(b[4:]),
		First:        id.Seq(binary.LittleEndian.Uint64(b[8:])),
		Last:         id.Seq(binary.LittleEndian.Uint64(b[16:])),
		Count:        binary.LittleEndian.Uint64(b[24:]),
		Uncompressed: binary.LittleEndian.Uint64(b[32:]),
		Compressed:   binary.LittleEndian.Uint64(b[40:]),
		Timestamp:    binary.LittleEndian.Uint64(b[48:]),
		Checksum:     binary.LittleEndian.Uint32(b[56:]),
		Shard:        id.Shard(binary.LittleEndian.Uint16(b[60:])),
		Region:       id.Region(binary.LittleEndian.Uint16(b[62:])),
	}
	if h.Version > Version {
		return h, fmt.Errorf("read batch header of version %d: %w", h.Version, fault.ErrFormatTooNew)
	}
	if err := h.check(); err != nil {
		return Header{}, asDamage(err, 0)
	}
	return h, nil
}

// check refuses a header that doesn't hold together.
func (h *Header) check() error {
	switch {
	case h.Version != Version && h.Version != versionOne:
		return fault.Refuse("version", "is %d; 1 and 2 are known", h.Version)
	case h.Version == versionOne && (h.Shard != 0 || h.Region != 0):
		return fault.Refuse("version", "is 1, but shard and region are %d and %d, not 0", h.Shard, h.Region)
	case h.First == 0:
		return fault.Refuse("first_seq", "is 0; sequence numbers begin at 1")
	case h.Last < h.First:
		return fault.Refuse("last_seq", "is %d, below first_seq %d", h.Last, h.First)
	case h.Count > uint64(h.Last-h.First)+1:
		return fault.Refuse("event_count", "is %d for sequence numbers %d to %d", h.Count, h.First, h.Last)
	case h.Count > MaxRecords:
		return fault.Refuse("event_count", "is %d; a batch holds at most %d records", h.Count, MaxRecords)
	case h.Compressed != h.Uncompressed:
		return fault.Refuse("compressed", "is %d and uncompressed %d; they are equal", h.Compressed, h.Uncompressed)
	case h.Compressed > MaxBatch-HeaderSize:
		return fault.Refuse("batch", "has %d bytes and a header; at most %d are allowed", h.Compressed, MaxBatch)
	}
	return nil
}

// checksum hashes a header, whose bytes 56–59 it ignores, and a payload. Bytes 60–63 are left out in version 1.
func checksum(header, payload []byte, hasher *blake3.Hasher) uint32 {
	var sum [32]byte
	_, _ = hasher.Write(header[:56]) // a hasher never fails
	if binary.LittleEndian.Uint32(header[4:]) != versionOne {
		_, _ = hasher.Write(header[60:HeaderSize])
	}
	_, _ = hasher.Write(payload)
	return binary.LittleEndian.Uint32(hasher.Sum(sum[:0]))
}
