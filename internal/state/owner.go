package state

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/zeebo/xxh3"
)

// owners is the dictionary of one entity kind: ids to ordinals and back, and what hangs on each ordinal.
type owners struct {
	byID  index
	slots []slot
	// raised has a bit set for the hash of every owner that has a generation. Most never get one, and the leader asks
	// for two generations per signal: where the bit is clear, it needs not look.
	raised [raisedBits / 64]uint64
	// gone are the ordinals of evicted owners, given out again last first.
	gone []Ord
}

const raisedBits = 1 << 16

func raisedBit(hash uint32) (word, bit uint32) {
	n := hash >> 16 % raisedBits
	return n / 64, n % 64
}

// slot is one owner.
type slot struct {
	gen  hlc.Timestamp
	name handle // block that holds the id, as the value of a record without sub-key
	head handle // first record
	hash uint32 // of the id; its lower bits are the digest bucket
}

const slotBytes = 24

// Owner returns the ordinal of an id and makes one when the id is new.
func (t *Table) Owner(kind id.Kind, name string) Ord {
	hash := uint32(xxh3.HashString(name))
	if n, ok := t.lookup(kind, name, hash); ok {
		return n
	}
	os := &t.owners[kind]
	n := Ord(len(os.slots))
	if last := len(os.gone) - 1; last >= 0 {
		n, os.gone = os.gone[last], os.gone[:last]
	} else {
		os.slots = append(os.slots, slot{})
	}
	h, b := t.arena.alloc(blockHeader + len(name))
	binary.LittleEndian.PutUint32(b[4:], uint32(n))
	binary.LittleEndian.PutUint32(b[12:], uint32(len(name)))
	binary.LittleEndian.PutUint16(b[16:], 0)
	copy(b[blockHeader:], name)
	os.slots[n] = slot{name: h, hash: hash}
	os.byID.insert(hash, h)
	return n
}

// Find returns the ordinal of an id, if it has one.
func (t *Table) Find(kind id.Kind, name string) (Ord, bool) {
	return t.lookup(kind, name, uint32(xxh3.HashString(name)))
}

func (t *Table) lookup(kind id.Kind, name string, hash uint32) (Ord, bool) {
	h := t.owners[kind].byID.find(hash, func(h handle) bool { return string(value(t.arena.bytes(h))) == name })
	if h == 0 {
		return 0, false
	}
	return ord(t.arena.bytes(h)), true
}

// Name returns the id of an ordinal, "" of one that isn't live. It is a copy.
func (t *Table) Name(kind id.Kind, n Ord) string { return string(t.nameBytes(kind, n)) }

func (t *Table) nameBytes(kind id.Kind, n Ord) []byte {
	h := t.owners[kind].slots[n].name
	if h == 0 {
		return nil
	}
	return value(t.arena.bytes(h))
}

// Live reports whether an ordinal below [Table.Owners] stands for an id now.
func (t *Table) Live(kind id.Kind, n Ord) bool { return t.owners[kind].slots[n].name != 0 }

// Evict forgets an owner wholly: its records, its generation and its id. The ordinal may be given to another id
// later.
func (t *Table) Evict(kind id.Kind, n Ord) {
	os := &t.owners[kind]
	o := &os.slots[n]
	if o.name == 0 {
		return
	}
	t.touch(o)
	for h := o.head; h != 0; {
		b := t.arena.bytes(h)
		following := next(b)
		t.drop(keyHash(b), h)
		h = following
	}
	os.byID.remove(o.hash, o.name)
	t.arena.release(o.name)
	*o = slot{hash: o.hash}
	os.gone = append(os.gone, n)
}

// OwnerBytes returns how many bytes hang on an owner: its id and records, with what the arena adds to them.
func (t *Table) OwnerBytes(kind id.Kind, n Ord) int {
	o := &t.owners[kind].slots[n]
	if o.name == 0 {
		return 0
	}
	sum := len(t.arena.bytes(o.name))
	for h := o.head; h != 0; {
		b := t.arena.bytes(h)
		sum += len(b)
		h = next(b)
	}
	return sum
}

// Owners returns the bound of a kind's ordinals: they run from 0 to one below, and those that aren't [Table.Live] stand
// for nothing.
func (t *Table) Owners(kind id.Kind) Ord { return Ord(len(t.owners[kind].slots)) }

// GenerationOf returns the generation of an id, 0 if it was never deleted or isn't known.
func (t *Table) GenerationOf(kind id.Kind, name string) hlc.Timestamp {
	hash := uint32(xxh3.HashString(name))
	word, bit := raisedBit(hash)
	if t.owners[kind].raised[word]>>bit&1 == 0 {
		return 0
	}
	n, ok := t.lookup(kind, name, hash)
	if !ok {
		return 0
	}
	return t.owners[kind].slots[n].gen
}

// Generation returns the owner's generation, 0 if it was never deleted.
func (t *Table) Generation(kind id.Kind, n Ord) hlc.Timestamp { return t.owners[kind].slots[n].gen }
