package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/zeebo/xxh3"
)

// TestMemoryIsUsedAgain: a table whose records only change, go and come back doesn't grow.
func TestMemoryIsUsedAgain(t *testing.T) {
	table := New()
	churn := func() {
		for n := range 2000 {
			o := table.Owner(id.KindItem, fmt.Sprint(n))
			for _, size := range []int{10, 100, 1000, 90 << 10} {
				if size > 1000 && n > 20 {
					continue
				}
				table.Put(Key{algebra.KindCell, id.KindItem, o, "s"}, bytes.Repeat([]byte{1}, size))
			}
			table.Put(Key{algebra.KindCell, id.KindItem, o, "s"}, nil)
		}
	}
	churn()
	for range 10 {
		churn()
	}
	if now, _, _ := table.Memory(); now > 8*segmentBytes {
		t.Errorf("%d bytes for %d ids", now, 2000)
	}
	if n := len(table.owners[id.KindItem].arena.large); n != 1 {
		t.Errorf("%d numbers for one large block at a time", n)
	}
}

// TestIndexSurvivesCollisions: entries whose hashes share all bits that place them, or all bits, are found and removed
// one by one in any order, and a shared prefix doesn't make the directory large.
func TestIndexSurvivesCollisions(t *testing.T) {
	rng := rand.New(rand.NewPCG(seedOf(t), 0))
	for _, hashes := range []func() uint32{
		func() uint32 { return rng.Uint32() },
		func() uint32 { return 7 },
		func() uint32 { return ^uint32(0) - rng.Uint32N(3) },
		func() uint32 { return 0x12345000 | rng.Uint32N(1<<12) },
		func() uint32 { return rng.Uint32N(1<<12) << 20 },
	} {
		x, want := index{}, map[Ord]uint32{}
		has := func(hash uint32, n Ord) bool {
			s := x.table(hash)
			mask := uint32(len(s.slots) - 1)
			for i := hash & mask; s.slots[i] != 0; i = (i + 1) & mask {
				if s.slots[i] == uint64(hash)<<32|uint64(n)+1 {
					return true
				}
			}
			return false
		}
		for step := range 20000 {
			n := Ord(rng.Uint32N(3000))
			if hash, ok := want[n]; ok && rng.IntN(2) == 0 {
				x.remove(hash, n)
				delete(want, n)
			} else if !ok {
				want[n] = hashes()
				x.insert(want[n], n)
			}
			if step%5000 != 0 {
				continue
			}
			for n := range Ord(3000) {
				if hash, ok := want[n]; ok && !has(hash, n) || !ok && has(hash, n) {
					t.Fatalf("step %d: entry %d found: %v, want %v", step, n, !ok, ok)
				}
			}
		}
		if len(x.dir) > 64+8*len(x.small) || x.bytes() > 1<<20 {
			t.Errorf("%d tables, a directory of %d, %d bytes", len(x.small), len(x.dir), x.bytes())
		}
	}
}

// colliding returns sub-keys of one hash: the first eight bytes meet those of the hash's public constant, which takes
// the next eight out of it. An application's ids may come from somebody who knows that.
func colliding(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe%08dthe rest is equal", i)[:32]
	}
	return out
}

