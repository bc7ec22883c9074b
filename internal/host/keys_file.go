package host

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/token"
	"github.com/tidaldb/tidal/internal/vfs"
)

// keysName is the file in which earlier programs kept the keys that seal tokens. It is read, and written when a backup of
// such a directory is restored.
const (
	keysName   = "KEYS"
	keysFormat = 1
)

// keyFile is the content of the file KEYS, as JSON.
type keyFile struct {
	Format int       `json:"format"`
	Keys   []keyText `json:"keys"` // newest first
}

type keyText struct {
	ID     uint32 `json:"id"`
	Secret string `json:"secret"` // 32 bytes in hex
}

func readKeys(fsys vfs.FS, path string) (token.Keys, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	b, err := io.ReadAll(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return decodeKeys(path, b)
}

func decodeKeys(path string, b []byte) (token.Keys, error) {
	var file keyFile
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&file); err != nil {
		return nil, fault.Damaged(path, 0, "it holds no keys: %v; remove it and a new key is drawn, with which no "+
			"cursor or reference of before can be read", err)
	}
	if file.Format > keysFormat {
		return nil, fmt.Errorf("%s has format %d, this program knows up to %d: %w", path, file.Format, keysFormat,
			fault.ErrFormatTooNew)
	}
	var list token.Keys
	for _, k := range file.Keys {
		secret, err := hex.DecodeString(k.Secret)
		key := token.Key{ID: k.ID}
		if err != nil || len(secret) != len(key.Secret) {
			return nil, fault.Damaged(path, 0, "the secret of key %d isn't 32 bytes in hex", k.ID)
		}
		copy(key.Secret[:], secret)
		list = append(list, key)
	}
	if len(list) == 0 {
		return nil, fault.Damaged(path, 0, "it holds no key; remove it and one is drawn")
	}
	return list, nil
}

func encodeKeys(list token.Keys) []byte {
	file := keyFile{Format: keysFormat}
	for i := range list {
		file.Keys = append(file.Keys, keyText{ID: list[i].ID, Secret: hex.EncodeToString(list[i].Secret[:])})
	}
	b, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("host: encode keys: %v", err)) // they are numbers and texts
	}
	return append(b, '\n')
}

func writeKeys(fsys vfs.FS, path string, list token.Keys) error {
	if err := vfs.WriteFileAtomic(fsys, path, encodeKeys(list)); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	if fsys != vfs.Default {
		return nil
	}
	// The interface to files has no modes, and nobody else on the machine needs the keys.
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}
