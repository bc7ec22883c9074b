package replica

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
)

// Instant names one instant of a group's state that a replica can send: the state after an entry. The zero value is none.
type Instant struct {
	// Index and Term are those of the entry.
	Index, Term uint64
	// Head is the hash of what the sender's snapshot of it begins with: two replicas with one head hold the same.
	Head [32]byte
}

// SnapProgress says how far a receiver of a snapshot has come. The zero value is the beginning.
type SnapProgress struct {
	// Chunks is the number of chunks received, and Records of the records in them.
	Chunks, Records uint64
	// After is the last record received, and Chain the hash of all chunks.
	After []byte
	Chain [32]byte
}

// Outcome ends the sending of a snapshot.
type Outcome uint8

// The ways in which it ends.
const (
	// SnapHeld comes from a receiver that holds all of it now, installed or by other ways.
	SnapHeld Outcome = iota + 1
	// SnapRefused comes from a receiver that can't use it; Reason says why.
	SnapRefused
	// SnapGone comes from a sender that doesn't hold the instant any more.
	SnapGone
)

// Snap is what two replicas tell each other about a snapshot. Which fields count depends on the packet's kind.
type Snap struct {
	// Instant is which snapshot it is about, always.
	Instant Instant
	// Progress is how far the receiver has come, in a pull; in a chunk it's how far it had when it asked for that.
	Progress SnapProgress
	// Chunk is what was asked for, and Last whether there is no other behind it. The packet's reader owns it.
	Chunk []byte
	Last  bool
	// Outcome and Reason end it.
	Outcome Outcome
	Reason  string
}

const (
	// maxSnapKey bounds SnapProgress.After, and maxReason a reason.
	maxSnapKey = 4096
	maxReason  = 512
	// MaxSnapChunk bounds a chunk: one that ended just below its goal of 256 KiB and went on with the largest record there
	// can be, of 16 MiB. Most have little more than the goal.
	MaxSnapChunk = 17 << 20
)

const snapLast = 0x01

// append appends the bytes of docs/format/packet.md.
func (s *Snap) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, s.Instant.Index)
	dst = binary.AppendUvarint(dst, s.Instant.Term)
	dst = append(dst, s.Instant.Head[:]...)
	dst = binary.AppendUvarint(dst, s.Progress.Chunks)
	dst = binary.AppendUvarint(dst, s.Progress.Records)
	dst = appendBytes(dst, s.Progress.After)
	dst = append(dst, s.Progress.Chain[:]...)
	var flags byte
	if s.Last {
		flags |= snapLast
	}
	dst = append(dst, flags, byte(s.Outcome))
	dst = appendBytes(dst, []byte(s.Reason[:min(len(s.Reason), maxReason)]))
	return appendBytes(dst, s.Chunk)
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// decodeSnap reads what append wrote. What it returns aliases b.
func decodeSnap(b []byte) (*Snap, error) {
	r := snapReader{b: b}
	s := &Snap{}
	s.Instant.Index, s.Instant.Term = r.uvarint(), r.uvarint()
	copy(s.Instant.Head[:], r.take(32))
	s.Progress.Chunks, s.Progress.Records = r.uvarint(), r.uvarint()
	s.Progress.After = r.text(maxSnapKey)
	copy(s.Progress.Chain[:], r.take(32))
	if marks := r.take(2); len(marks) == 2 {
		s.Last, s.Outcome = marks[0] == snapLast, Outcome(marks[1])
		r.bad = r.bad || marks[0] > snapLast || s.Outcome > SnapGone
	}
	s.Reason = string(r.text(maxReason))
	s.Chunk = r.text(MaxSnapChunk)
	if r.bad || len(r.b) > 0 {
		return nil, fault.Damaged("", int64(len(b)-len(r.b)), "packet about a snapshot: a field is cut short, too long or unknown")
	}
	return s, nil
}

// snapReader takes bytes apart. Behind the first mistake it returns nothing.
type snapReader struct {
	b   []byte
	bad bool
}

func (r *snapReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	// One number has one form, so that what was read can be compared with what was sent.
	if r.bad || n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *snapReader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *snapReader) text(limit int) []byte {
	n := r.uvarint()
	if n > uint64(limit) || n == 0 {
		r.bad = r.bad || n > 0
		return nil
	}
	return r.take(int(n))
}
