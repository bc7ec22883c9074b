package algebra

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/tidaldb/tidal/internal/fixed"
)

// The bytes of a cell. The zero value is empty; otherwise, in this order, each part present iff its flag is set:
//
//	part       flag  bytes
//	flags            1 byte; bits 6 and 7 are 0
//	mark       0x01  varint: Unix milliseconds
//	total      0x02  varint: events less compensations, not 0
//	permanent  0x04  128-bit varint: sum of weights in 2⁻²⁴, not 0
//	decays     0x08  uvarint n ≥ 1, then per half-life, rising:
//	                   uvarint      half-life in ms less the one before (0 at first), at least 1, together ≤ 2⁵⁹
//	                   1 byte       mask, 1..31: bit k says that epoch(mark) − k has a sum
//	                   per bit      128-bit varint: the sum in 2⁻²⁴ at the epoch's start, not 0; rising k
//	buckets    0x10  three times, for minutes, hours and days:
//	                   uvarint      n, at most 60, 167 and 23; not 0 for all three
//	                   per bucket   uvarint: its number less the oldest kept (⌊mark/r⌋ − 59, − 167, − 29) at first,
//	                                then less the bucket's before and 1; varint: its count, not 0
//	unique     0x20  an HLL, not empty
//
// uvarint is that of encoding/binary in its shortest form, varint the same after zigzag, and the 128-bit varint its
// continuation (fixed.Int128). Without a mark only unique may be present. epoch(t) = ⌊t/(8·half-life)⌋, and all
// divisions round down.
const (
	cellMark = 1 << iota
	cellTotal
	cellPermanent
	cellDecays
	cellBuckets
	cellUnique
)

// AppendBinary appends the canonical encoding. Equal cells have equal bytes, however they came about.
func (s *SignalState) AppendBinary(dst []byte) []byte {
	flags := s.flags()
	if flags == 0 {
		return dst
	}
	dst = append(dst, flags)
	if flags&cellMark != 0 {
		dst = binary.AppendVarint(dst, s.mark)
	}
	if flags&cellTotal != 0 {
		dst = binary.AppendVarint(dst, s.total)
	}
	if flags&cellPermanent != 0 {
		dst = s.permanent.AppendBinary(dst)
	}
	if flags&cellDecays != 0 {
		dst = s.appendDecays(dst)
	}
	if flags&cellBuckets != 0 {
		dst = s.appendBuckets(dst)
	}
	if flags&cellUnique != 0 {
		dst = s.unique.AppendBinary(dst)
	}
	return dst
}

func (s *SignalState) flags() (flags byte) {
	if s.marked {
		flags |= cellMark
	}
	if s.total != 0 {
		flags |= cellTotal
	}
	if !s.permanent.IsZero() {
		flags |= cellPermanent
	}
	if len(s.decays) > 0 {
		flags |= cellDecays
	}
	if len(s.levels[byMinute])+len(s.levels[byHour])+len(s.levels[byDay]) > 0 {
		flags |= cellBuckets
	}
	if !s.unique.IsZero() {
		flags |= cellUnique
	}
	return flags
}

func (s *SignalState) appendDecays(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.decays)))
	last := int64(0)
	for i := range s.decays {
		d := &s.decays[i]
		dst = binary.AppendUvarint(dst, uint64(d.halfLife-last))
		last = d.halfLife
		at, mask := len(dst), byte(0)
		dst = append(dst, 0)
		for k, sum := range d.sums {
			if !sum.IsZero() {
				mask |= 1 << k
				dst = sum.AppendBinary(dst)
			}
		}
		dst[at] = mask
	}
	return dst
}

func (s *SignalState) appendBuckets(dst []byte) []byte {
	now := indexes(s.mark)
	for level, buckets := range s.levels {
		dst = binary.AppendUvarint(dst, uint64(len(buckets)))
		next := now[level] - levelKeep[level] + 1
		for _, b := range buckets {
			dst = binary.AppendUvarint(dst, uint64(b.index-next))
			dst = binary.AppendVarint(dst, b.count)
			next = b.index + 1
		}
	}
	return dst
}

// DecodeSignalState reads what AppendBinary wrote, all of b, reusing the memory of into. It accepts canonical bytes
// only; for anything else it returns a [fault.Corrupt] and leaves into zero. The cell shares nothing with b.
func DecodeSignalState(b []byte, into *SignalState) error {
	into.Reset()
	if len(b) == 0 {
		return nil
	}
	c := cursor{b: b}
	into.read(&c)
	if err := c.end(); err != nil {
		into.Reset()
		return err
	}
	return nil
}

