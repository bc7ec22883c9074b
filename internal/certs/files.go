package certs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/tidaldb/tidal/internal/fault"
)

// maxFile bounds a file of certificates in bytes.
const maxFile = 1 << 20

// Write writes NAME.crt, which everybody may read, and NAME.key, which only the owner may, into a directory that is made
// if need be. What exists is never replaced: a lost key of an authority is a lost cluster.
func (p Pair) Write(dir, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	crt, key := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for _, path := range []string{crt, key} {
		if _, err := os.Lstat(path); err == nil {
			return fault.Refuse("file", "%s exists; move it away, or choose another name", path)
		}
	}
	if err := writeNew(key, p.Key, 0o600); err != nil {
		return err
	}
	if err := writeNew(crt, p.Certificate, 0o644); err != nil {
		return errors.Join(err, os.Remove(key))
	}
	return nil
}

// writeNew makes a file, whole and synced, or leaves none.
func writeNew(path string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// Read reads NAME.crt and NAME.key of a directory.
func Read(dir, name string) (Pair, error) {
	return read(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
}

func read(crt, key string) (Pair, error) {
	var p Pair
	var err error
	if p.Certificate, err = readFile(crt); err != nil {
		return Pair{}, err
	}
	if p.Key, err = readKey(key); err != nil {
		return Pair{}, err
	}
	if _, _, err = p.parse(); err != nil {
		return Pair{}, fmt.Errorf("%s, %s: %w", crt, key, err)
	}
	return p, nil
}

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 && runtime.GOOS != "windows" {
		return nil, fault.Refuse("key", "%s can be read by everybody (mode %04o); chmod 600 it, and ask yourself who did", path, mode)
	}
	return readFile(path)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fault.Refuse("file", "%s has more than %d bytes; that is no file of certificates", path, maxFile)
	}
	return b, nil
}
