package record

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
)

// SealingKey is the body of [KindSealingKey]: a key that seals tokens enters, or is dropped. Nothing that prints records
// prints the secret.
type SealingKey struct {
	// ID names the key in tokens. It is drawn at random.
	ID uint32
	// Created is when it was drawn, in Unix milliseconds, above 0.
	Created int64
	// Secret has [SecretSize] bytes; none drops the key.
	Secret []byte
}

// SecretSize is the length of a key's secret in bytes.
const SecretSize = 32

// Check refuses a key that can't be written.
func (k *SealingKey) Check() error {
	switch {
	case k.Created <= 0 || k.Created > MaxTime:
		return fault.Refuse("created", "%d ms is out of range", k.Created)
	case len(k.Secret) != 0 && len(k.Secret) != SecretSize:
		return fault.Refuse("secret", "has %d bytes; a secret has %d", len(k.Secret), SecretSize)
	}
	return nil
}

func (k *SealingKey) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, k.ID)
	return append(binary.AppendUvarint(dst, uint64(k.Created)), k.Secret...)
}

// DecodeSealingKey reads the body of a [KindSealingKey] record into k. The secret points into body.
func DecodeSealingKey(body []byte, k *SealingKey) error {
	c := cursor{b: body}
	*k = SealingKey{ID: c.u32(), Created: c.time("time of creation"), Secret: c.some()}
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(k.Check(), 0)
}
