package backup_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tidaldb/tidal/internal/backup"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/wal"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// content is what a backup carries, as plain values.
type content struct {
	head     backup.Head
	keys     []byte
	chunks   [][]byte
	entries  []wal.Entry
	manifest backup.Manifest
}

// sample is a small backup with something of everything.
func sample() content {
	v := id.VersionVector{}.With(id.Origin{Region: 3, Shard: 300, Incarnation: 2}, 12)
	return content{
		head: backup.Head{
			Cluster: [16]byte{0: 0xaa, 15: 0xbb}, Tenant: "t", Region: 3, Shard: 300, Replica: 1, Incarnation: 2, Stored: 8,
			After: 6, AfterTerm: 2,
		},
		keys:   []byte("keys\n"),
		chunks: [][]byte{[]byte("first chunk"), []byte("last chunk")},
		entries: []wal.Entry{
			{Kind: wal.KindEmpty, Term: 3, Index: 7, Data: []byte{}},
			{Kind: wal.KindBatch, Term: 3, Index: 8, Data: []byte("batch")},
			{Kind: wal.KindConfiguration, Term: 300, Index: 9, Data: []byte("members")},
		},
		manifest: backup.Manifest{
			At: time.Date(2026, 11, 26, 6, 7, 8, 90_000, time.UTC), Applied: 9, Term: 300, Current: 301, Vector: v, Signals: 11,
			Digest: state.Digest{1, 2, 3}, Cells: state.Digest{31: 9},
		},
	}
}

// fataler is what tests of all sorts have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// write writes a backup, and returns it with the manifest that it got.
func write(t fataler, c *content) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := backup.NewWriter(&b, c.head)
	if err == nil && c.keys != nil {
		err = w.Keys(c.keys)
	}
	for _, chunk := range c.chunks {
		if err == nil {
			err = w.Chunk(chunk)
		}
	}
	for i := range c.entries {
		if err == nil {
			err = w.Entry(&c.entries[i])
		}
	}
	if err == nil {
		c.manifest, err = w.Close(c.manifest)
	}
	if err != nil || w.Bytes() != int64(b.Len()) {
		t.Fatalf("wrote %d bytes, says %d: %v", b.Len(), w.Bytes(), err)
	}
	return b.Bytes()
}

// read reads a backup to its end.
func read(from io.Reader) (c content, size int64, err error) {
	r, err := backup.NewReader(from)
	if err != nil {
		return c, 0, err
	}
	c.head = r.Head()
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			c.manifest = r.Manifest()
			return c, r.Offset(), nil
		}
		if err != nil {
			return c, r.Offset(), err
		}
		switch f.Part {
		case backup.PartKeys:
			c.keys = bytes.Clone(f.Payload)
		case backup.PartStore:
			c.chunks = append(c.chunks, bytes.Clone(f.Payload))
		case backup.PartLog:
			for _, e := range f.Entries {
				e.Data = append([]byte{}, e.Data...)
				c.entries = append(c.entries, e)
			}
		default:
			return c, 0, fmt.Errorf("a frame of part %v was handed out", f.Part)
		}
	}
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := sample()
		c.keys, c.chunks, c.entries, c.head.Stored, c.head.After = nil, nil, nil, 0, 0
		c.head.AfterTerm, c.manifest.Term = 0, 0
		if rapid.Bool().Draw(t, "keys") {
			c.keys = rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "keys")
		}
		entries := rapid.Uint64Range(0, 40).Draw(t, "entries")
		if rapid.Bool().Draw(t, "checkpoint") {
			c.chunks = rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 50), 1, 5).Draw(t, "chunks")
			c.head.After = rapid.Uint64Range(1, 9).Draw(t, "after")
			c.head.AfterTerm = rapid.Uint64Range(1, 300).Draw(t, "term")
			c.head.Stored = c.head.After + rapid.Uint64Range(0, entries).Draw(t, "stored")
			c.manifest.Term = c.head.AfterTerm
		}
		for i := range entries {
			e := wal.Entry{Kind: wal.KindBatch, Term: c.manifest.Term + i/7, Index: c.head.After + 1 + i}
			e.Data = bytes.Repeat([]byte{byte(i)}, rapid.IntRange(0, 60_000).Draw(t, "size"))
			c.entries = append(c.entries, e)
			c.manifest.Term = max(c.manifest.Term, e.Term)
		}
		c.manifest.Applied, c.manifest.Current = c.head.After+entries, c.manifest.Term+5
		b := write(t, &c)
		got, size, err := read(iotest.HalfReader(bytes.NewReader(b)))
		if err != nil || size != int64(len(b)) {
			t.Fatalf("read %d of %d bytes: %v", size, len(b), err)
		}
		if !reflect.DeepEqual(got, c) {
			t.Fatalf("read %+v, wrote %+v", got, c)
		}
	})
}

func TestEveryWrongBitAndEveryEarlyEndIsToldWithItsPlace(t *testing.T) {
	c := sample()
	whole := write(t, &c)
	for at := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[at] ^= 1 << bit
			_, _, err := read(bytes.NewReader(b))
			damaged(t, err, int64(at), "bit %d of byte %d", bit, at)
		}
		_, _, err := read(bytes.NewReader(whole[:at]))
		damaged(t, err, int64(at), "the first %d bytes", at)
	}
	_, _, err := read(bytes.NewReader(append(bytes.Clone(whole), 0)))
	damaged(t, err, int64(len(whole)), "one byte more")
	_, _, err = read(bytes.NewReader(append(bytes.Clone(whole), whole...)))
	damaged(t, err, int64(len(whole)), "two backups in a row")
}

