package ope_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/explore"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/ope"
)

// logs draws small logs in which every action is shown in every place, and a policy over them.
func logs(t *rapid.T) ([]ope.Round, policy) {
	places, actions := rapid.IntRange(1, 3).Draw(t, "places"), rapid.IntRange(1, 4).Draw(t, "actions")
	var rounds []ope.Round
	add := func(p, a int) {
		place := fmt.Sprint("p", p)
		rounds = append(rounds, ope.Round{
			Place: place, Context: place, Action: fmt.Sprint("a", a),
			Reward:     float64(rapid.IntRange(0, 4).Draw(t, "reward")) / 4,
			Propensity: float64(rapid.IntRange(1, 8).Draw(t, "propensity")) / 8,
			Cluster:    rapid.SampledFrom([]string{"", "u", "v", "w"}).Draw(t, "cluster"),
		})
	}
	for p := range places {
		for a := range actions {
			add(p, a)
		}
	}
	for range rapid.IntRange(8, 40).Draw(t, "more") {
		add(rapid.IntRange(0, places-1).Draw(t, "place"), rapid.IntRange(0, actions-1).Draw(t, "action"))
	}
	target := policy{}
	for p := range places {
		weights, sum := make([]float64, actions), 0.0
		for a := range weights {
			weights[a] = float64(rapid.IntRange(1, 5).Draw(t, "weight"))
			sum += weights[a]
		}
		for a := range weights {
			target[fmt.Sprint("p", p)] = append(target[fmt.Sprint("p", p)], ope.Choice{
				Action: fmt.Sprint("a", a), Probability: weights[a] / sum,
			})
		}
	}
	return rounds, target
}

// policy is one by place.
type policy map[string][]ope.Choice

func (p policy) Choose(place, _ string, _ *ope.Model) ([]ope.Choice, error) { return p[place], nil }

func (p policy) of(place, action string) float64 {
	for _, c := range p[place] {
		if c.Action == action {
			return c.Probability
		}
	}
	return 0
}

// evaluate allows for weights that are small by chance, as they are in logs whose propensities were made up.
func evaluate(t *rapid.T, rounds []ope.Round, target ope.Policy, o ope.Options) *ope.Result {
	t.Helper()
	o.Missing = 0.999999
	r, err := ope.Evaluate(rounds, target, o)
	if errors.Is(err, fault.ErrInput) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The estimates are what their definitions say, computed from the rounds one by one.
func TestEstimatesAreTheirDefinitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rounds, target := logs(t)
		clip := rapid.SampledFrom([]float64{0, 0, 1.5}).Draw(t, "clip")
		r := evaluate(t, rounds, target, ope.Options{Clip: clip})
		n, sum, squares, ips, snips, largest := float64(len(rounds)), 0.0, 0.0, 0.0, 0.0, 0.0
		weight := func(x ope.Round) float64 {
			w := target.of(x.Place, x.Action) / x.Propensity
			if clip > 0 && w > clip {
				return clip
			}
			return w
		}
		for _, x := range rounds {
			w := weight(x)
			sum, squares, largest = sum+w, squares+w*w, max(largest, w)
			ips += w * x.Reward / n
		}
		for _, x := range rounds {
			snips += weight(x) * x.Reward / sum
		}
		near(t, "ips", r.IPS.Value, ips)
		near(t, "snips", r.SNIPS.Value, snips)
		near(t, "ess", r.ESS, sum*sum/squares)
		near(t, "mean weight", r.MeanWeight, sum/n)
		near(t, "max weight", r.MaxWeight, largest)
		near(t, "se of ips", r.IPS.StdErr, slowError(rounds, func(x ope.Round) float64 { return weight(x)*x.Reward - ips }))
		near(t, "se of snips", r.SNIPS.StdErr, slowError(rounds, func(x ope.Round) float64 {
			return weight(x) * (x.Reward - snips) * n / sum
		}))
	})
}

// slowError is the standard error of a mean by clusters, from what each round has above it.
func slowError(rounds []ope.Round, influence func(ope.Round) float64) float64 {
	by := map[string]float64{}
	for i, x := range rounds {
		name := cmp.Or(x.Cluster, fmt.Sprint("alone ", i))
		by[name] += influence(x) / float64(len(rounds))
	}
	squares := 0.0
	for _, x := range by {
		squares += x * x
	}
	return math.Sqrt(squares * float64(len(by)) / float64(len(by)-1))
}

func near(t *rapid.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*(1+math.Abs(want)) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// For a policy that always shows one thing, IPS and SNIPS are what the replay of exploration says.
func TestOneActionIsAReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rounds, _ := logs(t)
		target := policy{}
		for _, x := range rounds {
			target[x.Place] = []ope.Choice{{Action: "a0", Probability: 1}}
		}
		r := evaluate(t, rounds, target, ope.Options{})
		var logged []explore.Logged[string, string]
		for _, x := range rounds {
			logged = append(logged, explore.Logged[string, string]{Shown: x.Action, Propensity: x.Propensity, Reward: x.Reward})
		}
		e := explore.Replay(slices.Values(logged), func(string) string { return "a0" }, nil)
		near(t, "ips", r.IPS.Value, e.HorvitzThompson)
		near(t, "snips", r.SNIPS.Value, e.Mean)
	})
}

