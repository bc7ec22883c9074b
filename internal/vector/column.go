package vector

import "github.com/tidaldb/tidal/internal/state"

// column is a number from 0 for some ordinals, in pieces: ordinals are dense for all items, but a slot may have vectors
// for few of them.
type column struct {
	pieces []*[columnPiece]int32 // one more than the number; 0 is none
}

const (
	columnBits  = 12
	columnPiece = 1 << columnBits
)

func (c *column) get(n state.Ord) (int, bool) {
	p := int(n >> columnBits)
	if p >= len(c.pieces) || c.pieces[p] == nil {
		return 0, false
	}
	v := c.pieces[p][n&(columnPiece-1)]
	return int(v) - 1, v != 0
}

func (c *column) set(n state.Ord, v int) {
	p := int(n >> columnBits)
	for p >= len(c.pieces) {
		c.pieces = append(c.pieces, nil)
	}
	if c.pieces[p] == nil {
		c.pieces[p] = new([columnPiece]int32)
	}
	c.pieces[p][n&(columnPiece-1)] = int32(v + 1)
}

// clear is for ordinals that have a number.
func (c *column) clear(n state.Ord) { c.pieces[n>>columnBits][n&(columnPiece-1)] = 0 }

func (c *column) memory() int {
	bytes := cap(c.pieces) * 8
	for _, p := range c.pieces {
		if p != nil {
			bytes += columnPiece * 4
		}
	}
	return bytes
}
