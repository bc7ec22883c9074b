// Package crashable is a file system in memory that can be copied as a power loss would leave it, while others use it. Tests
// take it in the place of Pebble's own:
//
//	mem := crashable.New()
//	…
//	after := mem.CrashClone(pebblevfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
//
// It is Pebble's, but for one thing: there, a copy that is asked for while a directory is being locked may wait for ever, since
// locking takes a lock twice that a copy waits for. It is of no use to programs.
package crashable

import (
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system. Create it with [New].
type FS struct {
	*vfs.MemFS
	mu sync.Mutex
}

// New returns an empty one.
func New() *FS { return &FS{MemFS: vfs.NewCrashableMem()} }

// Of returns one around a file system that is there, which nobody else uses any more.
func Of(mem *vfs.MemFS) *FS { return &FS{MemFS: mem} }

// Lock locks a file, as vfs.FS has it.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.MemFS.Lock(name)
}

// CrashClone returns what a power loss would leave now, as vfs.MemFS has it.
func (f *FS) CrashClone(cfg vfs.CrashCloneCfg) *vfs.MemFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.MemFS.CrashClone(cfg)
}
