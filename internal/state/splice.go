package state

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/algebra"
)

// Lists of interactions change with each signal, and nearly always at their ends: an entry comes in front and one goes
// behind. So the block of a spilled list has notes of its entries, which package algebra makes, behind the sub-key, and
// then room, into which the value grows:
//
//	sub-key | notes | room | value | what is left over of the block
//
// When there is no room in front, what is left over behind is moved there.

// notesOf returns how many bytes of notes a spilled record of a kind has.
func notesOf(kind algebra.Kind) int {
	if kind == algebra.KindRecents || kind == algebra.KindEngagers {
		return algebra.ListNotes
	}
	return 0
}

// Notes returns what is noted beside a list, for [algebra.ListRule.Edit], which may write there; nil for a list that
// notes aren't worth while for. Set and whatever else changes the list leaves them empty, but [Table.Splice].
func (t *Table) Notes(k Key, at Place) []byte {
	notes := notesOf(k.Kind)
	if at.record < 0 || at.value == at.bag || notes == 0 {
		return nil
	}
	b := t.owners[k.Owner].arena.bytes(at.value)
	return b[spillSub+spillSubLen(b):][:notes:notes]
}

// Splice makes a change to a list that has notes, and keeps them. The place is the one that Lookup found for k.
func (t *Table) Splice(k Key, at Place, x *algebra.ListEdit) {
	os := &t.owners[k.Owner]
	os.touch(os.slot(k.Ord))
	if more := len(x.Entry) + x.To - x.Again; len(k.Sub)+x.End+more > spillAbove {
		os.splice(os.roomy(&k, at, x, more), x, more)
	} else {
		v := t.Value(at)
		short := append(append(os.scratch[:0], v[:x.At]...), x.Entry...)
		os.scratch = append(append(short, v[x.At:x.To]...), v[x.Again:x.End]...)
		os.update(&k, at, os.scratch)
	}
	os.tidy()
}

// roomy returns the block of a list, with what goes behind cut off and room in front for so many bytes more.
func (os *owners) roomy(k *Key, p Place, x *algebra.ListEdit, more int) []byte {
	b := os.arena.bytes(p.value)
	v := b[spillAt(b):][:x.End]
	fixed := spillSub + spillSubLen(b) + notesOf(k.Kind)
	binary.LittleEndian.PutUint32(b[12:], uint32(x.End))
	free, large := len(b)-fixed-x.End, len(b) > 2*(fixed+x.End+more)
	switch {
	case spillAt(b)-fixed >= more && !large:
		return b
	case large || free < max(more, x.End/16): // with room for one or two entries all would be moved all the time
		h, c := os.newSpill(k, p.hash, x.End+max(more, 0))
		copy(c[spillSub:], b[spillSub:fixed])
		bag := os.arena.bytes(p.bag)
		from, to := bagRecord(bag, p.bagAt(bag), int(p.record))
		putRecord(bag[from:to], k, p.hash, h, nil)
		os.arena.release(p.value)
		b = c
	}
	setFront(b, len(b)-x.End)
	binary.LittleEndian.PutUint32(b[12:], uint32(x.End))
	copy(b[spillAt(b):], v)
	return b
}

// setFront has the value of a spilled record begin at an offset of its block.
func setFront(b []byte, at int) {
	binary.LittleEndian.PutUint32(b[18:], uint32(at-spillSub-spillSubLen(b)))
}

// splice changes a list in its block, which has room for it.
func (os *owners) splice(b []byte, x *algebra.ListEdit, more int) {
	at := spillAt(b)
	v := b[at : at+x.End]
	copy(v[x.At+x.Again-x.To:], v[x.At:x.To])
	copy(b[at-more:], v[:x.At])
	copy(b[at-more+x.At:], x.Entry)
	setFront(b, at-more)
	binary.LittleEndian.PutUint32(b[12:], uint32(x.End+more))
}
