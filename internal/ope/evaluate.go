package ope

import (
	"math"
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/fault"
)

// Options say how to estimate. Their zero value works.
type Options struct {
	// Folds is into how many parts the log is cut: the reward model that corrects one is fitted on the others. 0 is 5.
	// Rounds of one cluster are in one part.
	Folds int
	// Seed draws who is in which part.
	Seed uint64
	// Clip is the largest weight that a round may have; larger ones are cut to it. That makes intervals narrower and
	// estimates biased, by an amount that nobody knows, towards 0 for IPS and towards the reward model for DR. 0 doesn't
	// clip.
	Clip float64
	// Missing is which part of the target's choices may be such as the log never shows, in [0, 1). Above 0 estimates have
	// another meaning: IPS takes such a choice to bring 0, SNIPS speaks of the other choices only, and DR believes the
	// reward model. 0 refuses all of it with a [SupportError].
	Missing float64
}

// Estimate is a mean reward with its 95 % interval.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	// StdErr is the standard error.
	StdErr float64 `json:"se"`
}

// Result is what [Evaluate] found.
type Result struct {
	IPS   Estimate `json:"ips"`
	SNIPS Estimate `json:"snips"`
	DR    Estimate `json:"dr"`
	// OnPolicy is the mean reward of the log as it is: of the policy that made it.
	OnPolicy Estimate `json:"on_policy"`
	// Rounds of the log, and into how many independent clusters they fall.
	Rounds   int `json:"rounds"`
	Clusters int `json:"clusters"`
	// Places, and Actions by name, are those of the log.
	Places  int `json:"places"`
	Actions int `json:"actions"`
	// ESS is the effective sample size (Σw)²/Σw²: how many rounds of the target's own would say as much (A. Kong,
	// Technical Report 348, University of Chicago, 1992). MeanWeight is 1 if the propensities are right and the log shows
	// all that the target chooses, but for chance; MaxWeight is the largest.
	ESS        float64 `json:"ess"`
	MeanWeight float64 `json:"mean_weight"`
	MaxWeight  float64 `json:"max_weight"`
	// Missing is the part of the target's choices that the log never shows.
	Missing float64 `json:"missing"`
	// Clip is [Options.Clip], and Clipped how many rounds had a larger weight. ESS, MeanWeight and MaxWeight are those
	// after clipping.
	Clip    float64 `json:"clip,omitempty"`
	Clipped int     `json:"clipped"`
}

const defaultFolds = 5

