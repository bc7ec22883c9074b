package ope

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// hall is the transformation of a studentised mean, as published: its third cumulant vanishes, and it rises everywhere.
func hall(t, skew float64) float64 {
	return t + skew*t*t/3 + skew*skew*t*t*t/27 + skew/6
}

// The interval is what the transformation makes normal.
func TestUnskewedInvertsHallsTransformation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, skew := rapid.Float64Range(-3, 3).Draw(t, "x"), rapid.Float64Range(-1, 1).Draw(t, "skew")
		if got := hall(unskewed(x, skew), skew); math.Abs(got-x) > 1e-6 {
			t.Fatalf("hall(unskewed(%v)) is %v for skewness %v", x, got, skew)
		}
	})
}

func TestIntervals(t *testing.T) {
	even := make([]float64, 100)
	for i := range even {
		even[i] = 0.004 * float64(1-2*(i%2))
	}
	e := interval(0.3, even)
	half := z975 * 0.04 * math.Sqrt(100.0/99)
	if math.Abs(e.High-0.3-half) > 1e-12 || math.Abs(0.3-e.Low-half) > 1e-12 {
		t.Errorf("without skewness it isn't the normal one: %+v", e)
	}
	rare := make([]float64, 1000) // five clicks in a thousand
	for i := range rare {
		rare[i] = -0.005 / 1000
		if i%200 == 0 {
			rare[i] = 0.995 / 1000
		}
	}
	// For five of a thousand Clopper and Pearson say 0.0016 to 0.0116, and Wilson 0.0021 to 0.0117; the normal interval
	// begins at 0.0006 and ends at 0.0094.
	if e = interval(0.005, rare); e.Low < 0.0013 || e.Low > 0.0027 || e.High < 0.0112 || e.High > 0.0135 {
		t.Errorf("rare clicks: %+v", e)
	}
	if e = interval(1.2, even); e.Value != 1.2 || e.High != 1 || e.Low != 1 {
		t.Errorf("beyond 1: %+v", e)
	}
	if e = interval(0.5, make([]float64, 9)); e.Low != 0 || e.High != 1 || e.StdErr != 0 {
		t.Errorf("nothing varies: %+v", e)
	}
}
