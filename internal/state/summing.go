package state

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/zeebo/blake3"
	"github.com/zeebo/xxh3"
)

// Summing computes the digests of records that come by one by one, as a checkpoint is read, without a table: what it
// takes doesn't grow with them. The zero value has met none.
type Summing struct {
	sums  []lanes
	cells lanes
	h     hashing
}

// Add enters a record, under its owner's generation. Only records that count may come, each of them once, in any order.
// A generation is a record of its own, of the kind algebra.KindGeneration; its value isn't looked at.
func (s *Summing) Add(owner id.Kind, name string, gen hlc.Timestamp, rec algebra.Kind, sub string, value []byte) {
	if s.sums == nil {
		s.sums = make([]lanes, Buckets)
	}
	if rec == algebra.KindGeneration {
		value = nil
	}
	h := &s.h
	h.key = append(h.key[:0], byte(owner))
	h.key = append(binary.AppendUvarint(h.key, uint64(len(name))), name...)
	h.key = binary.BigEndian.AppendUint64(h.key, uint64(gen))
	h.key = append(append(h.key, byte(rec)), sub...)
	s.sums[uint32(xxh3.HashString(name))%Buckets].add(h.key, value, &h.scratch)
	if rec.Cell() {
		h.key = append(h.key[:0], byte(owner), byte(rec))
		h.key = append(binary.AppendUvarint(h.key, uint64(len(name))), name...)
		h.key = append(h.key, sub...)
		s.cells.add(h.key, value, &h.scratch)
	}
}

// Digests returns what [Table.Digest] and [Table.DigestCells] of a table with these records would be. More may follow.
func (s *Summing) Digests() (all, cells Digest) {
	sums := s.sums
	if sums == nil {
		sums = make([]lanes, Buckets)
	}
	return rootOf(sums), digestOfCells(s.cells)
}

// rootOf hashes the sums of all buckets into one digest.
func rootOf(sums []lanes) Digest {
	var all [Buckets * 32]byte
	for i, sum := range sums {
		putLanes(all[32*i:], sum)
	}
	return blake3.Sum256(all[:])
}

// digestOfCells hashes the sum over all cells.
func digestOfCells(sum lanes) Digest {
	var out [32]byte
	putLanes(out[:], sum)
	return blake3.Sum256(out[:])
}
