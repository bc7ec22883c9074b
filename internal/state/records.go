package state

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/zeebo/xxh3"
)

// What changes an owner's records. Nothing here moves a block of another owner: tidy does, once the call is through.

// hashOf hashes what tells the records of an owner apart.
func hashOf(kind algebra.Kind, sub string) uint32 {
	return uint32(xxh3.HashString(sub) + uint64(kind)*0x9e3779b97f4a7c15)
}

// find looks for a record.
func (os *owners) find(k *Key, hash uint32) Place {
	p := Place{hash: hash, owner: k.Owner, record: -1, leaf: -1, bag: os.slot(k.Ord).head}
	b := os.arena.bytes(p.bag)
	at := contents(b)
	if !isWide(b) {
		os.search(&p, b, at, k.Kind, k.Sub)
		return p
	}
	leaf := lastLeaf(b, at, hash)
	p.leaf, p.bag = int32(leaf), leafHandle(b, at, leaf)
	if os.search(&p, os.arena.bytes(p.bag), leafBag, k.Kind, k.Sub) {
		return p
	}
	for q := p; leaf > 0 && lowest(b, at, leaf) == hash; {
		leaf--
		q.leaf, q.bag = int32(leaf), leafHandle(b, at, leaf)
		if os.search(&q, os.arena.bytes(q.bag), leafBag, k.Kind, k.Sub) {
			return q
		}
	}
	return p
}

// bagAt returns where the bag of a place begins in its block.
func (p *Place) bagAt(b []byte) int {
	if p.leaf >= 0 {
		return leafBag
	}
	return contents(b)
}

// insert adds a record that is not there.
func (os *owners) insert(k *Key, p Place, v []byte) {
	size, out := sizeOf(k, v)
	var h handle
	if out {
		h = os.spillOut(k, p.hash, v)
	} else {
		v = os.copied(v)
	}
	b := os.room(k, &p, bagEntry+size)
	at := p.bagAt(b)
	n := bagCount(b, at)
	data, end := bagData(at, n), bagEnd(b, at, n-1)
	copy(b[data+bagEntry:], b[data:data+end])
	binary.LittleEndian.PutUint16(b[at:], uint16(n+1))
	setBagEntry(b, at, n, uint16(p.hash), end+size)
	putRecord(b[data+bagEntry+end:][:size], k, p.hash, h, v)
	os.count[k.Kind]++
}

// update gives a record another value.
func (os *owners) update(k *Key, p Place, v []byte) {
	b := os.arena.bytes(p.bag)
	if p.value == p.bag && len(v) == int(p.to-p.from) {
		copy(b[p.from:p.to], v)
		return
	}
	from, to := bagRecord(b, p.bagAt(b), int(p.record))
	size, out := sizeOf(k, v)
	was := handle(0)
	if p.value != p.bag {
		was = p.value
	}
	switch {
	case out && was != 0:
		os.respill(k, b[from:to], p.value, v)
		return
	case out:
		h := os.spillOut(k, p.hash, v)
		putRecord(os.resize(k, &p, size), k, p.hash, h, nil)
	default:
		v = os.copied(v)
		putRecord(os.resize(k, &p, size), k, p.hash, 0, v)
	}
	if was != 0 {
		os.arena.release(was)
	}
}

// remove drops a record.
func (os *owners) remove(k *Key, p Place) {
	b := os.arena.bytes(p.bag)
	at, i := p.bagAt(b), int(p.record)
	if p.value != p.bag {
		os.arena.release(p.value)
	}
	n := bagCount(b, at)
	from, to := bagRecord(b, at, i)
	end := at + bagSize(b, at)
	copy(b[from:], b[to:end])
	moveEnds(b, at, i, from-to)
	entry := bagData(at, i)
	copy(b[entry:], b[entry+bagEntry:end-(to-from)])
	binary.LittleEndian.PutUint16(b[at:], uint16(n-1))
	os.count[k.Kind]--
	if n == 1 && p.leaf >= 0 {
		os.dropLeaf(k.Ord, int(p.leaf))
		return
	}
	os.slim(p.bag, b)
}

// sizeOf returns the bytes of a record in a bag, and whether it is spilled.
func sizeOf(k *Key, v []byte) (size int, out bool) {
	if len(k.Sub)+len(v) > spillAbove {
		return spilledSize, true
	}
	size = 2 + len(k.Sub) + len(v)
	if len(k.Sub) >= 0x80 {
		size++
	}
	return size, false
}

