package wal

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// formatVersion is the version of the whole file format; it is in the first record of each file.
const formatVersion = 1

// Identity says whose log a directory holds. Every file carries it, so that a file in the wrong directory is refused.
type Identity struct {
	// Cluster is the random id of the cluster.
	Cluster [16]byte
	// Tenant is the tenant space, at most [id.MaxLen] bytes; empty for the shared one.
	Tenant string
	// Region and Shard name the group.
	Region id.Region
	Shard  id.Shard
	// Replica is the member id within the group.
	Replica uint64
}

// String prints all parts, for the error that tells two of them apart.
func (i Identity) String() string {
	return fmt.Sprintf("cluster %s tenant %q group %d:%d replica %d",
		hex.EncodeToString(i.Cluster[:]), i.Tenant, i.Region, i.Shard, i.Replica)
}

// segmentHeader is the first record of a file.
type segmentHeader struct {
	identity Identity
	sequence uint32 // counts the files of the log in order of creation, from 1
	first    uint64 // index of the first entry, when entries follow in order
	term     uint64 // term of the entry before first; 0 when there is none
	restart  bool   // earlier files are void

	// The file created before this one: its first index, and how much of it is valid. What lies behind that length
	// was cut and is never read again. Both are 0 for the first file of a log.
	prevFirst  uint64
	prevLength uint64

	// The hard state when the file was created, so that earlier files can be released without losing it.
	hardState HardState
}

// id is what the segment is called elsewhere, but for the incarnation.
func (h *segmentHeader) id() id.Segment {
	return id.Segment{Origin: id.Origin{Region: h.identity.Region, Shard: h.identity.Shard}, Seqno: h.first}
}

// headerFixed is the payload before the tenant's bytes: version, region, shard, replica, cluster, previous first
// index, previous length, hard state, length of the tenant.
const headerFixed = 4 + 2 + 2 + 8 + 16 + 8 + 8 + 24 + 2

func (h *segmentHeader) record() record {
	b := make([]byte, 0, headerFixed+len(h.identity.Tenant))
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint16(b, uint16(h.identity.Region))
	b = binary.LittleEndian.AppendUint16(b, uint16(h.identity.Shard))
	b = binary.LittleEndian.AppendUint64(b, h.identity.Replica)
	b = append(b, h.identity.Cluster[:]...)
	b = binary.LittleEndian.AppendUint64(b, h.prevFirst)
	b = binary.LittleEndian.AppendUint64(b, h.prevLength)
	b = binary.LittleEndian.AppendUint64(b, h.hardState.Term)
	b = binary.LittleEndian.AppendUint64(b, h.hardState.Vote)
	b = binary.LittleEndian.AppendUint64(b, h.hardState.Commit)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.identity.Tenant)))
	b = append(b, h.identity.Tenant...)
	r := record{kind: KindSegment, sequence: h.sequence, term: h.term, index: h.first, data: b}
	if h.restart {
		r.flags = flagRestart
	}
	return r
}

// decodeSegmentHeader reads the first record of the file at path from the file's first bytes. A file that a newer
// tidal wrote is [fault.ErrFormatTooNew]; anything else that isn't a header is a *[fault.Corrupt].
func decodeSegmentHeader(path string, b []byte) (segmentHeader, error) {
	r, _, v, why := decodeRecord(b, 0)
	switch {
	case v == newer:
		return segmentHeader{}, tooNew(path, 0, why)
	case v == zeros:
		return segmentHeader{}, fault.Damaged(path, 0, "no segment record")
	case v == broken:
		return segmentHeader{}, fault.Damaged(path, 0, "segment record: %s", why)
	case r.kind != KindSegment:
		return segmentHeader{}, fault.Damaged(path, 0, "first record is of kind %v, not a segment record", r.kind)
	}
	if len(r.data) >= 4 {
		if version := binary.LittleEndian.Uint32(r.data); version > formatVersion {
			return segmentHeader{}, tooNew(path, 0, fmt.Sprintf("format version is %d, this program reads %d",
				version, formatVersion))
		}
	}
	if len(r.data) < headerFixed {
		return segmentHeader{}, fault.Damaged(path, 0, "segment record has %d bytes, at least %d are needed",
			len(r.data), headerFixed)
	}
	d := r.data
	h := segmentHeader{
		identity: Identity{
			Cluster: [16]byte(d[16:32]),
			Tenant:  string(d[headerFixed:]),
			Region:  id.Region(binary.LittleEndian.Uint16(d[4:])),
			Shard:   id.Shard(binary.LittleEndian.Uint16(d[6:])),
			Replica: binary.LittleEndian.Uint64(d[8:]),
		},
		sequence: r.sequence, first: r.index, term: r.term, restart: r.flags&flagRestart != 0,
		prevFirst: binary.LittleEndian.Uint64(d[32:]), prevLength: binary.LittleEndian.Uint64(d[40:]),
		hardState: HardState{
			Term: binary.LittleEndian.Uint64(d[48:]), Vote: binary.LittleEndian.Uint64(d[56:]),
			Commit: binary.LittleEndian.Uint64(d[64:]),
		},
	}
	version, tenant := binary.LittleEndian.Uint32(d), int(binary.LittleEndian.Uint16(d[72:]))
	if version != formatVersion || tenant != len(h.identity.Tenant) || tenant > id.MaxLen {
		return segmentHeader{}, fault.Damaged(path, 0, "segment record has fields that no writer gives it")
	}
	return h, nil
}

func tooNew(path string, offset int64, why string) error {
	return fmt.Errorf("%s at offset %d: %s: %w", path, offset, why, fault.ErrFormatTooNew)
}

const (
	segmentPrefix = "wal-"
	segmentSuffix = ".seg"
	cutSuffix     = ".cut" // appended to files that Cut set aside
)

// name is the plain name of the file; long adds the creation number, for a first index that a file has already.
// Names are for people: the order of the files is that of the creation numbers in their first records.
func (h *segmentHeader) name(long bool) string {
	extra := ""
	if long {
		extra = fmt.Sprintf("-%d", h.sequence)
	}
	return fmt.Sprintf("%s%d-%d-%020d%s%s",
		segmentPrefix, h.identity.Region, h.identity.Shard, h.first, extra, segmentSuffix)
}

func isSegmentName(name string) bool {
	return strings.HasPrefix(name, segmentPrefix) && strings.HasSuffix(name, segmentSuffix)
}
