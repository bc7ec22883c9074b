package tidal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/vfs"
)

// Users who aren't in memory were erased, too: an export leaves them out without reading any of them.
func TestAnExportKnowsOfErasedUsersOnDisk(t *testing.T) {
	whole, _, _ := crowd(t, -1)
	small, dir, opts := crowd(t, 20_000)
	warmed := small.Stats().UserMemory.Warmed
	want, got := exported(t, whole, since()), exported(t, small, since())
	if len(want) != 577 { // of 585, 8 were of users who were erased after them
		t.Fatalf("%d events are left", len(want))
	}
	sameEvents(t, got, want)
	if now := small.Stats().UserMemory.Warmed; now != warmed {
		t.Errorf("%d users were read for it", now-warmed)
	}
	if err := small.Close(); err != nil {
		t.Fatal(err)
	}
	sameEvents(t, exported(t, open(t, dir, nil, opts), since()), want)
}

// sameEvents compares two exports of databases that were written alike.
func sameEvents(t *testing.T, got, want []tidal.Exported) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Position != want[i].Position || got[i].User != want[i].User || got[i].Item != want[i].Item {
			t.Fatalf("event %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// Behind damage that was given up an export goes on in the next incarnation, and a cursor of what was lost is refused.
func TestAnExportGoesOnBehindACut(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	db := open(t, dir, testSchema(), c.options())
	for i := range 9 {
		write(t, db, tidal.Signal{Type: "like", User: "ada", Item: fmt.Sprintf("item-%d", i)})
	}
	all := exported(t, db, since())
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir, "item-6")
	if _, _, err := host.Cut(vfs.Default, dir); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, nil, c.options())
	write(t, db, tidal.Signal{Type: "like", User: "ada", Item: "after"})
	kept := exported(t, db, since())
	if n := len(kept); n < 6 || n > 7 || kept[n-1].Item != "after" || kept[n-1].Position.Incarnation != 1 {
		t.Fatalf("%d events, the last is %+v", n, kept[n-1])
	}
	q := since()
	for i := range all {
		q.Cursor = all[i].Cursor
		if i >= len(kept)-1 {
			if err := exportError(db, q); !errors.Is(err, tidal.ErrInput) {
				t.Errorf("behind lost event %d: %v", i, err)
			}
			continue
		}
		sameEvents(t, exported(t, db, q), kept[i+1:])
	}
	q.Cursor = kept[2].Cursor
	sameEvents(t, exported(t, db, q), kept[3:])
}

// What changes in a file of the log while the database is open is damage, and an export ends with it.
func TestAnExportEndsAtDamage(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	opts := c.options()
	opts.SegmentBytes, opts.CheckpointBytes = 1, -1
	db := open(t, dir, testSchema(), opts)
	for i := range 6 {
		write(t, db, tidal.Signal{Type: "like", User: "ada", Item: fmt.Sprintf("item-%d", i)})
	}
	damage(t, dir, "item-3")
	var items []string
	var failed error
	var s tidal.ExportSummary
	q := since()
	q.Summary = &s
	for x, err := range db.Export(ctx, q) {
		if failed = err; err == nil {
			items = append(items, x.Item)
		}
	}
	var bad *tidal.CorruptError
	if !errors.As(failed, &bad) || filepath.Dir(bad.File) != filepath.Join(dir, "wal") || len(items) > 3 || s.Whole {
		t.Errorf("%v, and then %v", items, failed)
	}
	q.Cursor = s.Cursor
	if err := exportError(db, q); !errors.As(err, &bad) {
		t.Errorf("going on there: %v", err)
	}
	if _, err := os.Stat(bad.File); err != nil {
		t.Errorf("the damage is in %s: %v", bad.File, err)
	}
}

// What an export holds doesn't grow with the log, and neither does what its reader keeps pin the log's memory.
func TestAnExportHoldsLittle(t *testing.T) {
	db, _ := fresh(t)
	const signals = 60_000
	for n := 0; n < signals; n += 600 {
		request := make([]tidal.Signal, 600)
		for j := range request {
			request[j] = tidal.Signal{Type: "view", User: fmt.Sprint("user", (n+j)%50), Item: fmt.Sprint("item", j)}
		}
		if _, err := db.Signals(ctx, request...); err != nil {
			t.Fatal(err)
		}
	}
	held := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most, events := held(), int64(0), 0
	var kept []tidal.Exported
	for x, err := range db.Export(ctx, since()) {
		if err != nil {
			t.Fatal(err)
		}
		if events++; events%1000 == 0 {
			kept = append(kept, x)
		}
		if events%20_000 == 0 {
			most = max(most, held()-before)
		}
	}
	log := db.Stats().LogBytes
	if events != signals || most > 2<<20 || most*2 > log {
		t.Errorf("%d events of a log of %d bytes took %d bytes on the way", events, log, most)
	}
	if kept[0].User == "" {
		t.Error("what was kept is gone")
	}
}
