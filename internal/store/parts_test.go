package store_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/store"
)

// shortly tells a record from others.
func shortly(r store.Record) string {
	return fmt.Sprintf("%v %d %d %x", r.Key, r.Generation, len(r.Value), crc32.ChecksumIEEE(r.Value))
}

func TestPartsAreTheRecordsOneAfterTheOther(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		rng := rand.New(rand.NewPCG(1, 31))
		s := d.mustOpen(t)
		for n := range uint64(3) {
			batch := store.NewBatch(metaAt(n + 1))
			for _, e := range events(rng, 400) {
				e.add(batch)
			}
			// Enough for several tables on disk, and hard to compress.
			for range 3000 {
				value := make([]byte, 1500)
				for i := range value {
					value[i] = byte(rng.Uint32())
				}
				k := store.Key{OwnerKind: id.KindUser, Owner: fmt.Sprint("u", rng.IntN(1e6)), Kind: algebra.KindSchemaVersion}
				k.Sub = fmt.Sprint(rng.Uint64())
				batch.MergeTrusted(k, value)
				k.Sub += "more"
				batch.MergeTrusted(k, value[:10])
			}
			mustCommit(t, s, batch)
			mustFlush(t, s)
		}
		if err := s.Compact(); err != nil {
			t.Fatal(err)
		}
		var want []string
		for r, err := range s.Records() {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, shortly(r))
		}
		for _, n := range []int{0, 1, 2, 3, 7, 1000} {
			parts := s.Parts(n)
			if len(parts) > max(1, n) || n > 1 && len(parts) < 2 {
				t.Fatalf("%d parts instead of %d", len(parts), n)
			}
			var got []string
			most, in := 0, map[string]int{}
			for i, p := range parts {
				before := len(got)
				for r, err := range s.RecordsIn(p) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, shortly(r))
					owner := fmt.Sprint(r.OwnerKind, r.Owner)
					if first, known := in[owner]; known && first != i {
						t.Fatalf("owner %s is in parts %d and %d", owner, first, i)
					}
					in[owner] = i
				}
				most = max(most, len(got)-before)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%d parts hold %d records, the store %d, or others", len(parts), len(got), len(want))
			}
			if n == 2 && most > len(want)*9/10 {
				t.Fatalf("the larger half has %d of %d records", most, len(want))
			}
		}
	})
}

func TestPartsOfAnEarlierInstantAreOutOfStep(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		parts := s.Parts(4)
		if len(parts) != 1 {
			t.Fatalf("%d parts of nothing", len(parts))
		}
		b := store.NewBatch(metaAt(1))
		b.Merge(store.Key{Owner: "level", Kind: algebra.KindFormatLevel}, []byte{1})
		mustCommit(t, s, b)
		for r, err := range s.RecordsIn(parts[0]) {
			if !errors.Is(err, fault.ErrOutOfStep) {
				t.Fatalf("read %v, %v", r, err)
			}
		}
		parts = s.Parts(4)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, p := range append(parts, s.Parts(2)...) {
			for _, err := range s.RecordsIn(p) {
				if !errors.Is(err, fault.ErrClosed) {
					t.Fatalf("closed: %v", err)
				}
			}
		}
	})
}

func TestUsageCountsWhatIsThere(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		b := store.NewBatch(metaAt(1))
		text := []byte(strings.Repeat("schema", 1000))
		b.Merge(store.Key{Owner: "schema", Kind: algebra.KindSchemaVersion, Sub: "1"}, text)
		mustCommit(t, s, b)
		if u := s.Usage(); u.MemtableBytes < uint64(len(text)) || u.ReadAmplification < 0 {
			t.Fatalf("after a commit: %+v", u)
		}
		mustFlush(t, s)
		if u := s.Usage(); u.ReadAmplification < 1 || d.form == "pebble" && u.DiskBytes == 0 {
			t.Fatalf("after a flush: %+v", u)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if u := s.Usage(); u != (store.Usage{}) {
			t.Fatalf("after the end: %+v", u)
		}
	})
}

func TestABatchThatIsTooLargeIsRefusedWithoutEffect(t *testing.T) {
	forms(t, func(t *testing.T, d disk) {
		s := d.mustOpen(t)
		b := store.NewBatch(metaAt(1))
		b.SetLimit(10_000)
		for n := range 1000 {
			b.SetLocal(fmt.Append(nil, "key", n), make([]byte, 100))
		}
		if b.Bytes() > 10_000 {
			t.Fatalf("the batch grew to %d bytes", b.Bytes())
		}
		if err := s.Commit(b); !errors.Is(err, fault.ErrInput) {
			t.Fatalf("commit: %v", err)
		}
		if got := s.Meta().Applied; got != 0 {
			t.Fatalf("entry %d is in the store", got)
		}
		small := store.NewBatch(metaAt(1))
		small.SetLocal([]byte("key"), []byte("value"))
		mustCommit(t, s, small)
	})
}

func TestStepsAreSortedByKeyAndThenAsTheyCame(t *testing.T) {
	for _, seed := range seeds(t, 50) {
		rng := rand.New(rand.NewPCG(seed, 32))
		b := store.NewBatch(metaAt(1))
		for range rng.IntN(200) {
			owner := strings.Repeat("same", rng.IntN(8)) + strings.Repeat("\x00", rng.IntN(3)) + fmt.Sprint(rng.IntN(20))
			k := store.Key{OwnerKind: id.Kind(rng.IntN(3)), Owner: owner, Kind: algebra.KindFormatLevel}
			switch rng.IntN(12) {
			case 0:
				b.Raise(k.OwnerKind, k.Owner, 1+k.Gen)
			case 1:
				b.SetLocal([]byte(owner), nil)
			default:
				b.Merge(k, []byte{byte(1 + rng.IntN(9))})
			}
		}
		if !b.SortedAsItShould() {
			t.Fatalf("%s", replay(t, seed))
		}
	}
}
