package state

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
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
//
// What concerns one kind of owners shares nothing with the others: calls about two kinds may run at once on two
// goroutines, also when both change the table. Digest, DigestCells, Memory, Count and Reset are about all of them.
type Table struct {
	owners [id.Kinds + 1]owners
	sums   []lanes // of the digest's buckets, as of the last digest; empty before the first
}

// New returns an empty table.
func New() *Table { return &Table{} }

// Reset empties the table. It keeps memory for what comes next.
func (t *Table) Reset() {
	t.sums = nil
	for i := range t.owners {
		t.owners[i].reset()
	}
}

// Get returns a record's value. It aliases the table's memory: valid until the next call that changes the table.
func (t *Table) Get(k Key) ([]byte, bool) {
	at := t.Lookup(k)
	return t.Value(at), at.record >= 0
}

// Put sets a record's value; it copies both. An empty value removes the record.
func (t *Table) Put(k Key, v []byte) { t.Set(k, t.Lookup(k), v) }

// Place is where a record is, or would be: what a read finds out and a write that follows needs not find out again.
// It is good until something about the owner's kind changes.
type Place struct {
	hash   uint32
	bag    handle // block of the bag that has the record, or would get it
	leaf   int32  // the bag's number among the owner's leaves, −1 for the head
	record int32  // the record's number in the bag, −1 for none
	value  handle // block of the value; from and to are where it lies there
	from   uint32
	to     uint32
	owner  id.Kind
}

// Lookup finds a record.
func (t *Table) Lookup(k Key) Place { return t.owners[k.Owner].find(&k, hashOf(k.Kind, k.Sub)) }

// Value returns the value at a place, nil if there is none, as [Table.Get] does.
func (t *Table) Value(at Place) []byte {
	if at.record < 0 {
		return nil
	}
	return t.owners[at.owner].arena.bytes(at.value)[at.from:at.to:at.to]
}

// Set is [Table.Put] for a place that Lookup found for k.
func (t *Table) Set(k Key, at Place, v []byte) {
	if len(k.Sub) > 1<<16-1 {
		panic(fmt.Sprintf("state: sub-key of %d bytes", len(k.Sub)))
	}
	os := &t.owners[k.Owner]
	os.touch(os.slot(k.Ord))
	switch {
	case len(v) > 0 && at.record >= 0:
		os.update(&k, at, v)
	case len(v) > 0:
		os.insert(&k, at, v)
	case at.record >= 0:
		os.remove(&k, at)
	}
	os.tidy()
}

// All walks the records of one owner, in no particular order. Values alias the table's memory; what concerns the
// owner's kind must not change meanwhile.
func (t *Table) All(kind id.Kind, ord Ord) func(yield func(Key, []byte) bool) {
	return func(yield func(Key, []byte) bool) {
		t.Walk(kind, ord, func(rec algebra.Kind, sub, value []byte) bool {
			return yield(Key{rec, kind, ord, string(sub)}, value)
		})
	}
}

// Walk is [Table.All] without an allocation for each record: the sub-key aliases the table's memory, too.
func (t *Table) Walk(kind id.Kind, n Ord, yield func(rec algebra.Kind, sub, value []byte) bool) {
	t.owners[kind].walk(n, yield)
}

// Bytes returns how many bytes hang on all owners of a kind: the sum of [Table.OwnerBytes].
func (t *Table) Bytes(kind id.Kind) int64 {
	a := &t.owners[kind].arena
	return a.live + a.largeBytes
}

// Count returns the number of records of a kind.
func (t *Table) Count(kind algebra.Kind) (n int) {
	for i := range t.owners {
		n += t.owners[i].count[kind]
	}
	return n
}

// Memory says how many bytes the table holds: ids and records, with what is free between them; indexes of ids; slots
// of owners.
func (t *Table) Memory() (arena, indexes, owners int64) {
	for i := range t.owners {
		os := &t.owners[i]
		arena += os.arena.reserved()
		indexes += os.byID.bytes()
		for _, piece := range os.slots {
			owners += int64(cap(piece)) * slotBytes
		}
	}
	return arena, indexes, owners
}
