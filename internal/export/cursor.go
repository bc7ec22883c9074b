package export

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Cursor says how far a log was read: all events of Read were, and what isn't among them stands in the entry at Index or
// behind it. The zero value is in front of everything.
//
// Read alone says which events are left, in every copy of the database; Group, Index and Term are for the group that the
// log belongs to, where they save looking for the place.
type Cursor struct {
	// Cluster is the beginning of the database's random id.
	Cluster [4]byte
	// Group is whose log was read.
	Group id.Origin
	// Index and Term are those of an entry of that log.
	Index, Term uint64
	// Read holds the last event read of each origin.
	Read id.VersionVector
}

// MaxCursor bounds the size of a cursor's text. It has room for the vector of 200 origins.
const MaxCursor = 6 << 10

const cursorVersion = 1

// A cursor's bytes are
//
//	u8   version, 1
//	4B   the first bytes of the database's id
//	u64  the group: region, shard and incarnation, big endian
//	uv   index of the entry, uv its term
//	     the version vector
//	u32  CRC-32C of all before, little endian
//
// and its text is base64 in the alphabet of URLs, without padding.

// Text returns the cursor as a text in the alphabet of URLs; ParseCursor reads it back.
func (c *Cursor) Text() string {
	b := make([]byte, 0, 64)
	b = append(b, cursorVersion)
	b = append(b, c.Cluster[:]...)
	b = binary.BigEndian.AppendUint64(b, c.Group.Packed())
	b = binary.AppendUvarint(b, c.Index)
	b = binary.AppendUvarint(b, c.Term)
	b = c.Read.AppendBinary(b)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads what [Cursor.Text] wrote; field names the text in errors. Anything else is refused: a text that was
// changed or cut short, and one of a newer program.
func ParseCursor(field, text string) (Cursor, error) {
	if len(text) > MaxCursor {
		return Cursor{}, fault.Refuse(field, "has %d bytes; a cursor has at most %d", len(text), MaxCursor)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Cursor{}, fault.Refuse(field, "isn't as it was given out: %v", err)
	}
	if len(b) < 1+4+8+1+1+1+4 {
		return Cursor{}, fault.Refuse(field, "has %d bytes; it was cut short, or is none of ours", len(b))
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	switch {
	case b[0] > cursorVersion:
		return Cursor{}, fault.Refuse(field, "has version %d; this program knows up to %d", b[0], cursorVersion)
	case b[0] != cursorVersion || crc32.Checksum(body, castagnoli()) != sum:
		return Cursor{}, fault.Refuse(field, "isn't as it was given out, or is none of ours: its checksum doesn't fit")
	}
	c := Cursor{Cluster: [4]byte(body[1:5]), Group: id.UnpackOrigin(binary.BigEndian.Uint64(body[5:]))}
	rest := body[13:]
	for _, into := range []*uint64{&c.Index, &c.Term} {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return Cursor{}, fault.Refuse(field, "has a checksum that fits, and yet can't be read")
		}
		*into, rest = v, rest[n:]
	}
	c.Read, rest, err = id.DecodeVersionVector(rest)
	if err != nil || len(rest) > 0 || c.Text() != text {
		return Cursor{}, fault.Refuse(field, "has a checksum that fits, and yet can't be read")
	}
	return c, nil
}

// castagnoli is the table of CRC-32C, which the standard library makes once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
