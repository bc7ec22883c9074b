package index

import (
	"math"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// numbers is the view of an int, float or time field.
//
// A number is kept as a key of 64 bits whose unsigned order is the numbers' order, so that all three types share one
// column, one order and one comparison. Key 0 means unset; of all numbers only the lowest int has that key, too, and
// for its sake the few items that have it are looked up in the set of items.
type numbers struct {
	filled
	of    schema.FieldType
	keys  column[uint64]
	order ordered
	lows  int // items with the lowest int
}

const sign = 1 << 63

func intKey(n int64) uint64 { return uint64(n) ^ sign }

// floatKey puts floats in order: the bits of positive ones rise already, those of negative ones fall. Neither NaN nor
// −0 is a value of a field, so different floats have different keys.
func floatKey(f float64) uint64 {
	b := math.Float64bits(f)
	if b < sign {
		return b | sign
	}
	return ^b
}

func keyInt(key uint64) int64 { return int64(key ^ sign) }

func keyFloat(key uint64) float64 {
	if key >= sign {
		return math.Float64frombits(key &^ sign)
	}
	return math.Float64frombits(^key)
}

// key returns the key of a value of the field's type, false for another value.
func (v *numbers) key(of schema.Value) (key uint64, ok bool) {
	switch v.of {
	case schema.TypeFloat:
		f, ok := of.Float()
		return floatKey(f), ok
	case schema.TypeTime:
		ms, ok := of.Time()
		return intKey(ms), ok
	}
	n, ok := of.Int()
	return intKey(n), ok
}

func (v *numbers) set(n state.Ord, to schema.Value) {
	now, ok := v.key(to)
	was, had := v.get(n)
	if ok == had && (!ok || was == now) {
		return
	}
	if had {
		v.order.remove(entry{key: was, ord: n})
		if was == 0 {
			v.lows--
		}
	}
	switch {
	case had && !ok:
		v.leave(n)
		*v.keys.at(n) = 0
		return
	case !had:
		v.enter(n)
	}
	*v.keys.at(n) = now
	v.order.insert(entry{key: now, ord: n})
	if now == 0 {
		v.lows++
	}
}

// get returns the key of an item, and whether the field is set.
func (v *numbers) get(n state.Ord) (key uint64, ok bool) {
	key = v.keys.get(n)
	return key, key != 0 || v.low(n)
}

// low reports whether an item whose key is 0 has the lowest int rather than nothing.
func (v *numbers) low(n state.Ord) bool { return v.lows > 0 && v.items.Contains(uint32(n)) }

func (v *numbers) has(n state.Ord) bool { _, ok := v.get(n); return ok }
func (v *numbers) bytes() int64         { return v.keys.bytes(8) + v.order.bytes() + bitmapBytes(v.items) }

// float returns the number of a key.
func (v *numbers) float(key uint64) float64 {
	if v.of == schema.TypeFloat {
		return keyFloat(key)
	}
	return float64(keyInt(key))
}

// countRange is the number of items with keys from lo to hi, both included.
func (v *numbers) countRange(lo, hi uint64) int { return v.order.count(firstOf(0, lo), lastOf(0, hi)) }

// collect returns the items with keys from lo to hi, both included.
func (v *numbers) collect(lo, hi uint64, top state.Ord) *roaring.Bitmap {
	c := newCollector(v.countRange(lo, hi), top)
	v.order.ascend(firstOf(0, lo), lastOf(0, hi), func(part []entry) {
		for _, e := range part {
			c.add(e.ord)
		}
	})
	return c.bitmap()
}
