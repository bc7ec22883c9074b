package access

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

// FileName is the file of the keys within a database's directory.
const FileName = "API_KEYS"

const (
	fileFormat = 1
	// MaxKeys is how many keys a file holds, and maxFile how many bytes that can be.
	MaxKeys = 10_000
	maxFile = 8 << 20
	// kept is how long a key that is good for nothing any more stays in the file, so that somebody who looks finds it.
	kept = 90 * 24 * time.Hour
)

// keyFile is the content of the file API_KEYS, as JSON.
type keyFile struct {
	Format int       `json:"format"`
	Keys   []keyText `json:"keys"` // by age, the newest last
	Sum    string    `json:"sum"`
}

type keyText struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Role    string `json:"role"`
	SHA256  string `json:"sha256"`
	Created string `json:"created"`
	Expires string `json:"expires,omitempty"`
	Revoked string `json:"revoked,omitempty"`
}

// Encode returns the file that holds the keys.
func Encode(keys []Key) []byte {
	f := keyFile{Format: fileFormat, Keys: []keyText{}}
	for i := range keys {
		k := &keys[i]
		f.Keys = append(f.Keys, keyText{
			ID: k.ID, Name: k.Name, Role: k.Role.String(), SHA256: hex.EncodeToString(k.Hash[:]),
			Created: instant(k.Created), Expires: instant(k.Expires), Revoked: instant(k.Revoked),
		})
	}
	f.Sum = fmt.Sprintf("%08x", crc32.Checksum(f.text(), crc32.MakeTable(crc32.Castagnoli)))
	return f.text()
}

func (f *keyFile) text() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(f); err != nil {
		panic(fmt.Sprintf("access: encode keys: %v", err)) // they are numbers and texts
	}
	return b.Bytes()
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Decode reads such a file; path is for errors. It takes exactly what [Encode] gives: anything else is damage, since a
// wrong letter in a date or a role would give somebody more than they were given. A file of a newer format is
// [fault.ErrFormatTooNew].
func Decode(path string, b []byte) ([]Key, error) {
	if len(b) > maxFile {
		return nil, fault.Damaged(path, maxFile, "it has %d bytes; a file of keys has at most %d", len(b), maxFile)
	}
	var f keyFile
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&f); err != nil {
		return nil, fault.Damaged(path, dec.InputOffset(), "it holds no keys: %v", err)
	}
	if f.Format > fileFormat {
		return nil, fmt.Errorf("%s has format %d, this program knows up to %d: %w", path, f.Format, fileFormat,
			fault.ErrFormatTooNew)
	}
	if len(f.Keys) > MaxKeys {
		return nil, fault.Damaged(path, 0, "it holds %d keys; at most %d", len(f.Keys), MaxKeys)
	}
	keys := make([]Key, 0, len(f.Keys))
	seen := map[string]bool{}
	for i := range f.Keys {
		k, err := f.Keys[i].key()
		if err != nil {
			return nil, fault.Damaged(path, 0, "key %d: %v", i, err)
		}
		if seen[k.ID] {
			return nil, fault.Damaged(path, 0, "two keys have the id %s", k.ID)
		}
		seen[k.ID] = true
		keys = append(keys, k)
	}
	if want := Encode(keys); !bytes.Equal(b, want) {
		at := 0
		for at < min(len(b), len(want)) && b[at] == want[at] {
			at++
		}
		return nil, fault.Damaged(path, int64(at), "it isn't as it was written; change it with `tidal keys` only")
	}
	return keys, nil
}

func (t *keyText) key() (Key, error) {
	k := Key{ID: t.ID, Name: t.Name}
	if !canonical(t.ID, idBytes) {
		return k, fmt.Errorf("%q is no id", t.ID)
	}
	if err := checkName(t.Name); err != nil {
		return k, err
	}
	hash, err := hex.DecodeString(t.SHA256)
	if err != nil || len(hash) != len(k.Hash) {
		return k, errors.New("its hash isn't 32 bytes in hex")
	}
	copy(k.Hash[:], hash)
	if k.Role, err = ParseRole(t.Role); err != nil {
		return k, err
	}
	for _, part := range []struct {
		text string
		into *time.Time
	}{{t.Created, &k.Created}, {t.Expires, &k.Expires}, {t.Revoked, &k.Revoked}} {
		if part.text == "" {
			continue
		}
		if *part.into, err = time.Parse(time.RFC3339, part.text); err != nil {
			return k, fmt.Errorf("%q is no time", part.text)
		}
	}
	return k, nil
}

// ReadFile reads the keys of a file. One that isn't there is an error that is fs.ErrNotExist.
func ReadFile(fsys vfs.FS, path string) ([]Key, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the API keys: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read the API keys: %w", err)
	}
	return Decode(path, b)
}

// writeFile replaces the file by one with the keys, readable by its owner alone.
func writeFile(fsys vfs.FS, path string, keys []Key) error {
	if err := vfs.WriteFileAtomic(fsys, path, Encode(keys)); err != nil {
		return fmt.Errorf("write the API keys: %w", err)
	}
	if fsys != vfs.Default {
		return nil
	}
	// The interface to files has no modes. The file holds hashes alone, but who has which role is nobody's business.
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("write the API keys: %w", err)
	}
	return nil
}

// Add puts a key into the file at path, and makes the file if there is none. Keys that expired or were revoked 90 days
// before now go. The file is locked meanwhile: [fault.ErrLocked] means that another process changes it just now.
func Add(fsys vfs.FS, path string, k Key, now time.Time) (err error) {
	lock, err := lockFile(fsys, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	keys, err := ReadFile(fsys, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	live := keys[:0]
	for i := range keys {
		gone := keys[i].Revoked
		if gone.IsZero() {
			gone = keys[i].Expires
		}
		if keys[i].ID == k.ID {
			return fault.Refuse("id", "%s is taken", k.ID)
		}
		if gone.IsZero() || gone.Add(kept).After(now) {
			live = append(live, keys[i])
		}
	}
	if len(live) >= MaxKeys {
		return fault.Refuse("", "the file holds %d keys, which is as many as it may; revoke some", MaxKeys)
	}
	return writeFile(fsys, path, append(live, k))
}

// lockFile takes the file for a change. The lock lies beside it, since the file itself is replaced.
func lockFile(fsys vfs.FS, path string) (io.Closer, error) {
	lock, err := fsys.Lock(path + ".lock")
	if err == nil {
		return lock, nil
	}
	if vfs.Held(err) {
		return nil, fmt.Errorf("change the API keys: another process does so; try again: %w", fault.ErrLocked)
	}
	return nil, fmt.Errorf("change the API keys: %w", err)
}

// Revoke withdraws a key, and locks as [Add] does. One that isn't there is [fault.ErrNotFound]; one that was revoked stays
// as it is.
func Revoke(fsys vfs.FS, path, id string, now time.Time) (k Key, err error) {
	lock, err := lockFile(fsys, path)
	if err != nil {
		return Key{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	keys, err := ReadFile(fsys, path)
	if err != nil {
		return Key{}, err
	}
	for i := range keys {
		if keys[i].ID != id {
			continue
		}
		if keys[i].Revoked.IsZero() {
			keys[i].Revoked = now.UTC().Truncate(time.Second)
			err = writeFile(fsys, path, keys)
		}
		return keys[i], err
	}
	return Key{}, fmt.Errorf("no key has the id %s: %w", id, fault.ErrNotFound)
}
