package backup

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/wal"
)

// appendEntry appends an entry: a byte for its kind, uvarints of term and index, and its data as a text.
func appendEntry(dst []byte, e *wal.Entry) []byte {
	dst = append(dst, byte(e.Kind))
	dst = binary.AppendUvarint(dst, e.Term)
	dst = binary.AppendUvarint(dst, e.Index)
	dst = binary.AppendUvarint(dst, uint64(len(e.Data)))
	return append(dst, e.Data...)
}

// decodeEntries reads the payload of a frame of the log. The data aliases it.
func decodeEntries(payload []byte) ([]wal.Entry, error) {
	var out []wal.Entry
	for at := 0; at < len(payload); {
		bad := func(why string) ([]wal.Entry, error) {
			return nil, fault.Damaged(inPart(PartLog), int64(at), "%s", why)
		}
		b := payload[at:]
		e := wal.Entry{Kind: wal.Kind(b[0])}
		b = b[1:]
		var length uint64
		for _, v := range []*uint64{&e.Term, &e.Index, &length} {
			got, n := binary.Uvarint(b)
			if n <= 0 {
				return bad("an entry is cut short")
			}
			*v, b = got, b[n:]
		}
		switch {
		case e.Kind != wal.KindBatch && e.Kind != wal.KindEmpty && e.Kind != wal.KindConfiguration:
			return bad("an entry is of no kind that the log has")
		case length > wal.MaxEntryBytes || length > uint64(len(b)) || e.Kind == wal.KindEmpty && length > 0:
			return bad("an entry has another length than it can have")
		}
		e.Data = b[:length:length]
		size := len(payload) - at - len(b) + int(length)
		if size != len(appendEntry(nil, &e)) {
			return bad("a number isn't written in its shortest form")
		}
		at += size
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, fault.Damaged(inPart(PartLog), 0, "a frame without an entry")
	}
	return out, nil
}
