package state

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/zeebo/xxh3"
)

// owners is everything about the entities of one kind. Kinds share nothing, so that two goroutines may work on two of
// them.
type owners struct {
	arena arena
	byID  index
	slots [][]slot // in pieces of slotsPerPiece, so that no call copies them all
	top   Ord      // ordinals given out
	gone  uint32   // ordinal that was evicted last, plus 1; the others hang on its slot
	count [algebra.Kinds + 1]int
	// raised has a bit set for the hash of every owner that has a generation; empty before the first. Most never get
	// one, and the leader asks for two generations per signal: where the bit is clear, it needs not look.
	raised []uint64
	// dirty has a bit set for every digest bucket that changed since the last digest.
	dirty   [Buckets / 64]uint64
	scratch []byte
	seen    byte // see Table.Ahead
}

// slot is one owner.
type slot struct {
	head handle // 0: evicted
	hash uint32 // of the id; its lower bits are the digest bucket. Of an evicted one: the next such ordinal, plus 1
}

const (
	slotBytes     = 8
	slotsPerPiece = 4096
)

const raisedBits = 1 << 16

func raisedBit(hash uint32) (word, bit uint32) {
	n := hash >> 16 % raisedBits
	return n / 64, n % 64
}

func (os *owners) slot(n Ord) *slot { return &os.slots[n/slotsPerPiece][n%slotsPerPiece] }

// touch marks the owner's bucket as changed.
func (os *owners) touch(s *slot) {
	bucket := s.hash % Buckets
	os.dirty[bucket/64] |= 1 << (bucket % 64)
}

// reset forgets everybody and keeps the memory.
func (os *owners) reset() {
	os.arena.reset()
	os.byID.reset()
	os.top, os.gone = 0, 0
	os.count = [algebra.Kinds + 1]int{}
	os.dirty = [Buckets / 64]uint64{}
	clear(os.raised)
}

// newOrd returns an ordinal that stands for nobody.
func (os *owners) newOrd() Ord {
	if os.gone != 0 {
		n := Ord(os.gone - 1)
		os.gone = os.slot(n).hash
		return n
	}
	n := os.top
	os.top++
	piece := int(n / slotsPerPiece)
	switch {
	case len(os.slots) == 0:
		os.slots = append(os.slots, make([]slot, 16))
	case piece == len(os.slots):
		os.slots = append(os.slots, make([]slot, slotsPerPiece))
	case int(n%slotsPerPiece) == len(os.slots[piece]): // the first piece begins small
		os.slots[0] = append(os.slots[0], make([]slot, len(os.slots[0]))...)
	}
	return n
}

// newHead makes a head without records.
func (os *owners) newHead(n Ord, name []byte, gen hlc.Timestamp) handle {
	size := headID + len(name) + bagHeader
	if gen != 0 {
		size += 8
	}
	h, b := os.arena.alloc(fresh, sizeFor(size), roleHead, n)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(name)))
	b[10], b[11] = 0, 0
	copy(b[headID:], name)
	if gen != 0 {
		b[10] = isRaised
		binary.LittleEndian.PutUint64(b[headID+len(name):], uint64(gen))
	}
	binary.LittleEndian.PutUint16(b[contents(b):], 0)
	return h
}

func (os *owners) lookup(name string, hash uint32) (Ord, bool) {
	s := os.byID.table(hash)
	if s == nil {
		return 0, false
	}
	mask := uint32(len(s.slots) - 1)
	for i := hash & mask; s.slots[i] != 0; i = (i + 1) & mask {
		e := s.slots[i]
		if uint32(e>>32) != hash {
			continue
		}
		n := Ord(uint32(e) - 1)
		if string(nameIn(os.arena.bytes(os.slot(n).head))) == name {
			return n, true
		}
	}
	return 0, false
}

