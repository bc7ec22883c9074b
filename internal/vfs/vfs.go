// Package vfs is the seam between tidal and the disk: the file interface is Pebble's, so that one crashing memory
// disk tests the log and the store together, and the helpers here are the few steps that every durable file needs
// and that are easy to get wrong.
//
// Most callers take an [FS] in their options, [Default] when it is nil, and call [MkdirAll] and [Lock] at open.
// A file is durable only after its own Sync and after [SyncDir] of the directory that names it. An error of Sync
// is final: the kernel may have dropped the pages, so a second Sync that succeeds proves nothing.
//
// What to know of the interface: Write and WriteAt may change the slice passed in; at most one Write or Sync of a
// file may run at a time; WriteAt needs a file from OpenReadWrite; there is no Truncate.
package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/fault"
)

// FS is a namespace for files: the operating system's ([Default]) or a memory form that crashes on demand
// (internal/vfs/crashable).
type FS = vfs.FS

// File is one open file or directory of an [FS].
type File = vfs.File

// Category labels writes for an [FS] that counts them.
type Category = vfs.DiskWriteCategory

// What implementing an [FS] takes beside.
type (
	// Info is the answer of Stat.
	Info = vfs.FileInfo
	// DeviceID tells devices apart.
	DeviceID = vfs.DeviceID
	// Usage is how much of a device is used.
	Usage = vfs.DiskUsage
	// OpenOption changes a file that was opened.
	OpenOption = vfs.OpenOption
)

// Default is the operating system's file system. It is never assigned.
var Default FS = vfs.Default

// LockName is the file that [Lock] holds in a directory.
const LockName = "LOCK"

// SyncDir makes the names in dir durable: files created, renamed or removed there survive a power loss.
func SyncDir(fsys FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open directory %s: %w", dir, err)
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	if err := d.Close(); err != nil {
		return fmt.Errorf("close directory %s: %w", dir, err)
	}
	return nil
}

// MkdirAll creates dir with the parents it lacks and makes all the names durable, one level after another.
//
// A directory that exists may be one that an earlier process made and didn't live to make durable; so the name of the
// innermost one that exists is synced too, unless its parent may not be read.
func MkdirAll(fsys FS, dir string) error {
	var missing []string // the innermost first
	at := dir
	for {
		_, err := fsys.Stat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("stat %s: %w", at, err)
		}
		up := fsys.PathDir(at)
		if up == at {
			break
		}
		missing = append(missing, at)
		at = up
	}
	if err := SyncDir(fsys, fsys.PathDir(at)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := fsys.MkdirAll(missing[i], 0o755); err != nil {
			return fmt.Errorf("create directory %s: %w", missing[i], err)
		}
		if err := SyncDir(fsys, fsys.PathDir(missing[i])); err != nil {
			return err
		}
	}
	return nil
}

// WriteFileAtomic replaces the file at path by data, durably: after a crash the file holds either what it held
// before or all of data. It uses path + ".tmp" on the way and leaves nothing there when it succeeds. The caller
// sees to it that one call for a path runs at a time.
func WriteFileAtomic(fsys FS, path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := fsys.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", tmp, err)
	}
	// Write may change what it is given, and data is the caller's.
	own := append([]byte(nil), data...)
	_, err = f.Write(own)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = fsys.Remove(tmp)
		return fmt.Errorf("write %s: %w", tmp, err)
	}
	if err := fsys.Rename(tmp, path); err != nil {
		return fmt.Errorf("rename %s: %w", tmp, err)
	}
	return SyncDir(fsys, fsys.PathDir(path))
}

// Lock takes the directory for this process by locking the file [LockName] in it, until the Closer is closed. When
// another process, or another part of this one, holds it, the error is [fault.ErrLocked] and says what to do. The
// file stays behind after Close; only the lock on it counts.
func Lock(fsys FS, dir string) (io.Closer, error) {
	name := fsys.PathJoin(dir, LockName)
	lock, err := fsys.Lock(name)
	switch {
	case err == nil:
		return lock, nil
	case Held(err):
		return nil, fmt.Errorf("%w: %s is locked; stop the tidal that uses this directory, or choose another one (%w)",
			fault.ErrLocked, name, err)
	}
	return nil, fmt.Errorf("lock %s: %w", name, err)
}

// Held tells a lock that is taken from a file that can't be created: the latter carries a path. Pebble has no
// sentinel for a lock that this process holds itself.
func Held(err error) bool {
	var path *os.PathError
	if errors.As(err, &path) {
		return false
	}
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) ||
		strings.Contains(err.Error(), "lock held by current process")
}
