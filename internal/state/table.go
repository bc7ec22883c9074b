package state

import (
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/zeebo/xxh3"
)

// Ord is the dense number of an entity inside this process, from 0 per kind.
type Ord uint32

// KindGlobal owns the records that belong to no entity: undone marks, schema versions, the format level.
const KindGlobal id.Kind = 0

// Key names one record. Sub tells the records of one kind and owner apart, in the form that package engine gives it.
type Key struct {
	Kind  algebra.Kind
	Owner id.Kind
	Ord   Ord
	Sub   string
}

// Table holds the records. Create it with [New].
type Table struct {
	arena   arena
	records index
	owners  [id.Kinds + 1]owners
	count   [algebra.Kinds + 1]int
	buckets [Buckets]bucket
}

// New returns an empty table.
func New() *Table {
	t := &Table{records: newIndex()}
	for i := range t.owners {
		t.owners[i].byID = newIndex()
	}
	return t
}

// Get returns a record's value. It aliases the table's memory: valid until the next call that changes the table.
func (t *Table) Get(k Key) ([]byte, bool) {
	at := t.Lookup(k)
	return t.Value(at), at.block != 0
}

// Put sets a record's value; it copies both. An empty value removes the record.
func (t *Table) Put(k Key, v []byte) { t.Set(k, t.Lookup(k), v) }

// Place is where a record is, or would be: what a read finds out and a write that follows needs not find out again.
// It is good until the table changes.
type Place struct {
	hash  uint32
	block handle
}

// Lookup finds a record.
func (t *Table) Lookup(k Key) Place {
	hash := hashOf(k)
	return Place{hash, t.find(k, hash)}
}

// Value returns the value at a place, nil if there is none, as [Table.Get] does.
func (t *Table) Value(at Place) []byte {
	if at.block == 0 {
		return nil
	}
	return value(t.arena.bytes(at.block))
}

// Set is [Table.Put] for a place that Lookup found for k.
func (t *Table) Set(k Key, at Place, v []byte) {
	if len(k.Sub) > 1<<16-1 {
		panic(fmt.Sprintf("state: sub-key of %d bytes", len(k.Sub)))
	}
	o := &t.owners[k.Owner].slots[k.Ord]
	t.touch(o)
	old := at.block
	if len(v) == 0 {
		if old != 0 {
			t.unchain(o, old)
			t.drop(at.hash, old)
		}
		return
	}
	need := blockHeader + len(k.Sub) + len(v)
	if old != 0 {
		b := t.arena.bytes(old)
		if cap := len(b); cap >= need && (cap < 4*need || cap <= 64) {
			binary.LittleEndian.PutUint32(b[12:], uint32(len(v)))
			copy(b[blockHeader+len(k.Sub):], v)
			return
		}
	}
	h, b := t.arena.alloc(need)
	writeBlock(b, k, at.hash, v)
	if old == 0 {
		t.records.insert(at.hash, h)
		t.count[k.Kind]++
		t.chain(o, h)
		return
	}
	t.rechain(o, old, h)
	t.records.replace(at.hash, old, h)
	t.arena.release(old)
}

// All walks the records of one owner, in no particular order. Values alias the table's memory; the table must not
// change meanwhile.
func (t *Table) All(kind id.Kind, ord Ord) func(yield func(Key, []byte) bool) {
	return func(yield func(Key, []byte) bool) {
		for h := t.owners[kind].slots[ord].head; h != 0; {
			b := t.arena.bytes(h)
			if !yield(Key{recordKind(b), kind, ord, string(subKey(b))}, value(b)) {
				return
			}
			h = next(b)
		}
	}
}

// Walk is [Table.All] for callers on the hot path: it allocates nothing. Sub-key and value alias the table's memory.
func (t *Table) Walk(kind id.Kind, n Ord, yield func(rec algebra.Kind, sub, value []byte) bool) {
	for h := t.owners[kind].slots[n].head; h != 0; {
		b := t.arena.bytes(h)
		if !yield(recordKind(b), subKey(b), value(b)) {
			return
		}
		h = next(b)
	}
}

