package index

import (
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/query"
)

// node is a condition on live items, ready to be tested or to be made a set of.
type node interface {
	// match reports whether the condition holds for a live item. If facts say live, it's false for all others.
	match(n state.Ord) bool
	// items returns the live items for which it holds; owned says whether the caller may modify the set.
	items(x *Index) (b *roaring.Bitmap, owned bool)
	// known is what was found out about the node when it was made.
	known() *facts
}

// facts are what plans are made by. Costs are in rough nanoseconds.
type facts struct {
	rows   float64 // items for which the condition holds, of those that are live
	exact  bool    // rows is no estimate
	cost   float64 // of a match
	making float64 // of the set
	live   bool    // the condition holds for live items only
	source []query.Expr
	note   string // instead of a source
}

func (f *facts) known() *facts { return f }

// Costs, as measured on columns of a million items that are in no order.
const (
	costColumn  = 4  // a number of a column
	costList    = 9  // a list of tags
	costPlace   = 35 // a haversine
	costLook    = 40 // to look into a bitmap
	costForeign = 20 // to ask a Set without one
	costCollect = 4  // to take an item from an order into a set
	costItem    = 1  // to merge an item of a list of items
	costPerWord = 0.25
)

// makeBitmap is what an operation on bitmaps of all items costs at most: 64 items a word.
func (x *Index) makeBitmap() float64 { return 200 + float64(x.top)/64*costPerWord }

// codeIs holds where a keyword has a value.
type codeIs struct {
	facts
	v    *keywords
	code uint32
}

func (c *codeIs) match(n state.Ord) bool { return c.v.codes.get(n) == c.code }
func (c *codeIs) items(*Index) (b *roaring.Bitmap, owned bool) {
	return c.v.dict.items(c.code).bitmap()
}

// noCode is a code that no value has.
const noCode = math.MaxUint32

// codeIn holds where a keyword has one of several values.
type codeIn struct {
	facts
	v     *keywords
	codes codeSet
}

func (c *codeIn) match(n state.Ord) bool {
	code := c.v.codes.get(n)
	return code != 0 && c.codes.has(code)
}

func (c *codeIn) items(*Index) (*roaring.Bitmap, bool) { return union(&c.v.dict, c.codes.list) }

// tagIn holds where tags contain one of some values.
type tagIn struct {
	facts
	v     *tags
	codes codeSet
}

func (t *tagIn) match(n state.Ord) bool {
	list, _ := t.v.lists.get(n)
	if len(t.codes.list) == 1 {
		return slices.Contains(list, t.codes.list[0])
	}
	return slices.ContainsFunc(list, t.codes.has)
}

func (t *tagIn) items(*Index) (*roaring.Bitmap, bool) {
	if len(t.codes.list) == 1 {
		return t.v.dict.items(t.codes.list[0]).bitmap()
	}
	return union(&t.v.dict, t.codes.list)
}

// union is the set of items with one of some codes.
func union(d *dictionary, codes []uint32) (*roaring.Bitmap, bool) {
	if len(codes) == 1 {
		return d.items(codes[0]).bitmap()
	}
	var few []uint32
	var large []*roaring.Bitmap
	for _, code := range codes {
		if p := d.items(code); p.bits != nil {
			large = append(large, p.bits)
		} else {
			few = append(few, p.few...)
		}
	}
	slices.Sort(few)
	return roaring.FastOr(append(large, roaring.BitmapOf(few...))...), true
}

// codeSet is a set of codes: looked through if it's short, else with a bit for each.
type codeSet struct {
	list []uint32 // ascending
	bits []uint64
}

const shortSet = 8

func newCodeSet(codes []uint32) codeSet {
	slices.Sort(codes)
	s := codeSet{list: slices.Compact(codes)}
	if len(s.list) > shortSet {
		s.bits = make([]uint64, s.list[len(s.list)-1]/64+1)
		for _, code := range s.list {
			s.bits[code/64] |= 1 << (code % 64)
		}
	}
	return s
}

func (s *codeSet) has(code uint32) bool {
	if s.bits == nil {
		return slices.Contains(s.list, code)
	}
	return int(code/64) < len(s.bits) && s.bits[code/64]>>(code%64)&1 != 0
}

// keyRange holds where a number's key lies between two keys, both included.
type keyRange struct {
	facts
	v      *numbers
	lo, hi uint64
}

func (r *keyRange) match(n state.Ord) bool {
	key := r.v.keys.get(n)
	return key >= r.lo && key <= r.hi && (key != 0 || r.v.low(n))
}

func (r *keyRange) items(x *Index) (*roaring.Bitmap, bool) {
	return r.v.collect(r.lo, r.hi, x.top), true
}

// keyIn holds where a number's key is one of several.
type keyIn struct {
	facts
	v    *numbers
	keys []uint64 // ascending
}

func (k *keyIn) match(n state.Ord) bool {
	key := k.v.keys.get(n)
	if _, ok := slices.BinarySearch(k.keys, key); !ok {
		return false
	}
	return key != 0 || k.v.low(n)
}

func (k *keyIn) items(x *Index) (*roaring.Bitmap, bool) {
	c := newCollector(int(k.rows), x.top)
	for _, key := range k.keys {
		k.v.order.ascend(firstOf(0, key), lastOf(0, key), func(part []entry) {
			for _, e := range part {
				c.add(e.ord)
			}
		})
	}
	return c.bitmap(), true
}

// flagIs holds where a bool field has a value.
type flagIs struct {
	facts
	v    *flags
	flag uint8
}

func (f *flagIs) match(n state.Ord) bool               { return f.v.values.get(n) == f.flag }
func (f *flagIs) items(*Index) (*roaring.Bitmap, bool) { return f.v.items(f.flag), false }

// near holds where a place lies in a disc.
type near struct {
	facts
	v    *places
	disc disc
}

func (p *near) match(n state.Ord) bool {
	return p.v.has(n) && p.disc.has(p.v.lats.get(n), p.v.lons.get(n))
}

func (p *near) items(*Index) (*roaring.Bitmap, bool) { return p.v.collect(&p.disc), true }

// isSet holds where a field is set.
type isSet struct {
	facts
	v view
}

func (s *isSet) match(n state.Ord) bool               { return s.v.has(n) }
func (s *isSet) items(*Index) (*roaring.Bitmap, bool) { return s.v.present() }

// member holds for the items of a set from outside.
type member struct {
	facts
	set  Set
	bits *roaring.Bitmap // nil: only the set knows
}

func (m *member) match(n state.Ord) bool { return m.set.Has(n) }

func (m *member) items(x *Index) (*roaring.Bitmap, bool) {
	if m.bits != nil {
		return roaring.And(m.bits, x.live), true
	}
	return where(x.live, m.set.Has), true
}

// isLive holds for live items. It stands where nothing else implies it.
type isLive struct {
	facts
	x *Index
}

func (l *isLive) match(n state.Ord) bool                 { return l.x.alive.get(n) }
func (l *isLive) items(x *Index) (*roaring.Bitmap, bool) { return x.live, false }
