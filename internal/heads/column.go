package heads

import (
	"math"

	"github.com/tidaldb/tidal/internal/state"
)

// none is the value of an item that has none. It is below all others, so that a bar of none leaves nothing out.
const none = math.MinInt64

const (
	pieceBits  = 12
	pieceItems = 1 << pieceBits
)

// piece holds the words of 4,096 items: columns grow without copying what is there, and a stretch of items that have no
// event of a type takes no memory for it. Each word is kept as its difference to none, so that a new piece says none of all items,
// and needn't be written before it is used.
type piece [pieceItems]int64

func (p *piece) word(n state.Ord) int64 { return p[n%pieceItems] ^ none }

func (p *piece) put(n state.Ord, word int64) { p[n%pieceItems] = word ^ none }

// column is a word for each item and the head over their values.
type column struct {
	halfLife int64
	// shift is how far a word is moved down to be a value: by 32 where something else lies in the lower half. lift is
	// how far a value is moved up to be in Q32.
	shift, lift uint8

	pieces []*piece
	held   int // pieces that aren't nil
	head   head
	// next is the head that is being built, nil while none is.
	next *rebuild
}

func newColumn(halfLife int64, shift, lift uint8, keep int) *column {
	col := &column{halfLife: halfLife, shift: shift, lift: lift}
	col.head.init(keep, col.none())
	return col
}

// none is the value of an item without a word.
func (col *column) none() int64 { return int64(none) >> col.shift }

// word returns an item's word, none if it has none.
func (col *column) word(n state.Ord) int64 {
	if i := int(n >> pieceBits); i < len(col.pieces) {
		if p := col.pieces[i]; p != nil {
			return p.word(n)
		}
	}
	return none
}

func (col *column) has(n state.Ord) bool { return col.word(n) != none }

// grow returns the piece of an item, a new one if there is none.
func (col *column) grow(n state.Ord) *piece {
	i := int(n >> pieceBits)
	if i >= len(col.pieces) {
		col.pieces = append(col.pieces, make([]*piece, i+1-len(col.pieces))...)
	}
	if col.pieces[i] == nil {
		col.pieces[i] = new(piece)
		col.held++
	}
	return col.pieces[i]
}

// set changes an item's word, and the heads over it.
func (c *Columns) set(col *column, n state.Ord, word int64) {
	var p *piece
	if i := int(n >> pieceBits); i < len(col.pieces) {
		p = col.pieces[i]
	}
	if p == nil {
		p = col.grow(n)
	}
	old, v := p.word(n)>>col.shift, word>>col.shift
	p.put(n, word)
	if old == v {
		return
	}
	h := &col.head
	switch {
	case v > h.bar:
		if old > h.bar {
			h.scores[h.find(n)] = v
		} else {
			h.add(n, v, &c.scratch)
		}
	case old > h.bar:
		h.remove(n)
		if col.next == nil && h.short(col.held*pieceItems, departurePays) {
			c.queue(&rebuild{column: col})
		}
	}
	if col.next != nil && n < col.next.cursor {
		col.next.next.update(n, old, v, &c.scratch)
	}
}

func (col *column) memory() int64 {
	return int64(col.held)*pieceItems*8 + int64(cap(col.pieces))*8 + col.head.memory()
}

// Column is one order over the items of a shard: the decayed scores of a signal type under one half-life, or how much
// items rise. It is a view of a [Columns], which must not be changed while it is read.
type Column struct{ column *column }

// HalfLife returns the half-life in milliseconds, that of an hour for Rising.
func (c Column) HalfLife() int64 { return c.column.halfLife }

// LogScore returns the value that an item is ordered by, and false if it has none. Under a half-life it is the
// LogScore of the cell, log₂ score(q) + q/halfLife in Q32; for Rising see [Columns.Rising], in Q32 as well.
func (c Column) LogScore(n state.Ord) (int64, bool) {
	v := c.column.word(n) >> c.column.shift
	return v << c.column.lift, v != c.column.none()
}

// Len returns how many items can be had without a scan, and whether they are all that have a value.
func (c Column) Len() (n int, all bool) {
	h := &c.column.head
	return len(h.ords), h.bar == c.column.none()
}
