package host

import (
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs"
)

// JoinDir makes a directory for another replica of a replica's group.
func JoinDir(fsys vfs.FS, dir string, r *Replica, number uint64) error {
	if err := vfs.MkdirAll(fsys, dir); err != nil {
		return err
	}
	who := r.base.identity
	who.Replica = number
	return who.write(fsys, dir)
}

// BaseOf returns what a replica drives.
func BaseOf(r *Replica) *Base { return r.base }

// Install puts what was prepared in the place of everything.
func (x *Snapshots) Install(reset func(index, term uint64) error) error { return x.install(reset) }

// StoreOf returns a directory's checkpoint, nil if it has none.
func StoreOf(b *Base) *store.Store { return b.store.Load() }