// Evaluate estimates what the target would have brought in the rounds of a log, in rewards per round.
//
// Standard errors are those of the estimate's influence function: of w·r for IPS, of w·(r − value) over the mean weight
// for SNIPS, by the delta method, and of the model's value plus w·(r − model) for DR; summed over each cluster first (K.-Y.
// Liang, S. Zeger, Biometrika 73, 1986). Intervals take the skewness of the same values into account, see [interval], and
// end at 0 and 1.
//
// It refuses as [fault.Input] a log with fewer than two clusters, with a propensity outside [1e-12, 1] or a reward outside
// [0, 1], options outside their ranges, and as [SupportError] a target whose choices the log doesn't show.
func Evaluate(rounds []Round, target Policy, o Options) (*Result, error) {
	if o.Folds == 0 {
		o.Folds = defaultFolds
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := check(rounds); err != nil {
		return nil, err
	}
	of, count := clusters(rounds)
	if count < 2 {
		return nil, fault.Refuse("log", "holds %d rounds, all of the cluster %q: nothing says how they vary", len(rounds),
			rounds[0].Cluster)
	}
	e := &evaluation{
		rounds: rounds, target: target, o: o, cluster: of, clusters: count, shown: shownIn(rounds),
		asked: map[question]*answer{},
	}
	e.fold = foldsOf(of, count, min(o.Folds, count), o.Seed)
	e.models = fitAll(rounds, e.fold, min(o.Folds, count))
	if err := e.weigh(); err != nil {
		return nil, err
	}
	if err := e.checkSupport(); err != nil {
		return nil, err
	}
	return e.result(), nil
}

func (o *Options) check() error {
	switch {
	case o.Folds < 2:
		return fault.Refuse("folds", "is %d; want 2 or more", o.Folds)
	case o.Clip < 0 || math.IsNaN(o.Clip) || math.IsInf(o.Clip, 0):
		return fault.Refuse("clip", "is %v; want a largest weight above 0, or 0 for none", o.Clip)
	case !(o.Missing >= 0 && o.Missing < 1):
		return fault.Refuse("missing", "is %v; want at least 0 and less than 1", o.Missing)
	}
	return nil
}

// foldsOf puts each cluster into a fold, all of nearly the same number of clusters, and returns the rounds' folds.
func foldsOf(cluster []int, count, folds int, seed uint64) []int {
	order := rand.New(rand.NewPCG(seed, 0x6f7065)).Perm(count)
	of := make([]int, len(cluster))
	for i, c := range cluster {
		of[i] = order[c] % folds
	}
	return of
}

// evaluation is one call of [Evaluate].
type evaluation struct {
	rounds   []Round
	target   Policy
	o        Options
	cluster  []int
	clusters int
	fold     []int
	models   []*Model
	shown    map[string]map[string]bool
	asked    map[question]*answer

	// Of each round: the weight and the weight before clipping, what the model says of the target's choices and of what
	// was shown.
	weight, whole, direct, shownMean []float64
	missing                          float64 // the sum over rounds
	gap                              gap
}

// question is what a policy is asked; its answer is used for all rounds alike.
type question struct {
	place, context string
	fold           int
}

type answer struct {
	logged      bool
	probability map[string]float64
	direct      float64
	missing     float64
	gap         gap
}

// gap is the most probable of the target's choices that the log doesn't show.
type gap struct {
	place, action string
	probability   float64
}

// weigh asks the target about all rounds.
func (e *evaluation) weigh() error {
	n := len(e.rounds)
	e.weight, e.whole = make([]float64, n), make([]float64, n)
	e.direct, e.shownMean = make([]float64, n), make([]float64, n)
	for i := range e.rounds {
		r := &e.rounds[i]
		a, err := e.ask(question{r.Place, r.Context, e.fold[i]})
		if err != nil {
			return err
		}
		e.shownMean[i] = e.models[e.fold[i]].Mean(r.Place, r.Action)
		if a.logged {
			// What was shown is a draw from the target, so what the model says of it is an unbiased estimate of what it
			// says of all choices.
			e.whole[i], e.direct[i] = 1, e.shownMean[i]
		} else {
			e.whole[i], e.direct[i] = a.probability[r.Action]/r.Propensity, a.direct
		}
		e.weight[i] = e.whole[i]
		if e.o.Clip > 0 {
			e.weight[i] = min(e.whole[i], e.o.Clip)
		}
		e.missing += a.missing
		if a.gap.probability > e.gap.probability {
			e.gap = a.gap
		}
	}
	return nil
}

func (e *evaluation) ask(q question) (*answer, error) {
	if a, ok := e.asked[q]; ok {
		return a, nil
	}
	model := e.models[q.fold]
	choices, err := e.target.Choose(q.place, q.context, model)
	if err != nil {
		return nil, err
	}
	a := &answer{logged: choices == nil, probability: make(map[string]float64, len(choices))}
	for _, c := range choices {
		a.probability[c.Action] += c.Probability
		a.direct += c.Probability * model.Mean(q.place, c.Action)
		if c.Probability > 0 && !e.shown[q.place][c.Action] {
			a.missing += c.Probability
			if c.Probability > a.gap.probability {
				a.gap = gap{q.place, c.Action, c.Probability}
			}
		}
	}
	e.asked[q] = a
	return a, nil
}

// result computes the estimates from the weights.
func (e *evaluation) result() *Result {
	n := float64(len(e.rounds))
	var sum, squares, rewarded, largest float64
	for i, w := range e.weight {
		sum += w
		squares += w * w
		rewarded += w * e.rounds[i].Reward
		largest = max(largest, w)
	}
	r := &Result{
		Rounds: len(e.rounds), Clusters: e.clusters, Places: len(e.shown), Actions: e.actions(), MeanWeight: sum / n,
		MaxWeight: largest, Missing: e.missing / n, Clip: e.o.Clip,
	}
	for i := range e.whole {
		if e.whole[i] > e.weight[i] {
			r.Clipped++
		}
	}
	r.ESS = sum * sum / squares // some weight isn't 0, or support would be missing
	r.OnPolicy = e.estimate(func(i int) float64 { return e.rounds[i].Reward })
	r.IPS = e.estimate(func(i int) float64 { return e.weight[i] * e.rounds[i].Reward })
	r.DR = e.estimate(func(i int) float64 {
		return e.direct[i] + e.weight[i]*(e.rounds[i].Reward-e.shownMean[i])
	})
	value := rewarded / sum
	r.SNIPS = e.estimate(func(i int) float64 {
		return value + e.weight[i]*(e.rounds[i].Reward-value)*n/sum
	})
	return r
}

func (e *evaluation) actions() int {
	all := map[string]bool{}
	for _, actions := range e.shown {
		for a := range actions {
			all[a] = true
		}
	}
	return len(all)
}

// estimate is the mean of what each round contributes, with its interval by clusters.
func (e *evaluation) estimate(of func(i int) float64) Estimate {
	n := float64(len(e.rounds))
	sums := make([]float64, e.clusters)
	sizes := make([]float64, e.clusters)
	mean := 0.0
	for i := range e.rounds {
		x := of(i)
		mean += x / n
		sums[e.cluster[i]] += x
		sizes[e.cluster[i]]++
	}
	for c := range sums {
		sums[c] = (sums[c] - sizes[c]*mean) / n
	}
	return interval(mean, sums)
}
