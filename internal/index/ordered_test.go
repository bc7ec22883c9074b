package index

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/state"
)

// The blocks hold what a sorted slice holds, and count, walk and merge like it.
func TestOrderedEqualsASortedSlice(t *testing.T) {
	seeds(t, 10, func(t *testing.T, rng *rand.Rand) {
		var o ordered
		var want []entry
		keys, loose := uint64(1+rng.IntN(3000)), rng.IntN(2) == 0
		draw := func() entry {
			return entry{key: rng.Uint64N(keys), ord: state.Ord(rng.IntN(50)), group: uint32(rng.IntN(3))}
		}
		o.loose(loose)
		for step := range 12_000 {
			grow := step < 6000 || step%6 == 0 // then it shrinks, which merges blocks
			e := draw()
			if !grow && len(want) > 0 {
				e = want[rng.IntN(len(want))]
			}
			at, ok := slices.BinarySearchFunc(want, e, entry.compare)
			switch {
			case !ok && grow:
				want = slices.Insert(want, at, e)
				o.insert(e)
			case ok && !grow:
				want = slices.Delete(want, at, at+1)
				o.remove(e)
			}
			if step == 5000 {
				o.loose(false)
			}
			if step%500 == 499 && step >= 5000 {
				checkOrdered(t, &o, want, draw)
			}
		}
		if n := len(o.blocks); n > 2+len(want)/(blockSize/4)+1 {
			t.Errorf("%d blocks for %d entries", n, len(want))
		}
	})
}

func checkOrdered(t *testing.T, o *ordered, want []entry, draw func() entry) {
	t.Helper()
	odd := func(b []entry) bool { return len(b) == 0 || len(b) > blockSize }
	if o.n != len(want) || slices.ContainsFunc(o.blocks, odd) {
		t.Fatalf("%d entries in %d blocks, want %d", o.n, len(o.blocks), len(want))
	}
	for range 50 {
		lo, hi := draw(), draw()
		i, _ := slices.BinarySearchFunc(want, lo, entry.compare)
		j, ok := slices.BinarySearchFunc(want, hi, entry.compare)
		if ok {
			j++
		}
		between := want[i:max(i, j)]
		var got []entry
		o.ascend(lo, hi, func(part []entry) { got = append(got, part...) })
		if !slices.Equal(got, between) || o.count(lo, hi) != len(between) {
			t.Fatalf("from %v to %v: %d entries, counted %d, want %d", lo, hi, len(got), o.count(lo, hi), len(between))
		}
		got = nil
		for c := o.from(hi); ; c.down() {
			e, ok := c.entry()
			if !ok {
				break
			}
			got = append(got, e)
		}
		slices.Reverse(got)
		if !slices.Equal(got, want[:j]) {
			t.Fatalf("down from %v: %d entries, want %d", hi, len(got), j)
		}
	}
}

// Lists of all lengths come back as they were set, over more than one piece, and freed ones are used again.
func TestListsKeepWhatIsSet(t *testing.T) {
	seeds(t, 3, func(t *testing.T, rng *rand.Rand) {
		l, want := newLists(), map[state.Ord][]uint32{}
		for range 20_000 {
			n := state.Ord(rng.IntN(1500))
			if rng.IntN(4) == 0 {
				l.drop(n)
				delete(want, n)
				continue
			}
			codes := make([]uint32, rng.IntN(257))
			for i := range codes {
				codes[i] = rng.Uint32()
			}
			l.set(n, codes)
			want[n] = codes
		}
		for n := range state.Ord(1500) {
			got, ok := l.get(n)
			codes, has := want[n]
			if ok != has || !slices.Equal(got, codes) {
				t.Fatalf("list of %d is %v, %v; want %v, %v", n, got, ok, codes, has)
			}
		}
		// 1,500 lists of 128 numbers on average are about 3 pieces; 15,000 were set.
		if len(l.pieces) < 2 || len(l.pieces) > 8 {
			t.Errorf("%d pieces", len(l.pieces))
		}
	})
}

// A number takes less than 40 bytes, its column and its place in order together, however its items came.
func TestNumbersTakeLessThan40Bytes(t *testing.T) {
	const n = 60_000
	entities := benchEntities(n)
	loaded, put := benchLoad(entities), New()
	put.Declare(benchSchema())
	for i := range entities {
		put.Put(state.Ord(i), &entities[i], true)
	}
	for _, x := range []*Index{loaded, put} {
		for _, name := range []string{"price", "duration", "published"} {
			if got := float64(x.view(name).bytes()) / n; got > 40 || got < 24 {
				t.Errorf("%s takes %.1f bytes an item", name, got)
			}
		}
		if got := float64(x.Memory()) / n; got > 300 {
			t.Errorf("six fields take %.1f bytes an item", got)
		}
	}
}
