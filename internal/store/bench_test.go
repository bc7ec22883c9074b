package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs"
)

func openOnDisk(b *testing.B, dir string) *store.Store {
	b.Helper()
	s, err := store.Open(store.Options{Dir: dir, Identity: whose})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkCommit commits batches of 10,000 effects of all kinds, on few records.
func BenchmarkCommit(b *testing.B) {
	s := openOnDisk(b, b.TempDir())
	defer s.Close()
	all := events(rand.New(rand.NewPCG(1, 1)), 10_000)
	for n := uint64(1); b.Loop(); n++ {
		batch := store.NewBatch(metaAt(n))
		for _, e := range all {
			e.add(batch)
		}
		mustCommit(b, s, batch)
	}
	mustFlush(b, s)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/effect")
}

// BenchmarkLoad reads 100,000 items with ten cells each into a table, as a start does.
func BenchmarkLoad(b *testing.B) {
	const items, types = 100_000, 10
	dir := b.TempDir()
	s := openOnDisk(b, dir)
	rng := rand.New(rand.NewPCG(1, 2))
	cells := make([][]byte, 1<<14)
	for i := range cells {
		var c algebra.SignalState
		for range 10 {
			if err := algebra.DecodeSignalState(randomCell(rng, rng.Int64N(30*24*hour), false), &c); err != nil {
				b.Fatal(err)
			}
		}
		cells[i] = c.AppendBinary(nil)
	}
	for at := range items / 1000 {
		batch := store.NewBatch(metaAt(uint64(at) + 1))
		for i := range 1000 {
			for n := range types {
				batch.Merge(store.Key{
					OwnerKind: id.KindItem, Owner: fmt.Sprintf("item-%06d", at*1000+i), Kind: algebra.KindCell,
					Sub: fmt.Sprint("type", n),
				}, cells[rng.IntN(len(cells))])
			}
		}
		mustCommit(b, s, batch)
	}
	mustFlush(b, s)
	if err := s.Compact(); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	size := diskBytes(b, dir)
	for b.Loop() {
		s := openOnDisk(b, dir)
		table := state.New()
		n := 0
		for rec, err := range s.Records() {
			if err != nil {
				b.Fatal(err)
			}
			load(table, rec)
			n++
		}
		if n != items*types {
			b.Fatal(n)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size)/(items*types), "disk-B/cell")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*items*types), "ns/cell")
}

// BenchmarkSnapshot writes a snapshot of 10,000 records and installs it in memory.
func BenchmarkSnapshot(b *testing.B) {
	s := openOnDisk(b, b.TempDir())
	defer s.Close()
	batch := store.NewBatch(metaAt(1))
	for _, e := range events(rand.New(rand.NewPCG(1, 3)), 20_000) {
		e.add(batch)
	}
	for i := range 10_000 {
		batch.Merge(store.Key{OwnerKind: id.KindItem, Owner: fmt.Sprint("item", i), Kind: algebra.KindCell, Sub: "view"},
			randomCell(rand.New(rand.NewPCG(1, uint64(i))), hour, true))
	}
	mustCommit(b, s, batch)
	for b.Loop() {
		var w bytes.Buffer
		x, err := s.Snapshot()
		if err == nil {
			_, err = x.WriteTo(&w)
		}
		if err == nil {
			err = x.Close()
		}
		to, oerr := store.OpenMemory(store.NewMemory(), whose)
		if err != nil || oerr != nil {
			b.Fatal(err, oerr)
		}
		b.SetBytes(int64(w.Len()))
		if err := to.Install(&w); err != nil {
			b.Fatal(err)
		}
	}
}

func diskBytes(b *testing.B, dir string) (total int64) {
	b.Helper()
	names, err := vfs.Default.List(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		path := vfs.Default.PathJoin(dir, name)
		info, err := vfs.Default.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		if info.IsDir() {
			total += diskBytes(b, path)
		} else {
			total += info.Size()
		}
	}
	return total
}
