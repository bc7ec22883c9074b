package host

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/remnant"
	"github.com/tidaldb/tidal/internal/vfs"
)

// VerifyPieces reads every byte of the pieces of a directory, without taking its lock or changing anything, and says how many there
// are. The error names the first that is damaged.
func VerifyPieces(fsys vfs.FS, dir string) (n int, err error) {
	folder := fsys.PathJoin(dir, piecesDir)
	names, err := fsys.List(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list %s: %w: %w", folder, fault.ErrDisk, err)
	}
	for _, name := range names {
		if !remnant.IsName(name) {
			continue
		}
		path := fsys.PathJoin(folder, name)
		data, _, err := readUpTo(fsys, path, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // who writes the directory let it go
		}
		if err != nil {
			return n, err
		}
		h, content, err := remnant.Decode(path, data)
		if err != nil {
			return n, err
		}
		if err := verifyPiece(&h, content); err != nil {
			return n, fault.Damaged(path, remnant.HeadSize, "%v", err)
		}
		n++
	}
	return n, nil
}

// verifyPiece compares what a piece holds with what its head says.
func verifyPiece(h *remnant.Head, content []byte) error {
	if h.Form == remnant.Range {
		c, err := engine.DecodeEntry(content)
		if err != nil {
			return err
		}
		if r := &c.Range; r.Origin != h.Origin || r.First != h.First || r.Last != h.Last {
			return fmt.Errorf("it holds the range %v", *r)
		}
		return nil
	}
	batches, err := splitBatches(content)
	if err != nil {
		return err
	}
	next := h.First
	for _, data := range batches {
		b, err := record.Open(data)
		if err == nil {
			err = b.Verify()
		}
		if err != nil {
			return err
		}
		if b.Origin() != h.Origin || b.Header.First != next {
			return fmt.Errorf("it holds batch %v, where %v is to follow", b.Origin().At(b.Header.First), h.Origin.At(next))
		}
		next = b.Header.Last + 1
	}
	if next != h.Last+1 {
		return fmt.Errorf("its batches end with number %d", next-1)
	}
	return nil
}
