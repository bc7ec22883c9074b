package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

var errNoSpace = errors.New("no space left")

// TestADiskThatFailsStopsWritesAndNotReads fails the n-th write on, of a commit and a flush. What was durable before is
// there afterwards, on the disk and for readers, and every later write is refused with the same error.
func TestADiskThatFailsStopsWritesAndNotReads(t *testing.T) {
	failures := 0
	for n := int32(1); n < 60; n++ {
		mem := crashable.New()
		var left atomic.Int32
		left.Store(1 << 30)
		fsys := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && left.Add(-1) < 0 {
				return errNoSpace
			}
			return nil
		}))
		s, err := pebbleDisk(fsys).open()
		if err != nil {
			t.Fatal(err)
		}
		now := newModel()
		commit := func(at uint64) error {
			b := store.NewBatch(metaAt(at))
			m := now.clone()
			for _, e := range events(rand.New(rand.NewPCG(at, 11)), 50) {
				e.add(b)
				m.apply(t, e)
			}
			err := s.Commit(b)
			if err == nil {
				now = m
			}
			return err
		}
		if err := commit(1); err != nil {
			t.Fatal(err)
		}
		mustFlush(t, s)
		left.Store(n)
		err = commit(2)
		if err == nil {
			_, err = s.Flush()
		}
		if err == nil {
			_ = s.Close()
			continue // n writes were enough
		}
		failures++
		if !errors.Is(err, fault.ErrDisk) || !strings.Contains(err.Error(), "d/store") {
			t.Fatalf("write %d fails: %v", n, err)
		}
		again := commit(3)
		_, flush := s.Flush()
		if !errors.Is(again, fault.ErrDisk) || !errors.Is(flush, fault.ErrDisk) {
			t.Fatalf("after write %d failed: commit %v, flush %v", n, again, flush)
		}
		if d := difference(contents(t, s), now.lines()); d != "" {
			t.Fatalf("after write %d failed the store %s", n, d)
		}
		clone := mem.CrashClone(pebblevfs.CrashCloneCfg{})
		if err := s.Close(); err != nil {
			t.Fatalf("close after write %d failed: %v", n, err)
		}
		r, err := pebbleDisk(clone).open()
		if err != nil {
			t.Fatalf("open after write %d failed: %v", n, err)
		}
		if at := r.Meta().Applied; at < 1 || at > 2 {
			t.Fatalf("after write %d failed the disk is at %d", n, at)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if failures < 5 {
		t.Errorf("%d writes failed", failures)
	}
}

func TestAMemoryDiskFailsOnRequest(t *testing.T) {
	for _, what := range []string{"commit", "flush", "install"} {
		m := store.NewMemory()
		var failing bool
		m.Fault = func(now string) error {
			if failing && now == what {
				return errNoSpace
			}
			return nil
		}
		s, err := store.OpenMemory(m, whose)
		if err != nil {
			t.Fatal(err)
		}
		mustCommit(t, s, store.NewBatch(metaAt(1)))
		snapshot := snapshotOf(t, s)
		failing = true
		_, flush := s.Flush()
		errs := map[string]error{
			"flush": flush, "install": s.Install(bytes.NewReader(snapshot)), "commit": s.Commit(store.NewBatch(metaAt(2))),
		}
		if err := errs[what]; !errors.Is(err, fault.ErrDisk) || !errors.Is(err, errNoSpace) {
			t.Errorf("%s: %v", what, err)
		}
		failing = false
		if err := s.Commit(store.NewBatch(metaAt(3))); !errors.Is(err, fault.ErrDisk) {
			t.Errorf("%s: the store goes on with %v", what, err)
		}
	}
}

func snapshotOf(t *testing.T, s *store.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	x, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	n, err := x.WriteTo(&b)
	if err := errors.Join(err, x.Close()); err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	return b.Bytes()
}

