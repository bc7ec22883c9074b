package eval

import (
	"math/rand/v2"
	"slices"
)

// resamples is how often the users are drawn anew.
const resamples = 2000

// Interval is a mean, or a difference of means, with its 95 % interval.
type Interval struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Bootstrap returns the mean of the users' differences, and the interval in which 95 % of the means lie that 2,000
// samples of as many users have, drawn with replacement (the percentile method: Efron and Tibshirani, "An Introduction
// to the Bootstrap", 1993, chapter 13). Pairing by user takes out that some users are harder than others for everybody.
// The same seed gives the same interval.
func Bootstrap(differences []float64, seed uint64) Interval {
	if len(differences) == 0 {
		return Interval{}
	}
	out := Interval{Mean: mean(differences)}
	rng := rand.New(rand.NewPCG(seed, 0x626f6f74))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range differences {
			sum += differences[rng.IntN(len(differences))]
		}
		means[i] = sum / float64(len(differences))
	}
	slices.Sort(means)
	out.Low, out.High = means[resamples*25/1000], means[resamples*975/1000-1]
	return out
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}
