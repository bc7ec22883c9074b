package wal

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// TestTheFirstFailureOfTheDiskIsFinalAndLosesNothingAcknowledged lets each write operation of a scenario fail in
// turn, with a full disk. Then everything fails until the log is opened again, on a disk with room.
func TestTheFirstFailureOfTheDiskIsFinalAndLosesNothingAcknowledged(t *testing.T) {
	for failing := 0; ; failing++ {
		mem := crashable.New()
		ops := 0
		broken := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFilePreallocate {
				return nil
			}
			if ops++; ops-1 == failing {
				return syscall.ENOSPC
			}
			return nil
		}))
		options := Options{FS: broken, Dir: "wal", Identity: testIdentity, SegmentBytes: 600}
		acknowledged, written, err := scenario(options)
		if ops <= failing {
			if err != nil {
				t.Fatalf("without a failure: %v", err)
			}
			if failing < 40 {
				t.Fatalf("the scenario has only %d operations", failing)
			}
			return
		}
		if err == nil && acknowledged < 30 {
			t.Fatalf("operation %d failed, and nobody was told", failing)
		}
		if err != nil && !errors.Is(err, fault.ErrDisk) && !strings.Contains(err.Error(), "lock") &&
			!strings.Contains(err.Error(), "close") {
			t.Fatalf("operation %d failed: %v", failing, err)
		}
		options.FS = mem
		log, found, err := Open(options)
		if err != nil {
			t.Fatalf("operation %d failed; open again: %v", failing, err)
		}
		if found.LastIndex < acknowledged || found.LastIndex > written {
			t.Fatalf("operation %d failed; %d acknowledged, %d written, %d found",
				failing, acknowledged, written, found.LastIndex)
		}
		if err := log.Append([]Entry{{KindEmpty, 9, found.LastIndex + 1, nil}}, nil); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// scenario appends 30 entries, synced two by two. It returns what was acknowledged and what was tried, with the first
// error; after an error all further calls must fail.
func scenario(o Options) (acknowledged, written uint64, err error) {
	log, _, err := Open(o)
	if err != nil {
		return 0, 0, err
	}
	// Like the end of a process; where the log closes properly there is nothing left to release.
	defer log.release()
	for i := uint64(1); i <= 30; i++ {
		written = i
		if err = log.Append([]Entry{{KindBatch, 1, i, []byte("some payload")}}, nil); err != nil {
			break
		}
		if i%2 == 0 {
			if err = log.Sync(); err != nil {
				break
			}
			acknowledged = i
		}
	}
	if err == nil {
		return acknowledged, written, log.Close()
	}
	for what, again := range map[string]error{
		"append":   log.Append([]Entry{{KindBatch, 1, log.LastIndex() + 1, nil}}, nil),
		"sync":     log.Sync(),
		"mark":     log.Mark(),
		"truncate": log.Truncate(log.LastIndex() + 1),
		"reset":    log.Reset(100, 1),
		"release":  log.Release(1),
		"close":    log.Close(),
	} {
		if !errors.Is(again, fault.ErrDisk) {
			return 0, 0, errors.New(what + " did not fail after the disk had")
		}
	}
	return acknowledged, written, err
}

// TestReopeningWritesAgainWhatNoMarkProves: after a failed sync valid bytes may be in memory only, and a second sync
// would succeed without writing them.
func TestReopeningWritesAgainWhatNoMarkProves(t *testing.T) {
	mem := crashable.New()
	fail := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			return errorfs.ErrInjected
		}
		return nil
	})
	options := Options{FS: errorfs.Wrap(mem, fail), Dir: "wal", Identity: testIdentity, SegmentBytes: 4096}
	log, _, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append([]Entry{{KindBatch, 1, 1, []byte("in memory")}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := log.Sync(); !errors.Is(err, fault.ErrDisk) || !errors.Is(err, errorfs.ErrInjected) {
		t.Fatalf("sync: %v", err)
	}
	if log.DurableIndex() != 0 {
		t.Fatalf("durable up to %d", log.DurableIndex())
	}
	_ = log.release()

	var ops []string
	watch := errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch {
		case !isSegmentName(mem.PathBase(op.Path)):
		case op.Kind == errorfs.OpFileWriteAt && op.Offset == 112: // the first mark, and what follows it
			ops = append(ops, "write")
		case op.Kind == errorfs.OpFileSync:
			ops = append(ops, "sync")
		}
		return nil
	})
	options.FS = errorfs.Wrap(mem, watch)
	log, found, err := Open(options)
	if err != nil || found.LastIndex != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	if got := strings.Join(ops, " "); got != "write sync" {
		t.Fatalf("open did: %q", got)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTailsLearnOfAFailedDisk(t *testing.T) {
	mem := pebblevfs.NewMem()
	bad := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt && op.Offset >= 200 {
			return errorfs.ErrInjected
		}
		return nil
	}))
	log, _, err := Open(Options{FS: bad, Dir: "wal", Identity: testIdentity, SegmentBytes: 200})
	if err != nil {
		t.Fatal(err)
	}
	tail := log.Tail(1)
	defer tail.Close()
	if err := log.Append([]Entry{{KindBatch, 1, 1, []byte("good")}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	// The first entry filled the file; the mark of the second one's append goes behind it.
	log.options.SegmentBytes = 1000
	if err := log.Append([]Entry{{KindBatch, 1, 2, []byte("bad")}}, nil); !errors.Is(err, fault.ErrDisk) {
		t.Fatalf("append: %v", err)
	}
	if e, err := tail.Next(context.Background()); err != nil || e.Index != 1 {
		t.Fatalf("what is durable: %v, %v", e, err)
	}
	if _, err := tail.Next(context.Background()); !errors.Is(err, fault.ErrDisk) {
		t.Fatalf("what is not: %v", err)
	}
	_ = log.Close()
}