// TestDirectoriesThatAreNotAStoreAreRefused names each of them, and changes none.
func TestDirectoriesThatAreNotAStoreAreRefused(t *testing.T) {
	change := func(edit func(m map[string]any)) func(t *testing.T, fsys vfs.FS) {
		return func(t *testing.T, fsys vfs.FS) {
			var m map[string]any
			if err := json.Unmarshal(readFile(t, fsys, "d/store/STORE"), &m); err != nil {
				t.Fatal(err)
			}
			edit(m)
			b, _ := json.Marshal(m)
			if err := vfs.WriteFileAtomic(fsys, "d/store/STORE", b); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, fsys vfs.FS)
		want   error
	}{
		"newer format":  {change(func(m map[string]any) { m["format"] = 2 }), fault.ErrFormatTooNew},
		"newer algebra": {change(func(m map[string]any) { m["algebra"] = 3 }), fault.ErrFormatTooNew},
		"older algebra": {change(func(m map[string]any) { m["algebra"] = 1 }), fault.ErrFormatTooOld},
		"no format":     {change(func(m map[string]any) { delete(m, "format") }), fault.ErrCorrupt},
		"no database":   {change(func(m map[string]any) { m["current"] = 0 }), fault.ErrCorrupt},
		"a database that isn't there": {
			change(func(m map[string]any) { m["current"] = 7 }), fault.ErrCorrupt,
		},
		"a cluster that is none": {change(func(m map[string]any) { m["cluster"] = "x" }), fault.ErrCorrupt},
		"text": {func(t *testing.T, fsys vfs.FS) {
			if err := vfs.WriteFileAtomic(fsys, "d/store/STORE", []byte("no JSON")); err != nil {
				t.Fatal(err)
			}
		}, fault.ErrCorrupt},
		"a lost manifest": {func(t *testing.T, fsys vfs.FS) {
			if err := fsys.Remove("d/store/STORE"); err != nil {
				t.Fatal(err)
			}
		}, fault.ErrCorrupt},
	} {
		fsys := pebblevfs.NewMem()
		d := pebbleDisk(fsys)
		s, err := d.open()
		if err != nil {
			t.Fatal(err)
		}
		mustCommit(t, s, store.NewBatch(metaAt(1)))
		mustFlush(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c.damage(t, fsys)
		if _, err := d.open(); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "d/store") {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := fsys.Stat("d/store/db-000001"); err != nil {
			t.Errorf("%s: the database is gone: %v", name, err)
		}
	}
}

// TestFlippedBytesAreFound flips bytes of the tables of a database, one at a time: reading everything then finds
// damage, or everything as it was.
func TestFlippedBytesAreFound(t *testing.T) {
	fsys := pebblevfs.NewMem()
	d := pebbleDisk(fsys)
	s := d.mustOpen(t)
	b := store.NewBatch(metaAt(1))
	for _, e := range events(rand.New(rand.NewPCG(1, 12)), 300) {
		e.add(b)
	}
	mustCommit(t, s, b)
	mustFlush(t, s)
	want := contents(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := fsys.List("d/store/db-000001")
	if err != nil {
		t.Fatal(err)
	}
	found, tried := 0, 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		path := "d/store/db-000001/" + name
		whole := readFile(t, fsys, path)
		for at := 0; at < len(whole); at += 1 + len(whole)/40 {
			tried++
			flipped := bytes.Clone(whole)
			flipped[at] ^= 0x10
			writeFile(t, fsys, path, flipped)
			if damaged(t, d, want) {
				found++
			}
		}
		writeFile(t, fsys, path, whole)
	}
	t.Logf("%d of %d flips are found; the others lie where nothing is read", found, tried)
	if tried < 20 || found < tried/2 {
		t.Errorf("%d of %d flips were found", found, tried)
	}
}

// damaged opens a store and reads it all. What it holds is right, or an error says that it isn't.
func damaged(t *testing.T, d disk, want []string) bool {
	t.Helper()
	s, err := d.open()
	if err != nil {
		return true
	}
	defer s.Close()
	var got []string
	for rec, err := range s.Records() {
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("damage is told as %v", err)
			}
			return true
		}
		got = append(got, describe(rec))
	}
	if d := difference(got, want); d != "" {
		t.Errorf("damage is served: %s", d)
	}
	return false
}

func readFile(t *testing.T, fsys vfs.FS, path string) []byte {
	t.Helper()
	f, err := fsys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, fsys vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fsys.Create(path, pebblevfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(bytes.Clone(b))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
