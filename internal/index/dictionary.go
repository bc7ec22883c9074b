package index

import (
	"strings"

	"github.com/tidwall/btree"

	"github.com/tidaldb/tidal/internal/state"
)

// dictionary numbers the values of a keyword or tags field from 1 and knows the items of each. A value without items is
// forgotten, and its code is given to another one.
type dictionary struct {
	codes  map[string]uint32
	values column[value]  // by code
	counts column[uint32] // of each value's items once more: close together, for suggestions
	top    uint32         // the highest code given out
	free   []uint32

	// The texts in order, of the values with one item and of those with several. Suggestions go by number of items: where
	// nearly every item has a value of its own, the second tells that without a look at the first.
	single, several btree.Map[string, uint32]
}

type value struct {
	text  string
	items posting
}

func newDictionary() dictionary { return dictionary{codes: map[string]uint32{}} }

// code returns the code of a text, a new one for a new text, to which an item is to be added.
func (d *dictionary) code(text string) uint32 {
	code, ok := d.codes[text]
	if !ok {
		code = d.newCode()
		text = strings.Clone(text) // it may be a part of something larger
		d.values.at(state.Ord(code)).text = text
		d.codes[text] = code
	}
	return code
}

// add enters an item under a code. The item wasn't there.
func (d *dictionary) add(code uint32, n state.Ord) {
	v := d.value(code)
	v.items.add(n)
	*d.counts.at(state.Ord(code)) = uint32(v.items.n)
	switch v.items.n {
	case 1:
		d.single.Set(v.text, code)
	case 2:
		d.single.Delete(v.text)
		d.several.Set(v.text, code)
	}
}

func (d *dictionary) newCode() uint32 {
	if k := len(d.free); k > 0 {
		code := d.free[k-1]
		d.free = d.free[:k-1]
		return code
	}
	d.top++
	return d.top
}

// remove takes an item out from under a code.
func (d *dictionary) remove(code uint32, n state.Ord) {
	v := d.value(code)
	v.items.remove(n)
	*d.counts.at(state.Ord(code)) = uint32(v.items.n)
	switch v.items.n {
	case 0:
		d.single.Delete(v.text)
		delete(d.codes, v.text)
		*v = value{}
		d.free = append(d.free, code)
	case 1:
		d.several.Delete(v.text)
		d.single.Set(v.text, code)
	}
}

// value returns what a code stands for. The code was given out.
func (d *dictionary) value(code uint32) *value {
	return &d.values.pieces[code>>pieceBits][code%pieceSize]
}

// lookup returns the code of a text, 0 for none.
func (d *dictionary) lookup(text string) uint32 { return d.codes[text] }

// text returns the text of a code, empty for none.
func (d *dictionary) text(code uint32) string {
	if code == 0 || code > d.top {
		return ""
	}
	return d.value(code).text
}

// items returns the items of a code, empty for one that stands for nothing.
func (d *dictionary) items(code uint32) *posting {
	if code == 0 || code > d.top {
		return &posting{}
	}
	return &d.value(code).items
}

// between appends the codes of the texts for which in returns true, from the first text that isn't below from. In must
// turn from true to false once.
func (d *dictionary) between(dst []uint32, from string, in func(text string) bool) []uint32 {
	for _, m := range []*btree.Map[string, uint32]{&d.single, &d.several} {
		m.Ascend(from, func(text string, code uint32) bool {
			if in(text) {
				dst = append(dst, code)
				return true
			}
			return false
		})
	}
	return dst
}

// bytes is an estimate: a map's entry takes about 40 bytes, one of the tree about 36.
func (d *dictionary) bytes() int64 {
	sum := d.values.bytes(16+24+8+8) + d.counts.bytes(4) + int64(cap(d.free))*4 + int64(len(d.codes))*(40+36)
	for code := uint32(1); code <= d.top; code++ {
		v := d.value(code)
		sum += int64(len(v.text)) + v.items.bytes()
	}
	return sum
}
