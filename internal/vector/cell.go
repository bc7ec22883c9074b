package vector

import (
	"github.com/viterin/vek/vek32"

	"github.com/tidaldb/tidal/internal/state"
)

// cell is some of the vectors of a set, one behind the other in memory but for the ends of pieces. Every vector is in
// exactly one cell, since its row is.
type cell struct {
	pieces []int32 // numbers of the set's pieces; all are full but the last one
	n      int
}

// home says whose a piece is, and where it stands among the pieces of that cell.
type home struct {
	cell *cell
	at   int
}

// used is how many of the rows of a piece hold a vector.
func (s *Set) used(piece int) int {
	h := &s.homes[piece]
	if h.cell == nil {
		return 0
	}
	return min(h.cell.n-h.at*pieceRows, pieceRows)
}

// grow adds a row to a cell.
func (s *Set) grow(c *cell) int {
	if c.n == len(c.pieces)*pieceRows {
		c.pieces = append(c.pieces, s.piece(home{c, len(c.pieces)}))
	}
	row := int(c.pieces[c.n>>pieceBits])<<pieceBits | c.n&(pieceRows-1)
	c.n++
	s.n++
	return row
}

// shrink takes a row out of its cell, whose last vector moves there. Nobody's row points there afterwards.
func (s *Set) shrink(row int) {
	c := s.homes[row>>pieceBits].cell
	if last := s.last(c); row != last {
		copy(s.row(row), s.row(last))
		s.ords[row] = s.ords[last]
		s.rows.set(s.ords[row], row)
	}
	c.n--
	s.n--
	if spare := len(c.pieces) - 1; c.n == spare*pieceRows {
		s.free(int(c.pieces[spare]))
		c.pieces = c.pieces[:spare]
	}
}

// last is the row of the last vector of a cell that has some.
func (s *Set) last(c *cell) int {
	i := c.n - 1
	return int(c.pieces[i>>pieceBits])<<pieceBits | i&(pieceRows-1)
}

// move brings the vector of a row into another cell.
func (s *Set) move(row int, to *cell) {
	n := s.ords[row]
	target := s.grow(to)
	copy(s.row(target), s.row(row))
	s.ords[target] = n
	s.shrink(row)
	s.rows.set(n, target)
}

// piece returns a free piece, which has a home from now on.
func (s *Set) piece(h home) int32 {
	vectors := s.spare
	if s.spare = nil; vectors == nil {
		vectors = make([]float32, pieceRows*s.dimensions)
	}
	if last := len(s.vacant) - 1; last >= 0 {
		p := s.vacant[last]
		s.vacant = s.vacant[:last]
		s.pieces[p], s.homes[p] = vectors, h
		return p
	}
	s.pieces, s.homes = append(s.pieces, vectors), append(s.homes, h)
	s.ords = append(s.ords, make([]state.Ord, pieceRows)...)
	return int32(len(s.pieces) - 1)
}

// free gives a piece back. One stays, so that a set which goes up and down by one doesn't allocate each time.
func (s *Set) free(p int) {
	s.spare = s.pieces[p]
	s.pieces[p], s.homes[p] = nil, home{}
	s.vacant = append(s.vacant, int32(p))
}

// scan looks at the vectors of a piece.
func (s *Set) scan(piece int, q []float32, filter *Filter, t *top) (seen seen) {
	d, vectors := s.dimensions, s.pieces[piece]
	from := piece << pieceBits
	ords := s.ords[from : from+s.used(piece)]
	for i, n := range ords {
		h := Hit{n, vek32.Dot(vectors[i*d:(i+1)*d], q)}
		if !t.wants(h) {
			continue
		}
		if seen.asked++; filter.accepts(n) {
			seen.accepted++
			t.add(h)
		}
	}
	seen.compared = len(ords)
	return seen
}

// seen is how far a search has come: for how many vectors it multiplied, of how many of those it asked the filter, and
// how many that let through.
type seen struct{ compared, asked, accepted int }
