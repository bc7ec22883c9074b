package state

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/hlc"
)

// The head of an owner, behind the header of its block:
//
//	8   u16  length of the id
//	10  u8   isRaised, wide
//	12       the id
//	    u64  generation, if isRaised
//	         a bag, or for a wide owner
//	    u32  number of leaves, and per leaf u32 lowest hash, u32 handle, rising
//
// Most owners have few records: those lie in the head itself, next to the id, which every call compares first. Busy
// users have thousands: theirs lie in leaves by the hash of kind and sub-key. A leaf is the header of its block, u32 its
// lowest hash, and a bag.
//
// A record of hash h lies in one of the leaves whose lowest hash is h, or in the one before the first of those. Leaves
// are split in the middle whatever hashes are there, so that keys made to collide cost a longer search and nothing else.
const (
	headID = 12

	isRaised = 1
	wide     = 2

	leafBag     = blockHeader + 4
	leavesCount = 4
	leafEntry   = 8
)

func isWide(b []byte) bool { return b[10]&wide != 0 }

func nameIn(b []byte) []byte { return b[headID : headID+int(binary.LittleEndian.Uint16(b[8:]))] }

func generationIn(b []byte) hlc.Timestamp {
	if b[10]&isRaised == 0 {
		return 0
	}
	return hlc.Timestamp(binary.LittleEndian.Uint64(b[headID+int(binary.LittleEndian.Uint16(b[8:])):]))
}

// contents returns where the records of a head begin, or its list of leaves.
func contents(b []byte) int {
	at := headID + int(binary.LittleEndian.Uint16(b[8:]))
	if b[10]&isRaised != 0 {
		at += 8
	}
	return at
}

func leaves(b []byte) int { return int(binary.LittleEndian.Uint32(b[contents(b):])) }

// leafAt returns where entry i of a list of leaves lies.
func leafAt(at, i int) int { return at + leavesCount + leafEntry*i }

func leafHandle(b []byte, at, i int) handle {
	return handle(binary.LittleEndian.Uint32(b[leafAt(at, i)+4:]))
}

func lowest(b []byte, at, i int) uint32 { return binary.LittleEndian.Uint32(b[leafAt(at, i):]) }

func setLeaf(b []byte, i int, h handle) {
	binary.LittleEndian.PutUint32(b[leafAt(contents(b), i)+4:], uint32(h))
}

// leafLow returns the lowest hash that a leaf says of itself.
func leafLow(b []byte) uint32 { return binary.LittleEndian.Uint32(b[blockHeader:]) }

// lastLeaf returns the last leaf that may have a record of the hash, which is where a new one goes.
func lastLeaf(b []byte, at int, hash uint32) int {
	low, high := 0, int(binary.LittleEndian.Uint32(b[at:]))
	for low+1 < high { // the one looked for is in [low, high)
		if middle := int(uint(low+high) / 2); lowest(b, at, middle) <= hash {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// leafOf returns the number of a leaf of that lowest hash and handle.
func leafOf(b []byte, low uint32, h handle) int {
	at := contents(b)
	for i := lastLeaf(b, at, low); i >= 0; i-- {
		if leafHandle(b, at, i) == h {
			return i
		}
	}
	panic("state: nothing refers to a leaf")
}

// bagFor returns the bag that a new record of the hash belongs to: its block, where it begins, and the number of the
// leaf, or 0.
func (os *owners) bagFor(n Ord, hash uint32) (b []byte, at, leaf int) {
	b = os.arena.bytes(os.slot(n).head)
	at = contents(b)
	if !isWide(b) {
		return b, at, 0
	}
	leaf = lastLeaf(b, at, hash)
	return os.arena.bytes(leafHandle(b, at, leaf)), leafBag, leaf
}
