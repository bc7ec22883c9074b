package host_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tidaldb/tidal/internal/export"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// ends returns a cursor behind each batch that a replica has.
func ends(t *testing.T, r *host.Replica) (out []export.Cursor) {
	t.Helper()
	w, err := r.Walk(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for {
		steps, err := w.Next()
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) == 0 {
			return out
		}
		for i := range steps {
			out = append(out, steps[i].Cursor(steps[i].Batch.Header.Last))
		}
	}
}

// copies takes a copy of a disk as a crash would leave it before each operation on the files of exports.
type copies struct {
	mem *crashable.FS
	rng *rand.Rand

	mu    sync.Mutex
	taken []*crashable.FS
}

func (c *copies) MaybeError(op errorfs.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = append(c.taken, c.mem.CrashClone(pebblevfs.CrashCloneCfg{
		UnsyncedDataPercent: c.rng.IntN(101), RNG: rand.New(rand.NewPCG(c.rng.Uint64(), 3)),
	}))
	return nil
}

func (c *copies) String() string { return "copies" }

// TestANamedExportSurvivesACrash cuts the power at every operation while an export is named, advanced and dropped. It is
// where it was before or behind what was under way, never damaged, and never behind what was acknowledged.
func TestANamedExportSurvivesACrash(t *testing.T) {
	ctx := context.Background()
	mem := crashable.New()
	c := &copies{mem: mem, rng: rand.New(rand.NewPCG(seed(t), 4))}
	r := mustOpen(t, host.Options{FS: mem, Dir: "db", RangeBytes: -1})
	for i := range 4 {
		mustWrite(t, r, fmt.Sprint("item", i))
	}
	cursors := ends(t, r)
	mustClose(t, r)

	r = mustOpen(t, host.Options{FS: errorfs.Wrap(mem, c), Dir: "db", RangeBytes: -1})
	var none id.VersionVector
	at, named := none, false // before the step
	step := func(what string, after id.VersionVector, afterNamed bool, do func() error) {
		t.Helper()
		c.mu.Lock()
		c.taken = nil
		c.mu.Unlock()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		c.mu.Lock()
		taken := c.taken
		c.mu.Unlock()
		if len(taken) < 5 {
			t.Errorf("%s: only %d operations", what, len(taken))
		}
		for i := 0; i < len(taken); i += fewer(1, 4) {
			got, there := pinOn(t, taken[i])
			before := there == named && got.Equal(at)
			if !before && (there != afterNamed || !got.Equal(after)) {
				t.Fatalf("%s, crash %d: %v %v; before it was %v %v, behind it %v %v", what, i, there, got, named, at, afterNamed, after)
			}
		}
		at, named = after, afterNamed
		if got, there := pinOn(t, mem.CrashClone(pebblevfs.CrashCloneCfg{})); there != named || !got.Equal(at) {
			t.Fatalf("%s was acknowledged and lost: %v %v", what, there, got)
		}
	}
	step("name", none, true, func() error {
		_, err := r.Pin(ctx, "x")
		return err
	})
	for i := range cursors {
		step(fmt.Sprint("advance ", i), cursors[i].Read, true, func() error { return r.Advance(ctx, "x", cursors[i]) })
	}
	step("drop", none, false, func() error { return r.Unpin(ctx, "x") })
	mustClose(t, r)
}

// pinOn reads the export x from a disk.
func pinOn(t *testing.T, disk *crashable.FS) (read id.VersionVector, there bool) {
	t.Helper()
	r, err := host.Open(context.Background(), host.Options{FS: disk, Dir: "db", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, r)
	list, err := r.Named()
	if err != nil || len(list) > 1 {
		t.Fatalf("%d exports, %v", len(list), err)
	}
	if len(list) == 0 {
		return read, false
	}
	if list[0].Err != nil {
		t.Fatalf("export %s: %v", list[0].Name, list[0].Err)
	}
	return list[0].Pin.Cursor.Read, true
}

// Whoever changes exports waits for who is at it, in another process too, and not for ever.
func TestWhoChangesExportsWaitsForOthers(t *testing.T) {
	mem := crashable.New()
	r := mustOpen(t, host.Options{FS: mem, Dir: "db", RangeBytes: -1})
	defer mustClose(t, r)
	if _, err := r.Pin(context.Background(), "x"); err != nil {
		t.Fatal(err)
	}
	lock, err := mem.Lock("db/exports/LOCK")
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Unpin(ended, "x"); !errors.Is(err, fault.ErrLocked) {
		t.Errorf("while another has them: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Unpin(context.Background(), "x"); err != nil {
		t.Error(err)
	}
}

// A cursor that another copy gave, or that lies ahead, is told from one that can be gone on with.
func TestAWalkBeginsBehindItsCursorOrSaysWhyNot(t *testing.T) {
	r := mustOpen(t, host.Options{FS: crashable.New(), Dir: "db", RangeBytes: -1})
	defer mustClose(t, r)
	for i := range 3 {
		mustWrite(t, r, fmt.Sprint("item", i))
	}
	all := ends(t, r)
	last := all[len(all)-1]
	for name, x := range map[string]struct {
		change func(*export.Cursor)
		left   int // batches; −1 for refused
	}{
		"as it is":                 {func(*export.Cursor) {}, 1},
		"of another group's log":   {func(c *export.Cursor) { c.Group.Region, c.Index = 9, 1<<40 }, 1},
		"of a log that was cut":    {func(c *export.Cursor) { c.Term += 7 }, 1},
		"of an entry not here yet": {func(c *export.Cursor) { c.Index += 100 }, 1},
		"of another database":      {func(c *export.Cursor) { c.Cluster[0] ^= 1 }, -1},
		"ahead":                    {func(c *export.Cursor) { c.Read = c.Read.With(last.Group, 1<<40) }, -1},
		"ahead of an origin":       {func(c *export.Cursor) { c.Read = c.Read.With(id.Origin{Region: 5}, 1) }, -1},
	} {
		c := all[len(all)-2]
		x.change(&c)
		w, err := r.Walk(&c)
		if x.left < 0 {
			if !errors.Is(err, fault.ErrInput) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		steps, err := w.Next()
		w.Close()
		if err != nil || len(steps) != x.left || !w.Cursor().Read.Equal(last.Read) {
			t.Errorf("%s: %d batches, %v", name, len(steps), err)
		}
	}
}
