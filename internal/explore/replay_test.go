package explore_test

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/explore"
)

// world is a made-up one: users are numbers, and user u likes item (u+i)%items with a probability that is known.
type world struct{ items int }

func (w world) chance(user, item int) float64 {
	return 0.05 + 0.6*float64((user+item)%w.items)/float64(w.items)
}

// log is what n places show to random users, drawn with the given probabilities of items.
func (w world) log(r *rand.Rand, n int, chances []float64) iter.Seq[explore.Logged[int, int]] {
	return func(yield func(explore.Logged[int, int]) bool) {
		for range n {
			user, u, item := r.IntN(7), r.Float64(), 0
			for ; item < w.items-1 && u >= chances[item]; item++ {
				u -= chances[item]
			}
			reward := 0.0
			if r.Float64() < w.chance(user, item) {
				reward = 1
			}
			if !yield(explore.Logged[int, int]{user, item, chances[item], reward}) {
				return
			}
		}
	}
}

// value is the true reward of a policy.
func (w world) value(choose func(int) int) (sum float64) {
	for user := range 7 {
		sum += w.chance(user, choose(user))
	}
	return sum / 7
}

var (
	even   = []float64{0.2, 0.2, 0.2, 0.2, 0.2}
	uneven = []float64{0.5, 0.25, 0.15, 0.06, 0.04}
)

// TestReplayFindsTheTrueReward runs many logs: estimates are right on average, and lie within two standard errors as
// often as they should, for both ways to log and both ways to estimate.
func TestReplayFindsTheTrueReward(t *testing.T) {
	r := newRand(t)
	w := world{5}
	choose := func(user int) int { return (2*user + 1) % 5 }
	truth := w.value(choose)
	for name, chances := range map[string][]float64{"even": even, "uneven": uneven} {
		const runs = 600
		var mean, ht, within, withinHT float64
		var spread, spreadHT float64
		for range runs {
			e := explore.Replay(w.log(r, 2000, chances), choose, nil)
			mean, ht = mean+e.Mean/runs, ht+e.HorvitzThompson/runs
			spread += e.StdErr * e.StdErr / runs
			spreadHT += e.HorvitzThompsonStdErr * e.HorvitzThompsonStdErr / runs
			if math.Abs(e.Mean-truth) < 1.96*e.StdErr {
				within++
			}
			if math.Abs(e.HorvitzThompson-truth) < 1.96*e.HorvitzThompsonStdErr {
				withinHT++
			}
			if e.Logged != 2000 || e.Refused != 0 {
				t.Fatalf("%+v", e)
			}
		}
		// A ratio is off by about its variance, which is far below this.
		if off := math.Abs(mean-truth) / math.Sqrt(spread/runs); off > 5 {
			t.Errorf("%s: mean %v, truth %v: %v standard errors", name, mean, truth, off)
		}
		if off := math.Abs(ht-truth) / math.Sqrt(spreadHT/runs); off > 5 {
			t.Errorf("%s: Horvitz–Thompson %v, truth %v: %v standard errors", name, ht, truth, off)
		}
		for kind, n := range map[string]float64{"mean": within, "Horvitz–Thompson": withinHT} {
			if n/runs < 0.89 || n/runs > 0.99 {
				t.Errorf("%s: %s is within 1.96 standard errors of the truth in %v of runs", name, kind, n/runs)
			}
		}
	}
}

func TestReplayOfAnEvenLogIsTheMeanOfMatches(t *testing.T) {
	r := newRand(t)
	log := slices.Collect(world{5}.log(r, 1000, even))
	choose := func(user int) int { return user % 5 }
	e := explore.Replay(slices.Values(log), choose, nil)
	sum, n := 0.0, 0
	for _, entry := range log {
		if choose(entry.Context) == entry.Shown {
			sum, n = sum+entry.Reward, n+1
		}
	}
	mean := sum / float64(n)
	stdErr := math.Sqrt(mean * (1 - mean) / float64(n-1))
	if e.Matched != n || math.Abs(e.Mean-mean) > 1e-12 || math.Abs(e.StdErr-stdErr) > 1e-12 {
		t.Errorf("%+v, want mean %v ± %v of %d", e, mean, stdErr, n)
	}
}

func TestAPolicyLearnsFromMatchesAlone(t *testing.T) {
	r := newRand(t)
	log := slices.Collect(world{5}.log(r, 3000, even))
	tries, likes := [5]float64{}, [5]float64{}
	chosen := -1
	choose := func(int) int {
		chosen = 0
		for item := range 5 {
			if (likes[item]+1)/(tries[item]+1) > (likes[chosen]+1)/(tries[chosen]+1) {
				chosen = item
			}
		}
		return chosen
	}
	learned := 0
	e := explore.Replay(slices.Values(log), choose, func(entry explore.Logged[int, int]) {
		if entry.Shown != chosen {
			t.Fatalf("learned of %d, having chosen %d", entry.Shown, chosen)
		}
		tries[entry.Shown]++
		likes[entry.Shown] += entry.Reward
		learned++
	})
	if learned != e.Matched || learned == 0 {
		t.Errorf("learned %d times of %d matches", learned, e.Matched)
	}
}

func TestReplayOfLittleOrNothing(t *testing.T) {
	entry := func(p, reward float64) explore.Logged[int, int] { return explore.Logged[int, int]{1, 1, p, reward} }
	nan, inf := math.NaN(), math.Inf(1)
	yes, no := func(int) int { return 1 }, func(int) int { return 2 }
	for name, c := range map[string]struct {
		log    []explore.Logged[int, int]
		choose func(int) int
		want   explore.Estimate
	}{
		"nothing":  {nil, yes, explore.Estimate{}},
		"no match": {[]explore.Logged[int, int]{entry(0.5, 1)}, no, explore.Estimate{Logged: 1}},
		"one match": {
			[]explore.Logged[int, int]{entry(0.5, 1)},
			yes,
			explore.Estimate{Mean: 1, HorvitzThompson: 2, Logged: 1, Matched: 1},
		},
		"damaged": {[]explore.Logged[int, int]{
			entry(0, 1), entry(-1, 1), entry(1.5, 1), entry(nan, 1), entry(1, nan),
			entry(1, inf),
		}, yes, explore.Estimate{Refused: 6}},
	} {
		if got := explore.Replay(slices.Values(c.log), c.choose, nil); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
