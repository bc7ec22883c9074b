package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// filled is a closed database with some events, on a disk of its own.
func filled(t *testing.T) (*crashable.FS, host.Options) {
	t.Helper()
	mem := crashable.New()
	opts := host.Options{FS: mem, Dir: "db", SegmentBytes: 2000}
	r := mustOpen(t, opts)
	for i := range 40 {
		mustWrite(t, r, fmt.Sprint("item", i))
	}
	mustClose(t, r)
	return mem, opts
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
	if err := vfs.WriteFileAtomic(fsys, path, b); err != nil {
		t.Fatal(err)
	}
}

func segments(t *testing.T, fsys vfs.FS) []string {
	t.Helper()
	names, err := fsys.List("db/wal")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".seg") })
	slices.Sort(names)
	return names
}

func TestAnIdentityThatIsWrongIsSaidToBe(t *testing.T) {
	const good = `{"format":1,"cluster":"000102030405060708090a0b0c0d0e0f","tenant":"","region":0,"shard":0,"replica":1}`
	for name, c := range map[string]struct {
		content string
		want    error
		text    string
	}{
		"missing":        {"", fault.ErrCorrupt, "missing beside a log"},
		"no JSON":        {"hello", fault.ErrCorrupt, "no identity"},
		"cut short":      {good[:40], fault.ErrCorrupt, "no identity"},
		"empty object":   {"{}", fault.ErrCorrupt, "16 bytes"},
		"bad cluster":    {strings.Replace(good, "0001", "00zz", 1), fault.ErrCorrupt, "16 bytes"},
		"format 0":       {strings.Replace(good, `"format":1`, `"format":0`, 1), fault.ErrCorrupt, "count from 1"},
		"replica 0":      {strings.Replace(good, `"replica":1`, `"replica":0`, 1), fault.ErrCorrupt, "count from 1"},
		"newer":          {strings.Replace(good, `"format":1`, `"format":4`, 1), fault.ErrFormatTooNew, "format 4"},
		"newer in shape": {`{"format":7,"cluster":{"name":"x"},"replica":"a"}`, fault.ErrFormatTooNew, "format 7"},
		"another's":      {good, fault.ErrForeign, "000102030405060708090a0b0c0d0e0f"},
	} {
		t.Run(name, func(t *testing.T) {
			mem, opts := filled(t)
			if c.content == "" {
				if err := mem.Remove("db/IDENTITY"); err != nil {
					t.Fatal(err)
				}
			} else {
				writeFile(t, mem, "db/IDENTITY", []byte(c.content))
			}
			for _, readOnly := range []bool{false, true} {
				opts.ReadOnly = readOnly
				_, err := open(opts)
				if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) {
					t.Errorf("open (read only %v): %v, want %v with %q", readOnly, err, c.want, c.text)
				}
				var damage *fault.Corrupt
				if errors.As(err, &damage) && damage.File != "db/IDENTITY" {
					t.Errorf("damage is said to be in %q", damage.File)
				}
			}
		})
	}
}

func TestADirectoryWithoutADatabaseIsNotMadeOne(t *testing.T) {
	mem := pebblevfs.NewMem()
	for _, opts := range []host.Options{{FS: mem, Dir: "a/b", MustExist: true}, {FS: mem, Dir: "a/b", ReadOnly: true}} {
		if _, err := open(opts); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("open of nothing: %v", err)
		}
	}
	if names, err := mem.List("/"); err != nil || len(names) != 0 {
		t.Errorf("opening nothing left %v, %v", names, err)
	}
	if _, err := open(host.Options{FS: mem}); !errors.Is(err, fault.ErrInput) {
		t.Errorf("open without a directory: %v", err)
	}
}

