package remnant

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/zeebo/blake3"
)

// Form says what a piece holds. Its numbers are part of the format.
type Form uint8

// The forms.
const (
	// Range is a compacted range, as an entry of the log.
	Range Form = 1
	// Batches are whole batches, one behind the other.
	Batches Form = 2
)

func (f Form) String() string {
	switch f {
	case Range:
		return "range"
	case Batches:
		return "batches"
	}
	return "form(" + strconv.Itoa(int(f)) + ")"
}

// Head says what a piece holds, and whose it is.
type Head struct {
	// Cluster is the id of the database.
	Cluster [16]byte
	Form    Form
	Origin  id.Origin
	// First and Last are the events, both included.
	First, Last id.Seq
	// Newest is when the last of the batches was written, in Unix milliseconds.
	Newest int64
	// Replaces is how many bytes the batches had.
	Replaces uint64
	// Raw is how many bytes the content has uncompressed: at most [MaxRaw].
	Raw uint32
}

const (
	// MaxRaw bounds the content of a piece, uncompressed.
	MaxRaw = 32 << 20
	// HeadSize is how many bytes of a piece [DecodeHead] needs.
	HeadSize = 88

	magic   = "TDPC"
	version = 1
	summed  = 32 // of each hash as much is kept
)

// Name is the name of the piece's file.
func (h *Head) Name() string {
	return fmt.Sprintf("%d-%d-%d-%020d-%020d%s", h.Origin.Region, h.Origin.Shard, h.Origin.Incarnation, h.First, h.Last, suffix)
}

const suffix = ".piece"

// IsName reports whether a file's name is one of a piece.
func IsName(name string) bool { return strings.HasSuffix(name, suffix) }

// Named reads what the name of a piece's file says: its origin, and its events. ok is false for another name.
func Named(name string) (h Head, ok bool) {
	var x, y, z, first, last uint64
	n, err := fmt.Sscanf(name, "%d-%d-%d-%d-%d"+suffix, &x, &y, &z, &first, &last)
	h.Origin = id.Origin{Region: id.Region(x), Shard: id.Shard(y), Incarnation: id.Incarnation(z)}
	h.First, h.Last = id.Seq(first), id.Seq(last)
	return h, err == nil && n == 5 && h.Name() == name
}

// Encode returns the piece of some content. It sets h.Raw.
func Encode(h *Head, content []byte) []byte {
	h.Raw = uint32(len(content))
	out := h.append(nil)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(fmt.Sprintf("remnant: %v", err)) // its options are right
	}
	out = enc.EncodeAll(content, out)
	sum := blake3.Sum256(out)
	return append(out, sum[:]...)
}

// append appends the head with its own checksum.
func (h *Head) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, version, byte(h.Form), 0, 0)
	dst = append(dst, h.Cluster[:]...)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(h.Origin.Region))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(h.Origin.Shard))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.Origin.Incarnation))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.First))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Last))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Newest))
	dst = binary.LittleEndian.AppendUint64(dst, h.Replaces)
	dst = binary.LittleEndian.AppendUint32(dst, h.Raw)
	dst = append(dst, 0, 0, 0, 0)
	sum := blake3.Sum256(dst[start:])
	return append(dst, sum[:HeadSize-headFields]...)
}

// headFields is the head without its checksum.
const headFields = 72

// DecodeHead reads the head of the piece at path from its first bytes.
func DecodeHead(path string, b []byte) (Head, error) {
	if len(b) < HeadSize {
		return Head{}, fault.Damaged(path, int64(len(b)), "piece is cut short")
	}
	if string(b[:4]) != magic {
		return Head{}, fault.Damaged(path, 0, "file begins with %x, not as a piece does", b[:4])
	}
	if sum := blake3.Sum256(b[:headFields]); !bytes.Equal(sum[:HeadSize-headFields], b[headFields:HeadSize]) {
		return Head{}, fault.Damaged(path, headFields, "head has a wrong checksum")
	}
	if b[4] > version {
		return Head{}, fmt.Errorf("%s: piece of version %d: %w", path, b[4], fault.ErrFormatTooNew)
	}
	h := Head{
		Form: Form(b[5]), Cluster: [16]byte(b[8:]),
		Origin: id.Origin{
			Region: id.Region(binary.LittleEndian.Uint16(b[24:])), Shard: id.Shard(binary.LittleEndian.Uint16(b[26:])),
			Incarnation: id.Incarnation(binary.LittleEndian.Uint32(b[28:])),
		},
		First: id.Seq(binary.LittleEndian.Uint64(b[32:])), Last: id.Seq(binary.LittleEndian.Uint64(b[40:])),
		Newest: int64(binary.LittleEndian.Uint64(b[48:])), Replaces: binary.LittleEndian.Uint64(b[56:]),
		Raw: binary.LittleEndian.Uint32(b[64:]),
	}
	switch {
	case h.Form != Range && h.Form != Batches, h.First == 0, h.Last < h.First, h.Raw > MaxRaw, !bytes.Equal(h.append(nil), b[:HeadSize]):
		return Head{}, fault.Damaged(path, 4, "head has fields that no writer gives it")
	}
	return h, nil
}

// Decode reads the piece at path, all of b.
func Decode(path string, b []byte) (Head, []byte, error) {
	h, err := DecodeHead(path, b)
	if err != nil {
		return Head{}, nil, err
	}
	if len(b) < HeadSize+summed {
		return Head{}, nil, fault.Damaged(path, int64(len(b)), "piece is cut short")
	}
	end := len(b) - summed
	if sum := blake3.Sum256(b[:end]); !bytes.Equal(sum[:], b[end:]) {
		return Head{}, nil, fault.Damaged(path, int64(end), "piece has another hash than it says")
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxRaw+1<<10))
	if err != nil {
		panic(fmt.Sprintf("remnant: %v", err)) // its options are right
	}
	defer dec.Close()
	content, err := dec.DecodeAll(b[HeadSize:end], make([]byte, 0, h.Raw))
	if err != nil {
		return Head{}, nil, fault.Damaged(path, HeadSize, "content can't be decompressed: %v", err)
	}
	if len(content) != int(h.Raw) {
		return Head{}, nil, fault.Damaged(path, HeadSize, "content has %d bytes, the head says %d", len(content), h.Raw)
	}
	return h, content, nil
}
