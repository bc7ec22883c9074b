package vector

import (
	"math"

	"github.com/viterin/vek/vek32"

	"github.com/tidaldb/tidal/internal/state"
)

// Set is the vectors of one embedding slot, by ordinal. Calls that change it must not run beside any other call; calls
// that read may run beside each other.
type Set struct {
	dimensions int
	n          int
	// pieces hold the vectors by row, pieceRows each: what grows is a list of pieces, and no vector is copied for it. A
	// piece belongs to one cell; homes says to which.
	pieces [][]float32
	homes  []home
	// ords says whose a row is, for rows that hold a vector.
	ords   []state.Ord
	vacant []int32   // pieces that belong to no cell, and have no memory
	spare  []float32 // the memory of one of them
	rows   column
	// loose is the cell of all vectors that nobody has put into another one. See [Lists].
	loose cell
}

const (
	pieceBits = 5
	pieceRows = 1 << pieceBits
)

// NewSet returns an empty set for vectors of so many numbers, at least one.
func NewSet(dimensions int) *Set {
	if dimensions < 1 {
		panic("vector: a vector has at least one number")
	}
	return &Set{dimensions: dimensions}
}

// Dimensions is how many numbers each vector has.
func (s *Set) Dimensions() int { return s.dimensions }

// Len is the number of vectors.
func (s *Set) Len() int { return s.n }

// Memory is how many bytes the set occupies, without the bookkeeping of Go's allocator.
func (s *Set) Memory() int {
	vectors := (len(s.pieces) - len(s.vacant)) * pieceRows * s.dimensions * 4
	lists := cap(s.pieces)*24 + cap(s.homes)*16 + cap(s.ords)*4 + (cap(s.vacant)+cap(s.loose.pieces))*4
	return vectors + lists + len(s.spare)*4 + s.rows.memory()
}

// Put makes v the vector of n, at length 1, and says whether it could. A vector that has no direction (all zeros, a
// number that isn't finite) or another number of dimensions is no vector: n has none from then on. The set keeps a
// copy.
func (s *Set) Put(n state.Ord, v []float32) bool {
	length := 0.0
	if len(v) == s.dimensions {
		length = norm(v)
	}
	if length == 0 || math.IsInf(length, 0) || math.IsNaN(length) {
		s.Remove(n)
		return false
	}
	row, ok := s.rows.get(n)
	if ok && s.homes[row>>pieceBits].cell == &s.loose {
		scaleInto(s.row(row), v, length)
		return true
	}
	// The old row goes last, for v may lie in it.
	target := s.grow(&s.loose)
	scaleInto(s.row(target), v, length)
	s.ords[target] = n
	if ok {
		s.shrink(row)
	}
	s.rows.set(n, target)
	return true
}

// Remove takes the vector of n out, if there is one.
func (s *Set) Remove(n state.Ord) {
	if row, ok := s.rows.get(n); ok {
		s.shrink(row)
		s.rows.clear(n)
	}
}

// Get returns the vector of n, of length 1, or nil. It aliases the set: it is valid until the next change, which
// [Lists.Refresh] is too, and nobody may write to it.
func (s *Set) Get(n state.Ord) []float32 {
	row, ok := s.rows.get(n)
	if !ok {
		return nil
	}
	return s.row(row)
}

// Similarity is the cosine between the vectors of two items, in [−1, 1] but for rounding, and 0 if one of them has
// none.
func (s *Set) Similarity(a, b state.Ord) float32 {
	x, ok := s.rows.get(a)
	if !ok {
		return 0
	}
	y, ok := s.rows.get(b)
	if !ok {
		return 0
	}
	return vek32.Dot(s.row(x), s.row(y))
}

// Similarities appends, for each of the ordinals, the cosine between its vector and q, and 0 where it has none. Where q
// hasn't the length 1 the figures are multiplied by its length; where it has another number of dimensions they are 0.
func (s *Set) Similarities(q []float32, ords []state.Ord, out []float32) []float32 {
	fits := len(q) == s.dimensions
	for _, n := range ords {
		var likeness float32
		if row, ok := s.rows.get(n); ok && fits {
			likeness = vek32.Dot(s.row(row), q)
		}
		out = append(out, likeness)
	}
	return out
}

func (s *Set) row(row int) []float32 {
	at := (row & (pieceRows - 1)) * s.dimensions
	return s.pieces[row>>pieceBits][at : at+s.dimensions : at+s.dimensions]
}

// norm is in 64 bits: squares of numbers near either end of the range of 32 bits would be lost.
func norm(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

func scaleInto(dst, v []float32, length float64) {
	for i, x := range v {
		dst[i] = float32(float64(x) / length)
	}
}

// unit brings v to length 1 in place and says whether it has a direction.
func unit(v []float32) bool {
	length := norm(v)
	if length == 0 || math.IsInf(length, 0) || math.IsNaN(length) {
		return false
	}
	scaleInto(v, v, length)
	return true
}
