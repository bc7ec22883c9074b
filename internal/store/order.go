package store

import (
	"strings"

	"github.com/tidaldb/tidal/internal/vfs"
)

// orderedFS makes names durable in the order in which Pebble means them. Pebble writes a MANIFEST and then a marker
// file that names it, and syncs the directory once for both; after a power loss in between there may be a marker for a
// MANIFEST that isn't there, and the database doesn't open. Linux's file systems keep a file's name when the file is
// synced, but nothing promises it.
type orderedFS struct{ vfs.FS }

// markerPrefix begins the names of Pebble's marker files.
const markerPrefix = "marker."

func (o orderedFS) Create(name string, category vfs.Category) (vfs.File, error) {
	if strings.HasPrefix(o.PathBase(name), markerPrefix) {
		if err := vfs.SyncDir(o.FS, o.PathDir(name)); err != nil {
			return nil, err
		}
	}
	return o.FS.Create(name, category)
}
