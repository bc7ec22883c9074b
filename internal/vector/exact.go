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
	t := newTop(min(k, s.Len()), out)
	if t.k == 0 {
		return out
	}
	// A row that is looked up costs about twice as much as one that the scan comes to.
	if filter.In != nil && 2*filter.In.GetCardinality() < uint64(s.Len()) {
		x.visit(q, filter.In, filter.Accept, &t)
	} else {
		x.scan(q, &filter, &t)
	}
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

func (x Exact) scan(q []float32, filter *Filter, t *top) {
	s := x.Set
	d := s.dimensions
	for p, piece := range s.pieces {
		first := p * pieceRows
		if first >= len(s.ords) {
			return
		}
		for i, n := range s.ords[first:min(first+pieceRows, len(s.ords))] {
			h := Hit{n, vek32.Dot(piece[i*d:(i+1)*d], q)}
			if t.wants(h) && filter.accepts(n) {
				t.add(h)
			}
		}
	}
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
