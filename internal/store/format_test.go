package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// goldenKeys are in the order in which a store has them.
var goldenKeys = []Key{
	{OwnerKind: 0, Owner: "schema", Kind: algebra.KindSchemaVersion, Sub: "0123456789abcdef"},
	{OwnerKind: 0, Owner: "\x00\x01\x02", Kind: algebra.KindUndone, Sub: "\x00\x07"},
	{OwnerKind: id.KindItem, Owner: "a", Kind: algebra.KindGeneration},
	{OwnerKind: id.KindItem, Owner: "a", Kind: algebra.KindEntity},
	{OwnerKind: id.KindItem, Owner: "a", Gen: 7 << 16, Kind: algebra.KindCell, Sub: "view"},
	{OwnerKind: id.KindItem, Owner: "a", Gen: 7 << 16, Kind: algebra.KindEngagers},
	{OwnerKind: id.KindItem, Owner: "a", Kind: algebra.KindCell, Sub: "view"},
	{OwnerKind: id.KindItem, Owner: "a\x00", Kind: algebra.KindEntity},
	{OwnerKind: id.KindItem, Owner: "ab", Kind: algebra.KindEntity},
	{OwnerKind: id.KindUser, Owner: "a", Kind: algebra.KindRelation, Sub: "\x01b"},
}

var goldenCheckpoint = checkpoint{
	Identity{Cluster: [16]byte{0xaa, 15: 0xbb}, Tenant: "t", Region: 3, Shard: 300},
	Meta{
		Applied: 1000, Term: 5, Incarnation: 2, Configuration: []byte("voters"),
		Vector: id.VersionVector{}.With(id.Origin{Region: 3, Shard: 300, Incarnation: 2}, 70000),
	},
}

