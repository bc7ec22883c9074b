package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// newFile is a file that gets its name when all of it is there, and durable.
type newFile struct {
	*os.File
	name  string
	force bool
}

// createFile begins a file, which only its owner may read. One of that name is refused, unless force is set; it stays as it
// is until [newFile.keep].
func createFile(name string, force bool) (*newFile, error) {
	f := &newFile{name: name, force: force}
	if err := f.free(); err != nil {
		return nil, err
	}
	var err error
	f.File, err = os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	return f, nil
}

// free reports whether the name may be taken.
func (f *newFile) free() error {
	info, err := os.Lstat(f.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for %s: %w", f.name, err)
	case info.IsDir():
		return tidalInput("--out %s is a directory", f.name)
	case !f.force:
		return tidalInput("--out %s is there already; pass --force to replace it", f.name)
	}
	return nil
}

// keep makes the file durable and gives it its name.
func (f *newFile) keep() error {
	err := f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = f.free()
	}
	if err == nil {
		err = os.Rename(f.Name(), f.name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(f.name))
	if err != nil {
		return fmt.Errorf("make the name of %s durable: %w", f.name, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// abandon removes what was written.
func (f *newFile) abandon() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