// Reset empties the table.
func (t *Table) Reset() { *t = *New() }

// Count returns the number of records of a kind.
func (t *Table) Count(kind algebra.Kind) int { return t.count[kind] }

// Memory says how many bytes the table holds: arena pages and large blocks, indexes, owner slots.
func (t *Table) Memory() (arena, indexes, owners int64) {
	arena, indexes = t.arena.reserved(), t.records.bytes()
	for i := range t.owners {
		indexes += t.owners[i].byID.bytes()
		owners += int64(cap(t.owners[i].slots)) * slotBytes
	}
	return arena, indexes, owners
}

func hashOf(k Key) uint32 {
	var room [128]byte // readers hash side by side, so there is no scratch to share
	b := append(room[:0], byte(k.Kind), byte(k.Owner))
	b = binary.LittleEndian.AppendUint32(b, uint32(k.Ord))
	return uint32(xxh3.Hash(append(b, k.Sub...)))
}

func (t *Table) find(k Key, hash uint32) handle {
	return t.records.find(hash, func(h handle) bool {
		b := t.arena.bytes(h)
		return ord(b) == k.Ord && recordKind(b) == k.Kind && ownerKind(b) == k.Owner && string(subKey(b)) == k.Sub
	})
}

// drop forgets a block that is off its owner's chain.
func (t *Table) drop(hash uint32, h handle) {
	t.count[recordKind(t.arena.bytes(h))]--
	t.records.remove(hash, h)
	t.arena.release(h)
}

func writeBlock(b []byte, k Key, hash uint32, v []byte) {
	binary.LittleEndian.PutUint32(b[4:], uint32(k.Ord))
	binary.LittleEndian.PutUint32(b[8:], hash)
	binary.LittleEndian.PutUint32(b[12:], uint32(len(v)))
	binary.LittleEndian.PutUint16(b[16:], uint16(len(k.Sub)))
	b[18] = byte(k.Kind)
	b[19] = byte(k.Owner)
	copy(b[blockHeader:], k.Sub)
	copy(b[blockHeader+len(k.Sub):], v)
}

func ord(b []byte) Ord                 { return Ord(binary.LittleEndian.Uint32(b[4:])) }
func keyHash(b []byte) uint32          { return binary.LittleEndian.Uint32(b[8:]) }
func recordKind(b []byte) algebra.Kind { return algebra.Kind(b[18]) }
func ownerKind(b []byte) id.Kind       { return id.Kind(b[19]) }

func subKey(b []byte) []byte {
	return b[blockHeader : blockHeader+int(binary.LittleEndian.Uint16(b[16:]))]
}

func value(b []byte) []byte {
	from := blockHeader + int(binary.LittleEndian.Uint16(b[16:]))
	return b[from : from+int(binary.LittleEndian.Uint32(b[12:]))]
}

// Raise starts generation gen of an owner if that is higher than its present one: every record of the owner is
// dropped but its entity record, which carries its own stamps and outlives generations. It reports whether records
// of generation gen count, that is, whether gen is now the owner's generation.
func (t *Table) Raise(kind id.Kind, n Ord, gen hlc.Timestamp) bool {
	o := &t.owners[kind].slots[n]
	if gen <= o.gen {
		return gen == o.gen
	}
	t.touch(o)
	o.gen = gen
	word, bit := raisedBit(o.hash)
	t.owners[kind].raised[word] |= 1 << bit
	h := o.head
	o.head = 0
	for h != 0 {
		b := t.arena.bytes(h)
		following := next(b)
		if recordKind(b) == algebra.KindEntity {
			t.chain(o, h)
		} else {
			t.drop(keyHash(b), h)
		}
		h = following
	}
	return true
}
