package state

import (
	"encoding/binary"
	"math/bits"
)

// handle is the address of a block in units of 8 bytes; 0 is no block.
type handle uint32

// role says what a block is, and so who refers to it.
type role uint32

const (
	roleHead  role = iota // an owner: id, generation, and its records or the list of its leaves
	roleLeaf              // records of an owner that has many
	roleSpill             // one large record
)

// Every block begins with eight bytes, little endian:
//
//	0  u32  size of the block in bytes, a multiple of 8, plus the role, plus deadBit once it is released
//	4  u32  the owner's ordinal
//
// So a walk over a segment meets every block, and knows without looking elsewhere whether anybody still refers to it.
const (
	unit        = 8
	blockHeader = 8

	roleMask = 3
	deadBit  = 4
)

const (
	segmentBits  = 18 // bytes of a segment, as a power of two
	segmentBytes = 1 << segmentBits
	segmentUnits = segmentBytes / unit
	// firstSegment is the size of an arena's first segment. Further ones are as large as all before together, up to
	// segmentBytes: a small table is small.
	firstSegment = 4 << 10
	// largestBlock is the largest that lies in a segment; larger ones have memory of their own.
	largestBlock = 32 << 10
)

// Handles of large blocks count down from the top, those in segments up to lastInSegment. A number is used again once
// its block is released, so that they meet only at 24 GiB in segments, or a billion large blocks.
const (
	firstLarge    = handle(1<<32 - 1)
	lastInSegment = firstLarge / 4 * 3
)

// arena hands out blocks of bytes like a log: a new block goes behind the last one, whatever its size, and a released
// one leaves a hole. When holes are too large a part of the arena, the segment that has most of them is emptied
// (tidy.go): its living blocks are moved to the end, and it is used anew. So blocks of all sizes share all memory, and
// growing records, which leave their place again and again, leave nothing behind for good.
type arena struct {
	segments []segment
	vacant   []uint32 // segments without blocks
	bare     []uint32 // numbers of segments that have no memory either
	open     [2]int   // number of the segment that new blocks go to, plus 1: fresh ones, and those that were moved
	large    [][]byte // by number; nil is free
	gaps     []uint32 // free numbers in large

	held       int64 // bytes of all segments
	idle       int64 // bytes of the vacant ones
	live       int64 // bytes of the blocks in them that aren't released
	largeBytes int64
	released   int64 // bytes released since tidy last looked

	victim int // number of the segment that is being emptied, plus 1
	cursor int // bytes of it that are done
}

type segment struct {
	mem  []byte
	used uint32 // bytes handed out
	live uint32 // of these, bytes that aren't released
}

// Where a block goes: what was moved once has lived for a while, and is kept apart from what comes and goes.
const (
	fresh = iota
	moved
)

// sizeFor returns the size of a block that holds n bytes now, with a quarter to grow. What stops growing loses that room
// when it is moved.
func sizeFor(n int) int { return (n + n/4 + 16 + unit - 1) &^ (unit - 1) }

// alloc returns a block of size bytes, a multiple of 8. Its contents are undefined but for the header. It moves
// nothing: handles and bytes stay good.
func (a *arena) alloc(where, size int, r role, n Ord) (handle, []byte) {
	if size > largestBlock {
		return a.allocLarge(size, r, n)
	}
	number := a.open[where] - 1
	if number < 0 || int(a.segments[number].used)+size > len(a.segments[number].mem) {
		number = a.openSegment(where, size)
	}
	s := &a.segments[number]
	off := int(s.used)
	s.used += uint32(size)
	s.live += uint32(size)
	a.live += int64(size)
	b := s.mem[off : off+size : off+size]
	putHeader(b, size, r, n)
	return handle(number*segmentUnits + off/unit), b
}

func roleOf(b []byte) role { return role(binary.LittleEndian.Uint32(b) & roleMask) }

func putHeader(b []byte, size int, r role, n Ord) {
	binary.LittleEndian.PutUint32(b, uint32(size)|uint32(r))
	binary.LittleEndian.PutUint32(b[4:], uint32(n))
}

