package ope

import "math"

// interval is the 95 % interval of a mean, given by how much each independent part moves it: these influences add up
// to 0, and their squares to the variance.
//
// Rewards are mostly rare and weights mostly small, so the influences are skewed to the right: a sample without its few
// large ones has both a low mean and a small variance, and the plain normal interval then lies too low, far more often
// than it lies too high. The interval here is the one of Hall's transformation, a cubic that takes the skewness out of the
// statistic and can be inverted (P. Hall, On the Removal of Skewness by Transformation, JRSS B 54, 1992). With no skewness
// it is the normal one.
//
// It ends at 0 and 1, between which mean rewards lie. The value may lie outside where weights are large. Where no part
// moves the mean, as in a log without rewards, nothing says how sure it is, and the interval is from 0 to 1.
func interval(value float64, influences []float64) Estimate {
	n := float64(len(influences))
	var squares, cubes float64
	for _, x := range influences {
		squares += x * x
		cubes += x * x * x
	}
	if squares < 1e-24 { // a thousand million rounds with one reward have 1e-18; less is rounding
		return Estimate{Value: value, High: 1}
	}
	e := Estimate{Value: value, StdErr: math.Sqrt(squares * n / (n - 1))}
	skew := cubes / math.Pow(squares, 1.5) // skewness over √n
	e.Low = min(1, max(0, value-e.StdErr*unskewed(z975, skew)))
	e.High = min(1, max(0, value-e.StdErr*unskewed(-z975, skew)))
	return e
}

// z975 is the 97.5 % quantile of the normal distribution.
const z975 = 1.959963984540054

// unskewed returns the quantile of a studentised mean to which Hall's transformation gives the normal quantile x; skew is
// the skewness of the influences over the square root of their number.
func unskewed(x, skew float64) float64 {
	if math.Abs(skew) < 1e-9 {
		return x
	}
	return 3 / skew * (math.Cbrt(1+skew*(x-skew/6)) - 1)
}
