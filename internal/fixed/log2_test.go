package fixed_test

import (
	"math/big"
	"testing"

	"github.com/tidaldb/tidal/internal/fixed"
)

// positive returns a random number above 0 of any length.
func positive(r interface {
	IntN(int) int
	Uint64() uint64
},
) fixed.Int128 {
	n := r.IntN(127)
	x := fixed.Int128{Hi: int64(r.Uint64() >> 1), Lo: r.Uint64()}.Shr(uint(n))
	if x.IsZero() {
		return fixed.FromInt64(1)
	}
	return x
}

func TestLog2IsWithinItsProvenBound(t *testing.T) {
	r := newRand(t)
	// |Log2 − log₂ x| < 0.51·2⁻³² as powers: x lies between 2^(got ± 0.51·2⁻³²).
	check := func(x fixed.Int128) {
		got := fixed.Log2(x)
		den := big.NewInt(100 << 32)
		centre := new(big.Int).Mul(big.NewInt(got), big.NewInt(100))
		low := exactPow2(new(big.Int).Sub(centre, big.NewInt(51)), den)
		high := exactPow2(new(big.Int).Add(centre, big.NewInt(51)), den)
		value := newFloat().SetInt(bigInt(x))
		if value.Cmp(low) <= 0 || value.Cmp(high) >= 0 {
			t.Fatalf("Log2(%v) = %d is off by more than 0.51", x, got)
		}
	}
	for n := range uint(127) {
		power, _ := fixed.FromInt64(1).Shl(n)
		if got := fixed.Log2(power); got != int64(n)<<32 {
			t.Fatalf("Log2(2^%d) = %d", n, got)
		}
		check(power)
		check(power.Add(fixed.FromInt64(1)))
		if n > 0 {
			check(power.Sub(fixed.FromInt64(1)))
		}
	}
	for range randomPoints / 2 {
		check(positive(r))
	}
}

func TestLog2NeverFalls(t *testing.T) {
	r := newRand(t)
	one := fixed.FromInt64(1)
	notAbove := func(x, y fixed.Int128) {
		if y.Sign() <= 0 {
			return // wrapped around
		}
		if a, b := fixed.Log2(x), fixed.Log2(y); a > b {
			t.Fatalf("Log2(%v) = %d but Log2(%v) = %d", x, a, y, b)
		}
	}
	// Around every table boundary, at every scale, and around the places where the cut word steps.
	for n := uint(8); n < 127; n++ {
		for i := range int64(256) {
			x, _ := fixed.FromInt64(256 + i).Shl(n - 8)
			for range 3 {
				notAbove(x.Sub(one), x)
				x = x.Add(one)
			}
			step, _ := fixed.FromInt64(int64(1 + r.IntN(1<<20))).Shl(n / 2)
			notAbove(x, x.Add(step))
		}
	}
	for range 3 * randomPoints {
		x := positive(r)
		notAbove(x, x.Add(fixed.FromInt64(int64(1+r.Uint64()>>1>>r.IntN(63)))))
		notAbove(x, x.Add(one))
	}
	// Small numbers, all of them in order.
	for x := int64(1); x < 1<<17; x++ {
		notAbove(fixed.FromInt64(x), fixed.FromInt64(x+1))
	}
}

func TestLog2PanicsBelowOne(t *testing.T) {
	mustPanic(t, func() { fixed.Log2(fixed.Int128{}) })
	mustPanic(t, func() { fixed.Log2(fixed.FromInt64(-1)) })
}

func BenchmarkLog2(b *testing.B) {
	x := fixed.Int128{Hi: 0, Lo: 0x123456789abcdef}
	for b.Loop() {
		x.Lo ^= uint64(fixed.Log2(x)) << 3
	}
}
