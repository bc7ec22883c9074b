package ope_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/ope"
)

func TestReadPolicy(t *testing.T) {
	p, err := ope.ReadPolicy(strings.NewReader("action,probability,context\nb,0.25,1\na,0.75,1\nc,1,*\nd,0,*\n"))
	if err != nil {
		t.Fatal(err)
	}
	for context, want := range map[string][]ope.Choice{
		"1": {{"a", 0.75}, {"b", 0.25}},
		"2": {{"c", 1}, {"d", 0}},
	} {
		got, err := p.Choose("", context, nil)
		if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%s: %v, %v", context, got, err)
		}
	}
	const head = "context,action,probability\n"
	for _, c := range []struct{ file, says string }{
		{"", "is empty"},
		{head, "holds no rows"},
		{"context,action\n", `no column "probability"`},
		{head + "1,a,0.5\n", `context "1" add up to 0.5`},
		{head + "1,a,0.5\n1,a,0.5\n", `line 3: context "1" has the action "a" already`},
		{head + "1,a,1.5\n", `line 2: probability "1.5"`},
		{head + "1,a,-1\n", `probability "-1"`},
		{head + "1,a,half\n", `probability "half"`},
		{head + "1,,1\n", "is empty"},
		{head + "1,a\n", "line 2"},
	} {
		if _, err := ope.ReadPolicy(strings.NewReader(c.file)); !errors.Is(err, fault.ErrInput) ||
			!strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.file, err, c.says)
		}
	}
	if p, err = ope.ReadPolicy(strings.NewReader(head + "1,a,1\n")); err != nil {
		t.Fatal(err)
	}
	rounds := []ope.Round{{Place: "2", Context: "2", Action: "a", Propensity: 1}, {Place: "2", Context: "2", Action: "b", Propensity: 1}}
	if _, err := ope.Evaluate(rounds, p, ope.Options{}); !errors.Is(err, fault.ErrInput) ||
		!strings.Contains(err.Error(), `says nothing of the context "2"`) {
		t.Errorf("a context that the policy doesn't have: %v", err)
	}
}

// A policy that is always as the log was is found again, and its probabilities add up to 1, unlike the mean propensities
// of one that changed.
func TestFrequencies(t *testing.T) {
	w := newWorld(5, 0.2)
	p := ope.Frequencies(w.log(60_000, 1, 0))
	for _, place := range w.places {
		choices, err := p.Choose(place, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, c := range choices {
			sum += c.Probability
			if want := w.logger.of(place, c.Action); math.Abs(c.Probability-want) > 5*math.Sqrt(want/20_000) {
				t.Errorf("%s in %s: %v, want %v", c.Action, place, c.Probability, want)
			}
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("%s: add up to %v", place, sum)
		}
	}
	if _, err := p.Choose("elsewhere", "", nil); !errors.Is(err, fault.ErrInput) {
		t.Error(err)
	}
}

// Uniform is of all actions of the log, also in places where one wasn't shown, which is then missed.
func TestUniformIsOfAllActions(t *testing.T) {
	rounds := []ope.Round{
		{Place: "1", Action: "b", Propensity: 0.5},
		{Place: "1", Action: "a", Propensity: 0.5, Reward: 1},
		{Place: "2", Action: "a", Propensity: 1},
		{Place: "2", Action: "a", Propensity: 1},
	}
	got, err := ope.Uniform(rounds).Choose("2", "", nil)
	if err != nil || len(got) != 2 || got[0] != (ope.Choice{Action: "a", Probability: 0.5}) || got[1].Action != "b" {
		t.Errorf("%v, %v", got, err)
	}
	var missing *ope.SupportError
	if _, err := ope.Evaluate(rounds, ope.Uniform(rounds), ope.Options{}); !errors.As(err, &missing) || missing.Mass != 0.25 {
		t.Errorf("%v", err)
	}
}

// The best action that others found is judged where they didn't look.
func TestGreedyIsAsGoodAsItsChoice(t *testing.T) {
	w := newWorld(6, 0.15)
	best := policy{}
	for _, place := range w.places {
		c := ope.Choice{Probability: 1}
		for action, chance := range w.chance[place] {
			if chance > w.chance[place][c.Action] {
				c.Action = action
			}
		}
		best[place] = []ope.Choice{c}
	}
	truth, dr, on, noise := w.truth(best), 0.0, 0.0, 0.0
	const logs = 30
	for range logs {
		r, err := ope.Evaluate(w.log(5000, 1, 0), ope.Greedy{}, ope.Options{Missing: 0.1})
		if err != nil {
			t.Fatal(err)
		}
		dr, on, noise = dr+r.DR.Value/logs, on+r.OnPolicy.Value/logs, noise+r.DR.StdErr/logs
	}
	// The choice isn't always the best one, so the estimates are a little lower, but not higher by luck.
	if dr > truth+3*noise/math.Sqrt(logs) || dr < 0.9*truth || dr < 1.5*on {
		t.Errorf("%v ± %v on average, the best brings %v, the log %v", dr, noise, truth, on)
	}
}
