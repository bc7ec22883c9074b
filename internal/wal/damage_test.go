package wal

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// smallLog writes a log of some files, whose names sort as they were created, with everything in it. It closes it and
// returns its files and what it holds.
func smallLog(t testing.TB) (map[string][]byte, state) {
	t.Helper()
	mem := crashable.New()
	log, _, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity, SegmentBytes: 512})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(log.Append([]Entry{{KindEmpty, 1, 1, nil}, {KindBatch, 1, 2, []byte("second")}}, &HardState{1, 7, 1}))
	must(log.Sync())
	must(log.Append([]Entry{{KindConfiguration, 1, 3, []byte("members")}, {KindBatch, 1, 4, make([]byte, 20)}}, nil))
	must(log.Sync())
	must(log.Append([]Entry{{KindBatch, 2, 4, []byte("fourth, again")}, {KindBatch, 2, 5, []byte("fifth")}}, nil))
	must(log.Append([]Entry{{KindBatch, 2, 6, []byte(strings.Repeat("six", 60))}, {KindBatch, 2, 7, []byte("x")}}, nil))
	must(log.Truncate(7))
	must(log.Append([]Entry{{KindBatch, 3, 7, []byte(strings.Repeat("seven", 60))}}, &HardState{3, 0, 6}))
	must(log.Append([]Entry{{KindBatch, 3, 8, []byte("eighth")}}, nil))
	got, err := contents(log)
	must(err)
	must(log.Close())
	files := readDisk(mem, "wal")
	delete(files, "LOCK")
	if len(files) < 3 {
		t.Fatalf("the log has only files %q", names(files))
	}
	return files, got
}

func names(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

// lastMark returns the offset of the last mark of a file.
func lastMark(t *testing.T, b []byte) (at int64) {
	t.Helper()
	h, err := decodeSegmentHeader("", b)
	if err != nil {
		t.Fatal(err)
	}
	walk(b, h.sequence, func(r record, offset int64) {
		if r.kind == KindMark {
			at = offset
		}
	})
	return at
}

// TestEverySingleBitFlipOfWhatWasDurableIsRefused flips each bit of each file. Within what is proven durable, opening
// must fail and name the file and the record; elsewhere nothing may be missing or altered.
func TestEverySingleBitFlipOfWhatWasDurableIsRefused(t *testing.T) {
	files, want := smallLog(t)
	for i, name := range names(files) {
		valid := files[name]
		durable := lastMark(t, valid) // in the last file: what its last mark proves
		if i+1 < len(files) {
			next, err := decodeSegmentHeader("", files[names(files)[i+1]])
			if err != nil {
				t.Fatal(err)
			}
			durable = int64(next.prevLength)
		}
		mem := newDisk("wal", files)
		buf, err := mem.UnsafeGetFileDataBuffer("wal/" + name)
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for bit := range len(buf) * 8 {
			pos := int64(bit / 8)
			buf[pos] ^= 1 << (bit % 8)
			log, _, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity, ReadOnly: true})
			var c *fault.Corrupt
			switch {
			case errors.As(err, &c):
				refused++
				if c.File != "wal/"+name || c.Offset > pos || c.Offset < pos-600 {
					t.Fatalf("%s, bit %d at %d: %v", name, bit, pos, err)
				}
			case err != nil:
				t.Fatalf("%s, bit %d at %d: %v", name, bit, pos, err)
			case pos < durable:
				t.Fatalf("%s, bit %d at %d of %d durable bytes was not noticed", name, bit, pos, durable)
			default:
				if got, err := contents(log); err != nil || !got.equal(want) {
					t.Fatalf("%s, bit %d at %d: %v, %v", name, bit, pos, got, err)
				}
			}
			buf[pos] ^= 1 << (bit % 8)
		}
		if int64(refused) < durable*8 {
			t.Errorf("%s: %d flips refused of %d", name, refused, durable*8)
		}
	}
}

// TestABitFlipBehindTheBackOfAnOpenLogIsNotServed changes a file after Open had checked it.
func TestABitFlipBehindTheBackOfAnOpenLogIsNotServed(t *testing.T) {
	files, want := smallLog(t)
	mem := newDisk("wal", files)
	log, _, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	name := names(files)[0]
	buf, err := mem.UnsafeGetFileDataBuffer("wal/" + name)
	if err != nil {
		t.Fatal(err)
	}
	served, refused := 0, 0
	for pos := range buf {
		buf[pos] ^= 0x10
		for _, e := range want.entries[:5] {
			got, err := log.Entries(e.Index, e.Index+1, 1)
			var c *fault.Corrupt
			switch {
			case errors.As(err, &c) && c.File == "wal/"+name:
				refused++
			case err != nil || string(got[0].Data) != string(e.Data) || got[0].Term != e.Term:
				t.Fatalf("flip at %d: entry %d is %v, %v", pos, e.Index, got, err)
			default:
				served++
			}
		}
		buf[pos] ^= 0x10
	}
	if served == 0 || refused == 0 {
		t.Fatalf("%d served, %d refused", served, refused)
	}
}

