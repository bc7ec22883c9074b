package fixed_test

import (
	"math/big"
	"testing"

	"github.com/tidaldb/tidal/internal/fixed"
)

const randomPoints = 200_000

// exp2Edges are exponents around the places where a table index or a rounding changes.
func exp2Edges() []uint64 {
	edges := []uint64{0, 1, 2, 3, 1<<64 - 1, 1<<64 - 2, 1<<64 - 3, 1 << 63, 1<<63 - 1}
	for _, shift := range []uint{40, 48, 56} {
		for i := range uint64(256) {
			edges = append(edges, i<<shift, i<<shift-1, i<<shift+1, i<<shift|(1<<shift-1))
		}
	}
	return edges
}

func TestExp2IsWithinItsProvenBound(t *testing.T) {
	r := newRand(t)
	bound := newFloat().SetFloat64(0.77)
	worst := newFloat()
	check := func(frac uint64) {
		got := fixed.Exp2(frac)
		diff := newFloat().SetUint64(got)
		diff.Sub(diff, scale(exactExp2(frac), 62)).Abs(diff)
		if diff.Cmp(bound) >= 0 || got < 1<<62 || got > 1<<63 {
			t.Fatalf("Exp2(%#x) = %#x, off by %.3f", frac, got, diff)
		}
		if diff.Cmp(worst) > 0 {
			worst = diff
		}
	}
	for _, frac := range exp2Edges() {
		check(frac)
	}
	for range randomPoints {
		check(r.Uint64())
	}
	for range randomPoints / 10 {
		check(word(r))
	}
	t.Logf("largest error %.4f units of 2^-62", worst)
}

func TestExp2OfZeroIsExactlyOne(t *testing.T) {
	if got := fixed.Exp2(0); got != 1<<62 {
		t.Fatalf("Exp2(0) = %#x", got)
	}
}

func TestGrowIsWithinItsProvenBound(t *testing.T) {
	r := newRand(t)
	bound := newFloat().SetFloat64(0.5 + 1.0/512)
	worst := newFloat()
	halfLives := []int64{
		1, 2, 3, 7, 999, 60_000, 3_600_000, 21_600_000, 86_400_000, 604_800_000, 1 << 40, fixed.MaxHalfLife,
	}
	for n := range randomPoints {
		half := halfLives[n%len(halfLives)]
		if r.IntN(4) == 0 {
			half = 1 + int64(word(r)%fixed.MaxHalfLife)
		}
		elapsed := int64(r.Uint64N(uint64(half) << 3))
		switch r.IntN(8) {
		case 0:
			elapsed = half<<3 - 1
		case 1:
			elapsed = half * int64(r.IntN(8))
		}
		w := fixed.Weight(1 + word(r)%uint64(fixed.MaxWeight))
		if r.IntN(3) == 0 {
			w = fixed.MaxWeight
		}
		got := fixed.Grow(w, elapsed, half)
		exact := exactPow2(big.NewInt(elapsed), big.NewInt(half))
		exact.Mul(exact, newFloat().SetInt64(int64(w)))
		diff := newFloat().Sub(newFloat().SetInt64(got), exact)
		diff.Abs(diff)
		if diff.Cmp(bound) >= 0 {
			t.Fatalf("Grow(%d, %d, %d) = %d, off by %.6f", w, elapsed, half, got, diff)
		}
		if diff.Cmp(worst) > 0 {
			worst = diff
		}
	}
	t.Logf("largest error %.6f", worst)
}

func TestGrowIsExactAtWholeHalfLives(t *testing.T) {
	for _, half := range []int64{1, 3, 86_400_000, fixed.MaxHalfLife} {
		for n := range int64(8) {
			for _, w := range []fixed.Weight{1, 3, fixed.One, fixed.MaxWeight} {
				if got, want := fixed.Grow(w, n*half, half), int64(w)<<n; got != want {
					t.Errorf("Grow(%d, %d, %d) = %d, want %d", w, n*half, half, got, want)
				}
			}
		}
	}
}

func TestGrowPanicsOutsideItsDomain(t *testing.T) {
	for _, c := range []struct {
		w             fixed.Weight
		elapsed, half int64
	}{
		{0, 0, 1},
		{-1, 0, 1},
		{fixed.MaxWeight + 1, 0, 1},
		{1, -1, 1},
		{1, 8, 1},
		{1, 0, 0},
		{1, 0, -5},
		{1, 0, fixed.MaxHalfLife + 1},
	} {
		mustPanic(t, func() { fixed.Grow(c.w, c.elapsed, c.half) })
	}
}

func mustPanic(t *testing.T, call func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic outside the domain")
		}
	}()
	call()
}

func BenchmarkExp2(b *testing.B) {
	x := uint64(0x9e3779b97f4a7c15)
	for b.Loop() {
		x += fixed.Exp2(x)
	}
}

func BenchmarkGrow(b *testing.B) {
	const half = 86_400_000
	elapsed := int64(1)
	for b.Loop() {
		elapsed = (elapsed + fixed.Grow(fixed.One, elapsed, half)) & (1<<29 - 1)
	}
}
