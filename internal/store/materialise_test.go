package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/store"
)

// owners is how many items and users the benchmarks of this file have; a batch has batchRecords.
const (
	owners       = 1_000_000
	batchRecords = 100_000
)

// sizedCells returns cells with a few events, of 60 to 120 bytes, and lists of up to 2.5 KB, one for twenty cells.
func sizedCells(rng *rand.Rand) (cells, lists [][]byte) {
	for range 1 << 16 {
		var c algebra.SignalState
		at := rng.Int64N(30 * 24 * hour)
		for range 2 + rng.IntN(4) {
			at += rng.Int64N(24 * hour)
			shape := algebra.Shape{HalfLives: []int64{6 * hour, 24 * hour, 7 * 24 * hour}, Buckets: true, Permanent: true}
			c.Add(shape, at, 1<<24)
		}
		cells = append(cells, c.AppendBinary(nil))
	}
	for range 256 {
		var list algebra.TopN
		for n := range 1 + rng.IntN(64) {
			e := algebra.Interaction{ID: fmt.Sprintf("item-%07d", rng.IntN(owners)), Type: "view"}
			e.Time, e.Seq = rng.Int64N(30*24*hour), id.Seq(n+1)
			list = algebra.KindRecents.List().Insert(list, e)
		}
		lists = append(lists, list.AppendBinary(nil))
	}
	return cells, lists
}

// fill puts random records into a batch.
func fill(b *store.Batch, rng *rand.Rand, cells, lists [][]byte) {
	for b.Len() < batchRecords {
		if n := rng.IntN(owners); rng.IntN(20) == 0 {
			b.MergeTrusted(store.Key{OwnerKind: id.KindUser, Owner: fmt.Sprintf("user-%07d", n), Kind: algebra.KindRecents},
				lists[rng.IntN(len(lists))])
		} else {
			b.MergeTrusted(store.Key{
				OwnerKind: id.KindItem, Owner: fmt.Sprintf("item-%07d", n), Kind: algebra.KindCell, Sub: "view",
			}, cells[rng.IntN(len(cells))])
		}
	}
}

// BenchmarkMaterialise makes, commits and flushes batches of 100,000 merges under random keys of a million owners, ten
// in a row, as a checkpoint does that follows a busy log.
func BenchmarkMaterialise(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 8))
	cells, lists := sizedCells(rng)
	s := openOnDisk(b, b.TempDir())
	defer s.Close()
	bytes, records := 0, 0
	for n := uint64(1); b.Loop(); {
		for range 10 {
			batch := store.NewBatch(metaAt(n))
			n++
			fill(batch, rng, cells, lists)
			mustCommit(b, s, batch)
			mustFlush(b, s)
			bytes += batch.Bytes()
			records += batch.Len()
		}
	}
	b.ReportMetric(float64(bytes)/float64(records), "B/record")
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkRecords walks a million cells, most merged from one operand and some from a few, as they lie after batches
// that were flushed and never compacted by name.
func BenchmarkRecords(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 9))
	cells, lists := sizedCells(rng)
	dir := b.TempDir()
	s := openOnDisk(b, dir)
	defer func() { _ = s.Close() }()
	n := uint64(1)
	for ; n <= 10; n++ {
		batch := store.NewBatch(metaAt(n))
		for i := range owners / 10 {
			owner := fmt.Sprintf("item-%07d", i*10+int(n-1))
			batch.MergeTrusted(store.Key{OwnerKind: id.KindItem, Owner: owner, Kind: algebra.KindCell, Sub: "view"},
				cells[rng.IntN(len(cells))])
		}
		mustCommit(b, s, batch)
		mustFlush(b, s)
	}
	for ; n <= 13; n++ {
		batch := store.NewBatch(metaAt(n))
		fill(batch, rng, cells, lists)
		mustCommit(b, s, batch)
		mustFlush(b, s)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	size, records := diskBytes(b, dir), 0
	for b.Loop() {
		s = openOnDisk(b, dir)
		records = 0
		for _, err := range s.Records() {
			if err != nil {
				b.Fatal(err)
			}
			records++
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size)/float64(records), "disk-B/record")
	b.ReportMetric(float64(records*b.N)/b.Elapsed().Seconds(), "records/s")
}
