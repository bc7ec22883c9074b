package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// smallBackup is a backup with a checkpoint and some files of a log.
func smallBackup(t *testing.T) taken {
	t.Helper()
	r := mustOpen(t, host.Options{FS: pebblevfs.NewMem(), Dir: "db", SegmentBytes: 4096, RangeBytes: -1})
	defer mustClose(t, r)
	fill(t, r, 1, 60)
	return mustBackUp(t, r, host.BackupOptions{})
}

// TestACrashInARestoreLeavesNothingOrAll cuts the power before each operation of a restore that writes, syncs, or renames.
// Either there is no directory, and the next restore makes one; or there is all of it.
func TestACrashInARestoreLeavesNothingOrAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 0))
	b := smallBackup(t)
	for _, into := range []string{"db", "a/b/db"} {
		mem := crashable.New()
		var disks []*crashable.FS
		take := func() {
			disks = append(disks, mem.CrashClone(pebblevfs.CrashCloneCfg{
				UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rand.New(rand.NewPCG(rng.Uint64(), 0)),
			}))
		}
		fsys := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpRename, errorfs.OpRemove, errorfs.OpFileSync, errorfs.OpFileSyncData:
				// In the store nothing is renamed that matters, and its tests are elsewhere.
				if (!strings.Contains(op.Path, "store") || rng.IntN(8) == 0) && (!testing.Short() || rng.IntN(4) == 0) {
					take()
				}
			}
			return nil
		}))
		restore(t, fsys, into, b, nil)
		take()
		whole := 0
		for i, disk := range disks {
			what := fmt.Sprintf("%s, crash %d of %d", into, i, len(disks))
			_, err := disk.Stat(into)
			if errors.Is(err, fault.ErrNotFound) || err != nil {
				restore(t, disk, into, b, nil)
			} else {
				whole++
			}
			r, err := host.Open(context.Background(), host.Options{FS: disk, Dir: into, MustExist: true})
			if err != nil {
				t.Fatalf("%s: open: %v", what, err)
			}
			if digest(r) != b.manifest.Digest {
				t.Fatalf("%s: the digest is another", what)
			}
			mustClose(t, r)
		}
		if whole == 0 || whole == len(disks) {
			t.Errorf("%s: of %d disks, %d have the directory", into, len(disks), whole)
		}
	}
}

func restore(t *testing.T, fsys pebblevfs.FS, dir string, b taken, want error) {
	t.Helper()
	_, _, _, err := host.Restore(context.Background(), bytes.NewReader(b.bytes), dir, host.RestoreOptions{FS: fsys, SegmentBytes: smallSegment})
	if !errors.Is(err, want) {
		t.Fatalf("restore: %v, want %v", err, want)
	}
}

// TestARestoreOnADiskThatFailsLeavesNothing lets each operation on the disk fail in turn, but for those of the checkpoint,
// whose tests are elsewhere: the error says so, and there is no directory, unless what failed was the last step, making its
// name durable.
func TestARestoreOnADiskThatFailsLeavesNothing(t *testing.T) {
	b := smallBackup(t)
	broken := errors.New("broken")
	failing := func(fail int64) (fsys pebblevfs.FS, mem *pebblevfs.MemFS, seen *atomic.Int64) {
		mem, seen = pebblevfs.NewMem(), &atomic.Int64{}
		fsys = errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsRead || strings.Contains(op.Path, "/store") {
				return nil
			}
			if seen.Add(1) == fail {
				return broken
			}
			return nil
		}))
		return fsys, mem, seen
	}
	fsys, _, seen := failing(0)
	restore(t, fsys, "db", b, nil)
	all := seen.Load()
	refused := 0
	step := int64(1)
	if testing.Short() {
		step = 5
	}
	for at := int64(1); at <= all; at += step {
		fsys, mem, _ := failing(at)
		_, _, _, err := host.Restore(context.Background(), bytes.NewReader(b.bytes), "db", host.RestoreOptions{FS: fsys, SegmentBytes: smallSegment})
		if err == nil {
			continue // it was of no consequence
		}
		refused++
		if errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("operation %d of %d failed, and is taken for damage: %v", at, all, err)
		}
		if _, err := mem.Stat("db"); err == nil {
			r, err := host.Open(context.Background(), host.Options{FS: mem, Dir: "db", MustExist: true})
			if err != nil || digest(r) != b.manifest.Digest {
				t.Fatalf("operation %d of %d failed, and left a directory that isn't whole: %v", at, all, err)
			}
			mustClose(t, r)
		}
		// Whatever is left beside is no obstacle.
		if _, err := mem.Stat("db"); err != nil {
			restore(t, mem, "db", b, nil)
		}
	}
	if refused < int(all/step)/2 {
		t.Errorf("of %d operations, %d failures mattered", all, refused)
	}
}

