package id

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// VersionVector maps each origin to its last contiguous sequence number: the set of events that a replica holds.
// The zero value is empty. A vector is immutable; operations return new ones, so it may be shared freely.
type VersionVector struct {
	entries []vectorEntry // sorted by origin, no zero sequence
}

type vectorEntry struct {
	origin Origin
	seq    Seq
}

// Len is the number of origins with at least one event.
func (v VersionVector) Len() int { return len(v.entries) }

// Get returns the last contiguous sequence number of an origin, 0 if it has none.
func (v VersionVector) Get(o Origin) Seq {
	if i, ok := v.find(o); ok {
		return v.entries[i].seq
	}
	return 0
}

// With returns v with the entry of o set to seq; 0 removes it.
func (v VersionVector) With(o Origin, seq Seq) VersionVector {
	i, ok := v.find(o)
	switch {
	case ok && seq == 0:
		return VersionVector{slices.Delete(slices.Clone(v.entries), i, i+1)}
	case ok:
		entries := slices.Clone(v.entries)
		entries[i].seq = seq
		return VersionVector{entries}
	case seq == 0:
		return v
	}
	return VersionVector{slices.Insert(slices.Clone(v.entries), i, vectorEntry{o, seq})}
}

// Covers reports whether the event at p is in the set.
func (v VersionVector) Covers(p Position) bool { return v.Get(p.Origin()) >= p.Seq }

// Includes reports whether every event of w is in v.
func (v VersionVector) Includes(w VersionVector) bool {
	for _, e := range w.entries {
		if v.Get(e.origin) < e.seq {
			return false
		}
	}
	return true
}

// Equal reports whether v and w hold the same set.
func (v VersionVector) Equal(w VersionVector) bool { return slices.Equal(v.entries, w.entries) }

// Merge returns the union: the maximum per origin.
func (v VersionVector) Merge(w VersionVector) VersionVector {
	out := v
	for _, e := range w.entries {
		if out.Get(e.origin) < e.seq {
			out = out.With(e.origin, e.seq)
		}
	}
	return out
}

// All calls yield for each origin in order; it is a range-over-func iterator.
func (v VersionVector) All(yield func(Origin, Seq) bool) {
	for _, e := range v.entries {
		if !yield(e.origin, e.seq) {
			return
		}
	}
}

// String prints positions in order of origin, joined by commas; the empty vector prints as "-".
func (v VersionVector) String() string {
	if len(v.entries) == 0 {
		return "-"
	}
	var b strings.Builder
	for i, e := range v.entries {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e.origin.String())
		b.WriteByte(':')
		b.WriteString(strconv.FormatUint(uint64(e.seq), 10))
	}
	return b.String()
}

// ParseVersionVector reads what [VersionVector.String] writes.
func ParseVersionVector(s string) (VersionVector, error) {
	if s == "-" {
		return VersionVector{}, nil
	}
	var v VersionVector
	for part := range strings.SplitSeq(s, ",") {
		p, err := ParsePosition(part)
		if err != nil {
			return VersionVector{}, err
		}
		if n := len(v.entries); p.Seq == 0 || n > 0 && v.entries[n-1].origin.Compare(p.Origin()) >= 0 {
			return VersionVector{}, fault.Refuse("vector", "%q does not rise", s)
		}
		v.entries = append(v.entries, vectorEntry{p.Origin(), p.Seq})
	}
	return v, nil
}

// AppendBinary appends the canonical encoding: a count, then per origin its packed form (big endian) and the
// sequence number, counts and numbers as uvarints.
func (v VersionVector) AppendBinary(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(v.entries)))
	for _, e := range v.entries {
		dst = binary.BigEndian.AppendUint64(dst, e.origin.Packed())
		dst = binary.AppendUvarint(dst, uint64(e.seq))
	}
	return dst
}

// DecodeVersionVector reads what AppendBinary wrote and returns the rest of b. It accepts canonical bytes only.
func DecodeVersionVector(b []byte) (VersionVector, []byte, error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)) {
		return VersionVector{}, nil, fault.Damaged("", 0, "version vector: bad count")
	}
	rest := b[k:]
	var v VersionVector
	for range n {
		if len(rest) < 9 {
			return VersionVector{}, nil, fault.Damaged("", int64(len(b)-len(rest)), "version vector is cut short")
		}
		o := UnpackOrigin(binary.BigEndian.Uint64(rest))
		seq, k := binary.Uvarint(rest[8:])
		last := len(v.entries) - 1
		if k <= 0 || seq == 0 || last >= 0 && v.entries[last].origin.Compare(o) >= 0 {
			return VersionVector{}, nil, fault.Damaged("", int64(len(b)-len(rest)), "version vector: bad entry")
		}
		v.entries = append(v.entries, vectorEntry{o, Seq(seq)})
		rest = rest[8+k:]
	}
	if string(v.AppendBinary(nil)) != string(b[:len(b)-len(rest)]) {
		return VersionVector{}, nil, fault.Damaged("", 0, "version vector is not canonical")
	}
	return v, rest, nil
}

func (v VersionVector) find(o Origin) (int, bool) {
	return slices.BinarySearchFunc(v.entries, o, func(e vectorEntry, o Origin) int { return e.origin.Compare(o) })
}