// damaged checks that an error is damage, told at or before an offset.
func damaged(t *testing.T, err error, at int64, format string, args ...any) {
	t.Helper()
	var c *fault.Corrupt
	if !errors.As(err, &c) || !strings.HasPrefix(c.File, "backup") || c.Offset > at+17 {
		t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

func TestAFailureOfTheStreamIsNoDamage(t *testing.T) {
	c := sample()
	b := write(t, &c)
	away := errors.New("went away")
	for n := range b {
		_, _, err := read(io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(away)))
		if !errors.Is(err, away) || errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("behind %d bytes: %v", n, err)
		}
	}
	w, err := backup.NewWriter(failing{away}, c.head)
	if !errors.Is(err, away) || w.Bytes() != 0 {
		t.Errorf("writing to what fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestPartsThatDoNotFitAreRefused changes what a backup says, so that its hashes are right and it is wrong.
func TestPartsThatDoNotFitAreRefused(t *testing.T) {
	for name, change := range map[string]func(*content){
		"a log that doesn't reach the checkpoint": func(c *content) { c.head.Stored = 10 },
		"a checkpoint before the log":             func(c *content) { c.head.Stored = 5 },
		"no checkpoint where one is said to be":   func(c *content) { c.chunks = nil },
		"a checkpoint where none is said to be":   func(c *content) { c.head.Stored = 0 },
		"an entry that is missing":                func(c *content) { c.entries = append(c.entries[:1], c.entries[2:]...) },
		"a term that goes back":                   func(c *content) { c.entries[2].Term = 1 },
		"a log that begins too late":              func(c *content) { c.head.After = 7 },
		"another last entry":                      func(c *content) { c.manifest.Applied = 10 },
		"another last term":                       func(c *content) { c.manifest.Term = 299 },
		"a term that is over":                     func(c *content) { c.manifest.Current = 299 },
		"an empty entry that holds something":     func(c *content) { c.entries[0].Data = []byte{1} },
		"an entry of an unknown kind":             func(c *content) { c.entries[0].Kind = 9 },
	} {
		c := sample()
		change(&c)
		_, _, err := read(bytes.NewReader(write(t, &c)))
		var damage *fault.Corrupt
		if !errors.As(err, &damage) || damage.Offset == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPartsInAnotherOrderAreRefused(t *testing.T) {
	c := sample()
	for name, calls := range map[string]func(*backup.Writer) error{
		"keys twice":           func(w *backup.Writer) error { return errors.Join(w.Keys(c.keys), w.Keys(c.keys)) },
		"keys behind a chunk":  func(w *backup.Writer) error { return errors.Join(w.Chunk(c.keys), w.Keys(c.keys)) },
		"a chunk behind a log": func(w *backup.Writer) error { return chunkBehindLog(w, &c) },
	} {
		var b bytes.Buffer
		w, err := backup.NewWriter(&b, c.head)
		if err == nil {
			err = calls(w)
		}
		if err == nil {
			_, err = w.Close(c.manifest)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := read(&b); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func chunkBehindLog(w *backup.Writer, c *content) error {
	e := c.entries[1]
	e.Index, e.Data = 7, make([]byte, 1<<20) // a frame of its own
	return errors.Join(w.Entry(&e), w.Chunk(c.chunks[0]))
}

func TestABackupOfALaterFormatIsNoDamage(t *testing.T) {
	c := sample()
	b := backup.Frames(backup.RawFrame{Part: backup.PartHead, Payload: []byte(`{"format":2,"what":"ever"}` + "\n")})
	if _, err := backup.NewReader(bytes.NewReader(b)); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("a head of format 2: %v", err)
	}
	whole := write(t, &c)
	if bytes.Contains(whole, []byte(`"format":2`)) {
		t.Error("format 1 has become 2, and this test means nothing")
	}
}

func TestGoldenBytes(t *testing.T) {
	c := sample()
	b := write(t, &c)
	path := filepath.Join("testdata", "format.golden")
	if *update {
		if err := os.WriteFile(path, []byte(hex.Dump(b)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.Dump(b); got != string(want) {
		t.Errorf("the bytes of a backup are\n%swant\n%s", got, want)
	}
	page, err := os.ReadFile("../../docs/format/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{headOf(t, b), manifestOf(b)} {
		if !strings.Contains(string(page), string(text)) {
			t.Errorf("docs/format/backup.md doesn't show\n%s", text)
		}
	}
}

// headOf and manifestOf cut the two texts out of a backup.
func headOf(t *testing.T, b []byte) []byte {
	t.Helper()
	text, _, ok := bytes.Cut(b[17:], []byte("\n"))
	if !ok {
		t.Fatal("the head has no end")
	}
	return text
}

func manifestOf(b []byte) []byte {
	text := b[bytes.LastIndex(b, []byte(`{"format"`)):]
	return text[:bytes.LastIndexByte(text[:len(text)-32], '\n')]
}
