package access

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidaldb/tidal/internal/fault"
)

// How long the parts of a key's text are.
const (
	idBytes     = 8
	secretBytes = 32
	prefix      = "tdl_"
	idLetters   = 13
	keyLetters  = len(prefix) + idLetters + 1 + 52
)

// MaxName is how many bytes the name of a key may have.
const MaxName = 64

// letters are those of RFC 4648 in lower case, so that a double click selects a key whole.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// A Key is what is kept of an API key: everything but its secret.
type Key struct {
	// ID stands in the key's text, and names it in lists and logs. It is 13 letters and digits, and no secret.
	ID string
	// Name says what the key is for, up to 64 bytes of printable UTF-8.
	Name string
	Role Role
	// Hash is the SHA-256 of the key's text.
	Hash [sha256.Size]byte
	// Created is when it was made, to the second. Expires is from when on it is refused; zero is never. Revoked is when it
	// was withdrawn, zero if it wasn't.
	Created, Expires, Revoked time.Time
}

// Make draws a key with 32 + 8 bytes of random, and returns what is kept of it and the text, which is shown to whom it is
// for and nowhere else. A name that is too long or not printable is refused, as is an end that lies before the
// beginning.
func Make(random io.Reader, name string, role Role, now, expires time.Time) (Key, string, error) {
	if err := checkName(name); err != nil {
		return Key{}, "", err
	}
	if _, err := ParseRole(role.String()); err != nil {
		return Key{}, "", err
	}
	k := Key{Name: name, Role: role, Created: now.UTC().Truncate(time.Second)}
	if !expires.IsZero() {
		k.Expires = expires.UTC().Truncate(time.Second)
		if !k.Expires.After(k.Created) {
			return Key{}, "", fault.Refuse("expires", "is %s; it has to lie ahead", k.Expires.Format(time.RFC3339))
		}
	}
	var b [idBytes + secretBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return Key{}, "", fmt.Errorf("draw a key: %w", err)
	}
	k.ID = letters.EncodeToString(b[:idBytes])
	text := prefix + k.ID + "_" + letters.EncodeToString(b[idBytes:])
	k.Hash = sha256.Sum256([]byte(text))
	return k, text, nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return fault.Refuse("name", "is empty; say what the key is for")
	case len(name) > MaxName:
		return fault.Refuse("name", "has %d bytes; at most %d", len(name), MaxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fault.Refuse("name", "isn't printable text")
	}
	return nil
}

// idOf returns the id that a key's text names, and whether the text has the form of a key. Whether its letters are right is
// what the hash says.
func idOf(text string) (string, bool) {
	if len(text) != keyLetters || text[:len(prefix)] != prefix || text[len(prefix)+idLetters] != '_' {
		return "", false
	}
	return text[len(prefix) : len(prefix)+idLetters], true
}

// canonical reports whether text is what the encoding makes of n bytes. The last letter has bits to spare, in which two
// texts of the same bytes could differ.
func canonical(text string, n int) bool {
	b, err := letters.DecodeString(text)
	return err == nil && len(b) == n && letters.EncodeToString(b) == text
}

// State is "valid", "expired" or "revoked", as of now.
func (k *Key) State(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	}
	return "valid"
}
