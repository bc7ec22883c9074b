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

// recoveringName is the file that is there while a member is made the only one of its group.
const (
	recoveringName   = "RECOVERY"
	recoveringFormat = 1
)

// recovering is its content, as JSON.
type recovering struct {
	Format int `json:"format"`
	// Old and New are the directory's identity before and behind it.
	Old identity `json:"old"`
	New identity `json:"new"`
	// Commit is the last entry that is kept as it is, and Aside the folder that the old log is put in.
	Commit uint64 `json:"commit"`
	Aside  string `json:"aside"`
	// Sum is CRC-32C, in hex, of the file with an empty sum.
	Sum string `json:"sum"`
}

func (i recovering) sum() string {
	i.Sum = ""
	return fmt.Sprintf("%08x", crc32.Checksum(i.encode(), crc32.MakeTable(crc32.Castagnoli)))
}

func (i recovering) encode() []byte {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("host: encode note of a recovery: %v", err)) // it holds numbers and texts
	}
	return append(b, '\n')
}

// write makes the file, durably.
func (i recovering) write(fsys vfs.FS, dir string) error {
	i.Old.Sum, i.New.Sum = "", "" // the file has one of its own
	i.Sum = i.sum()
	if err := vfs.WriteFileAtomic(fsys, fsys.PathJoin(dir, recoveringName), i.encode()); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}

// readRecovering reads the file; found is false if there is none.
func readRecovering(fsys vfs.FS, dir string) (i recovering, found bool, err error) {
	path := fsys.PathJoin(dir, recoveringName)
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
	i, err = decodeRecovering(path, b)
	return i, err == nil, err
}

func decodeRecovering(path string, b []byte) (recovering, error) {
	var got recovering
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &format); err != nil {
		return got, fault.Damaged(path, 0, "it is no note of a recovery: %v", err)
	}
	if format.Format > recoveringFormat {
		return got, fmt.Errorf("%s has format %d, this program knows up to %d; open it with a newer tidal: %w",
			path, format.Format, recoveringFormat, fault.ErrFormatTooNew)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		return recovering{}, fault.Damaged(path, 0, "it is no note of a recovery: %v", err)
	}
	_, err := got.Old.wal()
	switch {
	case got.Sum != got.sum():
		return recovering{}, fault.Damaged(path, 0, "checksum is %q, the fields give %s", got.Sum, got.sum())
	case got.Format < 1 || got.Old.Replica == 0 || got.New.Replica <= got.Old.Replica || got.Aside == "" || err != nil:
		return recovering{}, fault.Damaged(path, 0, "it has format %d, replicas %d and %d, and the folder %q", got.Format,
			got.Old.Replica, got.New.Replica, got.Aside)
	}
	return got, nil
}

// removeRecovering removes the file, durably.
func removeRecovering(fsys vfs.FS, dir string) error {
	if err := fsys.Remove(fsys.PathJoin(dir, recoveringName)); err != nil {
		return fmt.Errorf("remove %s: %w: %w", recoveringName, fault.ErrDisk, err)
	}
	if err := vfs.SyncDir(fsys, dir); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}

// refuseRecovering refuses a directory of which a recovery was interrupted.
func refuseRecovering(fsys vfs.FS, dir string) error {
	_, found, err := readRecovering(fsys, dir)
	if err == nil && found {
		err = fmt.Errorf("a recovery of %s was interrupted; let it come to its end first: tidal cluster recover --dir %s "+
			"--accept-loss: %w", dir, dir, fault.ErrOutOfStep)
	}
	return err
}
