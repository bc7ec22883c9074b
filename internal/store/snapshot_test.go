package store_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/store"
)

// filled returns a store with random records at an entry, and large group-local ones, so that a snapshot of it has
// several chunks.
func filled(t *testing.T, d disk, at uint64) *store.Store {
	t.Helper()
	s := d.mustOpen(t)
	rng := rand.New(rand.NewPCG(at, 13))
	b := store.NewBatch(metaAt(at))
	for _, e := range events(rng, 300) {
		e.add(b)
	}
	for i := range 10 {
		b.SetLocal([]byte{'l', byte(i)}, bytes.Repeat([]byte{byte(i), byte(at)}, 60<<10))
	}
	mustCommit(t, s, b)
	return s
}

// chunksOf returns all chunks of a store's snapshot.
func chunksOf(t *testing.T, s *store.Store) [][]byte {
	t.Helper()
	x, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	in, err := filledNot(t).Installer()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Abort()
	var out [][]byte
	for last := false; !last; {
		var chunk []byte
		if chunk, last, err = x.Chunk(in.Progress()); err != nil {
			t.Fatal(err)
		}
		if err := in.Add(chunk); err != nil {
			t.Fatal(err)
		}
		out = append(out, chunk)
	}
	return out
}

func filledNot(t *testing.T) *store.Store { return memoryDisk().mustOpen(t) }

// TestBothFormsSendTheSameBytes: a snapshot depends on what is stored and on nothing else, so a receiver can go on at
// another replica.
func TestBothFormsSendTheSameBytes(t *testing.T) {
	a, b := filled(t, memoryDisk(), 7), filled(t, pebbleDisk(pebblevfs.NewMem()), 7)
	x, y := snapshotOf(t, a), snapshotOf(t, b)
	if !bytes.Equal(x, y) {
		t.Error("the snapshots differ")
	}
	var joined []byte
	for _, c := range chunksOf(t, b) {
		joined = append(joined, c...)
	}
	if !bytes.Equal(x, joined) {
		t.Error("the stream is not its chunks")
	}
}

// TestAnInstallGoesOnWhereItWas sends each chunk from another replica's snapshot, with chunks lost, repeated, damaged
// and of another snapshot between them.
func TestAnInstallGoesOnWhereItWas(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		a, b := filled(t, memoryDisk(), 7), filled(t, pebbleDisk(pebblevfs.NewMem()), 7)
		later := filled(t, memoryDisk(), 8)
		foreign := chunksOf(t, later)
		to := filled(t, d, 3)
		before := contents(t, to)
		in, err := to.Installer()
		if err != nil {
			t.Fatal(err)
		}
		steps := 0
		for last := false; !last; steps++ {
			from := []*store.Store{a, b}[steps%2]
			x, err := from.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			var chunk []byte
			if chunk, last, err = x.Chunk(in.Progress()); err != nil {
				t.Fatal(err)
			}
			at := in.Progress()
			if steps > 0 {
				if _, _, err := mustSnapshot(t, later).Chunk(at); !errors.Is(err, fault.ErrOutOfStep) {
					t.Fatalf("chunk %d of another snapshot: %v", steps, err)
				}
				if err := in.Add(foreign[steps]); !errors.Is(err, fault.ErrCorrupt) {
					t.Fatalf("another snapshot's chunk %d is taken in: %v", steps, err)
				}
				if err := in.Add(foreign[steps-1]); !errors.Is(err, fault.ErrGap) {
					t.Fatalf("the chunk before %d is taken in: %v", steps, err)
				}
			}
			for at := 0; at < len(chunk); at += 1 + len(chunk)/50 {
				flipped := bytes.Clone(chunk)
				flipped[at] ^= 0x04
				if err := in.Add(flipped); err == nil {
					t.Fatalf("chunk %d with byte %d flipped is taken in", steps, at)
				}
			}
			if err := in.Finish(); !errors.Is(err, fault.ErrGap) {
				t.Fatalf("finished before chunk %d: %v", steps, err)
			}
			if err := in.Add(chunk); err != nil {
				t.Fatal(err)
			}
			if d := difference(contents(t, to), before); d != "" || to.Meta().Applied != 3 {
				t.Fatalf("the store changed before it was finished: %s", d)
			}
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := in.Finish(); err != nil {
			t.Fatal(err)
		}
		if d := difference(contents(t, to), contents(t, a)); d != "" || !sameMeta(to.Meta(), metaAt(7)) || steps < 5 {
			t.Errorf("after %d chunks, at %d, the store %s", steps, to.Meta().Applied, d)
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		if d := difference(contents(t, d.mustOpen(t)), contents(t, a)); d != "" {
			t.Errorf("an install isn't durable: the store %s", d)
		}
	})
}

