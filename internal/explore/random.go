package explore

import (
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
)

// generator makes random numbers from a seed and a name.
type generator struct{ pcg *rand.PCG }

func newGenerator(seed uint64, name string) generator {
	h := fnv.New64a()
	h.Write([]byte(name))
	return generator{rand.NewPCG(seed, h.Sum64())}
}

// below is uniform on 0, …, n−1, for n ≥ 1: the high word of a product, after what would make some results more
// frequent is drawn again (D. Lemire, Fast Random Integer Generation in an Interval, ACM TOMACS 29(1), 2019).
func (g generator) below(n int) int {
	high, low := bits.Mul64(g.pcg.Uint64(), uint64(n))
	if low < uint64(n) {
		for uneven := -uint64(n) % uint64(n); low < uneven; {
			high, low = bits.Mul64(g.pcg.Uint64(), uint64(n))
		}
	}
	return int(high)
}

// fraction is uniform on [0, 1), in steps of 2⁻⁵³.
func (g generator) fraction() float64 { return float64(g.pcg.Uint64()>>11) / (1 << 53) }