func TestTheLogOfAnotherDatabaseIsForeign(t *testing.T) {
	mine, opts := filled(t)
	other, _ := filled(t)
	for _, name := range segments(t, mine) {
		if err := mine.Remove("db/wal/" + name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range segments(t, other) {
		writeFile(t, mine, "db/wal/"+name, readFile(t, other, "db/wal/"+name))
	}
	if _, err := open(opts); !errors.Is(err, fault.ErrForeign) {
		t.Errorf("open with the log of another database: %v", err)
	}
}

// TestDamageIsNamed flips one bit in each of many places of a closed log.
func TestDamageIsNamed(t *testing.T) {
	mem, opts := filled(t)
	names := segments(t, mem)
	if len(names) < 3 {
		t.Fatalf("log has %d files, want several", len(names))
	}
	for i, name := range names {
		path := "db/wal/" + name
		good := readFile(t, mem, path)
		used := len(bytes.TrimRight(good, "\x00"))
		for at := 0; at < used; at += 53 {
			bad := bytes.Clone(good)
			bad[at] ^= 1 << (at % 8)
			opts.FS = mem.CrashClone(pebblevfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1,
				1))})
			writeFile(t, opts.FS, path, bad)
			r, err := open(opts)
			var damage *fault.Corrupt
			switch {
			case err == nil:
				// The last sync mark proves what is before it, and nothing proves the mark.
				if i < len(names)-1 || at < used-80 || counters(r).Signals != 40 {
					t.Errorf("bit flipped at %d of %s: opened, with %d signals", at, name, counters(r).Signals)
				}
				mustClose(t, r)
			case !errors.As(err, &damage) && !errors.Is(err, fault.ErrFormatTooNew):
				t.Errorf("bit flipped at %d of %s: %v", at, name, err)
			case damage != nil && (filepath.Base(damage.File) != name || damage.Offset > int64(at)):
				t.Errorf("bit flipped at %d of %s: said to be in %s at %d", at, name, damage.File, damage.Offset)
			}
		}
	}
}

// TestAnEventCanBeReadBack reads originals for compensation from logs of several files.
func TestAnEventCanBeReadBack(t *testing.T) {
	_, opts := filled(t)
	r := mustOpen(t, opts)
	defer mustClose(t, r)
	_, hash := currentSchema(r)
	for i := range 40 {
		c, err := r.Original(r.Origin().At(id.Seq(i + 3)))
		if err != nil || c.Signal.Item != fmt.Sprint("item", i) || c.Schema != hash || c.Time == 0 {
			t.Fatalf("event %d reads back as %+v, %v", i+3, c, err)
		}
	}
	for _, p := range []id.Position{
		{},
		r.Origin().At(1), r.Origin().At(2), r.Origin().At(43), r.Origin().At(1 << 62),
		{Region: 7, Seq: 3},
		{Incarnation: 1, Seq: 3},
	} {
		if c, err := r.Original(p); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("event %v, which is no own signal, reads back as %+v, %v", p, c, err)
		}
	}
}

// TestALogOfANewerProgramIsRefused writes what a newer program would: nothing of it is skipped in silence.
func TestALogOfANewerProgramIsRefused(t *testing.T) {
	mem := pebblevfs.NewMem()
	opts := host.Options{FS: mem, Dir: "db"}
	r := mustOpen(t, opts)
	records := []record.Proposed{{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level + 1}}}
	_, err := write0(r, records)
	if !errors.Is(err, fault.ErrUnknown) && !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("raising the level beyond what is known: %v", err)
	}
	if err := r.Close(); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("close: %v", err)
	}
	if _, err := open(opts); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("open: %v, want %v", err, fault.ErrFormatTooNew)
	}
}

// TestOpeningAnEmptyDatabaseIsQuick measures what an application waits for before its first call.
func TestOpeningAnEmptyDatabaseIsQuick(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, host.Options{Dir: dir}))
	took := time.Hour
	for range 5 { // of which the fastest tells most where the machine is busy with something else
		start := time.Now()
		r, err := host.Open(context.Background(), host.Options{Dir: dir})
		took = min(took, time.Since(start))
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, r)
		_ = r.Read(func(e *engine.Engine) error {
			if e.Vector().Get(r.Origin()) != 2 {
				t.Errorf("vector is %v", e.Vector())
			}
			return nil
		})
	}
	t.Logf("open took %v", took)
	if took > time.Second { // a few milliseconds
		t.Errorf("opening an empty database took %v", took)
	}
}
