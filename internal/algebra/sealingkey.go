package algebra

import (
	"bytes"
	"cmp"
)

// SealingKey is a key that seals tokens. It is a join: once dropped it stays so, and its secret is gone.
type SealingKey struct {
	// Created is when it was drawn, in Unix milliseconds, above 0.
	Created int64
	// Secret has 32 bytes; none once the key was dropped.
	Secret []byte
}

// secretSize is the length of a secret.
const secretSize = 32

// Dropped reports whether the key opens nothing any more.
func (k SealingKey) Dropped() bool { return len(k.Secret) == 0 }

// IsZero reports whether there is no key.
func (k SealingKey) IsZero() bool { return k.Created == 0 }

// Merge returns the dropped one, else the later one.
func (k SealingKey) Merge(o SealingKey) SealingKey {
	switch {
	case k.IsZero():
		return o
	case o.IsZero():
		return k
	case k.Dropped() != o.Dropped():
		if o.Dropped() {
			return o
		}
		return k
	}
	if cmp.Or(cmp.Compare(k.Created, o.Created), bytes.Compare(k.Secret, o.Secret)) < 0 {
		return o
	}
	return k
}

// AppendBinary appends the canonical encoding: nothing for no key; else the time of its creation as a uvarint, and the
// secret if it has one.
func (k SealingKey) AppendBinary(dst []byte) []byte {
	if k.IsZero() {
		return dst
	}
	return append(appendNumber(uint64(k.Created), dst), k.Secret...)
}

// DecodeSealingKey reads what AppendBinary wrote, all of b. The secret aliases b.
func DecodeSealingKey(b []byte) (SealingKey, error) {
	if len(b) == 0 {
		return SealingKey{}, nil
	}
	c := cursor{b: b}
	k := SealingKey{Created: int64(c.uvarint("time of creation", 1<<62))}
	if c.err == nil && k.Created == 0 {
		c.fail("key was never made")
	}
	if c.more() {
		k.Secret = c.take("secret", secretSize)
	}
	if err := c.end(); err != nil {
		return SealingKey{}, err
	}
	return k, nil
}
