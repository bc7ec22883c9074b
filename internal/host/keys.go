package host

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/token"
	"github.com/tidaldb/tidal/internal/vfs"
)

// keysName is the file of the keys that seal tokens. It is secret: who has it can make tokens.
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

// Keys returns the keys that seal the directory's tokens, and makes the first one when there is none. A reader that
// finds none gets one that is good until it closes.
func (r *Replica) Keys() (token.Keys, error) {
	r.keys.Lock()
	defer r.keys.Unlock()
	if r.keys.list != nil {
		return r.keys.list, nil
	}
	fsys, path := r.base.opts.FS, r.base.opts.FS.PathJoin(r.base.opts.Dir, keysName)
	list, err := readKeys(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		list, err = drawKey(r.base.opts.random())
		if err == nil && !r.base.opts.ReadOnly {
			err = writeKeys(fsys, path, list)
		}
	}
	if err != nil {
		return nil, err
	}
	r.keys.list = list
	return list, nil
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

func drawKey(random io.Reader) (token.Keys, error) {
	var b [36]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	k := token.Key{ID: uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24}
	copy(k.Secret[:], b[4:])
	return token.Keys{k}, nil
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