// goldenStore writes a small store of this version.
func goldenStore(t *testing.T, fsys pebblevfs.FS, dir string) {
	t.Helper()
	s, err := Open(Options{FS: fsys, Dir: dir, Identity: goldenCheckpoint.identity})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	if _, err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func fill(t *testing.T, s *Store) {
	t.Helper()
	b := NewBatch(goldenCheckpoint.meta)
	b.Merge(Key{Owner: "level", Kind: algebra.KindFormatLevel}, []byte{1})
	b.Merge(Key{Owner: "level", Kind: algebra.KindFormatLevel}, []byte{2})
	b.Merge(Key{OwnerKind: id.KindItem, Owner: "a", Gen: 3, Kind: algebra.KindRelation, Sub: "x"}, []byte{9, 0})
	b.Merge(Key{OwnerKind: id.KindItem, Owner: "a", Gen: 7, Kind: algebra.KindRelation, Sub: "x"}, []byte{1, 2})
	b.SetLocal([]byte("lanes"), []byte("opaque"))
	if err := s.Commit(b); err != nil {
		t.Fatal(err)
	}
}

// TestGoldenBytes holds the encodings, and a whole store and snapshot as a program of today wrote them. -update
// rewrites: stores of before can't be read any more then, unless there is a new version and code for the old one.
func TestGoldenBytes(t *testing.T) {
	var b strings.Builder
	for _, k := range goldenKeys {
		fmt.Fprintf(&b, "%v\n  %x\n", k, k.append(nil))
	}
	fmt.Fprintf(&b, "meta record\n  %x\n", goldenCheckpoint.append(nil))
	s, err := OpenMemory(NewMemory(), goldenCheckpoint.identity)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	x, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var whole bytes.Buffer
	if _, err := x.WriteTo(&whole); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "snapshot\n%s", hex.Dump(whole.Bytes()))
	const file, dir = "testdata/format.golden", "testdata/v2"
	if *updateGolden {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		goldenStore(t, pebblevfs.Default, dir)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s", b.String())
	}
	mem := pebblevfs.NewMem()
	if ok, err := pebblevfs.Clone(pebblevfs.Default, mem, filepath.FromSlash(dir), "v2"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	old, err := Open(Options{FS: mem, Dir: "v2", Identity: goldenCheckpoint.identity})
	if err != nil {
		t.Fatal(err)
	}
	y, err := old.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if _, err := y.WriteTo(&again); err != nil || !bytes.Equal(again.Bytes(), whole.Bytes()) {
		t.Errorf("the store of version 2 holds something else (%v)", err)
	}
	if err := errors.Join(y.Close(), old.Close(), x.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestOlderAlgebraIsRefused opens a store and a snapshot's head of algebra 1, whose recents meant something else: both are
// refused with what to do, and the store is left as it was.
func TestOlderAlgebraIsRefused(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		mem := pebblevfs.NewMem()
		if ok, err := pebblevfs.Clone(pebblevfs.Default, mem, filepath.FromSlash("testdata/v1"), "v1"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		before := mem.String()
		_, err := Open(Options{FS: mem, Dir: "v1", Identity: goldenCheckpoint.identity, ReadOnly: readOnly})
		if !errors.Is(err, fault.ErrFormatTooOld) || errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("read-only %t: %v, want %v", readOnly, err, fault.ErrFormatTooOld)
		}
		for _, says := range []string{"v1/STORE", "algebra 1", "made again from the log"} {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%v doesn't say %q", err, says)
			}
		}
		if after := mem.String(); after != before {
			t.Errorf("it was changed from\n%s\nto\n%s", before, after)
		}
	}
	head := goldenCheckpoint.append(nil)
	head[1] = 1
	s, err := OpenMemory(NewMemory(), goldenCheckpoint.identity)
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.Installer()
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Add(seal(nil, 0, 0, head)); !errors.Is(err, fault.ErrFormatTooOld) {
		t.Errorf("head of algebra 1: %v, want %v", err, fault.ErrFormatTooOld)
	}
}

func TestKeysAreInOrder(t *testing.T) {
	var stored [][]byte
	for _, k := range goldenKeys {
		stored = append(stored, k.append(nil))
	}
	// The first two owners are out of order on purpose: zeros come first.
	stored[0], stored[1] = stored[1], stored[0]
	if !slices.IsSortedFunc(stored, bytes.Compare) {
		t.Errorf("%x", stored)
	}
}

// TestKeysRoundTripInOrder compares the order of stored keys with that of what they mean.
func TestKeysRoundTripInOrder(t *testing.T) {
	key := rapid.Custom(func(t *rapid.T) Key {
		k := Key{
			OwnerKind: id.Kind(rapid.IntRange(0, id.Kinds).Draw(t, "owner kind")),
			Owner:     string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xfe, 0xff}), 1, 4).Draw(t, "owner")),
			Kind:      algebra.Kind(rapid.IntRange(1, algebra.Kinds).Draw(t, "kind")),
		}
		if !lasting(k.Kind) {
			k.Gen = hlc.Timestamp(rapid.SampledFrom([]uint64{0, 1, 255, 256, 1<<64 - 1}).Draw(t, "gen"))
			k.Sub = string(rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "sub"))
		}
		return k
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		x, y := a.append(nil), b.append(nil)
		for _, k := range []Key{a, b} {
			stored := k.append(nil)
			if got, err := decodeKey(stored); got != k || err != nil {
				t.Fatalf("%v comes back as %v, %v", k, got, err)
			}
			if kind, err := kindOf(stored); kind != k.Kind || err != nil {
				t.Fatalf("%v has kind %v, %v", k, kind, err)
			}
		}
		want := compareKeys(a, b)
		if got := bytes.Compare(x, y); got != want {
			t.Fatalf("%v and %v compare as %d, stored as %d", a, b, want, got)
		}
		prefix := appendOwner(nil, a.OwnerKind, a.Owner)
		same := a.OwnerKind == b.OwnerKind && a.Owner == b.Owner
		if inside := bytes.Compare(y, prefix) >= 0 && bytes.Compare(y, after(prefix)) < 0; inside != same {
			t.Fatalf("%v is among the records of %q: %v", b, a.Owner, inside)
		}
	})
}

