package record

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/tidaldb/tidal/internal/id"
)

// TraceID returns the id under which a record's way through all nodes is followed: the caller's if it gave one, else
// one that everybody derives alike and that takes no room in the log. A request of a lane, or under a key, has the
// same id whatever node accepted it, so that its retries fall into one trace; any other record has its position's.
func (m *Meta) TraceID(p id.Position) [16]byte {
	var room [160]byte
	b := room[:0]
	switch {
	case m.Trace != [16]byte{}:
		return m.Trace
	case m.Lane.Producer != "":
		b = binary.BigEndian.AppendUint64(append(b, 'l'), m.Lane.Request)
		b = append(b, m.Lane.Producer...)
	case m.Key != "":
		b = append(append(b, 'k'), m.Key...)
	default:
		b = binary.BigEndian.AppendUint64(append(b, 'p'), p.Origin().Packed())
		b = binary.BigEndian.AppendUint64(b, uint64(p.Seq))
	}
	return xxh3.Hash128(b).Bytes()
}