// ViewSignalState is [DecodeSignalState] for bytes that this process encoded itself and holds: the unique users are
// neither checked nor copied, so b must stay as it is until into is reset or decoded anew.
func ViewSignalState(b []byte, into *SignalState) error {
	into.Reset()
	if len(b) == 0 {
		return nil
	}
	c := cursor{b: b}
	into.readSums(&c)
	if c.err == nil && b[0]&cellUnique != 0 {
		into.unique = viewHLL(c.rest())
		c.off = len(b)
	}
	if err := c.end(); err != nil {
		into.Reset()
		return err
	}
	return nil
}

func (s *SignalState) read(c *cursor) {
	if flags := s.readSums(c); flags&cellUnique != 0 {
		s.readUnique(c)
	}
}

// readSums reads all but the unique users, and returns the flags.
func (s *SignalState) readSums(c *cursor) (flags byte) {
	flags = c.byte("cell flags", cellUnique<<1-1)
	if flags == 0 || flags&cellMark == 0 && flags != cellUnique {
		c.fail("cell flags are %#x, which says nothing or has sums without a mark", flags)
		return flags
	}
	if flags&cellMark != 0 {
		s.marked, s.mark = true, c.varint("mark")
	}
	if flags&cellTotal != 0 {
		if s.total = c.varint("total"); s.total == 0 {
			c.fail("total is present and 0")
		}
	}
	if flags&cellPermanent != 0 {
		s.permanent = readSum(c)
	}
	if flags&cellDecays != 0 {
		s.readDecays(c)
	}
	if flags&cellBuckets != 0 {
		s.readBuckets(c)
	}
	return flags
}

// readSum reads a sum, which is not zero.
func readSum(c *cursor) fixed.Int128 {
	if c.err != nil {
		return fixed.Int128{}
	}
	sum, rest, err := fixed.DecodeInt128(c.rest())
	if err != nil {
		c.fail("sum is cut short, too long or not in its shortest form")
		return sum
	}
	if sum.IsZero() {
		c.fail("sum is present and 0")
	}
	c.off = len(c.b) - len(rest)
	return sum
}

func (s *SignalState) readDecays(c *cursor) {
	n := c.uvarint("number of half-lives", uint64(len(c.b)))
	if n == 0 {
		c.fail("half-lives are present and none")
	}
	halfLife := int64(0)
	for range n {
		more := c.uvarint("half-life", uint64(fixed.MaxHalfLife-halfLife))
		mask := c.byte("mask of epochs", 1<<keptEpochs-1)
		if more == 0 || mask == 0 {
			c.fail("half-life doesn't rise or has no epoch")
		}
		if c.err != nil {
			return
		}
		halfLife += int64(more)
		epoch, _ := epochOf(s.mark, halfLife)
		s.decays = append(s.decays, decay{halfLife: halfLife, epoch: epoch})
		sums := &s.decays[len(s.decays)-1].sums
		for ; mask != 0; mask &= mask - 1 {
			sums[bits.TrailingZeros8(mask)] = readSum(c)
		}
	}
}

func (s *SignalState) readBuckets(c *cursor) {
	now := indexes(s.mark)
	found := uint64(0)
	for level := range s.levels {
		n := c.uvarint("number of buckets", uint64(levelMost[level]))
		next := now[level] - levelKeep[level] + 1
		end := next + levelMost[level]
		list := slices.Grow(s.levels[level], int(n))
		for range n {
			gap, count := readBucket(c)
			if count == 0 || gap >= uint64(end-next) {
				c.fail("bucket is beyond the mark or counts nothing")
				return
			}
			next += int64(gap) + 1
			list = append(list, bucket{index: next - 1, count: count})
		}
		s.levels[level] = list
		found += n
	}
	if found == 0 {
		c.fail("buckets are present and none")
	}
}

// readBucket reads a bucket's distance from the one before and its count, 0 after a failure. Most of both are one byte.
func readBucket(c *cursor) (gap uint64, count int64) {
	if rest := c.rest(); len(rest) >= 2 && rest[0]|rest[1] < 0x80 {
		c.off += 2
		return uint64(rest[0]), unzigzag(uint64(rest[1]))
	}
	return c.uvarint("bucket", uint64(levelMost[byHour])), c.varint("count")
}

func (s *SignalState) readUnique(c *cursor) {
	if c.err != nil {
		return
	}
	unique, rest, err := DecodeHLL(c.rest())
	if err != nil {
		c.fail("unique users: %v", err)
		return
	}
	if unique.IsZero() {
		c.fail("unique users are present and none")
	}
	s.unique = unique
	c.off = len(c.b) - len(rest)
}
