package token

import (
	"encoding/base64"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Peek returns what a token says that was seen, without asking whether it's genuine: it is for those who were given it and
// hold no key, and want to know which of two is the newer one. What isn't such a token is nothing seen.
func Peek(text string) Seen {
	if len(text) > maxSeen {
		return Seen{}
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < headerSize+macSize || b[0] != version || b[1] != kindSeen {
		return Seen{}
	}
	r := reader{b: b[headerSize : len(b)-macSize]}
	s := Seen{Highest: hlc.Timestamp(r.uvarint())}
	var rest []byte
	s.Vector, rest, err = id.DecodeVersionVector(r.b)
	if r.bad || err != nil || len(rest) > 0 {
		return Seen{}
	}
	return s
}
