package index

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
)

// collector makes a bitmap of items that come in any order. Adding them one by one would search and move within
// containers; a few are sorted first, many are marked in a plain array of bits.
type collector struct {
	list []uint32
	bits []uint64 // nil: list is used
}

// newCollector expects about n items, all below top.
func newCollector(n int, top state.Ord) *collector {
	if n > int(top)>>10 && n > 64 {
		return &collector{bits: make([]uint64, (int(top)+63)/64)}
	}
	return &collector{list: make([]uint32, 0, n)}
}

func (c *collector) add(n state.Ord) {
	if c.bits != nil {
		c.bits[n>>6] |= 1 << (n & 63)
		return
	}
	c.list = append(c.list, uint32(n))
}

// bitmap returns what was added, once.
func (c *collector) bitmap() *roaring.Bitmap {
	if c.bits != nil {
		return roaring.FromDense(c.bits, false)
	}
	slices.Sort(c.list)
	return roaring.BitmapOf(c.list...)
}

// where returns a new bitmap of those items of b for which keep returns true.
func where(b *roaring.Bitmap, keep func(state.Ord) bool) *roaring.Bitmap {
	var part [512]uint32
	result := roaring.New()
	for it := b.ManyIterator(); ; {
		n := it.NextMany(part[:])
		if n == 0 {
			return result
		}
		kept := part[:0]
		for _, x := range part[:n] {
			if keep(state.Ord(x)) {
				kept = append(kept, x)
			}
		}
		result.AddMany(kept)
	}
}
