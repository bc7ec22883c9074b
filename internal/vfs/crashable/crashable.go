// Package crashable is a file system in memory that can be copied as a power loss would leave it, while others use it. Tests
// take it in the place of Pebble's own:
//
//	mem := crashable.New()
//	…
//	after := mem.CrashClone(pebblevfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
//
// It is Pebble's, but for one thing: there, a copy that is asked for while a directory is being locked, a file is given a second
// name or a log's file is used again may wait for ever, since each of these takes a lock twice that a copy waits for, and who
// asks for it the second time stands behind the copy. It is of no use to programs.
package crashable

import (
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// mem keeps Pebble's out of others' reach: its own CrashClone may wait for ever.
type mem = vfs.MemFS

// FS is the file system. Create it with [New]; a copy is one as well.
type FS struct {
	*mem
	mu sync.RWMutex // held by what takes Pebble's lock twice; for writing by a copy
}

// New returns an empty one.
func New() *FS { return &FS{mem: vfs.NewCrashableMem()} }

// Lock locks a file, as vfs.FS has it.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.mem.Lock(name)
}

// Link gives a file a second name, as vfs.FS has it.
func (f *FS) Link(from, to string) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.mem.Link(from, to)
}

// ReuseForWrite renames a file and opens it to be written over, as vfs.FS has it.
func (f *FS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.mem.ReuseForWrite(from, to, category)
}

// CrashClone returns what a power loss would leave now, as vfs.MemFS has it.
func (f *FS) CrashClone(cfg vfs.CrashCloneCfg) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &FS{mem: f.mem.CrashClone(cfg)}
}
