package rank

import "github.com/tidaldb/tidal/schema"

// Term is one step of a score.
type Term struct {
	// Name and Op are those of the step.
	Name string
	Op   schema.StepOp
	// Value is what the step's expression came to, Delta by how much the step changed the score.
	Value, Delta float64
}

// Explain appends the score's terms, in the order of the profile, to a list, which may be nil. Their deltas, added in
// order from 0, are exactly what Score returns.
//
// What a query does to a score beside its profile, boosts above all, continues the list with [Boosted].
func (p *Program) Explain(terms []Term, values []float64) []Term {
	start := len(terms)
	for i := range p.profile.Score {
		terms = append(terms, Term{Name: p.profile.Score[i].Name, Op: p.profile.Score[i].Op})
	}
	run(p.code, values, terms[start:])
	return terms
}

// Boosted multiplies a score by a factor as a step of a profile does: it returns the score after and the term that
// explains it. The deltas still add up exactly.
func Boosted(score float64, name string, factor float64) (float64, Term) {
	delta, after := multiply(score, factor)
	return after, Term{Name: name, Op: schema.Multiply, Value: bounded(factor), Delta: delta}
}
