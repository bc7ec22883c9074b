package query

import (
	"crypto/sha256"
	"encoding/hex"
)

// Plan is a query in normal form that was held against a schema. It must not be changed, and may be shared between
// goroutines. Made by [Query.Compile].
//
// In it profile and limit are filled in. The filter and those of boosts are flat: no list directly within a list of
// its kind, none of fewer than two members, no NOT of a NOT, and a constant, And{} or Or{}, only as a whole; a filter
// that always holds is nil. Each value has its field's type. Excluded and buried items are sorted and different, pins
// are sorted by place, the time is in UTC and whole milliseconds.
type Plan struct {
	// Query is the normal form. It prints, and compiles, as itself.
	Query
	// Fingerprint tells the plan from others.
	Fingerprint Fingerprint
}

// Fingerprint is the same for two plans if they ask the same, apart from limit, cursor, as-of and explain: two pages of
// one list have the same. It's the first 16 bytes of the SHA-256 of the normal form's text without these clauses.
type Fingerprint [16]byte

// String is the fingerprint in hexadecimal digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

func (q *Query) fingerprint() Fingerprint {
	sum := sha256.Sum256(q.appendText(make([]byte, 0, 512), false))
	return Fingerprint(sum[:16])
}
