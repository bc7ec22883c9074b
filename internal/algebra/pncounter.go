package algebra

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/tidaldb/tidal/internal/id"
)

// PNCounter is a counter that travels as state rather than as events: each origin keeps its own totals of what it
// added and what it took away, and only that origin changes them.
//
// It is a join by the maximum per origin of both totals, so a copy may be merged any number of times. The zero value
// counts nothing. A counter is immutable; operations return new ones.
type PNCounter struct {
	entries []pnEntry // by origin, ascending; none with two zeros
}

type pnEntry struct {
	origin id.Origin
	p, n   uint64
}

// Add returns the counter after o, which must be the caller's own origin, added n. Totals stop at 2⁶⁴ − 1.
func (c PNCounter) Add(o id.Origin, n uint64) PNCounter { return c.with(o, n, 0) }

// Sub returns the counter after o, which must be the caller's own origin, took n away. Totals stop at 2⁶⁴ − 1.
func (c PNCounter) Sub(o id.Origin, n uint64) PNCounter { return c.with(o, 0, n) }

// Value returns what was added less what was taken away, over all origins, brought to the nearest int64.
func (c PNCounter) Value() int64 {
	var hi, lo, carry, borrow uint64 // 128 bits, two's complement; there are fewer than 2⁶² origins
	for _, e := range c.entries {
		lo, carry = bits.Add64(lo, e.p, 0)
		hi += carry
		lo, borrow = bits.Sub64(lo, e.n, 0)
		hi -= borrow
	}
	switch {
	case int64(hi) > 0 || hi == 0 && lo >= 1<<63:
		return 1<<63 - 1
	case int64(hi) < -1 || int64(hi) == -1 && lo < 1<<63:
		return -1 << 63
	}
	return int64(lo)
}

// Added returns what an origin added so far.
func (c PNCounter) Added(o id.Origin) uint64 {
	for _, e := range c.entries {
		if e.origin == o {
			return e.p
		}
	}
	return 0
}

// Merge returns the maximum per origin.
func (c PNCounter) Merge(d PNCounter) PNCounter {
	a, b := c.entries, d.entries
	out := make([]pnEntry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := a[0].origin.Compare(b[0].origin); {
		case order < 0:
			out, a = append(out, a[0]), a[1:]
		case order > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out = append(out, pnEntry{a[0].origin, max(a[0].p, b[0].p), max(a[0].n, b[0].n)})
			a, b = a[1:], b[1:]
		}
	}
	return PNCounter{append(append(out, a...), b...)}
}

// IsZero reports whether nothing was ever added or taken away.
func (c PNCounter) IsZero() bool { return len(c.entries) == 0 }

func (c PNCounter) with(o id.Origin, p, n uint64) PNCounter {
	i, ok := slices.BinarySearchFunc(c.entries, o, func(e pnEntry, o id.Origin) int { return e.origin.Compare(o) })
	switch {
	case p == 0 && n == 0:
		return c
	case !ok:
		return PNCounter{slices.Insert(slices.Clone(c.entries), i, pnEntry{o, p, n})}
	}
	entries := slices.Clone(c.entries)
	entries[i].p = saturatingAdd(entries[i].p, p)
	entries[i].n = saturatingAdd(entries[i].n, n)
	return PNCounter{entries}
}

func saturatingAdd(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return max64
	}
	return sum
}

// AppendBinary appends the canonical encoding: per origin, ascending, uvarints of region, shard, incarnation, added
// and taken away. The zero value is empty.
func (c PNCounter) AppendBinary(dst []byte) []byte {
	for _, e := range c.entries {
		dst = appendOrigin(dst, e.origin)
		dst = binary.AppendUvarint(dst, e.p)
		dst = binary.AppendUvarint(dst, e.n)
	}
	return dst
}

// DecodePNCounter reads what AppendBinary wrote, all of b.
func DecodePNCounter(b []byte) (PNCounter, error) {
	var out PNCounter
	c := cursor{b: b}
	for c.more() {
		e := pnEntry{origin: c.origin(), p: c.uvarint("added", max64), n: c.uvarint("taken away", max64)}
		last := len(out.entries) - 1
		switch {
		case c.err != nil:
		case e.p == 0 && e.n == 0:
			c.fail("origin %v counted nothing", e.origin)
		case last >= 0 && out.entries[last].origin.Compare(e.origin) >= 0:
			c.fail("origin %v doesn't rise", e.origin)
		}
		out.entries = append(out.entries, e)
	}
	if err := c.end(); err != nil {
		return PNCounter{}, err
	}
	return out, nil
}
