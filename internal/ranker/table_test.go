package ranker

import (
	"math/rand/v2"
	"testing"
)

func TestTableHoldsWhatAMapHolds(t *testing.T) {
	rng := dice(t)
	var x table[int]
	for range 50 {
		x.reset()
		want := map[uint32]int{}
		for range rng.IntN(3000) {
			key := rng.Uint32N(1 << rng.IntN(32))
			*x.at(key) += 3
			want[key] += 3
			probe := rng.Uint32N(100)
			if got, ok := x.get(probe); got != want[probe] || ok != (want[probe] != 0) {
				t.Fatalf("key %d is %d, %v, want %d", probe, got, ok, want[probe])
			}
		}
		seen := 0
		x.each(func(key uint32, v *int) {
			seen++
			if *v != want[key] {
				t.Fatalf("key %d is %d, want %d", key, *v, want[key])
			}
		})
		if seen != len(want) || x.len() != len(want) {
			t.Fatalf("%d keys, %d by count, want %d", seen, x.len(), len(want))
		}
	}
}

func BenchmarkTable(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	keys := make([]uint32, 4096)
	for i := range keys {
		keys[i] = rng.Uint32N(1 << 20)
	}
	var x table[float32]
	b.ReportAllocs()
	for b.Loop() {
		x.reset()
		for _, k := range keys {
			*x.at(k)++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4096, "ns/add")
}
