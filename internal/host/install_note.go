package host

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

// installingName is the file that is there while a snapshot takes the place of what a directory holds.
const (
	installingName   = "INSTALL"
	installingFormat = 1
)

// installing is its content, as JSON: the entry that the snapshot is the state after.
type installing struct {
	Format int    `json:"format"`
	Index  uint64 `json:"index"`
	Term   uint64 `json:"term"`
	// Sum is CRC-32C, in hex, of the file with an empty sum.
	Sum string `json:"sum"`
}

func (i installing) sum() string {
	i.Sum = ""
	return sumNote(i)
}

// write makes the file, durably.
func (i installing) write(fsys vfs.FS, dir string) error {
	i.Sum = i.sum()
	if err := vfs.WriteFileAtomic(fsys, fsys.PathJoin(dir, installingName), encodeNote(i)); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}

// readInstalling reads the file; found is false if there is none.
func readInstalling(fsys vfs.FS, dir string) (i installing, found bool, err error) {
	path := fsys.PathJoin(dir, installingName)
	b, found, err := readNote(fsys, path)
	if err != nil || !found {
		return i, false, err
	}
	i, err = decodeInstalling(path, b)
	return i, err == nil, err
}

func decodeInstalling(path string, b []byte) (installing, error) {
	var got installing
	if err := decodeNote(path, b, installingFormat, "it is no note of an install", &got); err != nil {
		return installing{}, err
	}
	switch {
	case got.Sum != got.sum():
		return installing{}, fault.Damaged(path, 0, "checksum is %q, the fields give %s", got.Sum, got.sum())
	case got.Format < 1 || got.Index == 0 || got.Term == 0:
		return installing{}, fault.Damaged(path, 0, "it has format %d, entry %d and term %d; all count from 1", got.Format,
			got.Index, got.Term)
	}
	return got, nil
}

// removeInstalling removes the file, durably.
func removeInstalling(fsys vfs.FS, dir string) error {
	if err := fsys.Remove(fsys.PathJoin(dir, installingName)); err != nil {
		return fmt.Errorf("remove %s: %w: %w", installingName, fault.ErrDisk, err)
	}
	if err := vfs.SyncDir(fsys, dir); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}
