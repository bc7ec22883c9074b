package ope

import (
	"fmt"
	"math"

	"github.com/tidaldb/tidal/internal/fault"
)

// SupportError refuses a target whose choices the log doesn't show, so that nothing says what they would bring. It
// matches [fault.ErrInput].
type SupportError struct {
	// Mass is which part of the target's choices that is.
	Mass float64
	// Place and Action are the most probable choice that is never shown in its place. They are empty where each is shown
	// somewhere, but the weights say that it often couldn't be: their mean is far below 1.
	Place, Action string
}

// Error says how much is missing, and of what.
func (e *SupportError) Error() string {
	if e.Action == "" {
		return fmt.Sprintf("refused: target: about %.3g %% of its choices couldn't be shown when the log was made: the weights' "+
			"mean is %.3g, not 1", 100*e.Mass, 1-e.Mass)
	}
	return fmt.Sprintf("refused: target: %.3g %% of its choices are such as the log never shows in their place, for example %q "+
		"in %q", 100*e.Mass, e.Action, e.Place)
}

// Is reports whether target is [fault.ErrInput].
func (e *SupportError) Is(target error) bool { return target == fault.ErrInput }

// far is how many standard errors the weights' mean may lie below what it should be before it isn't chance any more.
const far = 4

// checkSupport refuses what the log can't tell. An action that is never shown in a place is missing for certain. One that
// could be shown at some times only, such as one of a pool that changes, shows in the weights: their mean estimates the
// part of the target's choices that had a chance.
func (e *evaluation) checkSupport() error {
	n := float64(len(e.rounds))
	const rounding = 1e-9
	if missing := e.missing / n; missing > e.o.Missing+rounding {
		return &SupportError{Mass: missing, Place: e.gap.place, Action: e.gap.action}
	}
	var mean, squares float64
	sums := make([]float64, e.clusters)
	sizes := make([]float64, e.clusters)
	for i, w := range e.whole {
		mean += w / n
		sums[e.cluster[i]] += w
		sizes[e.cluster[i]]++
	}
	for c := range sums {
		d := (sums[c] - sizes[c]*mean) / n
		squares += d * d
	}
	if mean+far*math.Sqrt(squares)+rounding < 1-e.o.Missing {
		return &SupportError{Mass: 1 - mean}
	}
	return nil
}

// shownIn is which actions a log shows in which places.
func shownIn(rounds []Round) map[string]map[string]bool {
	shown := map[string]map[string]bool{}
	for i := range rounds {
		r := &rounds[i]
		if shown[r.Place] == nil {
			shown[r.Place] = map[string]bool{}
		}
		shown[r.Place][r.Action] = true
	}
	return shown
}