// walk calls yield with every record of an owner.
func (os *owners) walk(n Ord, yield func(rec algebra.Kind, sub, value []byte) bool) {
	h := os.slot(n).head
	if h == 0 {
		return
	}
	b := os.arena.bytes(h)
	at := contents(b)
	if !isWide(b) {
		os.walkBag(b, at, yield)
		return
	}
	for i := range leaves(b) {
		if !os.walkBag(os.arena.bytes(leafHandle(b, at, i)), leafBag, yield) {
			return
		}
	}
}

// blocks calls yield with every block of an owner, first those that others refer to.
func (os *owners) blocks(n Ord, yield func(handle)) {
	h := os.slot(n).head
	b := os.arena.bytes(h)
	at := contents(b)
	if isWide(b) {
		for i := range leaves(b) {
			leaf := leafHandle(b, at, i)
			os.spills(os.arena.bytes(leaf), leafBag, yield)
			yield(leaf)
		}
	} else {
		os.spills(b, at, yield)
	}
	yield(h)
}

// spills calls yield with every block that records of a bag are spilled to.
func (os *owners) spills(b []byte, at int, yield func(handle)) {
	for i := range bagCount(b, at) {
		from, to := bagRecord(b, at, i)
		if rec := b[from:to]; rec[0]&spilled != 0 {
			_, h := spill(rec)
			yield(h)
		}
	}
}

// releaseAll drops all records of an owner, and its head.
func (os *owners) releaseAll(n Ord) {
	os.walk(n, func(kind algebra.Kind, _, _ []byte) bool {
		os.count[kind]--
		return true
	})
	os.blocks(n, os.arena.release)
}

// Owner returns the ordinal of an id and makes one when the id is new.
func (t *Table) Owner(kind id.Kind, name string) Ord {
	os := &t.owners[kind]
	hash := uint32(xxh3.HashString(name))
	if n, ok := os.lookup(name, hash); ok {
		return n
	}
	if len(name) > 1<<16-1 {
		panic(fmt.Sprintf("state: id of %d bytes", len(name)))
	}
	n := os.newOrd()
	*os.slot(n) = slot{head: os.newHead(n, []byte(name), 0), hash: hash}
	os.byID.insert(hash, n)
	return n
}

// Find returns the ordinal of an id, if it has one.
func (t *Table) Find(kind id.Kind, name string) (Ord, bool) {
	return t.owners[kind].lookup(name, uint32(xxh3.HashString(name)))
}

// FindBytes is [Table.Find] for an id in bytes.
func (t *Table) FindBytes(kind id.Kind, name []byte) (Ord, bool) {
	return t.owners[kind].lookup(string(name), uint32(xxh3.Hash(name)))
}

// Name returns the id of an ordinal, "" of one that isn't live. It is a copy.
func (t *Table) Name(kind id.Kind, n Ord) string { return string(t.owners[kind].name(n)) }

// Hash is the lower half of the XXH3-64 of an ordinal's id, by which ids are looked up.
func (t *Table) Hash(kind id.Kind, n Ord) uint32 { return t.owners[kind].slot(n).hash }

// FindHash returns an ordinal whose id has a hash: one of them, if several have it.
func (t *Table) FindHash(kind id.Kind, hash uint32) (Ord, bool) {
	s := t.owners[kind].byID.table(hash)
	if s == nil {
		return 0, false
	}
	mask := uint32(len(s.slots) - 1)
	for i := hash & mask; s.slots[i] != 0; i = (i + 1) & mask {
		if e := s.slots[i]; uint32(e>>32) == hash {
			return Ord(uint32(e) - 1), true
		}
	}
	return 0, false
}

// Records returns how many records an owner has.
func (t *Table) Records(kind id.Kind, n Ord) (sum int) {
	os := &t.owners[kind]
	h := os.slot(n).head
	if h == 0 {
		return 0
	}
	b := os.arena.bytes(h)
	at := contents(b)
	if !isWide(b) {
		return bagCount(b, at)
	}
	for i := range leaves(b) {
		sum += bagCount(os.arena.bytes(leafHandle(b, at, i)), leafBag)
	}
	return sum
}

