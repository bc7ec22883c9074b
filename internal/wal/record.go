package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
)

// Kind says what a record of the log is. Its numbers are part of the format.
type Kind uint8

// The kinds of records. Callers append entries of the kinds batch, empty and configuration; the log writes the others.
const (
	// KindSegment is the first record of each file: whose log it is and what came before.
	KindSegment Kind = 1
	// KindBatch is an entry with a payload of the caller.
	KindBatch Kind = 2
	// KindEmpty is an entry without payload, such as the first of a Raft term.
	KindEmpty Kind = 3
	// KindConfiguration is an entry that changes the members of the group.
	KindConfiguration Kind = 4
	// KindHardState is Raft's term, vote and commit; the last one counts.
	KindHardState Kind = 5
	// KindMark is a sync mark: the file was durable up to its offset when it was written.
	KindMark Kind = 6
	// KindTruncation voids the entries at its index and above.
	KindTruncation Kind = 7
)

func (k Kind) String() string {
	switch k {
	case KindSegment:
		return "segment"
	case KindBatch:
		return "batch"
	case KindEmpty:
		return "empty"
	case KindConfiguration:
		return "configuration"
	case KindHardState:
		return "hard-state"
	case KindMark:
		return "mark"
	case KindTruncation:
		return "truncation"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// entry reports whether records of the kind are Raft entries.
func (k Kind) entry() bool { return k >= KindBatch && k <= KindConfiguration }

const (
	headerLen   = 32     // of every record
	recordMagic = 0x4c54 // "TL" in the file
	align       = 8      // records begin at multiples of it

	// maxFirst bounds the first index of a file, so that index arithmetic can't overflow.
	maxFirst = 1 << 62

	// flagRestart on a segment record: the log begins anew here; what earlier files hold is void.
	flagRestart = 1

	markLen      = 16 // payload of a mark: durable offset, own offset
	hardStateLen = 8  // payload of a hard state: vote; term and commit are in the header
)

// MaxEntryBytes is the longest payload of an entry: 8 MiB. A batch has at most 1 MiB; a compacted range may have more.
const MaxEntryBytes = 8 << 20

// record is one decoded record. Its data aliases the bytes it was decoded from.
type record struct {
	kind     Kind
	flags    uint8
	sequence uint32 // creation number of the file it belongs to
	term     uint64
	index    uint64
	data     []byte
}

// size is the room that a record with n bytes of payload takes in a file.
func size(n int) int64 { return headerLen + (int64(n)+align-1)&^(align-1) }

// appendRecord appends the one encoding of r to dst, whose length is a multiple of 8.
func appendRecord(dst []byte, r record) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, headerLen)...)
	h := dst[at:]
	binary.LittleEndian.PutUint32(h[4:], uint32(len(r.data)))
	h[8], h[9] = byte(r.kind), r.flags
	binary.LittleEndian.PutUint16(h[10:], recordMagic)
	binary.LittleEndian.PutUint32(h[12:], r.sequence)
	binary.LittleEndian.PutUint64(h[16:], r.term)
	binary.LittleEndian.PutUint64(h[24:], r.index)
	dst = append(dst, r.data...)
	binary.LittleEndian.PutUint32(dst[at:], checksum(dst[at:]))
	for len(dst)%align != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// castagnoli is a constant table; the hardware does the work.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers a record from its length to the end of its payload.
func checksum(b []byte) uint32 { return crc32.Checksum(b[4:], castagnoli) }

// verdict is what decodeRecord found.
type verdict uint8

const (
	whole  verdict = iota // a valid record of a known kind
	zeros                 // a header of zeros: nothing was written here
	broken                // not a record, or one whose bytes changed
	newer                 // a valid record that only a newer program understands
)

