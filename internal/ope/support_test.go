package ope_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/ope"
)

// What the log never shows is named, with how much of the target it is.
func TestMissingSupportIsRefusedWithItsMass(t *testing.T) {
	var rounds []ope.Round
	for i := range 100 {
		place := fmt.Sprint("p", i%2)
		rounds = append(rounds, ope.Round{Place: place, Context: place, Action: fmt.Sprint("a", i/2%4), Propensity: 0.25})
	}
	rounds[0].Reward = 1
	target := policy{
		"p0": {{"a0", 0.5}, {"a1", 0.2}, {"z", 0.3}},
		"p1": {{"a0", 0.4}, {"a1", 0.5}, {"y", 0.1}},
	}
	_, err := ope.Evaluate(rounds, target, ope.Options{Missing: 0.19})
	var missing *ope.SupportError
	if !errors.As(err, &missing) || !errors.Is(err, fault.ErrInput) {
		t.Fatal(err)
	}
	if math.Abs(missing.Mass-0.2) > 1e-9 || missing.Place != "p0" || missing.Action != "z" {
		t.Errorf("%+v", missing)
	}
	if want := `refused: target: 20 % of its choices are such as the log never shows in their place, for example "z" in "p0"`; err.Error() != want {
		t.Errorf("%q", err)
	}
	r, err := ope.Evaluate(rounds, target, ope.Options{Missing: 0.2})
	if err != nil || math.Abs(r.Missing-0.2) > 1e-9 {
		t.Errorf("%+v, %v", r, err)
	}
}

// An action that could be shown at some times only is shown somewhere, but the weights know.
func TestActionsThatWereOftenImpossibleAreFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	draw := func(n int, possible float64) (rounds []ope.Round) {
		for range n {
			x := ope.Round{Place: "p", Context: "p", Action: "a", Propensity: 1}
			if rng.Float64() < possible {
				x.Propensity = 0.5
				if rng.IntN(2) == 0 {
					x.Action = "b"
				}
			}
			if rng.IntN(3) == 0 {
				x.Reward = 1
			}
			rounds = append(rounds, x)
		}
		return rounds
	}
	target := policy{"p": {{"b", 1}}}
	var missing *ope.SupportError
	if _, err := ope.Evaluate(draw(1000, 0.6), target, ope.Options{}); !errors.As(err, &missing) ||
		missing.Action != "" || math.Abs(missing.Mass-0.4) > 0.1 {
		t.Errorf("%v", err)
	}
	if _, err := ope.Evaluate(draw(1000, 0.6), target, ope.Options{Missing: 0.5}); err != nil {
		t.Error(err)
	}
	if _, err := ope.Evaluate(draw(1000, 1), target, ope.Options{}); err != nil {
		t.Error(err)
	}
}
