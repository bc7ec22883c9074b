package vector_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
)

// taste is a random user: items around some topics and elsewhere, with signed weights.
func taste(r *rand.Rand, d int) (*vector.Set, []vector.Weighted) {
	s := vector.NewSet(d)
	topics := make([][]float32, 1+r.IntN(6))
	for i := range topics {
		topics[i] = randomVector(r, d)
	}
	var items []vector.Weighted
	for n := range state.Ord(r.IntN(80)) {
		switch r.IntN(10) {
		case 0:
			s.Put(n, randomVector(r, d))
		case 1: // without a vector
		default:
			s.Put(n, near(r, topics[r.IntN(len(topics))], 0.5+0.5*r.Float64()))
		}
		weight := float32(math.Exp2(-5 * r.Float64()))
		if r.IntN(3) == 0 {
			weight = -weight
		}
		items = append(items, vector.Weighted{Ord: n, Weight: weight})
		if r.IntN(8) == 0 {
			items = append(items, vector.Weighted{Ord: n, Weight: 0.25})
		}
	}
	return s, items
}

func TestInterestsAreWhatASlowComputationFinds(t *testing.T) {
	r := newRand(t)
	for range 400 {
		s, items := taste(r, 8+r.IntN(40))
		limit := r.IntN(6)
		got, want := vector.Interests(s, items, limit), slowInterests(s, items, limit)
		if len(got) != len(want) {
			t.Fatalf("%d interests, want %d", len(got), len(want))
		}
		for i := range got {
			if c := cosine(got[i].Vector, want[i].vector); c < 0.9999 {
				t.Fatalf("interest %d: cosine %v to what it should be", i, c)
			}
			if math.Abs(float64(got[i].Mass)-want[i].mass) > 1e-4 {
				t.Fatalf("interest %d: mass %v, want %v", i, got[i].Mass, want[i].mass)
			}
		}
	}
}

func TestInterestsAreUnitVectorsByMassInAnyOrderOfItems(t *testing.T) {
	r := newRand(t)
	for range 300 {
		s, items := taste(r, 24)
		got := vector.Interests(s, items, vector.MaxInterests)
		if len(got) > vector.MaxInterests {
			t.Fatalf("%d interests", len(got))
		}
		for i, x := range got {
			if math.Abs(length(x.Vector)-1) > 1e-5 {
				t.Fatalf("interest %d has length %v", i, length(x.Vector))
			}
			if !(x.Mass > 0) || i > 0 && x.Mass > got[i-1].Mass {
				t.Fatalf("interest %d has mass %v behind %v", i, x.Mass, got[max(i, 1)-1].Mass)
			}
		}
		r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		if again := vector.Interests(s, items, vector.MaxInterests); !reflect.DeepEqual(got, again) {
			t.Fatalf("in another order the interests are %v, were %v", again, got)
		}
	}
}

func TestMoreOfOneKindComesFirst(t *testing.T) {
	r := newRand(t)
	for range 100 {
		s := vector.NewSet(64)
		jazz, chess := randomVector(r, 64), randomVector(r, 64)
		var items []vector.Weighted
		like := func(topic []float32, n int) {
			for range n {
				ord := state.Ord(len(items))
				s.Put(ord, near(r, topic, 0.9))
				items = append(items, vector.Weighted{Ord: ord, Weight: 1})
			}
		}
		few := 2 + r.IntN(5)
		like(chess, few)
		like(jazz, few+1+r.IntN(20))
		got := vector.Interests(s, items, vector.MaxInterests)
		if len(got) != 2 {
			t.Fatalf("%d interests, want 2", len(got))
		}
		if cosine(got[0].Vector, jazz) < 0.9 || cosine(got[1].Vector, chess) < 0.9 {
			t.Fatalf("jazz should come first, then chess: cosines %v and %v",
				cosine(got[0].Vector, jazz), cosine(got[1].Vector, chess))
		}
		if got[0].Mass != float32(len(items)-few) || got[1].Mass != float32(few) {
			t.Fatalf("masses %v and %v of %d and %d items", got[0].Mass, got[1].Mass, len(items)-few, few)
		}
		if m := vector.Match(got, unit(chess)); m < 0.9 {
			t.Fatalf("chess fits by %v", m)
		}
	}
}

func TestDislikesRepel(t *testing.T) {
	r := newRand(t)
	for range 100 {
		s := vector.NewSet(48)
		topic, elsewhere := randomVector(r, 48), randomVector(r, 48)
		liked := []vector.Weighted{{Ord: 1, Weight: 1}, {Ord: 2, Weight: 1}, {Ord: 3, Weight: 1}}
		for _, w := range liked {
			s.Put(w.Ord, near(r, topic, 0.9))
		}
		s.Put(4, near(r, topic, 0.8))
		s.Put(5, elsewhere)
		before := vector.Interests(s, liked, 1)[0]
		after := vector.Interests(s, append(slices.Clone(liked), vector.Weighted{Ord: 4, Weight: -1}), 1)[0]
		if x, y := cosine(before.Vector, s.Get(4)), cosine(after.Vector, s.Get(4)); y >= x {
			t.Fatalf("the disliked item is as near as before: %v, was %v", y, x)
		}
		if cosine(before.Vector, after.Vector) < 0.9 || after.Mass >= before.Mass {
			t.Fatalf("one dislike changed the interest from %v to %v", before, after)
		}
		// What points away from an interest has nothing to do with it.
		away := make([]float32, 48)
		for i, x := range before.Vector {
			away[i] = -x
		}
		s.Put(6, away)
		same := vector.Interests(s, append(slices.Clone(liked), vector.Weighted{Ord: 6, Weight: -9}), 1)
		if !reflect.DeepEqual(same[0], before) {
			t.Fatal("dislike of the opposite changed an interest")
		}
		// β/γ = 5 times as much dislike leaves no interest.
		none := vector.Interests(s, append(slices.Clone(liked), vector.Weighted{Ord: 4, Weight: -15.1}), 1)
		if none != nil {
			t.Fatalf("more disliked than liked, but interests are %v", none)
		}
	}
}

