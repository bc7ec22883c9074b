package wal

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

// FuzzOpen opens arbitrary bytes as the only file of a log: an error, or exactly what the bytes say.
func FuzzOpen(f *testing.F) {
	files, _ := smallLog(f)
	for _, b := range files {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte{})
	f.Add(make([]byte, 600))
	f.Fuzz(func(t *testing.T, b []byte) {
		name := "wal-2-3-00000000000000000001.seg"
		if h, err := decodeSegmentHeader("", b); err == nil {
			name = h.name(false)
		}
		mem := newDisk("wal", map[string][]byte{name: b})
		log, found, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity, ReadOnly: true})
		if err != nil {
			for _, known := range []error{fault.ErrCorrupt, fault.ErrFormatTooNew, fault.ErrForeign, fault.ErrNotFound} {
				if errors.Is(err, known) {
					return
				}
			}
			t.Fatalf("an error without a type: %v", err)
		}
		if _, err := contents(log); err != nil {
			t.Fatalf("open accepted what can't be read: %v", err)
		}
		// Every valid record is the only encoding of itself.
		var again []byte
		if err := Scan(mem, "wal", func(r Record) error {
			d, _, _, _ := decodeRecord(b[r.Offset:], 0)
			again = appendRecord(again, d)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, b[:len(again)]) {
			t.Fatalf("%d bytes encode to others", len(again))
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		log, writable, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity, SegmentBytes: 512})
		if err != nil || writable.LastIndex != found.LastIndex || writable.HardState != found.HardState {
			t.Fatalf("read-only %+v, then %+v, %v", found, writable, err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzOverwrite changes a stretch of a good log: what opens holds a prefix of its history, and the readers don't fail.
func FuzzOverwrite(f *testing.F) {
	files, _ := smallLog(f)
	// What the log held after each of its records.
	history := []state{{}}
	mem := newDisk("wal", files)
	step := func(s *segment, r record, _ int64) {
		now := history[len(history)-1]
		switch {
		case r.kind.entry():
			now = now.truncated(min(r.index, now.last()+1))
			now = now.with(Entry{r.kind, r.term, r.index, slices.Clone(r.data)})
		case r.kind == KindTruncation:
			now = now.truncated(r.index)
		case r.kind == KindSegment:
			now = now.truncated(min(r.index, now.last()+1))
		case r.kind == KindHardState:
			now.hs = r.hardState()
		}
		history = append(history, now)
	}
	if _, err := load(mem, "wal", nil, step); err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(0), uint16(200), []byte{1})
	f.Add(uint8(2), uint16(0), make([]byte, 40))
	f.Add(uint8(2), uint16(160), []byte("something else"))
	f.Fuzz(func(t *testing.T, file uint8, at uint16, b []byte) {
		changed := maps.Clone(files)
		name := names(files)[int(file)%len(files)]
		data := slices.Clone(changed[name])
		copy(data[int(at)%len(data):], b)
		changed[name] = data
		mem := newDisk("wal", changed)
		if err := Dump(mem, "wal", nil, io.Discard); err != nil && !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("dump: %v", err)
		}
		log, _, err := Open(Options{FS: mem, Dir: "wal", Identity: testIdentity, SegmentBytes: 512})
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("open: %v", err)
			}
			return
		}
		got, err := contents(log)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(history, got.equal) {
			t.Fatalf("the log never held %v", got)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
