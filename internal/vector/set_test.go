package vector_test

import (
	"math"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
)

func checkSet(t *testing.T, s *vector.Set, m model, ords state.Ord) {
	t.Helper()
	if s.Len() != len(m) {
		t.Fatalf("the set has %d vectors, should have %d", s.Len(), len(m))
	}
	for n := range ords {
		got, want := s.Get(n), m[n]
		if (got == nil) != (want == nil) {
			t.Fatalf("ordinal %d: got %v, want %v", n, got, want)
		}
		if want != nil && !slices.Equal(got, unit(want)) {
			t.Fatalf("ordinal %d: got %v, want %v", n, got, unit(want))
		}
	}
}

func TestSetHoldsWhatAMapHolds(t *testing.T) {
	r := newRand(t)
	for range 20 {
		d, ords := 1+r.IntN(70), state.Ord(1+r.IntN(1500))
		s, m := vector.NewSet(d), model{}
		for step := range 4000 {
			n := state.Ord(r.IntN(int(ords)))
			if r.IntN(5) < 2 || step > 3000 && r.IntN(3) > 0 {
				s.Remove(n)
				delete(m, n)
			} else {
				v := randomVector(r, d)
				if !s.Put(n, v) {
					t.Fatalf("%v was refused", v)
				}
				m[n] = v
			}
			if step%500 == 0 {
				checkSet(t, s, m, ords)
			}
		}
		checkSet(t, s, m, ords)
		for n := range ords {
			s.Remove(n)
		}
		if checkSet(t, s, model{}, ords); s.Memory() > 2*256*d*4+1<<16 {
			t.Errorf("an empty set keeps %d bytes", s.Memory())
		}
	}
}

func TestWhatIsNoDirectionIsNoVector(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for name, v := range map[string][]float32{
		"zero":           {0, 0, 0},
		"infinite":       {1, inf, 0},
		"not a number":   {1, 0, nan},
		"too short":      {1, 0},
		"too long":       {1, 0, 0, 0},
		"nothing at all": nil,
	} {
		s := vector.NewSet(3)
		s.Put(7, []float32{1, 2, 2})
		if s.Put(7, v) {
			t.Errorf("%s: %v was accepted", name, v)
		}
		if s.Get(7) != nil || s.Len() != 0 {
			t.Errorf("%s: the vector before it is still there", name)
		}
	}
}

func TestVectorsHaveLengthOneWhateverTheirSize(t *testing.T) {
	s := vector.NewSet(2)
	for _, v := range [][]float32{{3, 4}, {3e-45, 4e-45}, {1.5e38, 2e38}, {-3e30, 4e-30}} {
		if !s.Put(1, v) {
			t.Fatalf("%v was refused", v)
		}
		if l := length(s.Get(1)); math.Abs(l-1) > 1e-6 {
			t.Errorf("%v: the length is %v", v, l)
		}
	}
}

func TestSimilarityIsTheCosine(t *testing.T) {
	r := newRand(t)
	s, m := build(r, 33, 60)
	q := unit(randomVector(r, 33))
	var ords []state.Ord
	for a := range state.Ord(180) {
		ords = append(ords, a)
		for b := range state.Ord(180) {
			var want float64
			if m[a] != nil && m[b] != nil {
				want = cosine(m[a], m[b])
			}
			if got := s.Similarity(a, b); math.Abs(float64(got)-want) > 1e-5 {
				t.Fatalf("items %d and %d: got %v, want %v", a, b, got, want)
			}
			if s.Similarity(a, b) != s.Similarity(b, a) {
				t.Fatalf("items %d and %d aren't as alike as the other way round", a, b)
			}
		}
	}
	all := s.Similarities(q, ords, nil)
	for i, n := range ords {
		var want float64
		if m[n] != nil {
			want = cosine(m[n], q)
		}
		if math.Abs(float64(all[i])-want) > 1e-5 {
			t.Fatalf("item %d: got %v, want %v", n, all[i], want)
		}
	}
	if odd := s.Similarities(q[:5], ords[:3], nil); !slices.Equal(odd, []float32{0, 0, 0}) {
		t.Errorf("a query of another size has similarities %v", odd)
	}
}
