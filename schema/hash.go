package schema

import (
	"encoding/hex"

	"github.com/zeebo/blake3"

	"github.com/tidaldb/tidal/internal/fault"
)

// Hash names one version of a schema: the first 16 bytes of BLAKE3 of its encoding. The zero Hash names none.
type Hash [16]byte

// Hash returns the hash of s. It encodes s each time; keep the result.
func (s *Schema) Hash() Hash {
	sum := blake3.Sum256(s.Encode())
	return Hash(sum[:16])
}

// ParseHash reads what [Hash.String] writes: 32 lower-case hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) || hex.EncodeToString(b) != s {
		return Hash{}, fault.Refuse("hash", "%q is not a hash; hashes have %d lower-case hexadecimal digits", s, 2*len(h))
	}
	return Hash(b), nil
}

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h names no schema.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText makes hashes readable in JSON.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText is the inverse of [Hash.MarshalText].
func (h *Hash) UnmarshalText(text []byte) error {
	parsed, err := ParseHash(string(text))
	if err == nil {
		*h = parsed
	}
	return err
}
