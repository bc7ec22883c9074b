package state

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// part is one record of a bag that is being split.
type part struct {
	hash     uint32
	from, to int
}

// split puts the records of a full bag into two leaves, in place of one or of the head.
func (os *owners) split(n Ord, p *Place, b []byte, at int) {
	parts := make([]part, bagCount(b, at))
	for i := range parts {
		from, to := bagRecord(b, at, i)
		parts[i] = part{hashIn(b[from:to]), from, to}
	}
	slices.SortStableFunc(parts, func(x, y part) int { return cmp.Compare(x.hash, y.hash) })
	cut, left := 1, parts[0].to-parts[0].from
	for half := bagEnd(b, at, len(parts)-1) / 2; cut < len(parts)-1 && left < half; cut++ {
		left += parts[cut].to - parts[cut].from
	}
	low := uint32(0)
	if p.leaf >= 0 {
		low = leafLow(b)
	}
	first := os.newLeaf(n, low, b, parts[:cut])
	second := os.newLeaf(n, parts[cut].hash, b, parts[cut:])
	if p.leaf < 0 {
		os.widen(n, b, at)
		os.addLeaf(n, 0, low, first)
		os.addLeaf(n, 1, parts[cut].hash, second)
	} else {
		setLeaf(os.arena.bytes(os.slot(n).head), int(p.leaf), first)
		os.addLeaf(n, int(p.leaf)+1, parts[cut].hash, second)
	}
	os.arena.release(p.bag)
}

// hashIn returns the hash of a record in a bag.
func hashIn(rec []byte) uint32 {
	if rec[0]&spilled != 0 {
		hash, _ := spill(rec)
		return hash
	}
	sub, _ := inline(rec)
	return hashOf(kindOf(rec), string(sub))
}

// newLeaf makes a leaf of some of the records of a block.
func (os *owners) newLeaf(n Ord, low uint32, from []byte, parts []part) handle {
	size := leafBag + bagData(0, len(parts))
	for _, x := range parts {
		size += x.to - x.from
	}
	h, b := os.arena.alloc(fresh, sizeFor(size), roleLeaf, n)
	binary.LittleEndian.PutUint32(b[blockHeader:], low)
	binary.LittleEndian.PutUint16(b[leafBag:], uint16(len(parts)))
	data, end := bagData(leafBag, len(parts)), 0
	for i, x := range parts {
		end += copy(b[data+end:], from[x.from:x.to])
		setBagEntry(b, leafBag, i, uint16(x.hash), end)
	}
	return h
}

// widen gives an owner a head without records, and with no leaves yet. The old one stays.
func (os *owners) widen(n Ord, b []byte, at int) {
	h, c := os.arena.alloc(fresh, sizeFor(leafAt(at, 2)), roleHead, n)
	copy(c[blockHeader:], b[blockHeader:at])
	c[10] |= wide
	binary.LittleEndian.PutUint32(c[at:], 0)
	os.slot(n).head = h
}

// addLeaf enters a leaf in its owner's list.
func (os *owners) addLeaf(n Ord, i int, low uint32, leaf handle) {
	s := os.slot(n)
	b := os.arena.bytes(s.head)
	used := usedOf(b)
	if used+leafEntry > len(b) {
		h, c := os.arena.alloc(fresh, sizeFor(used+leafEntry), roleHead, n)
		copy(c[blockHeader:], b[blockHeader:used])
		os.arena.release(s.head)
		s.head, b = h, c
	}
	at := contents(b)
	entry := leafAt(at, i)
	copy(b[entry+leafEntry:], b[entry:used])
	binary.LittleEndian.PutUint32(b[entry:], low)
	binary.LittleEndian.PutUint32(b[entry+4:], uint32(leaf))
	binary.LittleEndian.PutUint32(b[at:], binary.LittleEndian.Uint32(b[at:])+1)
}

// dropLeaf forgets an empty leaf. Its hashes belong to the one before it then, or, for the first, to the next.
func (os *owners) dropLeaf(n Ord, i int) {
	s := os.slot(n)
	b := os.arena.bytes(s.head)
	at, used := contents(b), usedOf(b)
	os.arena.release(leafHandle(b, at, i))
	copy(b[leafAt(at, i):], b[leafAt(at, i+1):used])
	left := binary.LittleEndian.Uint32(b[at:]) - 1
	binary.LittleEndian.PutUint32(b[at:], left)
	switch {
	case left == 0:
		b[10] &^= wide
		binary.LittleEndian.PutUint16(b[at:], 0)
	case i == 0:
		binary.LittleEndian.PutUint32(b[leafAt(at, 0):], 0)
		binary.LittleEndian.PutUint32(os.arena.bytes(leafHandle(b, at, 0))[blockHeader:], 0)
	}
	if used = usedOf(b); s.head > lastInSegment && used < len(b)/4 {
		h, c := os.arena.alloc(fresh, sizeFor(used), roleHead, n)
		copy(c[blockHeader:], b[blockHeader:used])
		os.arena.release(s.head)
		s.head = h
		return
	}
	os.slim(s.head, b)
}
