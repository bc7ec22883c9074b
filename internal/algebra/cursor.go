package algebra

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
)

// cursor reads a canonical encoding from its front. The first failure sticks: later reads return zeros, and the caller
// looks at err once, before it trusts or allocates anything that it read.
type cursor struct {
	b   []byte
	off int
	err error
}

// rest returns what wasn't read yet.
func (c *cursor) rest() []byte { return c.b[c.off:] }

// more reports whether there is something to read and nothing failed.
func (c *cursor) more() bool { return c.err == nil && c.off < len(c.b) }

// end returns the first failure, or one when bytes are left over.
func (c *cursor) end() error {
	if c.more() {
		c.fail("%d bytes too many", len(c.b)-c.off)
	}
	return c.err
}

// fail records damage at the current offset.
func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fault.Damaged("", int64(c.off), format, args...)
	}
}

// uvarint reads a number of at most limit in its shortest form.
func (c *cursor) uvarint(what string, limit uint64) uint64 {
	if c.err != nil {
		return 0
	}
	if c.off < len(c.b) && c.b[c.off] < 0x80 { // most numbers are small
		if v := uint64(c.b[c.off]); v <= limit {
			c.off++
			return v
		}
	}
	v, n := binary.Uvarint(c.b[c.off:])
	switch {
	case n <= 0:
		c.fail("%s is cut short or too long", what)
	case n > 1 && c.b[c.off+n-1] == 0:
		c.fail("%s is not in its shortest form", what)
	case v > limit:
		c.fail("%s is %d, at most %d is possible", what, v, limit)
	default:
		c.off += n
		return v
	}
	return 0
}

// varint reads a signed number in zigzag form.
func (c *cursor) varint(what string) int64 { return unzigzag(c.uvarint(what, 1<<64-1)) }

// byte reads one byte of at most limit.
func (c *cursor) byte(what string, limit byte) byte {
	b := c.take(what, 1)
	if c.err != nil {
		return 0
	}
	if b[0] > limit {
		c.off--
		c.fail("%s is %d, at most %d is possible", what, b[0], limit)
		return 0
	}
	return b[0]
}

// take reads n bytes, which alias the input.
func (c *cursor) take(what string, n uint64) []byte {
	switch {
	case c.err != nil:
		return nil
	case n > uint64(len(c.b)-c.off):
		c.fail("%s is cut short: %d of %d bytes", what, len(c.b)-c.off, n)
		return nil
	}
	b := c.b[c.off : c.off+int(n) : c.off+int(n)]
	c.off += int(n)
	return b
}

// text reads a length of at least least and at most limit, and so many bytes; they alias the input.
func (c *cursor) text(what string, least, limit uint64) []byte {
	n := c.uvarint(what, limit)
	if c.err == nil && n < least {
		c.fail("%s is empty", what)
	}
	return c.take(what, n)
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
