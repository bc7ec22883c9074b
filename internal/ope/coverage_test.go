package ope_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/ope"
)

// world is one whose truth is known: places in which actions bring rewards with planted probabilities, and a policy
// that logs.
type world struct {
	rng    *rand.Rand
	logger policy
	chance map[string]map[string]float64
	places []string
}

// newWorld has three places of ten actions, which bring about the given mean reward, and a logger that prefers some of
// them much.
func newWorld(seed uint64, mean float64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0)), logger: policy{}, chance: map[string]map[string]float64{}}
	for p := range 3 {
		place := fmt.Sprint("p", p)
		w.places = append(w.places, place)
		w.chance[place] = map[string]float64{}
		sum := 0.0
		for a := range 10 {
			action := fmt.Sprint("a", a)
			w.chance[place][action] = min(0.5, mean*(0.2+0.8*w.rng.ExpFloat64()))
			c := ope.Choice{Action: action, Probability: math.Exp(0.8 * w.rng.NormFloat64())}
			sum += c.Probability
			w.logger[place] = append(w.logger[place], c)
		}
		for a := range w.logger[place] {
			w.logger[place][a].Probability /= sum
		}
	}
	return w
}

// truth is what a policy brings.
func (w *world) truth(target policy) float64 {
	sum := 0.0
	for place, choices := range target {
		for _, c := range choices {
			sum += c.Probability * w.chance[place][c.Action] / float64(len(w.places))
		}
	}
	return sum
}

// tilted is a policy that the logger isn't.
func (w *world) tilted() policy {
	target := policy{}
	for _, place := range w.places {
		for a := range 10 {
			target[place] = append(target[place], ope.Choice{Action: fmt.Sprint("a", a), Probability: float64(a+1) / 55})
		}
	}
	return target
}

func (w *world) choose(place string) ope.Choice {
	u := w.rng.Float64()
	for _, c := range w.logger[place] {
		if u -= c.Probability; u < 0 {
			return c
		}
	}
	return w.logger[place][len(w.logger[place])-1]
}

// log draws rounds. Each user has so many of them, and a taste that multiplies their chances by 1 ± taste.
func (w *world) log(n, each int, taste float64) []ope.Round {
	rounds := make([]ope.Round, n)
	liking := 1.0
	for i := range rounds {
		if i%each == 0 {
			liking = 1 + taste*float64(2*w.rng.IntN(2)-1)
		}
		place := w.places[w.rng.IntN(len(w.places))]
		c := w.choose(place)
		rounds[i] = ope.Round{Place: place, Context: place, Action: c.Action, Propensity: c.Probability}
		if each > 1 {
			rounds[i].Cluster = fmt.Sprint("user ", i/each)
		}
		if w.rng.Float64() < liking*w.chance[place][c.Action] {
			rounds[i].Reward = 1
		}
	}
	return rounds
}

// covered counts how often the truth lies in an interval, below and above it.
type covered struct {
	in, below, above int
	normal           int // how often the truth is within 1.96 standard errors
	sum              float64
	err              float64
}

func (c *covered) add(e ope.Estimate, truth float64) {
	c.sum += e.Value
	c.err += e.StdErr
	if math.Abs(e.Value-truth) <= 1.96*e.StdErr {
		c.normal++
	}
	switch {
	case truth < e.Low:
		c.below++
	case truth > e.High:
		c.above++
	default:
		c.in++
	}
}

// simulate estimates the target from so many logs.
func (w *world) simulate(t *testing.T, logs int, target policy, draw func() []ope.Round) (ips, snips, dr covered) {
	t.Helper()
	truth := w.truth(target)
	for range logs {
		r, err := ope.Evaluate(draw(), target, ope.Options{Missing: 0.3}) // what is rare may not be there
		if err != nil {
			t.Fatal(err)
		}
		ips.add(r.IPS, truth)
		snips.add(r.SNIPS, truth)
		dr.add(r.DR, truth)
	}
	return ips, snips, dr
}

// In worlds with planted truths, intervals of 95 % hold it in 92 to 98 of 100 logs, missing it on both sides, and the
// estimates are right on average; that also with few rewards, with few rounds, and where rounds of a user are alike.
func TestIntervalsCoverThePlantedTruth(t *testing.T) {
	const logs = 500
	for n, c := range []struct {
		name     string
		mean     float64
		n, users int // rounds, and of each user
		taste    float64
	}{
		{"plenty", 0.2, 1500, 1, 0},
		{"few rounds", 0.3, 400, 1, 0},
		{"rare rewards", 0.01, 4000, 1, 0},
		{"users", 0.2, 2000, 10, 0.8},
	} {
		w := newWorld(uint64(n), c.mean)
		truth := w.truth(w.tilted())
		ips, snips, dr := w.simulate(t, logs, w.tilted(), func() []ope.Round { return w.log(c.n, c.users, c.taste) })
		for name, got := range map[string]covered{"ips": ips, "snips": snips, "dr": dr} {
			part, mean, noise := float64(got.in)/logs, got.sum/logs, got.err/logs
			t.Logf("%s, %s: %.3f of the intervals hold the truth, %d lie above, %d below; mean %.5f of %.5f, se %.5f", c.name, name,
				part, got.below, got.above, mean, truth, noise)
			if part < 0.92 || part > 0.98 || got.below > 30 || got.above > 30 {
				t.Errorf("%s, %s: covers %.3f, %d above, %d below", c.name, name, part, got.below, got.above)
			}
			if math.Abs(mean-truth) > 4*noise/math.Sqrt(logs)+0.1*noise {
				t.Errorf("%s, %s: mean %.5f, truth %.5f, standard error %.5f", c.name, name, mean, truth, noise)
			}
		}
		if c.name == "plenty" && (dr.err > 0.9*ips.err || dr.err > snips.err*1.02) {
			t.Errorf("DR isn't surer: %.5f, IPS %.5f, SNIPS %.5f", dr.err/logs, ips.err/logs, snips.err/logs)
		}
	}
}

// Without their clusters, rounds of users who are alike make intervals that are far too narrow: the coverage above is
// no accident.
func TestUsersMakeRoundsAlike(t *testing.T) {
	const logs = 300
	w := newWorld(3, 0.2)
	_, alone, _ := w.simulate(t, logs, w.tilted(), func() []ope.Round {
		rounds := w.log(2000, 50, 0.9)
		for i := range rounds {
			rounds[i].Cluster = ""
		}
		return rounds
	})
	_, together, _ := w.simulate(t, logs, w.tilted(), func() []ope.Round { return w.log(2000, 50, 0.9) })
	t.Logf("covered without clusters %d, with them %d of %d", alone.in, together.in, logs)
	if alone.in > logs*85/100 || together.in < logs*90/100 {
		t.Errorf("covered without clusters %d, with them %d of %d", alone.in, together.in, logs)
	}
}
