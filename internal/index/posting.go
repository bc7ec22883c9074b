package index

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
)

// posting is a set of items. Most values of most fields have few items, for which a bitmap would be several hundred
// bytes of headers; so small sets are plain lists.
type posting struct {
	few  []uint32 // ascending; unused when bits isn't nil
	bits *roaring.Bitmap
	n    int
}

// A list becomes a bitmap above manyItems, a bitmap a list at fewItems: apart, so that no set flips to and fro.
const (
	manyItems = 24
	fewItems  = 12
)

// add adds an item that isn't in the set.
func (p *posting) add(n state.Ord) {
	p.n++
	if p.bits != nil {
		p.bits.Add(uint32(n))
		return
	}
	at, _ := slices.BinarySearch(p.few, uint32(n))
	p.few = slices.Insert(p.few, at, uint32(n))
	if p.n > manyItems {
		p.bits, p.few = roaring.BitmapOf(p.few...), nil
	}
}

// remove takes out an item that is in the set.
func (p *posting) remove(n state.Ord) {
	p.n--
	if p.bits == nil {
		at, _ := slices.BinarySearch(p.few, uint32(n))
		p.few = slices.Delete(p.few, at, at+1)
		return
	}
	p.bits.Remove(uint32(n))
	if p.n <= fewItems {
		p.few, p.bits = p.bits.ToArray(), nil
	}
}

// bitmap returns the set; owned says whether the caller may modify it.
func (p *posting) bitmap() (b *roaring.Bitmap, owned bool) {
	if p.bits != nil {
		return p.bits, false
	}
	return roaring.BitmapOf(p.few...), true
}

// addTo adds the items to b.
func (p *posting) addTo(b *roaring.Bitmap) {
	if p.bits != nil {
		b.Or(p.bits)
		return
	}
	b.AddMany(p.few)
}

// bytes is what the set takes beside the posting itself.
func (p *posting) bytes() int64 {
	if p.bits != nil {
		return bitmapBytes(p.bits)
	}
	return int64(cap(p.few)) * 4
}

// bitmapBytes is what a bitmap takes: its containers, and about 96 bytes of headers.
func bitmapBytes(b *roaring.Bitmap) int64 { return int64(b.GetSizeInBytes()) + 96 }
