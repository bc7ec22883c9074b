package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

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
	return fmt.Sprintf("%08x", crc32.Checksum(i.encode(), crc32.MakeTable(crc32.Castagnoli)))
}

func (i installing) encode() []byte {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("host: encode note of an install: %v", err)) // it holds numbers and a text
	}
	return append(b, '\n')
}

// write makes the file, durably.
func (i installing) write(fsys vfs.FS, dir string) error {
	i.Sum = i.sum()
	if err := vfs.WriteFileAtomic(fsys, fsys.PathJoin(dir, installingName), i.encode()); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}

// readInstalling reads the file; found is false if there is none.
func readInstalling(fsys vfs.FS, dir string) (i installing, found bool, err error) {
	path := fsys.PathJoin(dir, installingName)
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return i, false, nil
	}
	if err != nil {
		return i, false, fmt.Errorf("open %s: %w", path, err)
	}
	b, err := io.ReadAll(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return i, false, fmt.Errorf("read %s: %w", path, err)
	}
	i, err = decodeInstalling(path, b)
	return i, err == nil, err
}

func decodeInstalling(path string, b []byte) (installing, error) {
	var got installing
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &format); err != nil {
		return got, fault.Damaged(path, 0, "it is no note of an install: %v", err)
	}
	if format.Format > installingFormat {
		return got, fmt.Errorf("%s has format %d, this program knows up to %d; open it with a newer tidal: %w",
			path, format.Format, installingFormat, fault.ErrFormatTooNew)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		return installing{}, fault.Damaged(path, 0, "it is no note of an install: %v", err)
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
