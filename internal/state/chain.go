package state

import "encoding/binary"

// The records of an owner hang on a list that is linked both ways: a block that grows out of its class moves, and the
// busiest users have thousands of records, so finding its neighbours must not be a walk.

func next(b []byte) handle     { return handle(binary.LittleEndian.Uint32(b)) }
func previous(b []byte) handle { return handle(binary.LittleEndian.Uint32(b[21:])) }

func setNext(b []byte, h handle)     { binary.LittleEndian.PutUint32(b, uint32(h)) }
func setPrevious(b []byte, h handle) { binary.LittleEndian.PutUint32(b[21:], uint32(h)) }

// chain puts a block in front of its owner's list.
func (t *Table) chain(o *slot, h handle) {
	b := t.arena.bytes(h)
	setNext(b, o.head)
	setPrevious(b, 0)
	if o.head != 0 {
		setPrevious(t.arena.bytes(o.head), h)
	}
	o.head = h
}

// unchain takes a block off the list.
func (t *Table) unchain(o *slot, h handle) {
	b := t.arena.bytes(h)
	t.link(o, previous(b), next(b))
}

// rechain puts a block in the place of another.
func (t *Table) rechain(o *slot, from, to handle) {
	b := t.arena.bytes(from)
	before, behind := previous(b), next(b)
	t.link(o, before, to)
	t.link(o, to, behind)
}

// link makes two blocks neighbours; 0 stands for the head of the list, or for its end.
func (t *Table) link(o *slot, before, behind handle) {
	if before == 0 {
		o.head = behind
	} else {
		setNext(t.arena.bytes(before), behind)
	}
	if behind != 0 {
		setPrevious(t.arena.bytes(behind), before)
	}
}
