package engine

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
)

// applySealingKey enters or drops a key.
func (e *Engine) applySealingKey(k *record.SealingKey) error {
	owner := e.table.Owner(state.KindGlobal, sealsOwner)
	key := sealingKey(owner, k.ID)
	at := e.table.Lookup(key)
	old, err := algebra.DecodeSealingKey(e.table.Value(at))
	if err != nil {
		return err
	}
	merged := old.Merge(algebra.SealingKey{Created: k.Created, Secret: k.Secret})
	e.table.Set(key, at, merged.AppendBinary(nil))
	return nil
}

// SealingKey is a key that seals tokens, as it is kept.
type SealingKey struct {
	// ID names it.
	ID uint32
	algebra.SealingKey
}

// SealingKeys returns all keys, the newest first: by creation, then by id.
func (e *Engine) SealingKeys() ([]SealingKey, error) {
	n, ok := e.table.Find(state.KindGlobal, sealsOwner)
	if !ok {
		return nil, nil
	}
	var out []SealingKey
	for key, v := range e.table.All(state.KindGlobal, n) {
		if key.Kind != algebra.KindSealingKey || len(key.Sub) != 4 {
			return nil, fault.Damaged("", 0, "%v under %x among the sealing keys", key.Kind, key.Sub)
		}
		k, err := algebra.DecodeSealingKey(v)
		if err != nil {
			return nil, err
		}
		k.Secret = slices.Clone(k.Secret)
		out = append(out, SealingKey{binary.BigEndian.Uint32([]byte(key.Sub)), k})
	}
	slices.SortFunc(out, func(a, b SealingKey) int {
		return cmp.Or(cmp.Compare(b.Created, a.Created), cmp.Compare(b.ID, a.ID))
	})
	return out, nil
}
