package host

import (
	"errors"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/fault"
)

func TestNoteOfAnInstallGolden(t *testing.T) {
	note := installing{Format: installingFormat, Index: 81422, Term: 7}
	note.Sum = note.sum()
	const want = "{\n  \"format\": 1,\n  \"index\": 81422,\n  \"term\": 7,\n  \"sum\": \"f6300d1c\"\n}\n"
	if got := string(encodeNote(note)); got != want {
		t.Errorf("it is\n%snot\n%s", got, want)
	}
	got, err := decodeInstalling("INSTALL", []byte(want))
	if err != nil || got != note {
		t.Errorf("read back as %+v, %v", got, err)
	}
}

func TestNotesOfInstallsThatAreRefused(t *testing.T) {
	for text, want := range map[string]error{
		``:                           fault.ErrCorrupt,
		`{"format": 2, "new": true}`: fault.ErrFormatTooNew,
		`{"format": 1, "index": 3}`:  fault.ErrCorrupt,
		`{"format": 1, "other": 3}`:  fault.ErrCorrupt,
		`{"format": 1, "index": 81422, "term": 8, "sum": "f6300d1c"}`: fault.ErrCorrupt,
	} {
		if _, err := decodeInstalling("INSTALL", []byte(text)); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestANoteIsThereUntilItIsRemoved(t *testing.T) {
	fsys := pebblevfs.NewMem()
	if err := fsys.MkdirAll("db", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, found, err := readInstalling(fsys, "db"); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	if err := (installing{Format: 1, Index: 5, Term: 2}).write(fsys, "db"); err != nil {
		t.Fatal(err)
	}
	if got, found, err := readInstalling(fsys, "db"); !found || err != nil || got.Index != 5 || got.Term != 2 {
		t.Fatalf("found %v: %+v, %v", found, got, err)
	}
	if err := removeInstalling(fsys, "db"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := readInstalling(fsys, "db"); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
}

func FuzzDecodeInstalling(f *testing.F) {
	f.Add([]byte(`{"format": 1, "index": 81422, "term": 7, "sum": "f6300d1c"}`))
	f.Add([]byte(`{"format": 1, "index": -1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		note, err := decodeInstalling("INSTALL", b)
		if err == nil && (note.Index == 0 || note.Term == 0 || note.Sum != note.sum()) {
			t.Errorf("%q is read as %+v", b, note)
		}
	})
}
