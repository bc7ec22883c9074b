package vector_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
)

var _ vector.Index = vector.Exact{}

const rounding = 1e-5

// checkHits holds hits against cosines in 64 bits: nothing missing, nothing wrong, all in order.
func checkHits(t *testing.T, m model, q []float32, k int, allowed func(state.Ord) bool, hits []vector.Hit) {
	t.Helper()
	truth := map[state.Ord]float64{}
	for n, v := range m {
		if allowed(n) {
			truth[n] = cosine(v, q)
		}
	}
	if want := min(k, len(truth)); len(hits) != want {
		t.Fatalf("%d hits, want %d", len(hits), want)
	}
	found := map[state.Ord]bool{}
	for i, h := range hits {
		want, ok := truth[h.Ord]
		if !ok || found[h.Ord] {
			t.Fatalf("item %d was found, and mustn't be", h.Ord)
		}
		found[h.Ord] = true
		if math.Abs(want-float64(h.Similarity)) > rounding {
			t.Fatalf("item %d has similarity %v, want %v", h.Ord, h.Similarity, want)
		}
		if i > 0 && cmp.Or(cmp.Compare(h.Similarity, hits[i-1].Similarity), cmp.Compare(hits[i-1].Ord, h.Ord)) >= 0 {
			t.Fatalf("%v comes before %v", hits[i-1], h)
		}
	}
	if len(hits) == 0 {
		return
	}
	worst := hits[len(hits)-1]
	for n, similarity := range truth {
		if !found[n] && similarity > float64(worst.Similarity)+rounding {
			t.Fatalf("item %d with similarity %v is missing, %v was found", n, similarity, worst)
		}
	}
}

func TestExactFindsWhatASlowSearchFinds(t *testing.T) {
	r := newRand(t)
	for range 300 {
		d := 1 + r.IntN(50)
		s, m := build(r, d, r.IntN(700))
		x := vector.Exact{Set: s}
		q := unit(randomVector(r, d))
		k := 1 + r.IntN(60)
		everything := func(state.Ord) bool { return true }
		checkHits(t, m, q, k, everything, x.Search(q, k, vector.Filter{}, nil))

		in := roaring.New()
		part := r.Float64()
		var list []state.Ord
		for n := range state.Ord(2400) {
			if r.Float64() < part {
				in.Add(uint32(n))
				list = append(list, n)
			}
		}
		inside := func(n state.Ord) bool { return in.Contains(uint32(n)) }
		odd := func(n state.Ord) bool { return n%2 == 1 }
		both := func(n state.Ord) bool { return inside(n) && odd(n) }
		hits := x.Search(q, k, vector.Filter{In: in}, nil)
		checkHits(t, m, q, k, inside, hits)
		checkHits(t, m, q, k, odd, x.Search(q, k, vector.Filter{Accept: odd}, nil))
		checkHits(t, m, q, k, both, x.Search(q, k, vector.Filter{In: in, Accept: odd}, nil))
		// The ways to the same answer agree to the bit, so the planner's choice doesn't show.
		byAccept := x.Search(q, k, vector.Filter{Accept: inside}, nil)
		if among := x.Among(q, k, list, nil); !slices.Equal(hits, among) || !slices.Equal(hits, byAccept) {
			t.Fatalf("bitmap %v\nlist %v\npredicate %v", hits, among, byAccept)
		}
	}
}

func TestEquallySimilarItemsComeByOrdinal(t *testing.T) {
	s := vector.NewSet(4)
	for _, n := range []state.Ord{9, 2, 7, 4, 1, 8} {
		s.Put(n, []float32{1, 1, 1, 1})
	}
	s.Put(5, []float32{1, 1, 1, 0})
	hits := vector.Exact{Set: s}.Search([]float32{0.5, 0.5, 0.5, 0.5}, 3, vector.Filter{}, nil)
	if want := []vector.Hit{{1, 1}, {2, 1}, {4, 1}}; !slices.Equal(hits, want) {
		t.Errorf("got %v, want %v", hits, want)
	}
}

func TestSearchesThatFindNothing(t *testing.T) {
	s := vector.NewSet(2)
	x := vector.Exact{Set: s}
	before := []vector.Hit{{3, 0.5}}
	q := []float32{1, 0}
	check := func(name string, got []vector.Hit) {
		t.Helper()
		if !slices.Equal(got, before) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	check("an empty set", x.Search(q, 5, vector.Filter{}, before))
	s.Put(1, q)
	check("none wanted", x.Search(q, 0, vector.Filter{}, before))
	check("another size", x.Search([]float32{1, 0, 0}, 5, vector.Filter{}, before))
	check("an empty filter", x.Search(q, 5, vector.Filter{In: roaring.New()}, before))
	check("no number", x.Search([]float32{float32(math.NaN()), 0}, 5, vector.Filter{}, before))
	check("an empty list", x.Among(q, 5, nil, before))
	check("an item without a vector", x.Among(q, 5, []state.Ord{77777}, before))
	if got := x.Search(q, 5, vector.Filter{}, before); len(got) != 2 || got[0] != before[0] || got[1].Ord != 1 {
		t.Errorf("hits don't come behind what was there: %v", got)
	}
}

// TestAcceptIsAskedSparingly holds the promise that a dear predicate may be given.
func TestAcceptIsAskedSparingly(t *testing.T) {
	r := newRand(t)
	s := vector.NewSet(16)
	const items = 20000
	for n := range state.Ord(items) {
		s.Put(n, randomVector(r, 16))
	}
	asked := 0
	accept := func(state.Ord) bool { asked++; return true }
	vector.Exact{Set: s}.Search(unit(randomVector(r, 16)), 10, vector.Filter{Accept: accept}, nil)
	// The k-th best changes about k·ln(n/k) times in a random order: 76 here.
	if asked > 400 {
		t.Errorf("accept was asked %d times for %d items", asked, items)
	}
}

func TestSearchDoesNotAllocate(t *testing.T) {
	r := newRand(t)
	s, _ := build(r, 32, 2000)
	q := unit(randomVector(r, 32))
	out := make([]vector.Hit, 0, 100)
	accept := func(n state.Ord) bool { return n%3 > 0 }
	if n := testing.AllocsPerRun(20, func() {
		vector.Exact{Set: s}.Search(q, 100, vector.Filter{Accept: accept}, out)
	}); n != 0 {
		t.Errorf("a search allocates %v times", n)
	}
}

func BenchmarkExactTop100Of50000x128(b *testing.B) {
	r := newRand(b)
	s := vector.NewSet(128)
	for n := range state.Ord(50000) {
		s.Put(n, randomVector(r, 128))
	}
	q := unit(randomVector(r, 128))
	out := make([]vector.Hit, 0, 100)
	x := vector.Exact{Set: s}
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.Search(q, 100, vector.Filter{}, out)
		}
		b.ReportMetric(float64(s.Memory())/float64(s.Len()), "bytes/item")
	})
	in := roaring.New()
	var list []state.Ord
	for range 2000 {
		n := r.Uint32N(50000)
		in.Add(n)
		list = append(list, state.Ord(n))
	}
	b.Run("bitmap2000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.Search(q, 100, vector.Filter{In: in}, out)
		}
	})
	b.Run("list2000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.Among(q, 100, list, out)
		}
	})
}