func mustSnapshot(t *testing.T, s *store.Store) *store.Snapshot {
	t.Helper()
	x, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func TestAHalfWrittenSnapshotChangesNothing(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		whole := snapshotOf(t, filled(t, memoryDisk(), 7))
		to := filled(t, d, 3)
		before := contents(t, to)
		for at := 0; at < len(whole); at += 1 + len(whole)/20 {
			if err := to.Install(bytes.NewReader(whole[:at])); err == nil {
				t.Fatalf("installed from %d of %d bytes", at, len(whole))
			}
			flipped := bytes.Clone(whole)
			flipped[at] ^= 0x01
			if err := to.Install(bytes.NewReader(flipped)); err == nil {
				t.Fatalf("installed with byte %d flipped", at)
			}
		}
		if d := difference(contents(t, to), before); d != "" || to.Meta().Applied != 3 {
			t.Errorf("the store %s", d)
		}
		if err := to.Install(bytes.NewReader(whole)); err != nil {
			t.Errorf("the whole one: %v", err)
		}
	})
}

func TestASnapshotBehindTheStoreIsRefused(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		to := filled(t, d, 9)
		older := snapshotOf(t, filled(t, memoryDisk(), 7))
		if err := to.Install(bytes.NewReader(older)); !errors.Is(err, fault.ErrOutOfStep) {
			t.Errorf("older than the store: %v", err)
		}
		in, err := to.Installer()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunksOf(t, filled(t, memoryDisk(), 20)) {
			if err := in.Add(c); err != nil {
				t.Fatal(err)
			}
		}
		mustCommit(t, to, store.NewBatch(metaAt(21))) // the store goes on meanwhile
		if err := in.Finish(); !errors.Is(err, fault.ErrOutOfStep) || to.Meta().Applied != 21 {
			t.Errorf("overtaken: %v, at %d", err, to.Meta().Applied)
		}
		mustCommit(t, to, store.NewBatch(metaAt(22)))
	})
}

// TestReadersOutliveAnInstall: what was begun before an install sees what was there then.
func TestReadersOutliveAnInstall(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := filled(t, d, 3)
		before := contents(t, s)
		pinned := snapshotOf(t, s)
		x, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rec, err := range s.Records() {
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				if err := s.Install(bytes.NewReader(snapshotOf(t, filled(t, memoryDisk(), 7)))); err != nil {
					t.Fatal(err)
				}
			}
			got = append(got, describe(rec))
		}
		if d := difference(got, before[:len(got)]); d != "" || len(got) < 30 {
			t.Errorf("the walk %s", d)
		}
		var after bytes.Buffer
		if _, err := x.WriteTo(&after); err != nil || !bytes.Equal(after.Bytes(), pinned) {
			t.Errorf("the snapshot changed (%v)", err)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		if s.Meta().Applied != 7 {
			t.Errorf("store is at %d", s.Meta().Applied)
		}
	})
}

// TestNothingIsLeftOfWhatWasReplaced counts the databases of a directory after installs, aborted ones among them.
func TestNothingIsLeftOfWhatWasReplaced(t *testing.T) {
	fsys := pebblevfs.NewMem()
	s := filled(t, pebbleDisk(fsys), 3)
	err := s.Install(strings.NewReader("no snapshot at all, but long enough for a header"))
	if !errors.Is(err, fault.ErrCorrupt) {
		t.Fatal(err)
	}
	for at := uint64(4); at < 7; at++ {
		if err := s.Install(bytes.NewReader(snapshotOf(t, filled(t, memoryDisk(), at)))); err != nil {
			t.Fatal(err)
		}
	}
	names, err := fsys.List("d/store")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(names); got != 2 {
		t.Errorf("%v", names)
	}
}
