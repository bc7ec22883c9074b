package server

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/tidaldb/tidal/internal/fault"
)

// rawID begins the text of an id that can't stand for itself.
const rawID = "base64:"

// idOf reads the text of an id: see proto/tidal/v1/entity.proto.
func idOf(field, text string) (string, error) {
	encoded, ok := strings.CutPrefix(text, rawID)
	if !ok {
		return text, nil
	}
	encoded = strings.TrimRight(encoded, "=")
	for _, alphabet := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if id, err := alphabet.Strict().DecodeString(encoded); err == nil {
			return string(id), nil
		}
	}
	return "", fault.Refuse(field, "begins with %q, and what follows is no base64", rawID)
}

// idText is the text that idOf reads as the id.
func idText(id string) string {
	if utf8.ValidString(id) && !strings.HasPrefix(id, rawID) {
		return id
	}
	return rawID + base64.RawURLEncoding.EncodeToString([]byte(id))
}

// idReader reads the ids of a message and keeps the first error.
type idReader struct{ err error }

func (r *idReader) id(field, text string) string {
	id, err := idOf(field, text)
	if r.err == nil {
		r.err = err
	}
	return id
}

func idTexts(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = idText(id)
	}
	return out
}