// The policy that made the log would have brought what it brought.
func TestTheLoggedPolicyIsTheMeanOfTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rounds, _ := logs(t)
		r := evaluate(t, rounds, ope.AsLogged{}, ope.Options{})
		for name, e := range map[string]ope.Estimate{"ips": r.IPS, "snips": r.SNIPS, "dr": r.DR} {
			near(t, name, e.Value, r.OnPolicy.Value)
			near(t, name+" low", e.Low, r.OnPolicy.Low)
			near(t, name+" high", e.High, r.OnPolicy.High)
		}
		near(t, "ess", r.ESS, float64(len(rounds)))
	})
	// The mean of as many weights of 1 is a little less, by rounding.
	rounds := make([]ope.Round, 10_000)
	for i := range rounds {
		rounds[i] = ope.Round{Place: "p", Action: "a", Propensity: 1, Reward: float64(i % 2)}
	}
	if _, err := ope.Evaluate(rounds, ope.AsLogged{}, ope.Options{}); err != nil {
		t.Error(err)
	}
}

// With two folds the model of either is fitted on the other. All rewards of an action are the same, so the model is that,
// drawn nowhere, and DR is the target's expectation without any noise, however few rounds there are.
func TestDRIsExactWhereTheModelIs(t *testing.T) {
	means := []float64{0.1, 0.5, 0.9}
	var rounds []ope.Round
	for i := range 60 {
		a := i % 3
		rounds = append(rounds, ope.Round{
			Place: "p", Context: "p", Action: fmt.Sprint("a", a), Reward: means[a], Propensity: 1.0 / 3,
		})
	}
	target := policy{"p": {{"a0", 0.2}, {"a1", 0.2}, {"a2", 0.6}}}
	r, err := ope.Evaluate(rounds, target, ope.Options{Folds: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := 0.2*0.1 + 0.2*0.5 + 0.6*0.9
	if math.Abs(r.DR.Value-want) > 1e-12 || r.DR.StdErr > 1e-12 || r.IPS.StdErr < 0.02 {
		t.Errorf("%+v, want %v", r.DR, want)
	}
}

// A model is fitted without the rounds that it corrects: an action's only rewarded round never speaks for itself.
func TestTheModelNeverSawWhatItCorrects(t *testing.T) {
	var rounds []ope.Round
	for i := range 40 {
		x := ope.Round{Place: "p", Context: "p", Action: fmt.Sprint("a", i), Propensity: 0.5}
		if i == 7 {
			x.Reward = 1
		}
		rounds = append(rounds, x)
	}
	asked := map[string]float64{}
	spy := spy{func(m *ope.Model) {
		for i := range rounds {
			asked[fmt.Sprint("a", i)] = max(asked[fmt.Sprint("a", i)], m.Mean("p", fmt.Sprint("a", i)))
		}
	}}
	if _, err := ope.Evaluate(rounds, spy, ope.Options{Missing: 0.99, Folds: 40}); err != nil {
		t.Fatal(err)
	}
	// Each action has one round, so that nothing is known of how actions differ, and all means are the place's.
	for action, mean := range asked {
		if mean > 1.0/39+1e-12 {
			t.Errorf("%s is taken to bring %v", action, mean)
		}
	}
}

// spy is a policy that looks at models.
type spy struct{ look func(*ope.Model) }

func (s spy) Choose(_, _ string, m *ope.Model) ([]ope.Choice, error) {
	s.look(m)
	return []ope.Choice{{Action: "a0", Probability: 1}}, nil
}

func TestWhatCanNotBeEstimatedIsRefused(t *testing.T) {
	good := func() []ope.Round {
		return []ope.Round{
			{Place: "p", Context: "p", Action: "a", Propensity: 0.5, Reward: 1},
			{Place: "p", Context: "p", Action: "b", Propensity: 0.5},
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(r []ope.Round, o *ope.Options) []ope.Round
	}{
		{"no rounds", func([]ope.Round, *ope.Options) []ope.Round { return nil }},
		{"propensity 0", func(r []ope.Round, _ *ope.Options) []ope.Round { r[1].Propensity = 0; return r }},
		{"propensity above 1", func(r []ope.Round, _ *ope.Options) []ope.Round { r[1].Propensity = 1.01; return r }},
		{"propensity unknown", func(r []ope.Round, _ *ope.Options) []ope.Round { r[1].Propensity = math.NaN(); return r }},
		{"reward below 0", func(r []ope.Round, _ *ope.Options) []ope.Round { r[1].Reward = -0.1; return r }},
		{"reward unknown", func(r []ope.Round, _ *ope.Options) []ope.Round { r[1].Reward = math.NaN(); return r }},
		{"one cluster", func(r []ope.Round, _ *ope.Options) []ope.Round { r[0].Cluster, r[1].Cluster = "u", "u"; return r }},
		{"one fold", func(r []ope.Round, o *ope.Options) []ope.Round { o.Folds = 1; return r }},
		{"clip below 0", func(r []ope.Round, o *ope.Options) []ope.Round { o.Clip = -1; return r }},
		{"clip without end", func(r []ope.Round, o *ope.Options) []ope.Round { o.Clip = math.Inf(1); return r }},
		{"all may be missing", func(r []ope.Round, o *ope.Options) []ope.Round { o.Missing = 1; return r }},
	} {
		var o ope.Options
		rounds := c.spoil(good(), &o)
		if _, err := ope.Evaluate(rounds, ope.AsLogged{}, o); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := ope.Evaluate(good(), ope.Uniform(good()), ope.Options{}); err != nil {
		t.Error(err)
	}
}
