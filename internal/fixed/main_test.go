package fixed_test

import (
	"flag"
	"math/big"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/testseed"
)

var update = flag.Bool("update", false, "rewrite golden and generated files")

// newRand returns a generator whose seed is printed when the test fails; TIDAL_SEED repeats a run.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := testseed.Of(t)
	return rand.New(rand.NewPCG(seed, 1))
}

// precision of the oracle, in bits. Its own errors are some 70 roundings, far below what is tested.
const precision = 192

// roots returns 2^(2⁻ᵏ) for k = 0..64, by repeated square roots.
var roots = sync.OnceValue(func() []*big.Float {
	out := []*big.Float{newFloat().SetInt64(2)}
	for k := 1; k <= 64; k++ {
		out = append(out, newFloat().Sqrt(out[k-1]))
	}
	return out
})

func newFloat() *big.Float { return new(big.Float).SetPrec(precision) }

// exactExp2 returns 2^(frac/2⁶⁴) as the product of the roots that the bits of frac name. It shares no table, constant
// or series with the package.
func exactExp2(frac uint64) *big.Float {
	r := newFloat().SetInt64(1)
	for k := 1; k <= 64; k++ {
		if frac>>(64-k)&1 == 1 {
			r.Mul(r, roots()[k])
		}
	}
	return r
}

// exactPow2 returns 2^(num/den) for den > 0, the exponent cut to 64 fractional bits, which loses a factor of at most
// 1 − 2⁻⁶⁴.
func exactPow2(num, den *big.Int) *big.Float {
	scaled := new(big.Int).Lsh(num, 64)
	scaled.Div(scaled, den) // Euclidean: floor for den > 0
	frac := new(big.Int).And(scaled, new(big.Int).SetUint64(1<<64-1)).Uint64()
	whole := new(big.Int).Rsh(scaled, 64).Int64()
	return newFloat().SetMantExp(exactExp2(frac), int(whole))
}

func bigInt(a fixed.Int128) *big.Int {
	r := new(big.Int).Lsh(big.NewInt(a.Hi), 64)
	return r.Add(r, new(big.Int).SetUint64(a.Lo))
}

// wrap returns v modulo 2¹²⁸ as a signed number.
func wrap(v *big.Int) fixed.Int128 {
	low := new(big.Int).And(v, new(big.Int).SetUint64(1<<64-1))
	high := new(big.Int).Rsh(v, 64)
	high.And(high, new(big.Int).SetUint64(1<<64-1))
	return fixed.Int128{Hi: int64(high.Uint64()), Lo: low.Uint64()}
}

// word returns a number whose bits tend to sit at edges: few ones, long runs, or random.
func word(r *rand.Rand) uint64 {
	switch r.IntN(5) {
	case 0:
		return uint64(r.IntN(3)) - 1
	case 1:
		return 1<<r.IntN(64) + uint64(r.IntN(3)) - 1
	case 2:
		return r.Uint64() >> r.IntN(64)
	case 3:
		return ^uint64(0) << r.IntN(64)
	}
	return r.Uint64()
}
