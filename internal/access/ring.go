package access

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidaldb/tidal/internal/vfs"
)

// A Ring holds the keys of a file in memory. It is safe for concurrent use; whoever asks sees the keys of before a reload
// or those of after.
type Ring struct {
	fsys vfs.FS
	path string
	keys atomic.Pointer[map[string]Key]

	mu     sync.Mutex  // one reload at a time
	loaded fs.FileInfo // of the file that the keys are from; nil if there was none
}

// Open reads the keys at path; a file that isn't there holds none.
func Open(fsys vfs.FS, path string) (*Ring, error) {
	r := &Ring{fsys: fsys, path: path}
	r.keys.Store(&map[string]Key{})
	if err := r.Reload(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return r, nil
}

// Reload reads the file again. After an error the keys are what they were: a file that is damaged or gone doesn't lock
// anybody out, and opens nothing.
func (r *Ring) Reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	// What is remembered is how the file was before it was read: one that changes meanwhile is read again.
	info, err := r.fsys.Stat(r.path)
	if err != nil {
		return fmt.Errorf("look at the API keys: %w", err)
	}
	keys, err := ReadFile(r.fsys, r.path)
	if err != nil {
		return err
	}
	byID := make(map[string]Key, len(keys))
	for i := range keys {
		byID[keys[i].ID] = keys[i]
	}
	r.keys.Store(&byID)
	r.loaded = info
	return nil
}

// Refresh reloads if the file isn't the one that was loaded last, by size and time of change, and reports whether it
// did. A file that isn't there changes nothing.
func (r *Ring) Refresh() (bool, error) {
	info, err := r.fsys.Stat(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the API keys: %w", err)
	}
	r.mu.Lock()
	same := r.loaded != nil && info.Size() == r.loaded.Size() && info.ModTime().Equal(r.loaded.ModTime())
	r.mu.Unlock()
	if same {
		return false, nil
	}
	return true, r.Reload()
}

// Len is how many keys there are, those that are good for nothing any more among them.
func (r *Ring) Len() int { return len(*r.keys.Load()) }

// Keys returns all keys, the oldest first, those of the same second by id.
func (r *Ring) Keys() []Key {
	return slices.SortedFunc(maps.Values(*r.keys.Load()), func(a, b Key) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
}

// Usable is how many keys are good at a time.
func (r *Ring) Usable(now time.Time) int {
	n := 0
	for _, k := range *r.keys.Load() {
		if k.State(now) == "valid" {
			n++
		}
	}
	return n
}

// Find returns the key whose text it is. Every other text is [ErrBadKey], and why is said only to who has
// the secret. How long it takes doesn't tell how much of a text is right.
func (r *Ring) Find(now time.Time, text string) (Key, error) {
	id, ok := idOf(text)
	if !ok {
		return Key{}, fmt.Errorf("the API key hasn't the form of one: %w", ErrBadKey)
	}
	k, known := (*r.keys.Load())[id] // of an unknown key the hash is zeros, which no text has
	hash := sha256.Sum256([]byte(text))
	if equal := subtle.ConstantTimeCompare(hash[:], k.Hash[:]) == 1; !equal || !known {
		return Key{}, fmt.Errorf("the API key isn't known: %w", ErrBadKey)
	}
	if s := k.State(now); s != "valid" {
		return Key{}, fmt.Errorf("the API key %s is %s: %w", k.ID, s, ErrBadKey)
	}
	return k, nil
}