func compareKeys(a, b Key) int {
	sa, _ := section(a.Kind)
	sb, _ := section(b.Kind)
	for _, c := range []int{
		int(a.OwnerKind) - int(b.OwnerKind), strings.Compare(a.Owner, b.Owner), int(sa) - int(sb),
		-compareGens(a.Gen, b.Gen), int(a.Kind) - int(b.Kind), strings.Compare(a.Sub, b.Sub),
	} {
		if c != 0 {
			return max(-1, min(c, 1))
		}
	}
	return 0
}

func compareGens(a, b hlc.Timestamp) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// FuzzDecodeKey: arbitrary bytes are damage, or the one form of a key.
func FuzzDecodeKey(f *testing.F) {
	for _, k := range goldenKeys {
		f.Add(k.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = kindOf(b)
		k, err := decodeKey(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("%x: %v", b, err)
			}
			return
		}
		if again := k.append(nil); !bytes.Equal(again, b) || k.check() != nil {
			t.Fatalf("%x is %v, which is %x", b, k, again)
		}
		if kind, err := kindOf(b); kind != k.Kind || err != nil {
			t.Fatalf("%x has kind %v, %v", b, kind, err)
		}
	})
}

// FuzzDecodeCheckpoint: the same for the meta record.
func FuzzDecodeCheckpoint(f *testing.F) {
	f.Add(goldenCheckpoint.append(nil))
	f.Add(checkpoint{}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCheckpoint(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) &&
				!errors.Is(err, fault.ErrFormatTooOld) {
				t.Fatalf("%x: %v", b, err)
			}
			return
		}
		if again := c.append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x comes back as %x", b, again)
		}
	})
}

// FuzzAddChunk: arbitrary payloads under a right hash are refused, or what they carry is what a store may hold.
func FuzzAddChunk(f *testing.F) {
	head := seal(nil, 0, 0, goldenCheckpoint.append(nil))
	k := goldenKeys[4].append(nil)
	f.Add(appendText(appendText(nil, k), []byte{}), byte(0))
	f.Add(appendText(appendText(nil, []byte("glanes")), []byte("x")), byte(0))
	f.Add(appendText(appendText(nil, metaKey), []byte("x")), byte(0))
	f.Add([]byte{0}, byte(chunkLast))
	f.Fuzz(func(t *testing.T, payload []byte, flags byte) {
		s, err := OpenMemory(NewMemory(), goldenCheckpoint.identity)
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.Installer()
		if err == nil {
			err = in.Add(head)
		}
		if err != nil {
			t.Fatal(err)
		}
		chain := in.Progress().Chain
		if err := in.Add(seal(chain[:], 1, flags, payload)); err != nil {
			if !errors.Is(err, fault.ErrCorrupt) {
				t.Fatalf("%x: %v", payload, err)
			}
			return
		}
		if flags != 0 {
			return
		}
		p := in.Progress()
		if err := in.Add(seal(p.Chain[:], 2, chunkLast, []byte{byte(p.Records)})); err != nil && p.Records < 128 {
			t.Fatal(err)
		} else if err == nil {
			if err := in.Finish(); err != nil {
				t.Fatal(err)
			}
			for _, err := range s.Records() {
				if err != nil {
					t.Fatalf("%x: took in what it can't read: %v", payload, err)
				}
			}
		}
	})
}

func TestPayloadsAreBounded(t *testing.T) {
	chunk := seal(nil, 0, 0, nil)
	for i := range 4 {
		chunk[13+i] = 0xff
	}
	if _, err := payloadLength(chunk); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a payload of 4 GiB: %v", err)
	}
}

var updateGolden = flag.Bool("update", false, "rewrite golden files")
