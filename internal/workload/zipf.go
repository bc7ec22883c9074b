package workload

import (
	"math/bits"
	"math/rand/v2"
)

// zipfScale is the weight of rank 1; rank k weighs zipfScale/k, rounded down. The rounding is at most one part in a
// million for a million ranks, and a share, n·zipfScale, stays below 2⁶¹.
const zipfScale = 1 << 40

// maxNames bounds items and users, for the sake of that share.
const maxNames = 1 << 20

// zipf draws ranks 0 … n−1 with probability proportional to 1/(rank+1). math/rand/v2 has no such thing: its Zipf needs
// an exponent above 1.
//
// It is Walker's alias method, with the tables as Vose builds them ("A linear algorithm for generating random numbers
// with a given distribution", IEEE Trans. Software Eng. 17, 1991), in integers: each of n columns is as wide as the
// sum of all weights and holds at most two ranks. A draw takes two random numbers and one look into the table, whatever
// n is.
type zipf struct {
	sum     uint64
	columns []column
}

// column gives [0, threshold) to its own rank and the rest, up to the sum, to the alias.
type column struct {
	threshold uint64
	alias     uint32
}

func newZipf(n int) *zipf {
	z := &zipf{columns: make([]column, n)}
	for k := range z.columns {
		z.sum += zipfScale / uint64(k+1)
	}
	// A rank's share is n times its weight, to be cut into columns of the sum's width. Ranks that don't fill theirs
	// take the rest from one that overflows.
	share := make([]uint64, n)
	var small, large []uint32
	for k := range share {
		share[k] = zipfScale / uint64(k+1) * uint64(n)
		if share[k] < z.sum {
			small = append(small, uint32(k))
		} else {
			large = append(large, uint32(k))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		z.columns[s] = column{share[s], l}
		share[l] -= z.sum - share[s]
		if share[l] < z.sum {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	// The arithmetic is exact: what is left over is exactly as wide as its column.
	for _, k := range append(small, large...) {
		z.columns[k] = column{z.sum, k}
	}
	return z
}

func (z *zipf) draw(r *rand.Rand) uint32 {
	k := uint32(below(r, uint64(len(z.columns))))
	c := &z.columns[k]
	if below(r, z.sum) < c.threshold {
		return k
	}
	return c.alias
}

// below returns a number under n by one multiplication. It is off by less than n/2⁶⁴, which for our n nobody can
// measure, and unlike rejection it takes exactly one number from the stream.
func below(r *rand.Rand, n uint64) uint64 {
	hi, _ := bits.Mul64(r.Uint64(), n)
	return hi
}
