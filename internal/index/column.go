package index

import "github.com/tidaldb/tidal/internal/state"

const (
	pieceBits = 12
	pieceSize = 1 << pieceBits // items per piece of a column
)

// column is one value per item, zero where none was set. It grows by pieces; those that were never written don't exist.
type column[T any] struct {
	pieces []*[pieceSize]T
	made   int // pieces that exist
}

// get returns the value of an item, zero beyond the end.
func (c *column[T]) get(n state.Ord) (v T) {
	if i := int(n >> pieceBits); i < len(c.pieces) {
		if p := c.pieces[i]; p != nil {
			return p[n%pieceSize]
		}
	}
	return v
}

// at returns the place of an item's value.
func (c *column[T]) at(n state.Ord) *T {
	i := int(n >> pieceBits)
	for i >= len(c.pieces) {
		c.pieces = append(c.pieces, nil)
	}
	if c.pieces[i] == nil {
		c.pieces[i] = new([pieceSize]T)
		c.made++
	}
	return &c.pieces[i][n%pieceSize]
}

// bytes is what the column takes when a value takes width bytes.
func (c *column[T]) bytes(width int) int64 {
	return int64(c.made)*int64(width)*pieceSize + int64(cap(c.pieces))*8
}
