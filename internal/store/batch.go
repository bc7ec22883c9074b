package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Batch is one atomic change of a store: records, and the [Meta] that says what they are the state after. Create it
// with [NewBatch]; it copies what it is given. Operations on one key have their effect in the order of the calls.
//
// A batch is held in memory twice while it is committed, and once more until it is flushed: a few tens of MiB are a
// sensible size, and beyond that nothing gets faster. [MaxBatch] is the most there can be.
//
// Keys that no record may have, and values that aren't canonical ones of their kind, are mistakes of ours: methods
// panic rather than let one into a store.
type Batch struct {
	meta  Meta
	ops   []op
	bytes []byte // keys and values of all ops
	limit int    // MaxBatch
	over  bool   // it grew beyond the limit, and what came then was left out
	// raised is the highest generation that the batch raises, by kind and owner; last is where it was looked up last,
	// since an owner's records mostly come together.
	raised map[ownerID]hlc.Timestamp
	last   raise
}

// MaxBatch is the size, in bytes of keys and values with 16 more for each operation, beyond which a commit is refused:
// a quarter of what Pebble could take at once, so that its own doubling never meets that limit.
const MaxBatch = 1 << 30

// opOverhead is at least what an operation costs beside its key and value.
const opOverhead = 16

// maxValue bounds one record's value; the largest that exist are schema versions.
const maxValue = 16 << 20

type opKind uint8

const (
	opSet opKind = iota + 1
	opMerge
	opDelete
	opDeleteRange // value is the end, exclusive
)

// op is one step of a batch: offsets into its bytes, which rise from step to step.
type op struct {
	key, value, end uint32
	kind            opKind
}

type ownerID struct {
	kind  id.Kind
	owner string
}

type raise struct {
	ownerID
	gen hlc.Timestamp
}

// NewBatch returns a batch that makes meta the store's.
func NewBatch(meta Meta) *Batch { return &Batch{meta: meta, limit: MaxBatch} }

// Grow makes room for so many more operations, of so many bytes in all. It is of use where both are known.
func (b *Batch) Grow(operations, bytes int) {
	b.ops = slices.Grow(b.ops, operations)
	b.bytes = slices.Grow(b.bytes, bytes)
}

// Len returns the number of operations so far.
func (b *Batch) Len() int { return len(b.ops) }

// Bytes returns the size of the operations' keys and values so far.
func (b *Batch) Bytes() int { return len(b.bytes) }

// Merge merges an encoded value, as algebra.Merge does, into the record under k. Empty changes nothing. A generation
// other than 0 becomes the owner's if it is higher.
func (b *Batch) Merge(k Key, value []byte) {
	checkValue(k, value)
	b.MergeTrusted(k, value)
}

// MergeTrusted is [Batch.Merge] for a value that this process encoded itself: that it is canonical isn't checked, which
// takes longer than all else that a batch does.
func (b *Batch) MergeTrusted(k Key, value []byte) {
	checkKey(k, value)
	b.raise(k.OwnerKind, k.Owner, k.Gen)
	if len(value) > 0 {
		b.add(opMerge, k, value)
	}
}

// Set makes value the record's, whatever was there. Empty removes the record. The generation as in Merge.
func (b *Batch) Set(k Key, value []byte) {
	checkKey(k, value)
	checkValue(k, value)
	b.raise(k.OwnerKind, k.Owner, k.Gen)
	if len(value) > 0 {
		b.add(opSet, k, value)
	} else {
		b.add(opDelete, k, nil)
	}
}

// Raise starts generation gen of an owner, if that is higher than its present one: all records of lower generations
// are gone, but its entity record. Use it where a record is known to have raised a generation; one that a Merge alone
// brought leaves the old records lying, unseen.
func (b *Batch) Raise(kind id.Kind, owner string, gen hlc.Timestamp) {
	checkKey(Key{OwnerKind: kind, Owner: owner, Gen: gen, Kind: algebra.KindCell}, nil)
	if gen == 0 {
		return
	}
	b.raise(kind, owner, gen)
	// Lower generations sort behind. The range is up to the end of the owner, whatever comes first in it.
	prefix := appendOwner(nil, kind, owner)
	b.addRaw(opDeleteRange, appendGeneration(bytes.Clone(prefix), gen-1), after(prefix))
}

