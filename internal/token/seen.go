package token

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Seen is what somebody has seen of a database: whoever shows it to another copy wants to see no less there.
type Seen struct {
	// Vector is the set of events, Highest at least the highest stamp among them.
	Vector  id.VersionVector
	Highest hlc.Timestamp
}

// maxSeen bounds the text of a token in bytes, far above what any set of origins takes.
const maxSeen = 1 << 16

// Text returns the token as a text in the alphabet of URLs.
func (s *Seen) Text(keys Keys) string {
	b := begin(make([]byte, 0, 64), keys, kindSeen)
	return base64.RawURLEncoding.EncodeToString(seal(s.append(b), 0, keys))
}

func (s *Seen) append(dst []byte) []byte {
	return s.Vector.AppendBinary(binary.AppendUvarint(dst, uint64(s.Highest)))
}

// OpenSeen reads a token back.
func OpenSeen(keys Keys, text string) (Seen, error) {
	if len(text) > maxSeen {
		return Seen{}, fault.Refuse("token", "has %d bytes; tokens have at most %d", len(text), maxSeen)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Seen{}, fault.Refuse("token", "isn't as it was given out: %v", err)
	}
	body, err := open(keys, kindSeen, "token", b)
	if err != nil {
		return Seen{}, err
	}
	r := reader{b: body}
	s := Seen{Highest: hlc.Timestamp(r.uvarint())}
	var rest []byte
	s.Vector, rest, err = id.DecodeVersionVector(r.b)
	if r.bad || err != nil || len(rest) > 0 || !bytes.Equal(s.append(nil), body) {
		return Seen{}, fault.Refuse("token", "is sealed, and yet its contents can't be read")
	}
	return s, nil
}
