package vector_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/vector"
)

// newRand returns a generator whose seed is logged; TIDAL_SEED repeats a run.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := testseed.Of(t)
	return rand.New(rand.NewPCG(seed, 1))
}

func randomVector(r *rand.Rand, d int) []float32 {
	v := make([]float32, d)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// near is a vector at about the given cosine to v, or more.
func near(r *rand.Rand, v []float32, cosine float64) []float32 {
	noise := randomVector(r, len(v))
	scale := math.Tan(math.Acos(cosine)) * length(v) / length(noise)
	out := make([]float32, len(v))
	for i := range v {
		out[i] = v[i] + float32(scale)*noise[i]
	}
	return out
}

func length(v []float32) float64 { return math.Sqrt(dot(v, v)) }

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func cosine(a, b []float32) float64 { return dot(a, b) / length(a) / length(b) }

func unit(v []float32) []float32 {
	l := length(v)
	out := make([]float32, len(v))
	for i := range v {
		out[i] = float32(float64(v[i]) / l)
	}
	return out
}

// model is a set as a map, with vectors as they were put.
type model map[state.Ord][]float32

// build makes a set and its model: n items with gaps between their ordinals, some of them alike, some removed again.
func build(r *rand.Rand, d, n int) (*vector.Set, model) {
	s, m := vector.NewSet(d), model{}
	var last []float32
	for i := range n {
		ord := state.Ord(3*i + r.IntN(3))
		if last == nil || r.IntN(8) > 0 {
			last = randomVector(r, d)
		}
		s.Put(ord, last)
		m[ord] = last
	}
	for ord := range m {
		if r.IntN(4) == 0 {
			s.Remove(ord)
			delete(m, ord)
		}
	}
	return s, m
}