// TestOwnersWithManyRecords: thousands of records of one owner, of all sizes, come, change and go like a few do; also
// when their keys were made to have one hash.
func TestOwnersWithManyRecords(t *testing.T) {
	seed := seedOf(t)
	plain := make([]string, 3000)
	for i := range plain {
		plain[i] = fmt.Sprint("item-", i)
	}
	equal := colliding(400)
	if xxh3.HashString(equal[0]) != xxh3.HashString(equal[399]) {
		t.Fatal("the sub-keys don't collide")
	}
	for round, subs := range [][]string{plain, equal} {
		r := newRunner(seed, uint64(round))
		name := owner{id.KindUser, "busy"}
		n, o := r.table.Owner(name.kind, name.name), r.model.owner(name.kind, name.name)
		for step := range 6 * len(subs) {
			record := recordName{algebra.KindPairMarks, subs[r.rng.IntN(len(subs))]}
			v := r.value()
			if grow := step < 4*len(subs); r.rng.IntN(4) == 0 == grow {
				v = nil
			}
			r.table.Put(Key{record.kind, name.kind, n, record.sub}, v)
			if o.records[record] = string(v); len(v) == 0 {
				delete(o.records, record)
			}
			if step%(2*len(subs)) == 0 {
				if err := r.model.compare(r.table); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := r.model.compare(r.table); err != nil {
			t.Fatal(err)
		}
		if r.table.Digest() != r.model.digest() {
			t.Fatal("the digest isn't what its definition says")
		}
		for record := range o.records {
			r.table.Put(Key{record.kind, name.kind, n, record.sub}, nil)
		}
		if got := r.table.OwnerBytes(name.kind, n); got > 100 {
			t.Errorf("without a record, an owner that was busy has %d bytes", got)
		}
	}
}

// TestGrowingCellsLeaveNoHoles: cells that all grow, in the pattern of the memory benchmark, never leave more than a
// fifth of the memory unused, and cost what the budget says.
func TestGrowingCellsLeaveNoHoles(t *testing.T) {
	const items, types, events, day = 2500, 10, 10, int64(24 * 3600 * 1000)
	table := New()
	rng := rand.New(rand.NewPCG(seedOf(t), 0))
	var cell algebra.SignalState
	var scratch []byte
	worst := 0.0
	for round := range int64(events) {
		for i := range items * types {
			n := i * 7919 % (items * types)
			key := Key{
				algebra.KindCell, id.KindItem, table.Owner(id.KindItem, fmt.Sprintf("item-%07d", n/types)),
				[]string{"view", "click", "like", "skip", "start", "complete", "save", "share", "comment", "purchase"}[n%types],
			}
			at := table.Lookup(key)
			if err := algebra.ViewSignalState(table.Value(at), &cell); err != nil {
				t.Fatal(err)
			}
			cell.Add(algebra.Shape{HalfLives: []int64{[]int64{day / 4, day, 7 * day}[n%types%3]}, Buckets: true},
				20000*day+round*3*day+rng.Int64N(3*day), fixed.One)
			scratch = cell.AppendBinary(scratch[:0])
			table.Set(key, at, scratch)
			a := &table.owners[id.KindItem].arena
			// Segments that are being filled, and the one that is being emptied, aren't holes.
			worst = max(worst, float64(a.reserved()-3*segmentBytes)/float64(a.live))
		}
	}
	arena, indexes, owners := table.Memory()
	perCell := float64(arena+indexes+owners) / (items * types)
	t.Logf("%.1f bytes per cell; at worst %.3f bytes reserved per living byte", perCell, worst)
	if worst > 1.25 {
		t.Errorf("%.2f bytes are reserved per living byte", worst)
	}
	if perCell > 130 { // 90 of a large table
		t.Errorf("%.0f bytes per cell", perCell)
	}
}

// TestEvictionGivesMemoryBack: a table that forgets nearly everybody is small again once it goes on working.
func TestEvictionGivesMemoryBack(t *testing.T) {
	table := New()
	for n := range 20000 {
		o := table.Owner(id.KindUser, fmt.Sprint(n))
		table.Put(Key{algebra.KindRecents, id.KindUser, o, ""}, make([]byte, 100+n%800))
	}
	before, _, _ := table.Memory()
	for n := range Ord(20000) {
		if n%16 != 0 {
			table.Evict(id.KindUser, n)
		}
	}
	after, _, _ := table.Memory()
	if after > before/6 {
		t.Errorf("of %d bytes, %d are left for a sixteenth of the owners", before, after)
	}
	if err := table.owners[id.KindUser].check(); err != nil {
		t.Error(err)
	}
	table.Reset()
	if reset, _, _ := table.Memory(); reset > after || table.Owners(id.KindUser) != 0 {
		t.Errorf("%d bytes after a reset, %d before", reset, after)
	}
}

// TestKindsOfOwnersAreApart: calls about two kinds run side by side, as the race detector sees, and give what they
// give one after the other.
func TestKindsOfOwnersAreApart(t *testing.T) {
	work := func(table *Table, kind id.Kind) {
		rng := rand.New(rand.NewPCG(7, uint64(kind)))
		for range 5000 {
			n := table.Owner(kind, fmt.Sprint(rng.IntN(500)))
			k := Key{algebra.KindPairMarks, kind, n, fmt.Sprint(rng.IntN(50))}
			switch rng.IntN(100) {
			case 0:
				table.Evict(kind, n)
			case 1:
				table.Raise(kind, n, table.Generation(kind, n)+1)
			default:
				table.Put(k, bytes.Repeat([]byte{1}, rng.IntN(600)))
			}
		}
	}
	kinds := []id.Kind{KindGlobal, id.KindItem, id.KindUser, id.KindCreator}
	together, apart := New(), New()
	var wg sync.WaitGroup
	for _, kind := range kinds {
		wg.Go(func() { work(together, kind) })
		work(apart, kind)
	}
	wg.Wait()
	if together.Digest() != apart.Digest() || together.Count(algebra.KindPairMarks) != apart.Count(algebra.KindPairMarks) {
		t.Error("kinds of owners disturb each other")
	}
}

// TestReadsAllocateNothing: what the hot path calls for a record that is there.
func TestReadsAllocateNothing(t *testing.T) {
	table := New()
	n := table.Owner(id.KindItem, "a")
	for i := range 300 {
		table.Put(Key{algebra.KindCohortCell, id.KindItem, n, fmt.Sprint(i)}, make([]byte, 40))
	}
	v := make([]byte, 40)
	sum := 0
	each := func(_ algebra.Kind, sub, value []byte) bool {
		sum += len(sub) + len(value)
		return true
	}
	allocs := testing.AllocsPerRun(100, func() {
		n, _ := table.Find(id.KindItem, "a")
		k := Key{algebra.KindCohortCell, id.KindItem, n, "77"}
		at := table.Lookup(k)
		sum += len(table.Value(at))
		table.Set(k, at, v)
		table.Walk(id.KindItem, n, each)
	})
	if allocs != 0 || sum == 0 {
		t.Errorf("%v allocations", allocs)
	}
}
