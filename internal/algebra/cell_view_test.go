package algebra_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fixed"
)

// TestAViewedCellIsADecodedCell does everything with a cell twice, once decoded and once viewed, through all forms of
// the sketch: empty, sparse, dense.
func TestAViewedCellIsADecodedCell(t *testing.T) {
	shape := algebra.Shape{HalfLives: []int64{3_600_000}, Buckets: true, Unique: true}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		var b []byte
		users := 1 << (2 * (seed % 7)) // up to 4,096: far into the dense form
		for i := range 4000 {
			var decoded, viewed algebra.SignalState
			if err := algebra.DecodeSignalState(b, &decoded); err != nil {
				t.Fatalf("seed %d, step %d: decode: %v", seed, i, err)
			}
			if err := algebra.ViewSignalState(b, &viewed); err != nil {
				t.Fatalf("seed %d, step %d: view: %v", seed, i, err)
			}
			if i%97 == 0 && (decoded.Unique() != viewed.Unique() || decoded.IsZero() != viewed.IsZero()) {
				t.Fatalf("seed %d, step %d: reads differ", seed, i)
			}
			user := rand.New(rand.NewPCG(uint64(r.IntN(users)), 99)).Uint64()
			for _, s := range []*algebra.SignalState{&decoded, &viewed} {
				s.Add(shape, int64(i)*1000, fixed.One)
				s.AddUnique(user)
			}
			if i%31 == 0 {
				other := viewed.Clone()
				viewed.Merge(other)
				decoded.Merge(other)
			}
			want, got := decoded.AppendBinary(nil), viewed.AppendBinary(nil)
			if !bytes.Equal(want, got) {
				t.Fatalf("seed %d, step %d: viewed cell\n%x\ndecoded\n%x", seed, i, got, want)
			}
			b = want
		}
	}
}

func BenchmarkViewAddEncodeUnique(b *testing.B) {
	shape := algebra.Shape{HalfLives: []int64{3_600_000, 86_400_000}, Buckets: true, Unique: true}
	var s algebra.SignalState
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 20_000 {
		s.Add(shape, int64(i)*500, fixed.One)
		s.AddUnique(r.Uint64())
	}
	cell := s.AppendBinary(nil)
	var out []byte
	for i := 0; b.Loop(); i++ {
		if err := algebra.ViewSignalState(cell, &s); err != nil {
			b.Fatal(err)
		}
		s.Add(shape, 20_000*500, fixed.One)
		s.AddUnique(uint64(i) * 0x9e3779b97f4a7c15)
		out = s.AppendBinary(out[:0])
	}
}
