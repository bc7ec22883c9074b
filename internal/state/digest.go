package state

import (
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/zeebo/blake3"
)

// Buckets is the number of leaves of the digest tree. An owner and all of its records fall into one leaf, chosen by
// the hash of the owner's id.
const Buckets = 4096

// Digest is a hash of replicated state. Equal sets of events give equal digests, byte for byte.
type Digest [32]byte

// String prints lower-case hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what [Digest.String] writes.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) || hex.EncodeToString(b) != s {
		return d, fault.Refuse("digest", "%q is not 64 lower-case hex digits", s)
	}
	copy(d[:], b)
	return d, nil
}

// lanes is the digest of one leaf: a sum over its records, so that the order in which records are met doesn't matter
// and nothing has to be sorted. The sum is of BLAKE3 hashes, lane by lane modulo 2⁶⁴: it finds every accident; it is not
// meant to withstand somebody who may choose the records.
type lanes [4]uint64

func (l *lanes) add(key, value []byte, scratch *[]byte) {
	b := binary.AppendUvarint((*scratch)[:0], uint64(len(key)))
	b = append(append(b, key...), value...)
	*scratch = b
	h := blake3.Sum256(b)
	for i := range l {
		l[i] += binary.LittleEndian.Uint64(h[8*i:])
	}
}

// Digest returns the hash of all replicated records, generations included. Only buckets that changed since the last
// call are hashed again.
func (t *Table) Digest() Digest { return t.DigestWith(nil) }

// DigestWith is [Table.Digest] of a table that had some more owners, which others hold: rest calls add with each of
// them. They must not be in this table.
func (t *Table) DigestWith(rest func(add func(from *Table, kind id.Kind, n Ord))) Digest {
	dirty := t.changed()
	var h hashing
	for kind := range t.owners {
		os := &t.owners[kind]
		for n := range os.top {
			s := os.slot(n)
			bucket := s.hash % Buckets
			if s.head != 0 && dirty[bucket/64]>>(bucket%64)&1 != 0 {
				h.owner(&t.sums[bucket], os, id.Kind(kind), n)
			}
		}
	}
	sums := t.sums
	if rest != nil {
		sums = slices.Clone(sums)
		rest(func(from *Table, kind id.Kind, n Ord) {
			os := &from.owners[kind]
			h.owner(&sums[os.slot(n).hash%Buckets], os, kind, n)
		})
	}
	return rootOf(sums)
}

// hashing is the memory that digests are computed in.
type hashing struct{ key, scratch []byte }

// owner adds the records of an owner.
func (h *hashing) owner(sum *lanes, os *owners, kind id.Kind, n Ord) {
	h.key = os.ownerKey(h.key[:0], kind, n)
	prefix := len(h.key)
	if os.generation(n) != 0 {
		h.key = append(h.key, byte(algebra.KindGeneration))
		sum.add(h.key, nil, &h.scratch)
	}
	os.walk(n, func(rec algebra.Kind, sub, value []byte) bool {
		h.key = append(append(h.key[:prefix], byte(rec)), sub...)
		sum.add(h.key, value, &h.scratch)
		return true
	})
}

// changed returns which buckets changed since it was called last, and empties their sums.
func (t *Table) changed() (dirty [Buckets / 64]uint64) {
	if t.sums == nil {
		t.sums = make([]lanes, Buckets)
		for i := range dirty {
			dirty[i] = 1<<64 - 1
		}
	}
	for kind := range t.owners {
		os := &t.owners[kind]
		for i := range dirty {
			dirty[i] |= os.dirty[i]
			os.dirty[i] = 0
		}
	}
	for i := range t.sums {
		if dirty[i/64]>>(i%64)&1 != 0 {
			t.sums[i] = lanes{}
		}
	}
	return dirty
}

// DigestCells returns the hash of the cells alone, by entity and type and without generation or stamps, so that it
// depends on the events' own times, weights and ids: the same events imported in another order, by another lane or
// on another day give the same value.
func (t *Table) DigestCells() Digest { return t.DigestCellsWith(nil) }

// DigestCellsWith is to [Table.DigestCells] what [Table.DigestWith] is to [Table.Digest].
func (t *Table) DigestCellsWith(rest func(add func(from *Table, kind id.Kind, n Ord))) Digest {
	var sum lanes
	var h hashing
	for kind := range t.owners {
		os := &t.owners[kind]
		for n := range os.top {
			h.cells(&sum, os, id.Kind(kind), n)
		}
	}
	if rest != nil {
		rest(func(from *Table, kind id.Kind, n Ord) { h.cells(&sum, &from.owners[kind], kind, n) })
	}
	return digestOfCells(sum)
}

// cells adds the cells of an owner.
func (h *hashing) cells(sum *lanes, os *owners, kind id.Kind, n Ord) {
	name := os.name(n)
	os.walk(n, func(rec algebra.Kind, sub, value []byte) bool {
		if rec.Cell() {
			h.key = append(h.key[:0], byte(kind), byte(rec))
			h.key = append(binary.AppendUvarint(h.key, uint64(len(name))), name...)
			h.key = append(h.key, sub...)
			sum.add(h.key, value, &h.scratch)
		}
		return true
	})
}

// ownerKey appends the owner's part of a record's canonical key: kind, length and id, generation.
func (os *owners) ownerKey(dst []byte, kind id.Kind, n Ord) []byte {
	name := os.name(n)
	dst = append(dst, byte(kind))
	dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
	return binary.BigEndian.AppendUint64(dst, uint64(os.generation(n)))
}

func putLanes(dst []byte, l lanes) {
	for i, v := range l {
		binary.LittleEndian.PutUint64(dst[8*i:], v)
	}
}
