package state

import "encoding/binary"

// Emptying a segment costs about as much as what lives in it, so it is done in small steps, each paid for by what was
// released since the last: a call that changes the table moves at most about tidyMost bytes for the others' sake.
const (
	// tidyPerByte is how many bytes are dealt with for each that was released. A quarter of the arena is holes when it
	// begins, of the sparsest segment more than that: as a rule it gains two bytes for four.
	tidyPerByte = 4
	tidyMost    = 64 << 10
	// Holes of a third of what lives, and a little, are left alone. With a fifth, tidying was a sixth of what applying takes.
	holesShare = 3
	holesLeast = 16 << 10
)

// tidy empties the sparsest segment, or a part of it, when the arena has too many holes. Handles and bytes of the
// owners' kind are void after it.
func (os *owners) tidy() {
	a := &os.arena
	if a.released == 0 {
		return
	}
	if a.victim == 0 {
		if !a.wasteful() {
			a.released = 0
			return
		}
		if a.victim = a.sparsest() + 1; a.victim == 0 {
			a.released = 0
			return
		}
		a.cursor = unit
	}
	budget := int(min(a.released*tidyPerByte, tidyMost))
	a.released = 0
	os.empty(a.victim-1, budget)
	a.released = 0 // what was moved is released, too
}

// empty moves the living blocks of a segment elsewhere, from the cursor on, until the budget is used up.
func (os *owners) empty(number, budget int) {
	a := &os.arena
	mem := a.segments[number].mem
	for end := int(a.segments[number].used); a.cursor < end && a.segments[number].live > 0; {
		if budget <= 0 {
			return
		}
		word := binary.LittleEndian.Uint32(mem[a.cursor:])
		size := int(word &^ (unit - 1))
		if word&deadBit == 0 {
			os.move(handle(number*segmentUnits + a.cursor/unit))
			budget -= size
		} else {
			budget -= unit
		}
		a.cursor += size
	}
	a.victim = 0
	a.vacate(number)
}

// wasteful reports whether the arena has more holes than it may have.
func (a *arena) wasteful() bool {
	holes := a.held - a.idle - a.live
	return holes > a.live/holesShare+holesLeast
}

// sparsest returns the segment that gains most when it is emptied, −1 if that isn't worth it.
func (a *arena) sparsest() int {
	best, most := -1, int64(0)
	for number := range a.segments {
		s := &a.segments[number]
		if number == a.open[fresh]-1 || number == a.open[moved]-1 || s.used == 0 {
			continue
		}
		// A small segment counts for as much as a large one with the same share of holes.
		if gain := int64(len(s.mem)-int(s.live)) << segmentBits / int64(len(s.mem)); gain > most {
			best, most = number, gain
		}
	}
	if most < segmentBytes/10 {
		return -1
	}
	return best
}

// move gives a block another place, of just its size, and tells the one that refers to it.
func (os *owners) move(from handle) {
	a := &os.arena
	b := a.bytes(from)
	n, used := Ord(binary.LittleEndian.Uint32(b[4:])), usedOf(b)
	to, c := a.alloc(moved, (used+unit-1)&^(unit-1), roleOf(b), n)
	copy(c[blockHeader:], b[blockHeader:used])
	switch roleOf(b) {
	case roleHead:
		os.slot(n).head = to
	case roleLeaf:
		head := a.bytes(os.slot(n).head)
		setLeaf(head, leafOf(head, leafLow(b), from), to)
	case roleSpill:
		binary.LittleEndian.PutUint32(os.spillRef(n, spillHash(b), from), uint32(to))
	}
	a.release(from)
}

// usedOf returns how many bytes of a block mean something.
func usedOf(b []byte) int {
	switch roleOf(b) {
	case roleHead:
		at := contents(b)
		if isWide(b) {
			return leafAt(at, leaves(b))
		}
		return at + bagSize(b, at)
	case roleLeaf:
		return leafBag + bagSize(b, leafBag)
	case roleSpill:
		return spillAt(b) + spillLen(b)
	}
	panic("state: block of no known role")
}