// openSegment takes a segment with room for a block, and closes the one that was open.
func (a *arena) openSegment(where, size int) int {
	number := a.vacantSegment()
	s := &a.segments[number]
	if len(s.mem) < size+unit {
		a.held -= int64(len(s.mem))
		want := 1 << (bits.Len64(uint64(min(max(a.held, firstSegment), segmentBytes))) - 1)
		for want < size+unit {
			want *= 2
		}
		s.mem = make([]byte, want)
		a.held += int64(want)
	}
	s.used = unit // what has handle 0 is no block
	before := a.open[where] - 1
	a.open[where] = number + 1
	if before >= 0 && a.segments[before].live == 0 {
		a.vacate(before)
	}
	return number
}

// vacantSegment returns the number of a segment that nothing is in, preferably one that has memory.
func (a *arena) vacantSegment() int {
	if last := len(a.vacant) - 1; last >= 0 {
		number := int(a.vacant[last])
		a.vacant = a.vacant[:last]
		a.idle -= int64(len(a.segments[number].mem))
		return number
	}
	if last := len(a.bare) - 1; last >= 0 {
		number := int(a.bare[last])
		a.bare = a.bare[:last]
		return number
	}
	number := len(a.segments)
	if handle(number) >= lastInSegment/segmentUnits {
		panic("state: arena is beyond 24 GiB")
	}
	a.segments = append(a.segments, segment{})
	return number
}

func (a *arena) allocLarge(size int, r role, n Ord) (handle, []byte) {
	b := make([]byte, size)
	putHeader(b, size, r, n)
	number := uint32(len(a.large))
	if last := len(a.gaps) - 1; last >= 0 {
		number = a.gaps[last]
		a.gaps = a.gaps[:last]
		a.large[number] = b
	} else {
		a.large = append(a.large, b)
	}
	a.largeBytes += int64(len(b))
	return firstLarge - handle(number), b
}

// bytes returns the whole block of h.
func (a *arena) bytes(h handle) []byte {
	if h > lastInSegment {
		return a.large[firstLarge-h]
	}
	b := a.segments[h/segmentUnits].mem[h%segmentUnits*unit:]
	size := binary.LittleEndian.Uint32(b) &^ (unit - 1)
	return b[:size:size]
}

// release gives a block back. Its bytes stay as they are until the next call of alloc or of tidy.
func (a *arena) release(h handle) {
	if h > lastInSegment {
		number := uint32(firstLarge - h)
		a.largeBytes -= int64(len(a.large[number]))
		a.large[number] = nil
		a.gaps = append(a.gaps, number)
		return
	}
	b := a.bytes(h)
	b[0] |= deadBit
	a.lose(int(h/segmentUnits), len(b))
}

// trim cuts the end off a block in a segment.
func (a *arena) trim(h handle, b []byte, size int) {
	rest := len(b) - size
	if rest == 0 {
		return
	}
	word := binary.LittleEndian.Uint32(b)
	binary.LittleEndian.PutUint32(b, uint32(size)|word&roleMask)
	binary.LittleEndian.PutUint32(b[size:], uint32(rest)|deadBit)
	a.lose(int(h/segmentUnits), rest)
}

// lose counts bytes of a segment that are no longer referred to.
func (a *arena) lose(number, n int) {
	s := &a.segments[number]
	s.live -= uint32(n)
	a.live -= int64(n)
	a.released += int64(n)
	if s.live == 0 && number != a.open[fresh]-1 && number != a.open[moved]-1 && number != a.victim-1 {
		a.vacate(number)
	}
}

// vacate makes a segment without living blocks available, or gives its memory back when there are plenty.
func (a *arena) vacate(number int) {
	s := &a.segments[number]
	s.used = 0
	if len(s.mem) == segmentBytes && len(a.vacant) < 2+len(a.segments)/32 {
		a.vacant = append(a.vacant, uint32(number))
		a.idle += segmentBytes
		return
	}
	a.held -= int64(len(s.mem))
	s.mem = nil
	a.bare = append(a.bare, uint32(number))
}

// reserved is the memory that the arena holds, handed out or not.
func (a *arena) reserved() int64 { return a.held + a.largeBytes }

// reset releases everything and keeps the memory of segments.
func (a *arena) reset() {
	old := *a
	*a = arena{segments: old.segments, vacant: old.vacant[:0], bare: old.bare[:0], held: old.held, idle: old.held}
	for number := len(a.segments) - 1; number >= 0; number-- {
		s := &a.segments[number]
		s.used, s.live = 0, 0
		if s.mem == nil {
			a.bare = append(a.bare, uint32(number))
		} else {
			a.vacant = append(a.vacant, uint32(number))
		}
	}
}
