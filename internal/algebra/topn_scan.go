package algebra

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Met is an entry of a list, lent: ID and Type are part of the encoded list.
type Met struct {
	ID, Type []byte
	Time     int64
	Gen      hlc.Timestamp
	Origin   id.Origin
	Seq      id.Seq
}

// ScanList calls yield with each entry of an encoded list, highest first, until yield returns false. The list must be one
// that this process encoded, or that [ListRule.Decode] accepted: what isn't canonical may panic.
func ScanList(list []byte, yield func(*Met) bool) {
	var m Met
	for len(list) > 0 {
		length, n := binary.Uvarint(list)
		entry := list[n : n+int(length)]
		list = list[n+int(length):]

		size, n := binary.Uvarint(entry)
		m.ID = entry[n : n+int(size)]
		s := scan{b: entry[n+int(size):]}
		m.Time = s.varint()
		s.varint()  // the wall part of the HLC
		s.uvarint() // and its counter
		m.Origin = id.Origin{Region: id.Region(s.uvarint()), Shard: id.Shard(s.uvarint())}
		m.Origin.Incarnation = id.Incarnation(s.uvarint())
		m.Seq = id.Seq(s.uvarint())
		m.Gen = hlc.Timestamp(s.uvarint())
		s.uvarint() // the length of the type, which is the rest
		m.Type = s.b
		if !yield(&m) {
			return
		}
	}
}

// scan reads numbers that are known to be there.
type scan struct{ b []byte }

func (s *scan) uvarint() uint64 {
	if s.b[0] < 0x80 {
		v := uint64(s.b[0])
		s.b = s.b[1:]
		return v
	}
	v, n := binary.Uvarint(s.b)
	s.b = s.b[n:]
	return v
}

func (s *scan) varint() int64 {
	v := s.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}
