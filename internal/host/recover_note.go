package host

import (
	"fmt"

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
	return sumNote(i)
}

// write makes the file, durably.
func (i recovering) write(fsys vfs.FS, dir string) error {
	i.Old.Sum, i.New.Sum = "", "" // the file has one of its own
	i.Sum = i.sum()
	if err := vfs.WriteFileAtomic(fsys, fsys.PathJoin(dir, recoveringName), encodeNote(i)); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}

// readRecovering reads the file; found is false if there is none.
func readRecovering(fsys vfs.FS, dir string) (i recovering, found bool, err error) {
	path := fsys.PathJoin(dir, recoveringName)
	b, found, err := readNote(fsys, path)
	if err != nil || !found {
		return i, false, err
	}
	i, err = decodeRecovering(path, b)
	return i, err == nil, err
}

func decodeRecovering(path string, b []byte) (recovering, error) {
	var got recovering
	if err := decodeNote(path, b, recoveringFormat, "it is no note of a recovery", &got); err != nil {
		return recovering{}, err
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