func TestTwoRestoresOfOneDirectoryDoNotMeet(t *testing.T) {
	b := smallBackup(t)
	mem := pebblevfs.NewMem()
	held := &holdingReader{Reader: bytes.NewReader(b.bytes), began: make(chan struct{}), proceed: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, _, _, err := host.Restore(context.Background(), held, "db", host.RestoreOptions{FS: mem, SegmentBytes: smallSegment})
		done <- err
	}()
	<-held.began
	restore(t, mem, "db", b, fault.ErrLocked)
	close(held.proceed)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	restore(t, mem, "db", b, fault.ErrInput)
	r := mustOpen(t, host.Options{FS: mem, Dir: "db"})
	if digest(r) != b.manifest.Digest {
		t.Error("the digest is another")
	}
	mustClose(t, r)
}

type holdingReader struct {
	*bytes.Reader
	held           bool
	began, proceed chan struct{}
}

func (h *holdingReader) Read(b []byte) (int, error) {
	if !h.held {
		h.held = true
		close(h.began)
		<-h.proceed
	}
	return h.Reader.Read(b)
}

func TestARestoreThatIsGivenUpLeavesNothing(t *testing.T) {
	b := smallBackup(t)
	mem := pebblevfs.NewMem()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, _, err := host.Restore(ctx, bytes.NewReader(b.bytes), "db", host.RestoreOptions{FS: mem, SegmentBytes: smallSegment})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a restore whose context ended: %v", err)
	}
	nothing(t, mem)
	away := errors.New("went away")
	_, _, _, err = host.Restore(context.Background(), iotest.ErrReader(away), "db", host.RestoreOptions{FS: mem, SegmentBytes: smallSegment})
	if !errors.Is(err, away) || errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a restore from what fails: %v", err)
	}
	nothing(t, mem)
	if _, _, _, err := host.Restore(context.Background(), bytes.NewReader(b.bytes), "db",
		host.RestoreOptions{FS: mem, SegmentBytes: smallSegment, VerifyOnly: true}); err != nil {
		t.Errorf("only verified: %v", err)
	}
	nothing(t, mem)
}

// TestABackupBesideAWriterIsOfWhatTheReaderSaw opens for reading what somebody writes to, backs up, and finds in it what
// was there then.
func TestABackupBesideAWriterIsOfWhatTheReaderSaw(t *testing.T) {
	mem := pebblevfs.NewMem()
	opts := host.Options{FS: mem, Dir: "db", SegmentBytes: 4096, RangeBytes: -1}
	r := mustOpen(t, opts)
	fill(t, r, 1, 100)
	mustCheckpoint(t, r)
	fill(t, r, 101, 20)
	want := digest(r)
	read := opts
	read.ReadOnly = true
	for _, closed := range []bool{false, true} {
		if closed {
			mustClose(t, r)
		}
		beside := mustOpen(t, read)
		if !closed {
			fill(t, r, 121, 20)
		}
		for _, without := range []bool{false, true} {
			b := mustBackUp(t, beside, host.BackupOptions{WithoutLog: without})
			if b.manifest.Digest != want || b.manifest.Digest != digest(beside) {
				t.Errorf("writer closed: %v: the backup is of another state", closed)
			}
			checkRestored(t, b, 0, "beside a writer")
		}
		mustClose(t, beside)
		if !closed {
			want = digest(r)
		}
	}
}