func TestWhoLikedNothingHasNoInterests(t *testing.T) {
	s := vector.NewSet(2)
	s.Put(1, []float32{1, 0})
	s.Put(2, []float32{0, 1})
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, items := range map[string][]vector.Weighted{
		"nothing":          nil,
		"dislikes alone":   {{1, -1}, {2, -3}},
		"no vector":        {{9, 1}},
		"like taken back":  {{1, 1}, {1, -1}},
		"weights of 0":     {{1, 0}},
		"no number":        {{1, nan}, {2, inf}},
		"more than number": {{1, math.MaxFloat32}, {1, math.MaxFloat32}},
	} {
		if got := vector.Interests(s, items, 4); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := vector.Interests(s, []vector.Weighted{{1, 1}}, 0); got != nil {
		t.Errorf("none wanted: %v", got)
	}
	if m := vector.Match(nil, []float32{1, 0}); m != 0 {
		t.Errorf("without interests an item fits by %v", m)
	}
}

// slowInterests is the definition in 64 bits, without any care for time.
type slowInterest struct {
	vector []float32
	mass   float64
}

func slowInterests(s *vector.Set, items []vector.Weighted, limit int) []slowInterest {
	weights := map[state.Ord]float64{}
	for _, w := range items {
		weights[w.Ord] += float64(w.Weight)
	}
	var liked, disliked []state.Ord
	for n, w := range weights {
		if s.Get(n) != nil && w > 1e-9 {
			liked = append(liked, n)
		} else if s.Get(n) != nil && w < -1e-9 {
			disliked = append(disliked, n)
		}
	}
	byWeight := func(a, b state.Ord) int {
		return cmp.Or(cmp.Compare(math.Abs(weights[b]), math.Abs(weights[a])), cmp.Compare(a, b))
	}
	slices.SortFunc(liked, byWeight)
	slices.SortFunc(disliked, byWeight)

	var leaders []state.Ord
	mass := map[state.Ord]float64{}
	for _, n := range liked {
		best, at := 0.6, n
		for _, l := range leaders {
			if c := cosine(s.Get(l), s.Get(n)); c > best {
				best, at = c, l
			}
		}
		if at == n {
			leaders = append(leaders, n)
		}
		mass[at] += weights[n]
	}
	slices.SortStableFunc(leaders, func(a, b state.Ord) int { return cmp.Compare(mass[b], mass[a]) })
	var centres [][]float32
	for _, l := range leaders[:min(len(leaders), limit, 4)] {
		centres = append(centres, s.Get(l))
	}
	nearest := func(v []float32) int {
		at, best := -1, 0.0
		for i, c := range centres {
			if x := cosine(c, v); x > best {
				at, best = i, x
			}
		}
		return at
	}
	mean := func(items []state.Ord, i int) (sum []float64, total float64) {
		sum = make([]float64, s.Dimensions())
		for _, n := range items {
			if nearest(s.Get(n)) == i {
				w := math.Abs(weights[n])
				total += w
				for j, x := range s.Get(n) {
					sum[j] += w * float64(x)
				}
			}
		}
		for j := range sum {
			sum[j] /= max(total, 1e-300)
		}
		return sum, total
	}
	var masses []float64
	var means [][]float64
	for range 3 {
		masses, means = nil, nil
		next := slices.Clone(centres)
		for i := range centres {
			m, total := mean(liked, i)
			if masses, means = append(masses, total), append(means, m); total > 0 {
				next[i] = direction(m)
			}
		}
		centres = next
	}
	var out []slowInterest
	for i := range centres {
		n, total := mean(disliked, i)
		left := masses[i] - total*0.15/0.75
		if masses[i] == 0 || left <= 0 {
			continue
		}
		p := slices.Clone(means[i])
		for j := range p {
			p[j] = 0.75*p[j] - 0.15*min(1, total/masses[i])*n[j]
		}
		out = append(out, slowInterest{direction(p), left})
	}
	slices.SortStableFunc(out, func(a, b slowInterest) int { return cmp.Compare(b.mass, a.mass) })
	return out
}

func direction(v []float64) []float32 {
	var sum float64
	for _, x := range v {
		sum += x * x
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x / math.Sqrt(sum))
	}
	return out
}

func BenchmarkInterestsOf64x128(b *testing.B) {
	r := newRand(b)
	for _, kind := range []string{"topics", "unlike"} {
		s := vector.NewSet(128)
		var items []vector.Weighted
		topics := [][]float32{randomVector(r, 128), randomVector(r, 128), randomVector(r, 128)}
		for n := range state.Ord(64) {
			v := randomVector(r, 128)
			if kind == "topics" {
				v = near(r, topics[r.IntN(3)], 0.8)
			}
			s.Put(n, v)
			items = append(items, vector.Weighted{Ord: n, Weight: 1.2 - 0.4*float32(n%5)})
		}
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				vector.Interests(s, items, vector.MaxInterests)
			}
		})
	}
}