// SetLocal sets a group-local record. The key is 1 to 1,024 bytes.
func (b *Batch) SetLocal(key, value []byte) {
	checkLocal(key, value)
	b.addRaw(opSet, localKey(key), value)
}

// DeleteLocal removes a group-local record.
func (b *Batch) DeleteLocal(key []byte) {
	checkLocal(key, nil)
	b.addRaw(opDelete, localKey(key), nil)
}

const maxLocalKey = 1024

func checkLocal(key, value []byte) {
	if len(key) == 0 || len(key) > maxLocalKey || len(value) > maxValue {
		panic(fmt.Sprintf("store: group-local record with a key of %d bytes and %d bytes", len(key), len(value)))
	}
}

func localKey(key []byte) []byte { return append([]byte{spaceLocal}, key...) }

func checkKey(k Key, value []byte) {
	if err := k.check(); err != nil {
		panic(fmt.Sprintf("store: %v: %v", k, err))
	}
	if len(value) > maxValue {
		panic(fmt.Sprintf("store: %v: %d bytes", k, len(value)))
	}
}

func checkValue(k Key, value []byte) {
	if err := algebra.Check(k.Kind, value); err != nil {
		panic(fmt.Sprintf("store: %v: %v", k, err))
	}
}

// raise merges a generation into its owner's, once for each rise within the batch.
func (b *Batch) raise(kind id.Kind, owner string, gen hlc.Timestamp) {
	if gen == 0 {
		return
	}
	if b.last.kind != kind || b.last.owner != owner {
		who := ownerID{kind, owner}
		b.last = raise{who, b.raised[who]}
	}
	if gen <= b.last.gen {
		return
	}
	if b.raised == nil {
		b.raised = map[ownerID]hlc.Timestamp{}
	}
	b.last.gen = gen
	b.raised[b.last.ownerID] = gen
	b.add(opMerge, Key{OwnerKind: kind, Owner: owner, Kind: algebra.KindGeneration},
		binary.AppendUvarint(nil, uint64(gen)))
}

// room makes room for another operation, doubling what there is; false beyond the limit.
func (b *Batch) room(key, value int) bool {
	if b.over = b.over || len(b.bytes)+key+value+opOverhead*(len(b.ops)+1) > b.limit; b.over {
		return false
	}
	if need := len(b.bytes) + key + value; need > cap(b.bytes) {
		b.bytes = slices.Grow(b.bytes, max(need, 2*cap(b.bytes))-len(b.bytes))
	}
	if len(b.ops) == cap(b.ops) {
		b.ops = slices.Grow(b.ops, max(16, len(b.ops)))
	}
	return true
}

func (b *Batch) add(kind opKind, k Key, value []byte) {
	if !b.room(k.maxLen(), len(value)) {
		return
	}
	at := len(b.bytes)
	b.bytes = k.append(b.bytes)
	b.finish(kind, at, value)
}

// addRaw adds a step by its stored key.
func (b *Batch) addRaw(kind opKind, key, value []byte) {
	if !b.room(len(key), len(value)) {
		return
	}
	at := len(b.bytes)
	b.bytes = append(b.bytes, key...)
	b.finish(kind, at, value)
}

// finish adds the step whose key begins at an offset and was written last.
func (b *Batch) finish(kind opKind, at int, value []byte) {
	o := op{kind: kind, key: uint32(at), value: uint32(len(b.bytes))}
	b.bytes = append(b.bytes, value...)
	o.end = uint32(len(b.bytes))
	b.ops = append(b.ops, o)
}

// checkSize refuses a batch that was too much.
func (b *Batch) checkSize() error {
	if b.over {
		return fault.Refuse("batch", "has more than %d bytes; commit what it holds in parts", b.limit)
	}
	return nil
}

// all calls do with every one of some steps; key and value alias the batch. It ends with do's first error.
func (b *Batch) all(ops []op, do func(kind opKind, key, value []byte) error) error {
	for _, o := range ops {
		if err := do(o.kind, b.keyOf(o), b.bytes[o.value:o.end]); err != nil {
			return err
		}
	}
	return nil
}

func (b *Batch) keyOf(o op) []byte { return b.bytes[o.key:o.value] }
