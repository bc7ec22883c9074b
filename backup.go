package tidal

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidaldb/tidal/internal/backup"
	"github.com/tidaldb/tidal/internal/host"
)

// BackupInfo says what a backup holds.
type BackupInfo struct {
	// At is when it was of the present: what was acknowledged before is in it.
	At time.Time
	// Bytes is the length of the stream. Entries is how many entries of the log are in it, Signals how many signals the
	// state is of.
	Bytes, Entries, Signals int64
	// Vector is the set of events in it, Digest and DigestCells what [DB.Digest] and [DB.DigestCells] were of it.
	Vector              VersionVector
	Digest, DigestCells Digest
	// Regions are the names of the other regions that it knows of, and LogFrom is when the oldest batch of its log was written,
	// zero if it has none. Both are known of a backup that was restored, or checked.
	Regions []string
	LogFrom time.Time
}

// Backup writes a copy of the database to w while everything else goes on: the state as of one point of the log, the log
// up to there as far as it is kept, and the keys that seal cursors and references. [Restore] makes a database of it.
//
// All that was acknowledged before the call is in the copy, and nothing of a write that isn't whole; of what is written
// meanwhile some may be. A database that is open for reading copies what it saw when it was opened. The stream ends with
// digests of what it holds, and carries checksums all the way; whoever keeps it learns from [Restore], with VerifyOnly,
// that it is good. It is secret as the directory is, for the keys are in it.
//
// It begins with a [DB.Checkpoint], and takes memory for a few records. No lock is held while w is written to. The log
// isn't shortened meanwhile. Close ends a backup with [ErrClosed], and waits until w's Write has returned.
func (db *DB) Backup(ctx context.Context, w io.Writer) (BackupInfo, error) {
	return db.backup(ctx, w, host.BackupOptions{})
}

// BackupState is [DB.Backup] without the log: smaller, and what comes of it knows the same, but not how it came about.
// Events of before can't be undone there, nor told one by one.
func (db *DB) BackupState(ctx context.Context, w io.Writer) (BackupInfo, error) {
	return db.backup(ctx, w, host.BackupOptions{WithoutLog: true})
}

func (db *DB) backup(ctx context.Context, w io.Writer, opts host.BackupOptions) (BackupInfo, error) {
	m, size, err := db.host.Backup(ctx, w, opts)
	if err != nil {
		return BackupInfo{}, fmt.Errorf("back up: %w", err)
	}
	return infoOf(m, size), nil
}

func infoOf(m backup.Manifest, size int64) BackupInfo {
	return BackupInfo{
		At: m.At.UTC(), Bytes: size, Entries: int64(m.Entries), Signals: int64(m.Signals), Vector: m.Vector,
		Digest: m.Digest, DigestCells: m.Cells,
	}
}

// RestoreOptions tune a [Restore]. The zero value is right for most.
type RestoreOptions struct {
	// VerifyOnly makes the database, opens it, compares it, and removes it again. The directory says where there is room for
	// it, and may be one that isn't empty.
	VerifyOnly bool
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// UserMemory is as in [Options], for the time that the restored database is open to be compared.
	UserMemory int64
}

// Restore makes a database in a directory of what [DB.Backup] wrote. The directory must be missing or empty, else it is
// refused with an [InputError]. It comes to be whole or not at all: everything is written beside it (under its name with
// ".restoring" behind), opened there, and compared with the digests in the backup; then it gets its name. Whatever differs,
// a wrong bit or an end that comes early, is a [CorruptError] that names the part of the backup, and nothing is left.
//
// What is written to the restored database is a new incarnation of it, for it can't be known what had been acknowledged
// behind the backup: no position is given out twice, and what somebody has seen of the rest isn't taken for something else.
// It's named after the second in which it's made, so two restores of one database have to lie a second apart.
// Retries of what is in the backup are recognised.
//
// Options nil means all defaults.
func Restore(ctx context.Context, r io.Reader, dir string, opts *RestoreOptions) (BackupInfo, error) {
	var o RestoreOptions
	if opts != nil {
		o = *opts
	}
	var made host.Restored
	m, size, _, err := host.Restore(ctx, r, dir, host.RestoreOptions{
		Now: o.Now, VerifyOnly: o.VerifyOnly, UserMemory: o.UserMemory, Tell: func(x host.Restored) { made = x },
	})
	if err != nil {
		return BackupInfo{}, fmt.Errorf("restore into %s: %w", dir, err)
	}
	info := infoOf(m, size)
	info.Regions, info.LogFrom = made.Regions, made.LogFrom
	return info, nil
}
