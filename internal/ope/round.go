package ope

import (
	"github.com/tidaldb/tidal/internal/fault"
)

// Round is one choice that a policy made, and what came of it.
type Round struct {
	// Place is the kind of place that was filled, such as a position or an exploration slot. What an action brings, and
	// what can be chosen, are taken to be alike in places of one name.
	Place string
	// Context is what a policy file names the situation by. It is the place or the user.
	Context string
	// Action is what was chosen, such as an item.
	Action string
	// Reward is what came of it, in [0, 1]: 1 for a click and 0 for none.
	Reward float64
	// Propensity is the probability with which the action was chosen, at least 1e-12 and at most 1.
	Propensity float64
	// Cluster names what rounds have in common that makes their rewards alike, such as the user. Rounds without one are
	// independent of all others.
	Cluster string
}

// least is the smallest propensity: nobody draws from a pool of a million million.
const least = 1e-12

// check refuses a log that nothing can be said of.
func check(rounds []Round) error {
	if len(rounds) == 0 {
		return fault.Refuse("log", "holds no rounds")
	}
	for i := range rounds {
		r := &rounds[i]
		switch {
		case !(r.Propensity >= least && r.Propensity <= 1):
			return fault.Refuse("log", "round %d has the propensity %v; want at least %v and at most 1", i, r.Propensity, least)
		case !(r.Reward >= 0 && r.Reward <= 1):
			return fault.Refuse("log", "round %d has the reward %v; want 0 to 1", i, r.Reward)
		}
	}
	return nil
}

// clusters numbers what rounds have in common, from 0 in the order of the log, and says how many there are.
func clusters(rounds []Round) (of []int, count int) {
	of = make([]int, len(rounds))
	numbers := map[string]int{}
	for i := range rounds {
		name := rounds[i].Cluster
		n, known := numbers[name]
		if name == "" || !known {
			n = count
			count++
		}
		if name != "" {
			numbers[name] = n
		}
		of[i] = n
	}
	return of, count
}