// decodeRecord reads the record at the beginning of b. For whole, n is its size with padding; for broken and newer,
// why says what is wrong. A record that isn't of the file with the given creation number is broken: it is a leftover
// that the file system put there. Number 0 stands for any file.
func decodeRecord(b []byte, sequence uint32) (r record, n int64, v verdict, why string) {
	if len(b) < headerLen {
		if allZero(b) {
			return r, 0, zeros, ""
		}
		return r, 0, broken, "record header is cut short"
	}
	if allZero(b[:headerLen]) {
		return r, 0, zeros, ""
	}
	if binary.LittleEndian.Uint16(b[10:]) != recordMagic {
		return r, 0, broken, "no record begins here"
	}
	length := binary.LittleEndian.Uint32(b[4:])
	if length > MaxEntryBytes {
		return r, 0, broken, fmt.Sprintf("record has %d bytes, the limit is %d", length, MaxEntryBytes)
	}
	n = size(int(length))
	if n > int64(len(b)) {
		return r, 0, broken, fmt.Sprintf("record of %d bytes goes beyond the end", n)
	}
	end := headerLen + int64(length)
	if got, want := binary.LittleEndian.Uint32(b), checksum(b[:end]); got != want {
		return r, 0, broken, fmt.Sprintf("checksum is %08x, the bytes give %08x", got, want)
	}
	if !allZero(b[end:n]) {
		return r, 0, broken, "padding is not zero"
	}
	r = record{
		kind:     Kind(b[8]),
		flags:    b[9],
		sequence: binary.LittleEndian.Uint32(b[12:]),
		term:     binary.LittleEndian.Uint64(b[16:]),
		index:    binary.LittleEndian.Uint64(b[24:]),
		data:     b[headerLen:end:end],
	}
	if sequence != 0 && r.sequence != sequence {
		return r, 0, broken, fmt.Sprintf("record belongs to file number %d, this is number %d", r.sequence, sequence)
	}
	v, why = r.shape()
	return r, n, v, why
}

// shape checks what the kind demands of the other fields.
func (r *record) shape() (verdict, string) {
	if r.kind < KindSegment || r.kind > KindTruncation {
		return newer, fmt.Sprintf("record kind %d is unknown", r.kind)
	}
	if r.flags != 0 && (r.kind != KindSegment || r.flags != flagRestart) {
		return newer, fmt.Sprintf("%s record has unknown flags %#x", r.kind, r.flags)
	}
	ok := true
	switch r.kind {
	case KindSegment:
		ok = r.index > 0 && r.index <= maxFirst && r.sequence > 0
	case KindBatch, KindConfiguration:
		ok = r.index > 0
	case KindEmpty:
		ok = r.index > 0 && len(r.data) == 0
	case KindHardState:
		ok = len(r.data) == hardStateLen
	case KindMark:
		ok = len(r.data) == markLen && r.term == 0 && r.index == 0
	case KindTruncation:
		ok = len(r.data) == 0 && r.term == 0 && r.index > 0
	}
	if !ok {
		return broken, fmt.Sprintf("%s record has fields that no writer gives it", r.kind)
	}
	return whole, ""
}

// markAt returns the mark for a file that is durable up to offset, where the mark itself will stand.
func markAt(sequence uint32, durable, offset int64) record {
	data := binary.LittleEndian.AppendUint64(nil, uint64(durable))
	return record{kind: KindMark, sequence: sequence, data: binary.LittleEndian.AppendUint64(data, uint64(offset))}
}

// mark returns what a mark found at offset proves to be durable. A mark that doesn't name its own offset is a copy
// within some payload, and proves nothing.
func (r *record) mark(offset int64) (durable int64, ok bool) {
	d, at := binary.LittleEndian.Uint64(r.data), binary.LittleEndian.Uint64(r.data[8:])
	return int64(d), at == uint64(offset) && d <= at
}

func hardStateRecord(hs HardState) record {
	return record{
		kind: KindHardState, term: hs.Term, index: hs.Commit,
		data: binary.LittleEndian.AppendUint64(nil, hs.Vote),
	}
}

func (r *record) hardState() HardState {
	return HardState{Term: r.term, Vote: binary.LittleEndian.Uint64(r.data), Commit: r.index}
}

// allZero compares in blocks, since clean ends of 16 MiB files are checked at every open.
func allZero(b []byte) bool {
	for len(b) >= len(zeroBlock) {
		if string(b[:len(zeroBlock)]) != zeroBlock {
			return false
		}
		b = b[len(zeroBlock):]
	}
	return string(b) == zeroBlock[:len(b)]
}

// zeroBlock is 64 zero bytes; a string, so that it can't be written to.
const zeroBlock = "" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
