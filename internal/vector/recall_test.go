package vector_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
)

// corpus draws vectors as embeddings lie: a mixture of clusters in a space of fewer dimensions, which is turned into
// the larger one.
type corpus struct {
	r       *rand.Rand
	basis   [][]float32 // by latent dimension
	centres [][]float32
	spread  float32 // of a cluster, in parts of the distances between clusters
	z       []float32
}

func newCorpus(r *rand.Rand, d, latent, clusters int, spread float32) *corpus {
	c := &corpus{r: r, spread: spread, z: make([]float32, latent)}
	for range latent {
		c.basis = append(c.basis, randomVector(r, d))
	}
	for range clusters {
		c.centres = append(c.centres, randomVector(r, latent))
	}
	return c
}

func (c *corpus) draw() []float32 {
	v := make([]float32, len(c.basis[0]))
	centre := c.centres[c.r.IntN(len(c.centres))]
	for i, b := range c.basis {
		z := centre[i] + c.spread*float32(c.r.NormFloat64())
		for j := range v {
			v[j] += z * b[j]
		}
	}
	return v
}

func (c *corpus) query() []float32 { return unit(c.draw()) }

// recall is which part of the true hits an index finds. What is found is held to be true and in order.
func recall(t *testing.T, l *vector.Lists, queries [][]float32, k int, f vector.Filter) float64 {
	t.Helper()
	found, wanted := 0, 0
	for _, q := range queries {
		got, want := l.Search(q, k, f, nil), vector.Exact{Set: l.Set()}.Search(q, k, f, nil)
		if len(got) != len(want) {
			t.Fatalf("%d found, want %d", len(got), len(want))
		}
		// A subset in the same order, with the same similarities, is what two sorted lists have in common.
		i := 0
		for _, h := range want {
			for i < len(got) && before(got[i], h) {
				i++
			}
			if i < len(got) && got[i] == h {
				found++
			}
		}
		for i, h := range got {
			if true := l.Set().Similarities(q, []state.Ord{h.Ord}, nil)[0]; true != h.Similarity {
				t.Fatalf("item %d has similarity %v, was said to have %v", h.Ord, true, h.Similarity)
			}
			if i > 0 && !before(got[i-1], h) {
				t.Fatalf("%v comes before %v", got[i-1], h)
			}
		}
		wanted += len(want)
	}
	return float64(found) / float64(wanted)
}

// before is the order of answers.
func before(a, b vector.Hit) bool {
	return a.Similarity > b.Similarity || a.Similarity == b.Similarity && a.Ord < b.Ord
}

// TestRecall holds the figures that the type promises, and some that the decision for it rests on.
func TestRecall(t *testing.T) {
	r := newRand(t)
	for _, c := range []struct {
		name            string
		d, latent       int
		spread          float32
		ten, twohundred float64
		part            float64 // of 200 with a filter that leaves a third
	}{
		{"clustered", 32, 24, 0.7, 0.95, 0.93, 0.93},
		{"hard", 128, 96, 1, 0.9, 0.9, 0.8},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, o, less := 100000, vector.Options{}, 0.0
			if testing.Short() { // clusters of a few dozen: the 200 nearest are all over the place
				n, o.Exact, less = 20000, 4000, 0.1
			}
			source := newCorpus(r, c.d, c.latent, 300, c.spread)
			l := vector.NewLists(vector.NewSet(c.d), o)
			third := roaring.New()
			for i := range n {
				l.Put(state.Ord(i), source.draw())
				if r.IntN(3) == 0 {
					third.Add(uint32(i))
				}
			}
			for l.Refresh(1 << 22) {
			}
			queries := make([][]float32, 100)
			for i := range queries {
				queries[i] = source.query()
			}
			check := func(name string, k int, f vector.Filter, want float64) {
				t.Helper()
				got := recall(t, l, queries, k, f)
				if t.Logf("%s: %.3f", name, got); got < want {
					t.Errorf("%s: recall %.3f, want %.2f", name, got, want)
				}
			}
			check("ten", 10, vector.Filter{}, c.ten)
			check("two hundred", 200, vector.Filter{}, c.twohundred-less)
			check("two hundred of a bitmap's third", 200, vector.Filter{In: third}, c.part)
			accept := func(n state.Ord) bool { return third.Contains(uint32(n)) }
			check("two hundred that are accepted", 200, vector.Filter{Accept: accept}, c.part)
		})
	}
}

// TestRecallWhileVectorsMove takes the figure all along a growth by Puts alone.
func TestRecallWhileVectorsMove(t *testing.T) {
	r := newRand(t)
	source := newCorpus(r, 32, 24, 100, 0.7)
	l := vector.NewLists(vector.NewSet(32), vector.Options{Exact: 2000})
	queries := make([][]float32, 40)
	for i := range queries {
		queries[i] = source.query()
	}
	for i := range 24000 {
		if l.Put(state.Ord(i), source.draw()); i%500 == 499 {
			if got := recall(t, l, queries, 10, vector.Filter{}); got < 0.95 {
				t.Errorf("%d vectors, %s: recall %.3f", i+1, l.Phase(), got)
			}
		}
	}
}

func BenchmarkLists(b *testing.B) {
	b.Run("1000000x32", func(b *testing.B) { benchmarkLists(b, 1000000, newCorpus(newRand(b), 32, 24, 1000, 0.7)) })
	b.Run("100000x128", func(b *testing.B) { benchmarkLists(b, 100000, newCorpus(newRand(b), 128, 96, 300, 1)) })
}

// benchmarkLists measures searches beside those of Exact on the same vectors, since machines are seldom idle.
func benchmarkLists(b *testing.B, n int, source *corpus) {
	if testing.Short() {
		b.Skip("the index takes a while to fill")
	}
	r, d := source.r, len(source.basis[0])
	l := vector.NewLists(vector.NewSet(d), vector.Options{})
	some := make([][]float32, 4096)
	for i := range n {
		v := source.draw()
		some[i%len(some)] = v
		l.Put(state.Ord(i), v)
	}
	for l.Refresh(1 << 22) {
	}
	queries := make([][]float32, 512)
	for i := range queries {
		queries[i] = source.query()
	}
	out := make([]vector.Hit, 0, 200)
	search := func(x vector.Index, f vector.Filter) func(b *testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				x.Search(queries[i%len(queries)], 200, f, out)
			}
			b.ReportMetric(float64(l.Memory())/float64(n), "bytes/item")
		}
	}
	half := roaring.New()
	for i := range n {
		if r.IntN(2) == 0 {
			half.Add(uint32(i))
		}
	}
	b.Run("exact", search(vector.Exact{Set: l.Set()}, vector.Filter{}))
	b.Run("search", search(l, vector.Filter{}))
	b.Run("exact-half", search(vector.Exact{Set: l.Set()}, vector.Filter{In: half}))
	b.Run("search-half", search(l, vector.Filter{In: half}))
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			l.Put(state.Ord(r.IntN(n)), some[i%len(some)])
		}
	})
	b.Run("refresh", func(b *testing.B) {
		var fresh *vector.Lists
		more, worst := false, time.Duration(0)
		for b.Loop() {
			if !more { // everything is still to be done
				b.StopTimer()
				set := vector.NewSet(d)
				for i := range n / 5 {
					set.Put(state.Ord(i), some[i%len(some)])
				}
				fresh = vector.NewLists(set, vector.Options{})
				b.StartTimer()
			}
			begin := time.Now()
			more = fresh.Refresh(2_000_000)
			worst = max(worst, time.Since(begin))
		}
		b.ReportMetric(float64(worst.Nanoseconds()), "worst-ns")
	})
}
