package main

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/ope"
)

// opeFigures are what eval ope --json prints.
type opeFigures struct {
	Format, Target       string
	IPS, SNIPS, DR       ope.Estimate
	OnPolicy             ope.Estimate `json:"on_policy"`
	Truth                *ope.Estimate
	Rounds, Clusters     int
	Places, Actions      int
	ESS                  float64
	MeanWeight           float64 `json:"mean_weight"`
	MaxWeight            float64 `json:"max_weight"`
	Missing, Clip        float64
	Clipped              int
	Lines, Undone, Young int
}

// On the Open Bandit Dataset each of two policies is estimated from the log of the other one, and what it really brought
// lies in the interval.
func TestEvalOpeOnOpenBandit(t *testing.T) {
	random, thompson := dataFile(t, "obd", "random", "men", "men.csv"), dataFile(t, "obd", "bts", "men", "men.csv")
	for _, c := range []struct {
		log, target string
		truth       float64
	}{
		{thompson, random, 0.0046},
		{thompson, "uniform", 0.0046},
		{random, thompson, 0.0069},
	} {
		got := answer[opeFigures](t, good(t, "eval", "ope", "--format", "obd", "--log", c.log, "--target", c.target, "--json"))
		for name, e := range map[string]ope.Estimate{"ips": got.IPS, "snips": got.SNIPS, "dr": got.DR} {
			if c.truth < e.Low || c.truth > e.High || e.StdErr <= 0 {
				t.Errorf("%s from %s, %s: %+v, truth %v", c.target, c.log, name, e, c.truth)
			}
		}
		if got.Rounds != 10_000 || got.Places != 3 || got.Actions != 34 || got.ESS < 500 || got.MaxWeight < 5 || got.OnPolicy.Value <= 0 {
			t.Errorf("%+v", got)
		}
		if own := c.target != "uniform"; own != (got.Truth != nil) || own && math.Abs(got.Truth.Value-c.truth) > 1e-12 {
			t.Errorf("%s: truth %+v", c.target, got.Truth)
		}
	}
}

// smallBandit is a log of two positions and two items, in which item b is clicked more.
func smallBandit() string {
	var b strings.Builder
	b.WriteString("item_id,position,click,propensity_score\n")
	for i := range 400 {
		item, p, click := "a", 0.75, 0
		if i%4 == 3 {
			item, p = "b", 0.25
		}
		if item == "a" && i%10 == 0 || item == "b" && i%8 == 3 {
			click = 1
		}
		fmt.Fprintf(&b, "%s,%d,%d,%v\n", item, 1+i/200, click, p)
	}
	return b.String()
}

func TestEvalOpePrintsATableForPeople(t *testing.T) {
	log := write(t, "log.csv", smallBandit())
	target := write(t, "target.csv", "context,action,probability\n*,a,0.2\n*,b,0.8\n")
	out := good(t, "eval", "ope", "--format", "obd", "--log", log, "--target", target, "--clip", "3").stdout
	golden(t, "eval-ope.txt", strings.ReplaceAll(out, target, "target.csv"))
	own := good(t, "eval", "ope", "--format", "obd", "--log", log, "--target", log).stdout
	if !strings.Contains(own, "the target itself  ") {
		t.Errorf("%s", own)
	}
	stdin := cli(t, strings.NewReader(smallBandit()), "eval", "ope", "--format", "obd", "--log", "-", "--target", "greedy", "--json")
	if got := answer[opeFigures](t, stdin); got.Rounds != 400 || got.DR.Value < 0.4 || got.DR.Value > 0.6 {
		t.Errorf("%+v", got)
	}
}

func TestEvalOpeRefuses(t *testing.T) {
	log := write(t, "log.csv", smallBandit())
	other := write(t, "target.csv", "context,action,probability\n1,a,0.9\n1,c,0.1\n2,b,1\n")
	bad := write(t, "bad.csv", "context,action,probability\n1,a,0.9\n")
	for _, c := range []struct {
		args string
		exit int
		says string
	}{
		{"--format obd --log " + log + " --target " + other, exitRefused, `5 % of its choices are such as the log never shows in their place, for example "c" in "1"; --missing allows`},
		{"--format obd --log " + log + " --target " + bad, exitRefused, "add up to 0.9"},
		{"--format obd --log " + bad + " --target uniform", exitRefused, `no column "item_id"`},
		{"--format obd --log " + log + "x --target uniform", exitNotFound, "no such file"},
		{"--format obd --log " + log + " --target none.csv", exitNotFound, "no such file"},
		{"--format tidal --log " + log + " --target uniform --reward like", exitRefused, "line 1"},
		{"--format xml --log x --target uniform", exitUsage, `--format "xml"`},
		{"--format obd --target uniform", exitUsage, "--log is missing"},
		{"--format obd --log x", exitUsage, "--target is missing"},
		{"--format tidal --log x --target uniform", exitUsage, "--reward is missing"},
		{"--format obd --log x --target uniform --reward like", exitUsage, "--reward is for --format tidal"},
		{"--format tidal --log x --target uniform --reward like --window soon", exitUsage, "--window"},
		{"--format tidal --log x --target uniform --reward like --context shop", exitUsage, "--context"},
		{"--format obd --log x --target uniform --missing 1", exitUsage, "--missing 1"},
		{"--format obd --log x --target uniform --clip -1", exitUsage, "--clip -1"},
	} {
		o := cli(t, nil, append([]string{"eval", "ope"}, strings.Fields(c.args)...)...)
		if o.code != c.exit || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: exit %d, %q; want %d, %q", c.args, o.code, o.stderr, c.exit, c.says)
		}
	}
	got := answer[opeFigures](t, good(t, "eval", "ope", "--format", "obd", "--log", log, "--target", other, "--missing", "0.1", "--json"))
	if math.Abs(got.Missing-0.05) > 1e-9 {
		t.Errorf("%+v", got)
	}
}
