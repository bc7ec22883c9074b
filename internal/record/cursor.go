package record

import (
	"encoding/binary"
	"unsafe"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
)

// cursor reads primitives one after the other and keeps the first failure, so that a decoder reads straight through
// and asks once at its end. After a failure every read returns zero and moves nothing.
//
// Lengths are compared with what is left before anything is sliced; nothing is allocated on the strength of a length.
type cursor struct {
	b   []byte
	off int
	err error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fault.Damaged("", int64(c.off), format, args...)
	}
	c.b = c.b[:c.off]
}

func (c *cursor) left() int { return len(c.b) - c.off }

func (c *cursor) u8() uint8 {
	if c.left() < 1 {
		c.fail("cut short")
		return 0
	}
	v := c.b[c.off]
	c.off++
	return v
}

func (c *cursor) u32() uint32 {
	if c.left() < 4 {
		c.fail("cut short")
		return 0
	}
	v := binary.LittleEndian.Uint32(c.b[c.off:])
	c.off += 4
	return v
}

func (c *cursor) u64() uint64 {
	if c.left() < 8 {
		c.fail("cut short")
		return 0
	}
	v := binary.LittleEndian.Uint64(c.b[c.off:])
	c.off += 8
	return v
}

// uvarint reads a number in its shortest form; any longer form is damage.
func (c *cursor) uvarint() uint64 {
	if c.off < len(c.b) && c.b[c.off] < 0x80 {
		v := c.b[c.off]
		c.off++
		return uint64(v)
	}
	return c.longUvarint()
}

func (c *cursor) longUvarint() uint64 {
	v, n := binary.Uvarint(c.b[c.off:])
	switch {
	case n == 0:
		c.fail("number is cut short")
		return 0
	case n < 0:
		c.fail("number exceeds 64 bits")
		return 0
	case n > 1 && c.b[c.off+n-1] == 0:
		c.fail("number is not in its shortest form")
		return 0
	}
	c.off += n
	return v
}

// atMost reads a number and refuses it above limit.
func (c *cursor) atMost(limit uint64, what string) uint64 {
	v := c.uvarint()
	if v > limit {
		c.fail("%s is %d, at most %d", what, v, limit)
		return 0
	}
	return v
}

// varint reads a signed number: zigzag, then as uvarint.
func (c *cursor) varint() int64 {
	v := c.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// bytes returns the next n bytes without copying them. Its capacity ends with them, so appending can't write on.
func (c *cursor) bytes(n uint64, what string) []byte {
	if n > uint64(c.left()) {
		c.fail("%s has %d bytes, %d are left", what, n, c.left())
		return nil
	}
	end := c.off + int(n)
	v := c.b[c.off:end:end]
	c.off = end
	return v
}

// text returns the next length-prefixed text. It aliases the batch, whose bytes never change.
func (c *cursor) text(what string) string { return alias(c.bytes(c.uvarint(), what)) }

// ref returns a length-prefixed id with its generation, as appendRef wrote them.
func (c *cursor) ref(what string) (string, hlc.Timestamp) {
	n := c.uvarint()
	name := alias(c.bytes(n>>1, what))
	if n&1 == 0 {
		return name, 0
	}
	gen := c.u64()
	if gen == 0 {
		c.fail("%s has a generation of zero", what)
	}
	return name, hlc.Timestamp(gen)
}

// rest returns all that is left.
func (c *cursor) rest() []byte { return c.bytes(uint64(c.left()), "rest") }

// flag reads a byte that is 0 or 1.
func (c *cursor) flag(what string) bool {
	v := c.u8()
	if v > 1 {
		c.fail("%s is %d, neither 0 nor 1", what, v)
	}
	return v == 1
}

// end returns the first failure; bytes left over are one.
func (c *cursor) end() error {
	if c.err == nil && c.left() > 0 {
		c.fail("%d bytes behind the end", c.left())
	}
	return c.err
}

// alias returns b as a string without copying. It's the one use of package unsafe, and sound because b lies within a
// batch, and nobody writes to a batch after it was finished.
func alias(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendRef writes an id with its generation: the length shifted by one bit that says whether a generation follows.
// Most entities were never deleted, and theirs is zero.
func appendRef(dst []byte, s string, gen hlc.Timestamp) []byte {
	if gen == 0 {
		dst = binary.AppendUvarint(dst, uint64(len(s))<<1)
		return append(dst, s...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(s))<<1|1)
	dst = append(dst, s...)
	return binary.LittleEndian.AppendUint64(dst, uint64(gen))
}

func appendFlag(dst []byte, on bool) []byte {
	if on {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// appendVarint writes a signed number as [cursor.varint] reads it.
func appendVarint(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v)<<1^uint64(v>>63))
}

// uvarintLen is the number of bytes that v takes as an uvarint.
func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
