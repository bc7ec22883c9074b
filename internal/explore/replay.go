package explore

import (
	"iter"
	"math"
)

// Logged is an item that exploration showed, and what came of it.
type Logged[C any, A comparable] struct {
	// Context is whatever a policy looks at to choose: the user, the time, the pool.
	Context C
	// Shown is the item.
	Shown A
	// Propensity is the probability with which it was chosen among those that the context offers, in (0, 1]:
	// [Pick.Propensity].
	Propensity float64
	// Reward is what came of it, such as 1 for a click and 0 for none.
	Reward float64
}

// Estimate says how a policy would have done, in rewards for each place that it fills.
type Estimate struct {
	// Mean is the average reward of the places for which the policy chose what was shown, each weighted by one over its
	// propensity; 0 if there is none. StdErr is its standard error; 0, and unknown, for fewer than two.
	Mean, StdErr float64
	// HorvitzThompson is the sum of those rewards, each divided by its propensity, over all places. It is unbiased, for
	// a policy that doesn't learn, while Mean is only nearly so, but it varies more. HorvitzThompsonStdErr is its
	// standard error.
	HorvitzThompson, HorvitzThompsonStdErr float64
	// Logged is how many places were looked at, Matched for how many of them the policy chose what was shown.
	Logged, Matched int
	// Refused is how many entries of the log weren't looked at, because their propensity isn't in (0, 1] or their
	// reward isn't finite.
	Refused int
}

// Replay estimates the reward of a policy from a log of exploration: for each place the policy chooses in the context
// of then, and the places where it chose what was shown count. That needs no model of rewards, and no experiment, but
// that each choice of the policy had a chance to be shown (L. Li, W. Chu, J. Langford, X. Wang, Unbiased Offline
// Evaluation of Contextual-Bandit-Based News Article Recommendation Algorithms, WSDM 2011). That paper's log is
// uniform, all propensities being equal, and then Mean is its estimate; else it is the self-normalised one (T.
// Hesterberg, Weighted Average Importance Sampling and Defensive Mixture Distributions, Technometrics 37, 1995).
//
// The log comes in the order of time. A policy that learns is told of each match by learn, and of nothing else, which
// is what it would have seen; learn is nil for one that doesn't.
func Replay[C any, A comparable](log iter.Seq[Logged[C, A]], choose func(C) A, learn func(Logged[C, A])) Estimate {
	var e Estimate
	var s sums
	for entry := range log {
		p, reward := entry.Propensity, entry.Reward
		if !(p > 0 && p <= 1) || reward-reward != 0 {
			e.Refused++
			continue
		}
		e.Logged++
		if choose(entry.Context) != entry.Shown {
			continue
		}
		e.Matched++
		s.add(1/p, reward)
		if learn != nil {
			learn(entry)
		}
	}
	e.Mean, e.StdErr = s.ratio(float64(e.Matched))
	e.HorvitzThompson, e.HorvitzThompsonStdErr = s.total(float64(e.Logged))
	return e
}

// sums of weights w and rewards r over the matches.
type sums struct{ w, wr, ww, wwr, wwrr float64 }

func (s *sums) add(w, r float64) {
	s.w += w
	s.wr += w * r
	s.ww += w * w
	s.wwr += w * w * r
	s.wwrr += w * w * r * r
}

// ratio is Σwr/Σw of n matches, and its standard error by the delta method: √(n/(n−1)·Σw²(r−mean)²)/Σw.
func (s *sums) ratio(n float64) (mean, stdErr float64) {
	if n == 0 {
		return 0, 0
	}
	mean = s.wr / s.w
	if n == 1 {
		return mean, 0
	}
	squares := max(0, s.wwrr-2*mean*s.wwr+mean*mean*s.ww)
	return mean, math.Sqrt(n/(n-1)*squares) / s.w
}

// total is Σwr/n of n places, those without a match being 0, and the standard error of that mean.
func (s *sums) total(n float64) (mean, stdErr float64) {
	if n == 0 {
		return 0, 0
	}
	mean = s.wr / n
	if n == 1 {
		return mean, 0
	}
	return mean, math.Sqrt(max(0, s.wwrr-n*mean*mean)/(n-1)) / math.Sqrt(n)
}
