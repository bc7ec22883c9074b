package vector

import (
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/viterin/vek/vek32"

	"github.com/tidaldb/tidal/internal/state"
)

// Exact is the index that compares with every vector of a set that the filter leaves. It holds nothing of its own, and
// its answers are those of the set as it is.
type Exact struct{ Set *Set }

// Len is the number of vectors in the set.
func (x Exact) Len() int { return x.Set.Len() }

// Search implements [Index]; none is ever missed.
func (x Exact) Search(q []float32, k int, filter Filter, out []Hit) []Hit {
	s := x.Set
	if k < 1 || len(q) != s.dimensions {
		return out
	}
	k = min(k, s.n)
	if k == 0 {
		return out
	}
	// A row that is looked up costs much more than one that the scan comes to, if memory has to be waited for.
	if filter.In != nil && 2*filter.In.GetCardinality() < uint64(s.n) {
		return x.within(q, k, &filter, out)
	}
	t := newTop(k, out)
	for p := range s.pieces {
		s.scan(p, q, &filter, &t)
	}
	return t.sorted()
}

// within looks up each item that the filter's bitmap holds.
func (x Exact) within(q []float32, k int, filter *Filter, out []Hit) []Hit {
	t := newTop(k, out)
	x.visit(q, filter.In, filter.Accept, &t)
	return t.sorted()
}

// Among appends to out the k most similar of the given items, as [Index.Search] does. An ordinal that stands there
// twice is found twice.
func (x Exact) Among(q []float32, k int, ords []state.Ord, out []Hit) []Hit {
	s := x.Set
	k = min(k, len(ords))
	if k < 1 || len(q) != s.dimensions {
		return out
	}
	t := newTop(k, out)
	for _, n := range ords {
		if row, ok := s.rows.get(n); ok {
			if h := (Hit{n, vek32.Dot(s.row(row), q)}); t.wants(h) {
				t.add(h)
			}
		}
	}
	return t.sorted()
}

func (x Exact) visit(q []float32, in *roaring.Bitmap, accept func(state.Ord) bool, t *top) {
	s := x.Set
	var buffer [256]uint32
	for it := in.ManyIterator(); ; {
		n := it.NextMany(buffer[:])
		if n == 0 {
			return
		}
		for _, ord := range buffer[:n] {
			row, ok := s.rows.get(state.Ord(ord))
			if !ok {
				continue
			}
			h := Hit{state.Ord(ord), vek32.Dot(s.row(row), q)}
			if t.wants(h) && (accept == nil || accept(h.Ord)) {
				t.add(h)
			}
		}
	}
}
