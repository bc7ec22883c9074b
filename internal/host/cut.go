package host

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// Cut gives up what a damaged log can't show any more, so that the directory opens again; see [wal.Cut]. What was
// lost may have been seen: the group goes on under a new incarnation, and no position is given out twice.
//
// A log without damage is left as it is. Interrupted, Cut can be called again.
func Cut(fsys vfs.FS, dir string) (wal.Loss, error) {
	lock, err := vfs.Lock(fsys, dir)
	if err != nil {
		return wal.Loss{}, err
	}
	defer lock.Close()
	who, err := readIdentity(fsys, dir)
	if err != nil {
		return wal.Loss{}, err
	}
	path := fsys.PathJoin(dir, logDir)
	if _, err := wal.Verify(fsys, path); err == nil {
		return wal.Cut(fsys, path)
	}
	// The incarnation comes first: one too many does no harm, a position used twice does.
	who.Incarnation++
	if err := who.write(fsys, dir); err != nil {
		return wal.Loss{}, fmt.Errorf("raise incarnation: %w", err)
	}
	return wal.Cut(fsys, path)
}
