package state

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/algebra"
)

// A bag is a number of records of one owner, side by side in a block, in no order:
//
//	u16  number of records
//	     per record: u16 tag, the lower half of its hash; u16 where it ends, counted from where the first begins
//	     the records
//
// and a record is
//
//	u8       kind; spilled when the rest is elsewhere
//	uvarint  length of the sub-key
//	         sub-key, then value
//
// or, when spilled, kind, u32 hash and u32 handle of a block that holds sub-key and value. So a search reads one or two
// cache lines of tags, and then the record.
const (
	bagHeader = 2
	bagEntry  = 4

	spilled     = 0x80
	spilledSize = 9
	// spillAbove is the length of sub-key and value together that is too long for a bag: lists of interactions, as a
	// rule, which would have to be shifted for each change of their small neighbours.
	spillAbove = 384
	// bagMost is the largest size of a bag that has two records or more: beyond it, the bag is split in two.
	bagMost = 2 << 10
)

// Blocks of spilled records: hash, length of the value, length of the sub-key, and how far behind it the value begins;
// then the sub-key, for a list its notes and room in front (splice.go), and the value.
const (
	spillSub = blockHeader + 14
)

func spillHash(b []byte) uint32   { return binary.LittleEndian.Uint32(b[8:]) }
func spillLen(b []byte) int       { return int(binary.LittleEndian.Uint32(b[12:])) }
func spillSubLen(b []byte) int    { return int(binary.LittleEndian.Uint16(b[16:])) }
func spillFront(b []byte) int     { return int(binary.LittleEndian.Uint32(b[18:])) }
func spillSubKey(b []byte) []byte { return b[spillSub : spillSub+spillSubLen(b)] }

// spillAt is where the value begins.
func spillAt(b []byte) int { return spillSub + spillSubLen(b) + spillFront(b) }

func bagCount(b []byte, at int) int { return int(binary.LittleEndian.Uint16(b[at:])) }

// bagData is where the records of a bag of n begin.
func bagData(at, n int) int { return at + bagHeader + bagEntry*n }

// bagEnd returns where record i ends, counted from where the first begins; −1 is the one before the first.
func bagEnd(b []byte, at, i int) int {
	if i < 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint16(b[at+bagHeader+bagEntry*i+2:]))
}

func setBagEntry(b []byte, at, i int, tag uint16, end int) {
	e := b[at+bagHeader+bagEntry*i:]
	binary.LittleEndian.PutUint16(e, tag)
	binary.LittleEndian.PutUint16(e[2:], uint16(end))
}

// moveEnds adds to where records end, from number i on.
func moveEnds(b []byte, at, i, delta int) {
	for n := bagCount(b, at); i < n; i++ {
		e := b[at+bagHeader+bagEntry*i+2:]
		binary.LittleEndian.PutUint16(e, uint16(int(binary.LittleEndian.Uint16(e))+delta))
	}
}

// bagSize returns the bytes of a bag, its header among them.
func bagSize(b []byte, at int) int {
	n := bagCount(b, at)
	return bagHeader + bagEntry*n + bagEnd(b, at, n-1)
}

// bagRecord returns where record i begins and ends in the block.
func bagRecord(b []byte, at, i int) (from, to int) {
	base := bagData(at, bagCount(b, at))
	return base + bagEnd(b, at, i-1), base + bagEnd(b, at, i)
}

// inline reads a record that isn't spilled: its sub-key, and how many bytes come before the value.
func inline(rec []byte) (sub []byte, value int) {
	n, size := int(rec[1]), 1
	if n >= 0x80 {
		u, k := binary.Uvarint(rec[1:])
		n, size = int(u), k
	}
	value = 1 + size + n
	return rec[1+size : value], value
}

// spill reads a record that is spilled.
func spill(rec []byte) (hash uint32, h handle) {
	return binary.LittleEndian.Uint32(rec[1:]), handle(binary.LittleEndian.Uint32(rec[5:]))
}

func kindOf(rec []byte) algebra.Kind { return algebra.Kind(rec[0] &^ spilled) }

// search looks for a record in one bag, and says in p where it and its value are.
func (os *owners) search(p *Place, b []byte, at int, kind algebra.Kind, sub string) bool {
	tag, n := uint16(p.hash), bagCount(b, at)
	tags := b[at+bagHeader : bagData(at, n)]
	for i := 0; i < n; i++ {
		if binary.LittleEndian.Uint16(tags[bagEntry*i:]) != tag {
			continue
		}
		from, to := bagRecord(b, at, i)
		rec := b[from:to]
		if kindOf(rec) != kind {
			continue
		}
		if rec[0]&spilled == 0 {
			if s, value := inline(rec); string(s) == sub {
				p.record, p.value, p.from, p.to = int32(i), p.bag, uint32(from+value), uint32(to)
				return true
			}
			continue
		}
		if hash, h := spill(rec); hash == p.hash {
			if c := os.arena.bytes(h); string(spillSubKey(c)) == sub {
				from := spillAt(c)
				p.record, p.value, p.from, p.to = int32(i), h, uint32(from), uint32(from+spillLen(c))
				return true
			}
		}
	}
	return false
}

// walkBag calls yield with every record of a bag.
func (os *owners) walkBag(b []byte, at int, yield func(kind algebra.Kind, sub, value []byte) bool) bool {
	for i := range bagCount(b, at) {
		from, to := bagRecord(b, at, i)
		rec := b[from:to]
		var sub, value []byte
		if rec[0]&spilled == 0 {
			s, v := inline(rec)
			sub, value = s, rec[v:]
		} else {
			_, h := spill(rec)
			c := os.arena.bytes(h)
			sub, value = spillSubKey(c), c[spillAt(c):][:spillLen(c)]
		}
		if !yield(kindOf(rec), sub, value) {
			return false
		}
	}
	return true
}

// spillRef returns the four bytes of a bag that refer to a block of a spilled record.
func (os *owners) spillRef(n Ord, hash uint32, h handle) []byte {
	b, at, leaf := os.bagFor(n, hash)
	for {
		for i := range bagCount(b, at) {
			from, to := bagRecord(b, at, i)
			if rec := b[from:to]; rec[0]&spilled != 0 {
				if _, other := spill(rec); other == h {
					return rec[5:]
				}
			}
		}
		if leaf--; leaf < 0 {
			panic("state: nothing refers to a block")
		}
		head := os.arena.bytes(os.slot(n).head)
		b = os.arena.bytes(leafHandle(head, contents(head), leaf))
	}
}
