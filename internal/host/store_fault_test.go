package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
)

// TestAFullDiskUnderTheCheckpointLosesNothing fills the disk for the store alone, before and while it is written: the
// checkpoint fails by name, later writes are refused, reads go on, and once there is room everything is there.
func TestAFullDiskUnderTheCheckpointLosesNothing(t *testing.T) {
	for _, made := range []bool{false, true} {
		mem := pebblevfs.NewMem()
		var full atomic.Bool
		opts := host.Options{Dir: "db", SegmentBytes: 4096, RangeBytes: -1, FS: errorfs.Wrap(mem, errorfs.InjectorFunc(
			func(op errorfs.Op) error {
				kind := op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileWriteAt || op.Kind == errorfs.OpCreate
				if full.Load() && kind && strings.Contains(op.Path, "store") {
					return syscall.ENOSPC
				}
				return nil
			}))}
		r := mustOpen(t, opts)
		fill(t, r, 1, 50)
		if made {
			mustCheckpoint(t, r)
			fill(t, r, 51, 50)
		}
		full.Store(true)
		err := r.Checkpoint(context.Background())
		if !errors.Is(err, fault.ErrDisk) || !strings.Contains(err.Error(), "store") {
			t.Errorf("a checkpoint on a full disk: %v", err)
		}
		acked := uint64(50)
		if made {
			acked = 100
		}
		var refused error
		for refused == nil { // the loop hears of it soon
			if _, refused = write(context.Background(), r, "p", acked+1, "late", 3); refused == nil {
				acked++
			}
		}
		if !errors.Is(refused, fault.ErrDisk) {
			t.Errorf("a write after the checkpoint failed: %v", refused)
		}
		if total(t, r, "item-1") == 0 {
			t.Error("nothing can be read any more")
		}
		if err := r.Close(); !errors.Is(err, fault.ErrDisk) {
			t.Errorf("close: %v", err)
		}

		full.Store(false)
		r = mustOpen(t, opts)
		for number := uint64(1); number <= acked; number++ {
			item := "late"
			if made && number <= 100 || number <= 50 {
				item = fmt.Sprintf("item-%d", number%40)
			}
			if got, err := write(context.Background(), r, "p", number, item, 3); err != nil || !got.Duplicate {
				t.Fatalf("request %d of %d, once the disk has room: %+v, %v", number, acked, got, err)
			}
		}
		mustCheckpoint(t, r)
		mustClose(t, r)
	}
}

// TestACheckpointAndALogOfDifferentTimesAreRefused puts an older and a newer checkpoint beside a log.
func TestACheckpointAndALogOfDifferentTimesAreRefused(t *testing.T) {
	copied := func(t *testing.T, from, to *pebblevfs.MemFS, dir string) {
		t.Helper()
		if err := to.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := pebblevfs.Clone(from, to, dir, dir); err != nil {
			t.Fatal(err)
		}
	}
	mem := pebblevfs.NewMem()
	opts := host.Options{FS: mem, Dir: "db", SegmentBytes: 2048, Retention: briefly, RangeBytes: -1}
	r := mustOpen(t, opts)
	fill(t, r, 1, 50)
	mustCheckpoint(t, r)
	mustClose(t, r)
	older := pebblevfs.NewMem()
	copied(t, mem, older, "db")

	r = mustOpen(t, opts)
	fill(t, r, 51, 100)
	mustCheckpoint(t, r)
	fill(t, r, 151, 2) // the log goes meanwhile
	mustClose(t, r)
	newer := pebblevfs.NewMem()
	copied(t, mem, newer, "db")

	for _, c := range []struct {
		what string
		dir  string
	}{{"an older store", "db/store"}, {"an older log", "db/wal"}} {
		mixed := pebblevfs.NewMem()
		copied(t, newer, mixed, "db")
		copied(t, older, mixed, c.dir)
		opts.FS = mixed
		_, err := open(opts)
		if !errors.Is(err, fault.ErrOutOfStep) || !strings.Contains(err.Error(), "db/store") {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	opts.FS = newer
	mustClose(t, mustOpen(t, opts))
}
