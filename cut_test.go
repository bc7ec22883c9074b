package tidal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/vfs"
)

// TestAfterACutNoPositionIsGivenOutTwice damages a log in the middle, gives up what lies behind, and goes on: under
// a new incarnation, with the retries of what is left still recognised and its events still undoable.
func TestAfterACutNoPositionIsGivenOutTwice(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	db, err := tidal.Open(dir, testSchema(), c.options())
	if err != nil {
		t.Fatal(err)
	}
	laned := func(db *tidal.DB, n uint64) tidal.Receipt {
		t.Helper()
		r, err := db.Write(ctx, tidal.Request{Lane: "app", Number: n, Records: []tidal.Record{
			tidal.Signal{Type: "like", User: "ada", Item: fmt.Sprintf("item-%d", n)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	given := map[tidal.Position]bool{}
	var kept tidal.Receipt
	for n := uint64(1); n <= 9; n++ {
		r := laned(db, n)
		given[r.Position] = true
		if n == 3 {
			kept = r
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir, "item-6")

	if _, err := tidal.Open(dir, nil, c.options()); err == nil {
		t.Fatal("a damaged log was opened")
	}
	loss, now, err := host.Cut(vfs.Default, dir)
	if err != nil || len(loss.Damage) == 0 || now.Incarnation != 1 {
		t.Fatalf("cut: %+v, origin %v, %v", loss, now, err)
	}

	db = open(t, dir, nil, c.options())
	if got := total(t, db, "item-5", "like") + total(t, db, "item-6", "like"); got != 1 {
		t.Errorf("of the items before and behind the damage, %d are counted", got)
	}
	for n := uint64(1); n <= 5; n++ {
		if r := laned(db, n); !r.Duplicate || !given[r.Position] {
			t.Errorf("retry of surviving request %d: %+v", n, r)
		}
	}
	for n := uint64(6); n <= 9; n++ {
		if r := laned(db, n); r.Duplicate || given[r.Position] || r.Position.Incarnation != 1 {
			t.Errorf("retry of lost request %d: %+v", n, r)
		}
	}
	write(t, db, tidal.Undo{Position: kept.Position})
	if got := total(t, db, "item-3", "like"); got != 0 {
		t.Errorf("an event of the earlier incarnation was undone, and counts %d", got)
	}
	if again, _, err := host.Cut(vfs.Default, t.TempDir()); err == nil {
		t.Errorf("a directory without a database was cut: %+v", again)
	}
}

// damage flips a bit of the first log file that holds a text.
func damage(t *testing.T, dir, text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "wal", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(data, []byte(text)); at >= 0 {
			data[at] ^= 1
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no log file holds %q", text)
}

// TestACutLosesNothingThatTheCheckpointHolds damages logs behind, before and around a checkpoint.
func TestACutLosesNothingThatTheCheckpointHolds(t *testing.T) {
	for _, c := range []struct {
		name    string
		segment int64  // size of a log file
		damaged string // item in whose event a bit is flipped
		least   int64  // events that are left at least, of 80
	}{
		{"a sealed file before it", 2048, "item-6", 80},
		{"the only file, before it", 0, "item-6", 60},
		{"the last file, behind it", 2048, "item-79", 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, clock := t.TempDir(), newClock()
			opts := clock.options()
			opts.SegmentBytes = c.segment
			db, err := tidal.Open(dir, testSchema(), opts)
			if err != nil {
				t.Fatal(err)
			}
			for n := uint64(1); n <= 80; n++ {
				_, err := db.Write(ctx, tidal.Request{Lane: "app", Number: n, Records: []tidal.Record{
					tidal.Signal{Type: "like", User: "ada", Item: fmt.Sprintf("item-%d", n)},
				}})
				if err == nil && n == 60 {
					err = db.Checkpoint(ctx)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, dir, c.damaged)
			if _, err := tidal.Open(dir, nil, opts); err == nil {
				t.Fatal("a damaged log was opened")
			}
			loss, _, err := host.Cut(vfs.Default, dir)
			if err != nil || len(loss.Damage) != 1 || len(loss.SetAside) == 0 && c.least == 80 {
				t.Fatalf("cut: %+v, %v", loss, err)
			}
			db = open(t, dir, nil, opts)
			left := int64(0)
			for n := 1; n <= 80; n++ {
				left += total(t, db, fmt.Sprintf("item-%d", n), "like")
			}
			if left < c.least || c.least < 80 && left == 80 {
				t.Errorf("%d events are left, of 80; at least %d should be", left, c.least)
			}
			prefix, _ := db.Lane("app")
			if prefix != uint64(left) {
				t.Errorf("%d events are left, and retries of %d are known", left, prefix)
			}
			write(t, db, tidal.Signal{Type: "like", User: "ada", Item: "item-1"})
			if got := total(t, db, "item-1", "like"); got != 2 {
				t.Errorf("after one more event, item-1 has %d", got)
			}
		})
	}
}