// putRecord writes a record of a bag; h is the block that it is spilled to, 0 for none.
func putRecord(rec []byte, k *Key, hash uint32, h handle, v []byte) {
	if h != 0 {
		rec[0] = byte(k.Kind) | spilled
		binary.LittleEndian.PutUint32(rec[1:], hash)
		binary.LittleEndian.PutUint32(rec[5:], uint32(h))
		return
	}
	rec[0] = byte(k.Kind)
	n := 1 + binary.PutUvarint(rec[1:], uint64(len(k.Sub)))
	n += copy(rec[n:], k.Sub)
	copy(rec[n:], v)
}

// copied returns a copy of a value that may lie in what is about to be shifted.
func (os *owners) copied(v []byte) []byte {
	os.scratch = append(os.scratch[:0], v...)
	return os.scratch
}

// room makes sure that the block of a place has so many bytes more, and corrects the place: the bag may have been split,
// or have got another block.
func (os *owners) room(k *Key, p *Place, more int) []byte {
	b := os.arena.bytes(p.bag)
	for at := p.bagAt(b); bagSize(b, at)+more > bagMost && bagCount(b, at) > 1; at = p.bagAt(b) {
		os.split(k.Ord, p, b, at)
		*p = os.find(k, p.hash)
		b = os.arena.bytes(p.bag)
	}
	used := usedOf(b)
	if used+more <= len(b) {
		return b
	}
	h, c := os.arena.alloc(fresh, sizeFor(used+more), roleOf(b), k.Ord)
	copy(c[blockHeader:], b[blockHeader:used])
	if p.leaf >= 0 {
		setLeaf(os.arena.bytes(os.slot(k.Ord).head), int(p.leaf), h)
	} else {
		os.slot(k.Ord).head = h
	}
	os.arena.release(p.bag)
	p.bag = h
	return c
}

// resize gives a record of a bag another size, and returns its bytes, which are to be written.
func (os *owners) resize(k *Key, p *Place, size int) []byte {
	b := os.arena.bytes(p.bag)
	from, to := bagRecord(b, p.bagAt(b), int(p.record))
	delta := size - (to - from)
	if delta > 0 {
		b = os.room(k, p, delta)
		from, to = bagRecord(b, p.bagAt(b), int(p.record))
	}
	at := p.bagAt(b)
	copy(b[to+delta:], b[to:at+bagSize(b, at)])
	moveEnds(b, at, int(p.record), delta)
	os.slim(p.bag, b)
	return b[from : from+size]
}

// slim cuts a block that is less than half full.
func (os *owners) slim(h handle, b []byte) {
	if len(b) <= 64 || h > lastInSegment {
		return
	}
	if size := sizeFor(usedOf(b)); size < len(b)/2 {
		os.arena.trim(h, b, size)
	}
}

// spillOut writes sub-key and value to a block of their own.
func (os *owners) spillOut(k *Key, hash uint32, v []byte) handle {
	h, b := os.newSpill(k, hash, len(v))
	copy(b[spillAt(b):], v)
	return h
}

// newSpill makes the block of a spilled record whose value, of some length, is to be written.
func (os *owners) newSpill(k *Key, hash uint32, length int) (handle, []byte) {
	fixed := spillSub + len(k.Sub) + notesOf(k.Kind)
	h, b := os.arena.alloc(fresh, sizeFor(fixed+length), roleSpill, k.Ord)
	binary.LittleEndian.PutUint32(b[8:], hash)
	binary.LittleEndian.PutUint16(b[16:], uint16(len(k.Sub)))
	copy(b[spillSub:], k.Sub)
	placeSpilled(k, b, fixed, length)
	return h, b
}

// placeSpilled says where in a block the value of a spilled record lies: behind all else, or at the end of the block when the
// value grows at its front. Notes are made empty.
func placeSpilled(k *Key, b []byte, fixed, length int) {
	binary.LittleEndian.PutUint32(b[12:], uint32(length))
	if notes := notesOf(k.Kind); notes > 0 {
		clear(b[fixed-notes : fixed])
		setFront(b, len(b)-length)
		return
	}
	setFront(b, fixed)
}

// respill gives a spilled record another value that is spilled, too.
func (os *owners) respill(k *Key, rec []byte, old handle, v []byte) {
	b := os.arena.bytes(old)
	fixed := spillSub + len(k.Sub) + notesOf(k.Kind)
	if need := fixed + len(v); need <= len(b) && need >= len(b)/2 {
		placeSpilled(k, b, fixed, len(v))
		copy(b[spillAt(b):], v)
		return
	}
	hash, _ := spill(rec)
	putRecord(rec, k, hash, os.spillOut(k, hash, v), nil)
	os.arena.release(old)
}
