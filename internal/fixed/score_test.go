package fixed_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/tidaldb/tidal/internal/fixed"
)

// exactScore is the score as a big number.
func exactScore(s fixed.Score) *big.Float {
	return newFloat().SetMantExp(newFloat().SetUint64(s.Mant), int(s.Exp))
}

func TestDecayedIsWithinItsProvenBound(t *testing.T) {
	r := newRand(t)
	bound := newFloat().SetMantExp(newFloat().SetInt64(1), -60)
	for range randomPoints / 2 {
		acc := positive(r)
		half := 1 + int64(word(r)%fixed.MaxHalfLife)
		elapsed := int64(word(r) >> 1)
		if elapsed/half > 1<<20 {
			elapsed %= half << 3
		}
		shift := r.IntN(200) - 100
		got := fixed.Decayed(acc, elapsed, half, shift)
		if got.Mant>>63 != 1 {
			t.Fatalf("Decayed(%v, %d, %d, %d) has mantissa %#x", acc, elapsed, half, shift, got.Mant)
		}
		want := newFloat().SetInt(bigInt(acc))
		want.Mul(want, exactPow2(big.NewInt(-elapsed), big.NewInt(half)))
		want.SetMantExp(want, -shift)
		diff := newFloat().Sub(exactScore(got), want)
		if diff.Abs(diff).Quo(diff, want).Cmp(bound) >= 0 {
			t.Fatalf("Decayed(%v, %d, %d, %d) is off by %.3g", acc, elapsed, half, shift, diff)
		}
	}
}

func TestDecayedKeepsPowersOfTwoExact(t *testing.T) {
	for n := range int64(200) {
		got := fixed.Decayed(fixed.FromInt64(3<<24), n*1000, 1000, 24)
		if want := math.Ldexp(3, -int(n)); got.Float() != want {
			t.Fatalf("3 after %d half-lives is %v, want %v", n, got.Float(), want)
		}
	}
}

func TestDecayedOfNothingIsZero(t *testing.T) {
	zero := fixed.Score{}
	for _, got := range []fixed.Score{
		fixed.Decayed(fixed.Int128{}, 0, 1, 0),
		fixed.Decayed(fixed.FromInt64(-1), 0, 1, 0),
		fixed.Decayed(fixed.Int128{Hi: math.MinInt64}, 5, 1, 0),
		fixed.Decayed(fixed.FromInt64(1), math.MaxInt64, 1, 0),
	} {
		if got != zero || !got.IsZero() || got.Float() != 0 {
			t.Errorf("got %+v, want zero", got)
		}
	}
	mustPanic(t, func() { fixed.Decayed(fixed.FromInt64(1), -1, 1, 0) })
	mustPanic(t, func() { fixed.Decayed(fixed.FromInt64(1), 0, 0, 0) })
	mustPanic(t, func() { fixed.Decayed(fixed.FromInt64(1), 0, 1, 1<<21) })
}

func TestScoreFloatIsTheNearestFloat(t *testing.T) {
	r := newRand(t)
	check := func(s fixed.Score) {
		want, _ := exactScore(s).Float64()
		if want > math.MaxFloat64 {
			want = math.MaxFloat64
		}
		if got := s.Float(); got != want {
			t.Fatalf("%+v is %v (%#x), want %v (%#x)", s, got, math.Float64bits(got), want, math.Float64bits(want))
		}
	}
	mants := []uint64{
		1 << 63, 1<<63 + 1, 1<<64 - 1, 1<<64 - 1<<10, 1<<64 - 1<<10 - 1, 1<<63 | 1<<10, 1<<63 | 3<<10, 1<<63 | 1<<11,
	}
	for exp := int32(-1200); exp < 1100; exp++ {
		for _, m := range mants {
			check(fixed.Score{Mant: m, Exp: exp})
		}
		for range 30 {
			check(fixed.Score{Mant: 1<<63 | word(r), Exp: exp})
		}
	}
	for _, exp := range []int32{math.MinInt32, -1 << 30, 1 << 30, math.MaxInt32} {
		got := fixed.Score{Mant: 1 << 63, Exp: exp}.Float()
		if exp < 0 && got != 0 || exp > 0 && got != math.MaxFloat64 {
			t.Errorf("exponent %d gives %v", exp, got)
		}
	}
}

func TestScoresCompareAsTheirValuesDo(t *testing.T) {
	r := newRand(t)
	pick := func() fixed.Score {
		if r.IntN(6) == 0 {
			return fixed.Score{}
		}
		return fixed.Score{Mant: 1<<63 | uint64(r.IntN(3)), Exp: int32(r.IntN(5) - 2)}
	}
	for range 10_000 {
		a, b := pick(), pick()
		if got, want := a.Cmp(b), exactScore(a).Cmp(exactScore(b)); got != want {
			t.Fatalf("%+v against %+v: %d, want %d", a, b, got, want)
		}
	}
}