func TestForeignAndNewerFilesAreRefusedByName(t *testing.T) {
	files, _ := smallLog(t)
	other := testIdentity
	other.Replica++
	_, _, err := Open(Options{FS: newDisk("wal", files), Dir: "wal", Identity: other})
	if !errors.Is(err, fault.ErrForeign) || !strings.Contains(err.Error(), testIdentity.String()) ||
		!strings.Contains(err.Error(), other.String()) {
		t.Errorf("foreign: %v", err)
	}
	name := names(files)[len(files)-1]
	tooNew := func(change func(b []byte) []byte) error {
		changed := maps.Clone(files)
		changed[name] = change(slices.Clone(files[name]))
		_, _, err := Open(Options{FS: newDisk("wal", changed), Dir: "wal", Identity: testIdentity})
		return err
	}
	for what, err := range map[string]error{
		"version": tooNew(func(b []byte) []byte {
			h, _, _, _ := decodeRecord(b, 0)
			h.data = slices.Clone(h.data)
			h.data[0] = formatVersion + 1
			return append(appendRecord(nil, h), b[size(len(h.data)):]...)
		}),
		"record kind": tooNew(func(b []byte) []byte {
			at := lastMark(t, b)
			return appendRecord(slices.Clip(b[:at]), record{kind: 9, sequence: uint32(len(files))})
		}),
	} {
		if !errors.Is(err, fault.ErrFormatTooNew) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestARenamedOrMissingFileIsNoticed(t *testing.T) {
	files, _ := smallLog(t)
	all := names(files)
	for what, change := range map[string]func(m map[string][]byte){
		"renamed": func(m map[string][]byte) {
			m["wal-2-3-00000000000000000099.seg"] = m[all[1]]
			delete(m, all[1])
		},
		"missing":   func(m map[string][]byte) { delete(m, all[1]) },
		"swapped":   func(m map[string][]byte) { m[all[0]], m[all[1]] = m[all[1]], m[all[0]] },
		"shortened": func(m map[string][]byte) { m[all[1]] = m[all[1]][:200] },
		"emptied":   func(m map[string][]byte) { m[all[1]] = nil },
	} {
		m := maps.Clone(files)
		change(m)
		_, _, err := Open(Options{FS: newDisk("wal", m), Dir: "wal", Identity: testIdentity})
		if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "accept-loss") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestCutLeavesALogThatOpensWhateverWasDamaged damages random places of a log; after Cut it opens, holds a prefix of
// what it held, and not one byte of it is new.
func TestCutLeavesALogThatOpensWhateverWasDamaged(t *testing.T) {
	files, want := smallLog(t)
	for _, name := range names(files) {
		for pos := 0; pos < len(files[name]); pos += 3 {
			damaged := maps.Clone(files)
			damaged[name] = slices.Clone(files[name])
			damaged[name][pos] ^= 0x40
			mem := newDisk("wal", damaged)
			loss, err := Cut(mem, "wal", 0)
			if err != nil {
				t.Fatalf("cut with damage at %d of %s: %v", pos, name, err)
			}
			log, found, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity, SegmentBytes: 512})
			if err != nil {
				t.Fatalf("open after the cut at %d of %s: %v", pos, name, err)
			}
			if len(loss.Damage) == 0 && found.LastIndex != want.last() || found.LastIndex != loss.LastIndex {
				t.Fatalf("flip at %d of %s: loss %+v, found %+v", pos, name, loss, found)
			}
			got, err := contents(log)
			if err != nil {
				t.Fatal(err)
			}
			// Entries 4 and 7 were written twice; a cut in front of the second time brings the first one back.
			for _, e := range got.entries {
				if w := want.entries[e.Index-1]; e.Term == w.Term && string(e.Data) != string(w.Data) {
					t.Fatalf("flip at %d of %s: entry %d is altered", pos, name, e.Index)
				}
			}
			if err := log.Append([]Entry{{KindEmpty, 9, got.last() + 1, nil}}, nil); err != nil {
				t.Fatal(err)
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
