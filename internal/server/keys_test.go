package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tidaldb/tidal"
)

// byName is an Authorizer: the bearer's name is the role.
func byName(r *http.Request) (Caller, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return Caller{}, ErrNoKey
	}
	role, err := roleOf(name)
	if err != nil {
		return Caller{}, fmt.Errorf("%s: %w", name, ErrBadKey)
	}
	return Caller{Role: role, Key: "key-" + name}, nil
}

// keyring keeps keys in memory.
type keyring struct {
	mu  sync.Mutex
	all []Key
}

func (k *keyring) Create(_ context.Context, name string, role Role, expires time.Time) (Key, string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if name == "" {
		return Key{}, "", &tidal.InputError{Record: -1, Field: "name", Reason: "is empty"}
	}
	key := Key{ID: fmt.Sprintf("k%d", len(k.all)+1), Name: name, Role: role, Created: time.Unix(1, 0).UTC(), Expires: expires}
	k.all = append(k.all, key)
	return key, "secret-of-" + key.ID, nil
}

func (k *keyring) List(context.Context) ([]Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Key(nil), k.all...), nil
}

func (k *keyring) Revoke(_ context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.all {
		if k.all[i].ID == id {
			k.all[i].Revoked = true
			return nil
		}
	}
	return fmt.Errorf("key %q: %w", id, tidal.ErrNotFound)
}
