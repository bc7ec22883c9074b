package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Batch is one atomic change of a store: records, and the [Meta] that says what they are the state after. Create it
// with [NewBatch]; it copies what it is given. Operations on one key have their effect in the order of the calls.
//
// Keys that no record may have, and values that aren't canonical ones of their kind, are mistakes of ours: methods
// panic rather than let one into a store.
type Batch struct {
	meta   Meta
	ops    []op
	bytes  []byte // keys and values of all ops
	raised map[string]hlc.Timestamp
}

// maxValue bounds one record's value; the largest that exist are schema versions.
const maxValue = 16 << 20

type opKind uint8

const (
	opSet opKind = iota + 1
	opMerge
	opDelete
	opDeleteRange // value is the end, exclusive
)

// op is one step of a batch: offsets into its bytes.
type op struct {
	kind            opKind
	key, value, end int
}

// NewBatch returns a batch that makes meta the store's.
func NewBatch(meta Meta) *Batch { return &Batch{meta: meta, raised: map[string]hlc.Timestamp{}} }

// Len returns the number of operations so far.
func (b *Batch) Len() int { return len(b.ops) }

// Bytes returns the size of the operations so far.
func (b *Batch) Bytes() int { return len(b.bytes) }

// Merge merges an encoded value, as algebra.Merge does, into the record under k. Empty changes nothing. A generation
// other than 0 becomes the owner's if it is higher.
func (b *Batch) Merge(k Key, value []byte) {
	b.check(k, value)
	b.raise(k.OwnerKind, k.Owner, k.Gen)
	if len(value) > 0 {
		b.add(opMerge, k.append, value)
	}
}

// Set makes value the record's, whatever was there. Empty removes the record. The generation as in Merge.
func (b *Batch) Set(k Key, value []byte) {
	b.check(k, value)
	b.raise(k.OwnerKind, k.Owner, k.Gen)
	if len(value) > 0 {
		b.add(opSet, k.append, value)
	} else {
		b.add(opDelete, k.append, nil)
	}
}

// Raise starts generation gen of an owner, if that is higher than its present one: all records of lower generations
// are gone, but its entity record. Use it where a record is known to have raised a generation; one that a Merge alone
// brought leaves the old records lying, unseen.
func (b *Batch) Raise(kind id.Kind, owner string, gen hlc.Timestamp) {
	b.check(Key{OwnerKind: kind, Owner: owner, Gen: gen, Kind: algebra.KindCell}, nil)
	if gen == 0 {
		return
	}
	b.raise(kind, owner, gen)
	// Lower generations sort behind. The range is up to the end of the owner, whatever comes first in it.
	prefix := appendOwner(nil, kind, owner)
	b.add(opDeleteRange, func(dst []byte) []byte {
		return appendGeneration(append(dst, prefix...), gen-1)
	}, after(prefix))
}

// SetLocal sets a group-local record. The key is 1 to 1,024 bytes.
func (b *Batch) SetLocal(key, value []byte) {
	checkLocal(key, value)
	b.add(opSet, localKey(key), value)
}

// DeleteLocal removes a group-local record.
func (b *Batch) DeleteLocal(key []byte) {
	checkLocal(key, nil)
	b.add(opDelete, localKey(key), nil)
}

const maxLocalKey = 1024

func checkLocal(key, value []byte) {
	if len(key) == 0 || len(key) > maxLocalKey || len(value) > maxValue {
		panic(fmt.Sprintf("store: group-local record with a key of %d bytes and %d bytes", len(key), len(value)))
	}
}

func localKey(key []byte) func(dst []byte) []byte {
	return func(dst []byte) []byte { return append(append(dst, spaceLocal), key...) }
}

func (b *Batch) check(k Key, value []byte) {
	err := k.check()
	if err == nil && len(value) > maxValue {
		err = fmt.Errorf("%d bytes", len(value))
	}
	if err == nil {
		err = algebra.Check(k.Kind, value)
	}
	if err != nil {
		panic(fmt.Sprintf("store: %v: %v", k, err))
	}
}

// raise merges a generation into its owner's, once for each rise within the batch.
func (b *Batch) raise(kind id.Kind, owner string, gen hlc.Timestamp) {
	name := string([]byte{byte(kind)}) + owner
	if gen == 0 || gen <= b.raised[name] {
		return
	}
	b.raised[name] = gen
	k := Key{OwnerKind: kind, Owner: owner, Kind: algebra.KindGeneration}
	b.add(opMerge, k.append, binary.AppendUvarint(nil, uint64(gen)))
}

func (b *Batch) add(kind opKind, key func(dst []byte) []byte, value []byte) {
	o := op{kind: kind, key: len(b.bytes)}
	b.bytes = key(b.bytes)
	o.value = len(b.bytes)
	b.bytes = append(b.bytes, value...)
	o.end = len(b.bytes)
	b.ops = append(b.ops, o)
}

// all calls do with every step; key and value alias the batch. It ends with do's first error.
func (b *Batch) all(do func(kind opKind, key, value []byte) error) error {
	for _, o := range b.ops {
		if err := do(o.kind, b.bytes[o.key:o.value], b.bytes[o.value:o.end]); err != nil {
			return err
		}
	}
	return nil
}

// raw is for snapshots: a record as another store wrote it.
func (b *Batch) raw(key, value []byte) {
	b.add(opSet, func(dst []byte) []byte { return append(dst, key...) }, bytes.Clone(value))
}
