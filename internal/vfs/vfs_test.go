package vfs_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// lost is the disk after a crash that keeps nothing but what was synced.
func lost(mem *crashable.FS) *crashable.FS { return mem.CrashClone(pebblevfs.CrashCloneCfg{}) }

func read(t *testing.T, fsys vfs.FS, path string) string {
	t.Helper()
	f, err := fsys.Open(path)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return string(b)
}

func TestMkdirAllSurvivesACrash(t *testing.T) {
	mem := crashable.New()
	if err := vfs.MkdirAll(mem, "a/b/c"); err != nil {
		t.Fatal(err)
	}
	after := lost(mem)
	if _, err := after.Stat("a/b/c"); err != nil {
		t.Fatalf("directory is gone after the crash: %v", err)
	}
	if err := vfs.MkdirAll(after, "a/b/c"); err != nil {
		t.Fatalf("existing directory: %v", err)
	}
}

func TestWriteFileAtomicIsDurableAndLeavesTheCallersBytes(t *testing.T) {
	mem := crashable.New()
	if err := vfs.MkdirAll(mem, "d"); err != nil {
		t.Fatal(err)
	}
	data := []byte("first")
	if err := vfs.WriteFileAtomic(mem, "d/f", data); err != nil {
		t.Fatal(err)
	}
	if string(data) != "first" {
		t.Fatalf("caller's bytes became %q", data)
	}
	mem = lost(mem)
	if got := read(t, mem, "d/f"); got != "first" {
		t.Fatalf("after the crash: %q", got)
	}
	if names, _ := mem.List("d"); len(names) != 1 {
		t.Fatalf("directory holds %q", names)
	}
}

func TestWriteFileAtomicKeepsTheOldFileWhenAnyStepFails(t *testing.T) {
	for failing := range 20 {
		mem := crashable.New()
		if err := vfs.MkdirAll(mem, "d"); err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFileAtomic(mem, "d/f", []byte("old")); err != nil {
			t.Fatal(err)
		}
		step := 0
		bad := errorfs.Wrap(mem, errorfs.InjectorFunc(func(errorfs.Op) error {
			step++
			if step-1 == failing {
				return errorfs.ErrInjected
			}
			return nil
		}))
		err := vfs.WriteFileAtomic(bad, "d/f", []byte("new"))
		got := read(t, lost(mem), "d/f")
		switch {
		case step <= failing: // fewer steps than that: the write went through
			if err != nil || got != "new" {
				t.Fatalf("without a fault: %q, %v", got, err)
			}
			return
		case got != "old" && got != "new":
			t.Fatalf("step %d failed: file holds %q", failing, got)
		case err == nil && got != "new":
			t.Fatalf("step %d failed, was not reported, and the new data is lost", failing)
		}
	}
	t.Fatal("no run went without a fault")
}

func TestLockRefusesASecondHolderAndSaysWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		name string
		fsys vfs.FS
		dir  string
	}{
		{"memory", pebblevfs.NewMem(), "d"},
		{"disk", vfs.Default, t.TempDir()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := vfs.MkdirAll(tc.fsys, tc.dir); err != nil {
				t.Fatal(err)
			}
			first, err := vfs.Lock(tc.fsys, tc.dir)
			if err != nil {
				t.Fatal(err)
			}
			_, err = vfs.Lock(tc.fsys, tc.dir)
			if !errors.Is(err, fault.ErrLocked) || !strings.Contains(err.Error(), vfs.LockName) ||
				!strings.Contains(err.Error(), "stop the tidal") {
				t.Fatalf("second lock: %v", err)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			second, err := vfs.Lock(tc.fsys, tc.dir)
			if err != nil {
				t.Fatalf("after the first holder left: %v", err)
			}
			if err := second.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestLockOfAMissingDirectoryIsNotReportedAsLocked(t *testing.T) {
	_, err := vfs.Lock(vfs.Default, t.TempDir()+"/missing")
	if err == nil || errors.Is(err, fault.ErrLocked) {
		t.Fatalf("got %v", err)
	}
}
