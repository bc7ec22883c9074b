package consensus

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
)

func appendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// appendText appends a length and the bytes.
func appendText[T string | []byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// reader takes a message apart. After the first mistake it returns zeros; the mistake is in err.
type reader struct {
	rest []byte
	read int // bytes taken so far
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fault.Damaged("", int64(r.read), format, args...)
	}
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.rest) {
		r.fail("%d bytes are missing", n-len(r.rest))
		return nil
	}
	b := r.rest[:n:n]
	r.rest, r.read = r.rest[n:], r.read+n
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// uvarint reads a number in its shortest form.
func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 1 && r.rest[n-1] == 0 {
		r.fail("bad number")
		return 0
	}
	r.take(n)
	return v
}

// bytes reads a length of at most limit and that many bytes, which alias the input.
func (r *reader) bytes(limit int) []byte {
	n := r.uvarint()
	if n > uint64(limit) {
		r.fail("%d bytes where at most %d may be", n, limit)
		return nil
	}
	return r.take(int(n))
}

func (r *reader) text(limit int) string { return string(r.bytes(limit)) }

// end says that nothing may follow.
func (r *reader) end() {
	if len(r.rest) > 0 {
		r.fail("%d bytes too many", len(r.rest))
	}
}
