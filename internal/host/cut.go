package host

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// Cut gives up what a damaged log can't show any more, so that the directory opens again; see [wal.Cut]. What was
// lost may have been seen: the group goes on under a new incarnation, now, and no position is given out twice.
//
// A log without damage is left as it is. Interrupted, Cut can be called again.
func Cut(fsys vfs.FS, dir string) (loss wal.Loss, now id.Origin, err error) {
	lock, err := vfs.Lock(fsys, dir)
	if err != nil {
		return loss, now, err
	}
	defer func() { _ = lock.Close() }()
	who, err := readIdentity(fsys, dir)
	if err != nil {
		return loss, now, err
	}
	path := fsys.PathJoin(dir, logDir)
	if _, err := wal.Verify(fsys, path); errors.Is(err, fault.ErrCorrupt) {
		// The incarnation comes first: one too many does no harm, a position used twice does.
		who.Incarnation++
		if err := who.write(fsys, dir); err != nil {
			return loss, now, fmt.Errorf("raise incarnation: %w", err)
		}
	}
	loss, err = wal.Cut(fsys, path)
	return loss, who.origin(), err
}
