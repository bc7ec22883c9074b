package fixed_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
)

func TestParseWeightRefusesEachBadNumberWithItsReason(t *testing.T) {
	for _, c := range []struct {
		f      float64
		reason string
	}{
		{math.NaN(), "not a number"},
		{math.Inf(1), "infinite"},
		{math.Inf(-1), "infinite"},
		{0, "above 0"},
		{math.Copysign(0, -1), "above 0"},
		{-1.5, "above 0"},
		{math.Nextafter(1e6, 2e6), "greatest weight"},
		{math.MaxFloat64, "greatest weight"},
		{math.Ldexp(1, -25), "rounds to 0"},
		{math.SmallestNonzeroFloat64, "rounds to 0"},
	} {
		w, err := fixed.ParseWeight(c.f)
		var in *fault.Input
		if !errors.As(err, &in) || in.Field != "weight" || !strings.Contains(in.Reason, c.reason) || w != 0 {
			t.Errorf("ParseWeight(%v) = %d, %v; want a refusal about %q", c.f, w, err, c.reason)
		}
	}
}

func TestParseWeightRoundsHalfToEven(t *testing.T) {
	unit := math.Ldexp(1, -24)
	for _, c := range []struct {
		f    float64
		want fixed.Weight
	}{
		{1, fixed.One},
		{1e6, fixed.MaxWeight},
		{unit, 1},
		{math.Nextafter(unit/2, 1), 1},
		{1.5 * unit, 2},
		{2.5 * unit, 2},
		{3.5 * unit, 4},
		{0.1, 1677722},
	} {
		w, err := fixed.ParseWeight(c.f)
		if err != nil || w != c.want {
			t.Errorf("ParseWeight(%v) = %d, %v; want %d", c.f, w, err, c.want)
		}
	}
}

func TestWeightsRoundTripAndAreNearest(t *testing.T) {
	r := newRand(t)
	half := big.NewRat(1, 2)
	for range 100_000 {
		f := r.Float64() * math.Pow(10, float64(r.IntN(14)-7))
		w, err := fixed.ParseWeight(f)
		if err != nil {
			if f >= math.Ldexp(1, -24) && f <= 1e6 {
				t.Fatalf("ParseWeight(%v): %v", f, err)
			}
			continue
		}
		exact := new(big.Rat).SetFloat64(f)
		exact.Mul(exact, big.NewRat(1<<24, 1)).Sub(exact, big.NewRat(int64(w), 1))
		if exact.Abs(exact).Cmp(half) > 0 {
			t.Fatalf("ParseWeight(%v) = %d is not the nearest", f, w)
		}
		if again, err := fixed.ParseWeight(w.Float()); err != nil || again != w || !w.Valid() {
			t.Fatalf("weight %d comes back as %d, %v", w, again, err)
		}
	}
}
