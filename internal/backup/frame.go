package backup

import (
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/zeebo/blake3"
)

// Format is the version of the form: of heads, manifests and what is between them.
const Format = 1

// Part says what a frame carries.
type Part uint8

// The parts, in the order in which they come. Keys, store and log may be absent.
const (
	PartHead     Part = 1 // one frame: [Head]
	PartKeys     Part = 2 // one frame: the file KEYS
	PartStore    Part = 3 // a frame for each chunk of a snapshot
	PartLog      Part = 4 // entries of the log
	PartManifest Part = 5 // one frame, the last: [Manifest]
)

func (p Part) String() string {
	switch p {
	case PartHead:
		return "head"
	case PartKeys:
		return "keys"
	case PartStore:
		return "store"
	case PartLog:
		return "log"
	case PartManifest:
		return "manifest"
	}
	return fmt.Sprintf("part(%d)", uint8(p))
}

// single reports whether a part has one frame at most.
func (p Part) single() bool { return p == PartHead || p == PartKeys || p == PartManifest }

const (
	magic       = "TDBK"
	frameHeader = 4 + 1 + 8 + 4
	frameHash   = 32
	// frameGoal is the payload at which a frame of log entries ends, behind a whole entry.
	frameGoal = 256 << 10
	// maxPayload bounds what a reader takes. The largest thing is a chunk of a snapshot with the largest record.
	maxPayload = 32 << 20
)

// sealer makes frames, each of which continues the chain of those before.
type sealer struct {
	number uint64
	chain  [frameHash]byte
}

// seal appends a frame to dst.
func (s *sealer) seal(dst []byte, p Part, payload []byte) []byte {
	from := len(dst)
	dst = append(append(dst, magic...), byte(p))
	dst = binary.LittleEndian.AppendUint64(dst, s.number)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = append(dst, payload...)
	s.follow(dst[from:])
	return append(dst, s.chain[:]...)
}

// follow moves the chain behind a frame, given without its hash.
func (s *sealer) follow(frame []byte) {
	h := blake3.New()
	if s.number > 0 {
		h.Write(s.chain[:])
	}
	h.Write(frame)
	h.Sum(s.chain[:0])
	s.number++
}

// header reads the beginning of a frame, which isn't known to be sound yet.
func header(b []byte, offset int64) (p Part, number uint64, length int, err error) {
	if string(b[:4]) != magic {
		return 0, 0, 0, fault.Damaged(inBackup, offset, "no frame begins here")
	}
	n := binary.LittleEndian.Uint32(b[13:])
	if n > maxPayload {
		return 0, 0, 0, fault.Damaged(inBackup, offset+13, "payload of %d bytes, at most %d", n, maxPayload)
	}
	return Part(b[4]), binary.LittleEndian.Uint64(b[5:]), int(n), nil
}

// inBackup stands where errors about damage name the file: only who opened the stream knows its name.
const inBackup = "backup"

// inPart is inBackup with the part that is concerned.
func inPart(p Part) string { return inBackup + ", part " + p.String() }
