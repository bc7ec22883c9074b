package wal

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFilesOfEveryVersionAreRead opens the files in testdata and compares what they say with their dump. The bytes
// that are written today are those of the newest version.
func TestFilesOfEveryVersionAreRead(t *testing.T) {
	files, want := smallLog(t)
	const dir = "testdata/v1"
	if *update {
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden := map[string][]byte{}
	paths, err := filepath.Glob(dir + "/*" + segmentSuffix)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		golden[filepath.Base(path)] = b
	}
	if !maps.EqualFunc(files, golden, bytes.Equal) {
		t.Errorf("the writer's bytes differ from those in %s; a new version needs a new directory", dir)
	}
	mem := newDisk("wal", golden)
	log, _, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := contents(log); err != nil || !got.equal(want) {
		t.Errorf("golden files hold %v, %v; want %v", got, err, want)
	}
	var dump bytes.Buffer
	if err := Dump(mem, "wal", nil, &dump); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(dir+"/dump.txt", dump.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(dir + "/dump.txt")
	if err != nil {
		t.Fatal(err)
	}
	if dump.String() != string(text) {
		t.Errorf("dump is\n%s\nwant\n%s", dump.String(), text)
	}
}

func TestALogOnARealDisk(t *testing.T) {
	options := Options{Dir: filepath.Join(t.TempDir(), "a", "b"), Identity: testIdentity, SegmentBytes: 64 << 10}
	log, found, err := Open(options)
	if err != nil || !found.Created {
		t.Fatalf("%+v, %v", found, err)
	}
	data := bytes.Repeat([]byte("0123456789"), 300)
	for i := uint64(1); i <= 100; i++ {
		if err := log.Append([]Entry{{KindBatch, 1, i, data}}, &HardState{1, 1, i}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(options); !errors.Is(err, fault.ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	if err := log.release(); err != nil { // like a killed process
		t.Fatal(err)
	}
	log, found, err = Open(options)
	if err != nil || found.LastIndex != 100 || found.HardState.Commit != 100 || found.TornBytes != 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	got, err := contents(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got.entries {
		if !bytes.Equal(e.Data, data) {
			t.Fatalf("entry %d is altered", e.Index)
		}
	}
	if err := log.Release(60); err != nil || log.FirstIndex() < 30 || log.FirstIndex() > 60 {
		t.Fatalf("released up to %d: %v", log.FirstIndex(), err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := Verify(vfs.Default, options.Dir)
	if err != nil || report.LastIndex != 100 || report.Identity != testIdentity {
		t.Fatalf("%+v, %v", report, err)
	}
}

func TestARefusedEntryLeavesNothingBehind(t *testing.T) {
	log := memLog(t, 4096)
	defer log.Close()
	err := log.Append([]Entry{{KindBatch, 1, 1, []byte("good")}, {KindBatch, 1, 2, make([]byte, MaxEntryBytes+1)}}, nil)
	var in *fault.Input
	if !errors.As(err, &in) || in.Record != 1 || in.Field != "data" {
		t.Fatalf("got %v", err)
	}
	if log.LastIndex() != 0 {
		t.Fatalf("the log ends at %d", log.LastIndex())
	}
	// The longest one is accepted, in a file of 4 kB too.
	if err := log.Append([]Entry{{KindBatch, 1, 1, make([]byte, MaxEntryBytes)}}, nil); err != nil {
		t.Fatal(err)
	}
	if es, err := log.Entries(1, 2, 0); err != nil || len(es) != 1 || len(es[0].Data) != MaxEntryBytes {
		t.Fatalf("%d entries, %v", len(es), err)
	}
}

func TestAppendKeepsNothingOfTheCallersBytes(t *testing.T) {
	log := memLog(t, 4096)
	defer log.Close()
	data := []byte("mine")
	if err := log.Append([]Entry{{KindBatch, 1, 1, data}}, nil); err != nil {
		t.Fatal(err)
	}
	copy(data, "bad!")
	if es, err := log.Entries(1, 2, 100); err != nil || string(es[0].Data) != "mine" {
		t.Fatalf("%q, %v", es[0].Data, err)
	}
}

func TestOurOwnMistakesPanic(t *testing.T) {
	for what, do := range map[string]func(log *Log) error{
		"gap":          func(l *Log) error { return l.Append([]Entry{{KindBatch, 1, 3, nil}}, nil) },
		"inner gap":    func(l *Log) error { return l.Append([]Entry{{KindBatch, 1, 2, nil}, {KindBatch, 1, 4, nil}}, nil) },
		"index 0":      func(l *Log) error { return l.Append([]Entry{{KindBatch, 1, 0, nil}}, nil) },
		"kind":         func(l *Log) error { return l.Append([]Entry{{KindMark, 1, 2, nil}}, nil) },
		"empty's data": func(l *Log) error { return l.Append([]Entry{{KindEmpty, 1, 2, []byte("x")}}, nil) },
		"truncate 0":   func(l *Log) error { return l.Truncate(0) },
	} {
		log := memLog(t, 4096)
		appendOne(t, log, 1, 1, "x")
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.HasPrefix(p.(string), "wal: ") {
					t.Errorf("%s: panic %v", what, p)
				}
			}()
			t.Errorf("%s: returned %v", what, do(log))
		}()
		if err := log.Close(); err != nil {
			t.Errorf("%s: close: %v", what, err)
		}
	}
}

func TestEntriesKeepsToItsLimits(t *testing.T) {
	log := memLog(t, 1000)
	defer log.Close()
	for i := uint64(1); i <= 50; i++ {
		appendOne(t, log, i, 1+i/10, strings.Repeat("d", 100))
	}
	for _, tc := range []struct {
		lo, hi uint64
		bytes  int
		most   int
	}{
		{1, 51, 0, 1},
		{1, 51, 99, 1},
		{1, 51, 100, 1},
		{1, 51, 250, 2},
		{3, 5, 1 << 20, 2},
		{1, 51, 1 << 20, 50},
		{7, 7, 100, 0},
	} {
		es, err := log.Entries(tc.lo, tc.hi, tc.bytes)
		if err != nil || len(es) > tc.most || tc.lo < tc.hi && len(es) == 0 {
			t.Errorf("entries %d to %d, %d bytes: %d entries, %v", tc.lo, tc.hi, tc.bytes, len(es), err)
		}
		for i, e := range es {
			if e.Index != tc.lo+uint64(i) {
				t.Errorf("entry %d where %d should be", e.Index, tc.lo+uint64(i))
			}
		}
	}
	if es, _ := log.Entries(1, 51, 1<<20); len(es) != 50 {
		t.Errorf("a generous limit returns %d of 50", len(es))
	}
	for _, tc := range [][2]uint64{{0, 1}, {51, 52}, {1, 52}} {
		if _, err := log.Entries(tc[0], tc[1], 1); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("entries %d to %d: %v", tc[0], tc[1], err)
		}
	}
	for i, want := range map[uint64]uint64{0: 0, 1: 1, 9: 1, 10: 2, 50: 6} {
		if term, err := log.Term(i); err != nil || term != want {
			t.Errorf("term of %d is %d, %v", i, term, err)
		}
	}
	if _, err := log.Term(51); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("term of 51: %v", err)
	}
}

// What lies from an entry on falls by at least the entry from each to the next, and by all that the files hold in the end.
func TestBytesFromAnEntryOn(t *testing.T) {
	log := memLog(t, 1000)
	defer log.Close()
	if got := log.BytesFrom(1); got != 0 {
		t.Errorf("an empty log has %d bytes from its first entry on", got)
	}
	for i := uint64(1); i <= 50; i++ {
		appendOne(t, log, i, 1, strings.Repeat("d", 100))
	}
	all := int64(0)
	for _, f := range log.Files() {
		all += f.Bytes
	}
	before := log.BytesFrom(0)
	if before != all {
		t.Errorf("from the beginning on there are %d of %d bytes", before, all)
	}
	for i := uint64(1); i <= 51; i++ {
		now := log.BytesFrom(i)
		if fell := before - now; i > 1 && fell < 100 || fell < 0 || fell > 400 {
			t.Errorf("from entry %d on there are %d bytes, from the one before %d", i, now, before)
		}
		before = now
	}
	if before != 0 {
		t.Errorf("behind the end are %d bytes", before)
	}
}

func TestReadOnlyChangesNothing(t *testing.T) {
	files, want := smallLog(t)
	last := names(files)[len(files)-1]
	files[last][len(files[last])-1] = 1 // a torn tail
	files["wal-2-3-00000000000000000077.seg"] = make([]byte, 100)
	mem := newDisk("wal", files)
	log, found, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity, ReadOnly: true})
	if err != nil || found.TornBytes == 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	if got, err := contents(log); err != nil || !got.equal(want) {
		t.Fatalf("%v, %v", got, err)
	}
	for what, err := range map[string]error{
		"append": log.Append(nil, &HardState{}), "sync": log.Sync(), "mark": log.Mark(), "truncate": log.Truncate(1),
		"release": log.Release(1), "reset": log.Reset(1, 1),
	} {
		if err == nil {
			t.Errorf("%s worked", what)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(readDisk(mem, "wal"), files, bytes.Equal) {
		t.Error("files changed")
	}
	if _, _, err := Open(Options{FS: pebblevfs.NewMem(), Dir: "/", ReadOnly: true}); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("empty directory: %v", err)
	}
}

func TestACleanReopeningAddsNothing(t *testing.T) {
	files, _ := smallLog(t)
	mem := newDisk("wal", files)
	for range 3 {
		log, _, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity, SegmentBytes: 512})
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	after := readDisk(mem, "wal")
	delete(after, vfs.LockName)
	if !maps.EqualFunc(after, files, bytes.Equal) {
		t.Error("files changed")
	}
}

// TestAMarkInAPayloadProvesNothing: a payload may hold a piece of a log, marks included. When the record around it is
// torn, that must not look like damage.
func TestAMarkInAPayloadProvesNothing(t *testing.T) {
	mem := pebblevfs.NewMem()
	options := Options{FS: mem, Dir: "wal", Identity: testIdentity, SegmentBytes: 4096}
	log, _, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	appendOne(t, log, 1, 1, "kept")
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	piece := readDisk(mem, "wal")["wal-2-3-00000000000000000001.seg"][:log.writer.offset]
	at := log.writer.offset + size(markLen)
	appendOne(t, log, 2, 1, string(piece)+strings.Repeat(string(piece), 3))
	if err := log.release(); err != nil {
		t.Fatal(err)
	}
	buf, err := mem.UnsafeGetFileDataBuffer("wal/wal-2-3-00000000000000000001.seg")
	if err != nil {
		t.Fatal(err)
	}
	buf[at] ^= 0xff
	log, found, err := Open(options)
	if err != nil || found.LastIndex != 1 || found.TornOffset != at {
		t.Fatalf("%+v, %v", found, err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCallsAfterCloseSaySo(t *testing.T) {
	log := memLog(t, 4096)
	appendOne(t, log, 1, 1, "x")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := log.Entries(1, 2, 1)
	for what, err := range map[string]error{
		"append": log.Append(nil, nil), "sync": log.Sync(), "close": log.Close(), "entries": err,
	} {
		if !errors.Is(err, fault.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for field, o := range map[string]Options{
		"dir":           {},
		"segment_bytes": {Dir: "x", SegmentBytes: -1},
		"tenant":        {Dir: "x", Identity: Identity{Tenant: strings.Repeat("t", 513)}},
	} {
		_, _, err := Open(o)
		var in *fault.Input
		if !errors.As(err, &in) || in.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
