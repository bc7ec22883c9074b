package rank

import "math"

// maxScore bounds scores and the values of steps. It's far below the largest number, so neither a sum of two scores nor
// a delta can overflow.
const maxScore = 1e300

// bounded is x within ±maxScore, and 0 for what isn't a number.
func bounded(x float64) float64 {
	if math.Abs(x) <= maxScore {
		return x
	}
	switch {
	case x > 0:
		return maxScore
	case x < 0:
		return -maxScore
	}
	return 0
}

// addTo makes the step that adds x: it returns by how much the score changes, and the score after. A score is by
// definition the sum of the deltas, in order, from 0; Score and Explain both come here.
func addTo(score, x float64) (delta, after float64) {
	return advance(score, bounded(x))
}

// multiply makes the step that multiplies by x.
func multiply(score, x float64) (delta, after float64) {
	return advance(score, bounded(float64(score*bounded(x)))-score)
}

func advance(score, change float64) (delta, after float64) {
	if after = score + change; math.Abs(after) <= maxScore {
		return change, after
	}
	change = math.Copysign(maxScore, after) - score
	return change, score + change
}