// CompareNames compares the ids of two ordinals as bytes.
func (t *Table) CompareNames(kind id.Kind, a, b Ord) int {
	os := &t.owners[kind]
	return bytes.Compare(os.name(a), os.name(b))
}

func (os *owners) name(n Ord) []byte {
	h := os.slot(n).head
	if h == 0 {
		return nil
	}
	return nameIn(os.arena.bytes(h))
}

// Owners returns the bound of a kind's ordinals: they run from 0 to one below, and those that aren't [Table.Live] stand
// for nothing.
func (t *Table) Owners(kind id.Kind) Ord { return t.owners[kind].top }

// Live reports whether an ordinal below [Table.Owners] stands for an id now.
func (t *Table) Live(kind id.Kind, n Ord) bool { return t.owners[kind].slot(n).head != 0 }

// OwnerBytes returns how many bytes hang on an owner: its id and records, with what the table adds to each.
func (t *Table) OwnerBytes(kind id.Kind, n Ord) int {
	os := &t.owners[kind]
	if os.slot(n).head == 0 {
		return 0
	}
	sum := 0
	os.blocks(n, func(h handle) { sum += len(os.arena.bytes(h)) })
	return sum
}

// GenerationOf returns the generation of an id, 0 if it was never deleted or isn't known.
func (t *Table) GenerationOf(kind id.Kind, name string) hlc.Timestamp {
	os := &t.owners[kind]
	if len(os.raised) == 0 {
		return 0
	}
	hash := uint32(xxh3.HashString(name))
	word, bit := raisedBit(hash)
	if os.raised[word]>>bit&1 == 0 {
		return 0
	}
	n, ok := os.lookup(name, hash)
	if !ok {
		return 0
	}
	return os.generation(n)
}

// Generation returns the owner's generation, 0 if it was never deleted.
func (t *Table) Generation(kind id.Kind, n Ord) hlc.Timestamp { return t.owners[kind].generation(n) }

func (os *owners) generation(n Ord) hlc.Timestamp {
	h := os.slot(n).head
	if h == 0 {
		return 0
	}
	return generationIn(os.arena.bytes(h))
}

// Raise starts generation gen of an owner if that is higher than its present one: every record of the owner is
// dropped but its entity record, which carries its own stamps and outlives generations. It reports whether records
// of generation gen count, that is, whether gen is now the owner's generation.
func (t *Table) Raise(kind id.Kind, n Ord, gen hlc.Timestamp) bool {
	os := &t.owners[kind]
	if now := os.generation(n); gen <= now {
		return gen == now
	}
	s := os.slot(n)
	os.touch(s)
	if os.raised == nil {
		os.raised = make([]uint64, raisedBits/64)
	}
	word, bit := raisedBit(s.hash)
	os.raised[word] |= 1 << bit
	type entity struct {
		sub   string
		value []byte
	}
	var kept []entity
	os.walk(n, func(rec algebra.Kind, sub, value []byte) bool {
		if rec == algebra.KindEntity {
			kept = append(kept, entity{string(sub), append([]byte(nil), value...)})
		}
		return true
	})
	head := os.newHead(n, nameIn(os.arena.bytes(s.head)), gen)
	os.releaseAll(n)
	s.head = head
	for _, e := range kept {
		k := Key{algebra.KindEntity, kind, n, e.sub}
		os.insert(&k, os.find(&k, hashOf(k.Kind, k.Sub)), e.value)
	}
	os.tidy()
	return true
}

// Evict forgets an owner wholly: its records, its generation and its id. The ordinal may be given to another id later.
func (t *Table) Evict(kind id.Kind, n Ord) {
	os := &t.owners[kind]
	s := os.slot(n)
	if s.head == 0 {
		return
	}
	os.touch(s)
	os.releaseAll(n)
	os.byID.remove(s.hash, n)
	*s = slot{hash: os.gone}
	os.gone = uint32(n) + 1
	os.tidy()
}
