package ope_test

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/ope"
)

const banditHead = ",timestamp,item_id,position,click,propensity_score,user_feature_0\n"

func TestReadOpenBandit(t *testing.T) {
	rounds, err := ope.ReadOpenBandit(strings.NewReader(banditHead +
		"0,2019-11-24 00:01:03.979311+00:00,2,2,0,0.045525,cef3\n" + "1,2019-11-24 00:01:45.406608+00:00,9,3,1,0.059345,cef3\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []ope.Round{
		{Place: "2", Context: "2", Action: "2", Propensity: 0.045525},
		{Place: "3", Context: "3", Action: "9", Propensity: 0.059345, Reward: 1},
	}
	if len(rounds) != 2 || rounds[0] != want[0] || rounds[1] != want[1] {
		t.Errorf("%+v", rounds)
	}
	for _, c := range []struct{ file, says string }{
		{"", "is empty"},
		{"a,b\n", `no column "item_id"`},
		{banditHead + "0,t,2,2,0\n", "line 2: wrong number of fields"},
		{banditHead + "0,t,2,2,0,0.1,x\n0,t,2,2,2,0.1,x\n", `line 3: click "2"`},
		{banditHead + "0,t,2,2,0,0,x\n", `line 2: propensity_score "0"`},
		{banditHead + "0,t,2,2,0,NaN,x\n", `propensity_score "NaN"`},
		{banditHead + "0,t,,2,0,0.1,x\n", "item_id or position is empty"},
		{banditHead + "0,t,\"2,2,0,0.1,x\n", "line 2:"},
	} {
		if _, err := ope.ReadOpenBandit(strings.NewReader(c.file)); !errors.Is(err, fault.ErrInput) ||
			!strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.file, err, c.says)
		}
	}
}

// openBandit reads a log of the real data.
func openBandit(t *testing.T, policy string) []ope.Round {
	t.Helper()
	path := filepath.Join(cmp.Or(os.Getenv("TIDAL_DATA"), filepath.Join("..", "..", "..", "shared", "data")), "obd", policy, "men", "men.csv")
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("skipped: %s isn't there; set TIDAL_DATA to the folder with the data sets", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rounds, err := ope.ReadOpenBandit(f)
	if err != nil {
		t.Fatal(err)
	}
	return rounds
}

// Two policies ran side by side, so what either brought is known. From the log of the other one follows the same, by all
// three estimates: how often the random policy was clicked from the log of Thompson sampling, and the reverse.
func TestOpenBanditBothWays(t *testing.T) {
	random, thompson := openBandit(t, "random"), openBandit(t, "bts")
	for _, c := range []struct {
		name       string
		log, other []ope.Round
		target     ope.Policy
		clicks     float64
	}{
		{"random from Thompson's log", thompson, random, ope.Uniform(random), 46},
		{"Thompson from the random log", random, thompson, ope.Frequencies(thompson), 69},
	} {
		r, err := ope.Evaluate(c.log, c.target, ope.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		truth := 0.0
		for _, x := range c.other {
			truth += x.Reward
		}
		if truth != c.clicks || len(c.log) != 10_000 || len(c.other) != 10_000 {
			t.Fatalf("%s: %v clicks of %d", c.name, truth, len(c.other))
		}
		truth /= float64(len(c.other))
		for name, e := range map[string]ope.Estimate{"ips": r.IPS, "snips": r.SNIPS, "dr": r.DR} {
			t.Logf("%s, %s: %.5f (%.5f to %.5f), truth %.5f; ess %.0f, largest weight %.1f", c.name, name, e.Value, e.Low, e.High,
				truth, r.ESS, r.MaxWeight)
			if truth < e.Low || truth > e.High || e.High-e.Low > 0.008 {
				t.Errorf("%s, %s: %+v, truth %v", c.name, name, e, truth)
			}
		}
	}
}

// With the propensities of a real log and clicks as rare as its own, intervals hold planted truths as often as they
// say, where those of 1.96 standard errors don't.
func TestIntervalsWithRealPropensities(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: 1,000 logs of 10,000 rounds")
	}
	const logs = 500
	thompson := openBandit(t, "bts")
	w := &world{rng: rand.New(rand.NewPCG(1, 2)), logger: policy{}, chance: map[string]map[string]float64{}}
	uniform := policy{}
	for _, place := range []string{"1", "2", "3"} {
		w.places = append(w.places, place)
		w.chance[place] = map[string]float64{}
		choices, err := ope.Frequencies(thompson).Choose(place, place, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.logger[place] = choices
		for _, c := range choices {
			w.chance[place][c.Action] = 0.0025 * (w.rng.ExpFloat64() + w.rng.ExpFloat64())
			uniform[place] = append(uniform[place], ope.Choice{Action: c.Action, Probability: 1 / float64(len(choices))})
		}
	}
	check := func(what string, target policy) {
		ips, snips, dr := w.simulate(t, logs, target, func() []ope.Round { return w.log(10_000, 1, 0) })
		for name, got := range map[string]covered{"ips": ips, "snips": snips, "dr": dr} {
			t.Logf("%s, %s: %d of %d intervals hold the truth, %d lie above, %d below; normal ones %d", what, name, got.in, logs,
				got.below, got.above, got.normal)
			if got.in < logs*92/100 || got.in > logs*98/100 || got.normal >= got.in {
				t.Errorf("%s, %s: %+v", what, name, got)
			}
		}
	}
	check("uniform from Thompson's log", uniform)
	target := w.logger
	w.logger = uniform
	check("Thompson from the uniform log", target)
}
