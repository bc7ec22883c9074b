package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// The versions of what a store holds. A program opens its own alone: a newer store is [fault.ErrFormatTooNew], an older
// one [fault.ErrFormatTooOld].
const (
	// Format is the version of keys, of the meta record, of the STORE file and of snapshots.
	Format = 1
	// Algebra is the version of what values mean and how they merge. It is part of the merge operator's name. In
	// version 1 a user's recents held an item as often as it was met.
	Algebra = 2
)

// Identity says whose store it is: the group's, for all replicas of a group hold the same records.
type Identity struct {
	Cluster [16]byte
	Tenant  string // at most 512 bytes
	Region  id.Region
	Shard   id.Shard
}

func (i Identity) String() string {
	return fmt.Sprintf("cluster %x, tenant %q, group %d/%d", i.Cluster, i.Tenant, i.Region, i.Shard)
}

// Meta says which instant of its group's log the records of a store are the state after.
type Meta struct {
	// Applied is the index of the last log entry in the records, 0 for none, and Term its term.
	Applied, Term uint64
	// Vector is the set of events in the records.
	Vector id.VersionVector
	// Incarnation is the group's.
	Incarnation id.Incarnation
	// Configuration is the group's membership as of Applied, in the consensus library's bytes, at most 1 MiB. Nobody
	// modifies it.
	Configuration []byte
}

const maxConfiguration = 1 << 20

// metaKey holds the one meta record.
var metaKey = []byte{spaceMeta}

// checkpoint is the meta record: it repeats whose records these are, so that a database can't be taken for another.
type checkpoint struct {
	identity Identity
	meta     Meta
}

func (c checkpoint) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, Format)
	dst = binary.AppendUvarint(dst, Algebra)
	dst = append(dst, c.identity.Cluster[:]...)
	dst = appendText(dst, []byte(c.identity.Tenant))
	dst = binary.AppendUvarint(dst, uint64(c.identity.Region))
	dst = binary.AppendUvarint(dst, uint64(c.identity.Shard))
	dst = binary.AppendUvarint(dst, c.meta.Applied)
	dst = binary.AppendUvarint(dst, c.meta.Term)
	dst = binary.AppendUvarint(dst, uint64(c.meta.Incarnation))
	dst = appendText(dst, c.meta.Configuration)
	return c.meta.Vector.AppendBinary(dst)
}

// decodeCheckpoint accepts canonical bytes only. The versions come first: what follows is theirs to define.
func decodeCheckpoint(b []byte) (checkpoint, error) {
	var c checkpoint
	r := reader{b: b}
	if err := checkVersions(r.uvarint(1<<32), r.uvarint(1<<32)); r.err == nil && err != nil {
		return c, err
	}
	copy(c.identity.Cluster[:], r.bytes(16))
	c.identity.Tenant = string(r.text(id.MaxLen))
	c.identity.Region = id.Region(r.uvarint(1<<16 - 1))
	c.identity.Shard = id.Shard(r.uvarint(1<<16 - 1))
	c.meta.Applied = r.uvarint(1<<64 - 1)
	c.meta.Term = r.uvarint(1<<64 - 1)
	c.meta.Incarnation = id.Incarnation(r.uvarint(1<<32 - 1))
	c.meta.Configuration = bytes.Clone(r.text(maxConfiguration))
	if r.err != nil {
		return c, r.err
	}
	vector, rest, err := id.DecodeVersionVector(r.b)
	if err != nil {
		return c, err
	}
	c.meta.Vector = vector
	if len(rest) > 0 || !bytes.Equal(c.append(nil), b) {
		return c, fault.Damaged("", 0, "meta record is not canonical")
	}
	return c, nil
}

func checkVersions(format, algebra uint64) error {
	switch {
	case format == 0 || algebra == 0:
		return fault.Damaged("", 0, "format %d, algebra %d; both count from 1", format, algebra)
	case format > Format || algebra > Algebra:
		return fmt.Errorf("format %d and algebra %d, this program knows up to %d and %d: %w",
			format, algebra, Format, Algebra, fault.ErrFormatTooNew)
	case format < Format || algebra < Algebra:
		return fmt.Errorf("format %d and algebra %d, this program reads %d and %d: %w",
			format, algebra, Format, Algebra, fault.ErrFormatTooOld)
	}
	return nil
}

func appendText(dst, text []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// reader takes a byte string apart. After the first error it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if r.err != nil || n <= 0 || v > limit {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(n int) []byte {
	if r.err != nil || n > len(r.b) {
		r.fail()
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// text reads a length and as many bytes, which alias what is read.
func (r *reader) text(limit int) []byte { return r.bytes(int(r.uvarint(uint64(limit)))) }

func (r *reader) fail() {
	if r.err == nil {
		r.err = fault.Damaged("", 0, "a field is cut short or too large, %d bytes before the end", len(r.b))
	}
}
