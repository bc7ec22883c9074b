package ope

import (
	"maps"
	"slices"
	"strings"
)

// Choice is an action and the probability with which a policy chooses it.
type Choice struct {
	Action      string
	Probability float64
}

// Policy says what is to be shown.
type Policy interface {
	// Choose returns what the policy chooses in a place and a context, each action once, with probabilities that add up
	// to 1. The model was fitted on rounds other than those that are asked about. It returns nil for [AsLogged].
	//
	// It is asked again for the same place and context, and must answer the same for the same model.
	Choose(place, context string, m *Model) ([]Choice, error)
}

// AsLogged is the policy that made the log. Where items were drawn from a pool with equal probabilities, as tidal's
// exploration does, it is the uniform policy over each round's own pool.
type AsLogged struct{}

// Choose implements [Policy].
func (AsLogged) Choose(string, string, *Model) ([]Choice, error) { return nil, nil }

// Uniform returns the policy that chooses all actions of a log with the same probability, in whatever place.
func Uniform(rounds []Round) Policy {
	seen := map[string]bool{}
	for i := range rounds {
		seen[rounds[i].Action] = true
	}
	u := make(uniform, 0, len(seen))
	for _, action := range slices.Sorted(maps.Keys(seen)) {
		u = append(u, Choice{action, 1 / float64(len(seen))})
	}
	return u
}

type uniform []Choice

// Choose implements [Policy].
func (u uniform) Choose(string, string, *Model) ([]Choice, error) { return u, nil }

// Greedy is the policy that always chooses what the model says is best in a place. [Evaluate] asks it with a model of
// other rounds than those on which the choice is judged, so it isn't good by the luck by which it was chosen. Of equally
// good actions it takes the one whose name comes first.
type Greedy struct{}

// Choose implements [Policy].
func (Greedy) Choose(place, _ string, m *Model) ([]Choice, error) {
	best, most := "", -1.0
	for _, action := range m.Actions(place) {
		if mean := m.Mean(place, action); mean > most {
			best, most = action, mean
		}
	}
	return []Choice{{best, 1}}, nil
}

// Frequencies returns the policy that made a log, as far as it looks at the place only: it chooses each action as often
// as the log does there.
//
// For a policy that changed with time, as one that learns does, that is its average over the log. The mean of the
// propensities isn't: an action is logged more often when it was more probable, so the means of all actions add up to
// more than 1.
func Frequencies(rounds []Round) Policy {
	counts := map[string]map[string]int{}
	for i := range rounds {
		r := &rounds[i]
		if counts[r.Place] == nil {
			counts[r.Place] = map[string]int{}
		}
		counts[r.Place][r.Action]++
	}
	f := frequencies{}
	for place, actions := range counts {
		n := 0
		for _, c := range actions {
			n += c
		}
		for action, c := range actions {
			f[place] = append(f[place], Choice{action, float64(c) / float64(n)})
		}
		sortChoices(f[place])
	}
	return f
}

type frequencies map[string][]Choice

// Choose implements [Policy].
func (f frequencies) Choose(place, _ string, _ *Model) ([]Choice, error) {
	choices, ok := f[place]
	if !ok {
		return nil, noRow("place", place)
	}
	return choices, nil
}

func sortChoices(c []Choice) {
	slices.SortFunc(c, func(a, b Choice) int { return strings.Compare(a.Action, b.Action) })
}
