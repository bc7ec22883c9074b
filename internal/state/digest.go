package state

import (
	"encoding/binary"
	"encoding/hex"

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

// bucket is one leaf: a sum over its records, so that the order in which records are met doesn't matter and nothing
// has to be sorted. The sum is of BLAKE3 hashes, lane by lane modulo 2⁶⁴: it finds every accident; it is not meant
// to withstand somebody who may choose the records.
type bucket struct {
	sum   lanes
	clean bool
}

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

// touch marks the owner's bucket as changed.
func (t *Table) touch(o *slot) { t.buckets[o.hash%Buckets].clean = false }

// Digest returns the hash of all replicated records, generations included. Only buckets that changed since the last
// call are hashed again.
func (t *Table) Digest() Digest {
	var fresh [Buckets]lanes
	var key, scratch []byte
	for kind := range t.owners {
		for n := range t.owners[kind].slots {
			o := &t.owners[kind].slots[n]
			if o.name == 0 || t.buckets[o.hash%Buckets].clean {
				continue
			}
			sum := &fresh[o.hash%Buckets]
			key = t.ownerKey(key[:0], id.Kind(kind), Ord(n))
			prefix := len(key)
			if o.gen != 0 {
				sum.add(append(key, byte(algebra.KindGeneration)), nil, &scratch)
			}
			for h := o.head; h != 0; {
				b := t.arena.bytes(h)
				key = append(append(key[:prefix], byte(recordKind(b))), subKey(b)...)
				sum.add(key, value(b), &scratch)
				h = next(b)
			}
		}
	}
	var all [Buckets * 32]byte
	for i := range t.buckets {
		b := &t.buckets[i]
		if !b.clean {
			b.sum, b.clean = fresh[i], true
		}
		putLanes(all[32*i:], b.sum)
	}
	return blake3.Sum256(all[:])
}

// DigestCells returns the hash of the cells alone, by entity and type and without generation or stamps, so that it
// depends on the events' own times, weights and ids: the same events imported in another order, by another lane or
// on another day give the same value.
func (t *Table) DigestCells() Digest {
	var sum lanes
	var key, scratch []byte
	for kind := range t.owners {
		for n := range t.owners[kind].slots {
			for h := t.owners[kind].slots[n].head; h != 0; {
				b := t.arena.bytes(h)
				h = next(b)
				if !recordKind(b).Sum() {
					continue
				}
				name := t.nameBytes(id.Kind(kind), Ord(n))
				key = append(key[:0], byte(kind), byte(recordKind(b)))
				key = append(binary.AppendUvarint(key, uint64(len(name))), name...)
				sum.add(append(key, subKey(b)...), value(b), &scratch)
			}
		}
	}
	var out [32]byte
	putLanes(out[:], sum)
	return blake3.Sum256(out[:])
}

// ownerKey appends the owner's part of a record's canonical key: kind, length and id, generation.
func (t *Table) ownerKey(dst []byte, kind id.Kind, n Ord) []byte {
	name := t.nameBytes(kind, n)
	dst = append(dst, byte(kind))
	dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
	return binary.BigEndian.AppendUint64(dst, uint64(t.owners[kind].slots[n].gen))
}

func putLanes(dst []byte, l lanes) {
	for i, v := range l {
		binary.LittleEndian.PutUint64(dst[8*i:], v)
	}
}
