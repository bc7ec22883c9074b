package ranker

import (
	"cmp"
	"slices"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/rank"
)

// most is how many candidates the second phase takes.
func (r *Ranker) most() int {
	limit := r.job.Ask.Limit
	most := max(secondMost, limit+secondExtra)
	if r.program.HasFirst() && !r.program.Exact() {
		most = min(most, max(secondExtra, secondTimes*limit))
	}
	if r.job.Effort >= FewerCandidates {
		most = max(most/2, limit)
	}
	return most
}

// cut is the first phase: candidates that gates hold back are dropped, and of the others the best are left.
func (r *Ranker) cut() {
	fresh := len(r.job.Kept) == 0
	kept := r.found[:0]
	for rest := r.found; len(rest) > 0; {
		some := rest[:min(tileSize, len(rest))]
		rest = rest[len(some):]
		kept = r.cutTile(some, kept, fresh)
	}
	r.found = kept
	if most := r.most(); fresh && len(r.found) > most {
		r.found = first(r.found, most, r.before)
	}
}

// tileSize is how many candidates go through the first phase together: one feature after another, each for all of them.
const tileSize = 1024

// cutTile appends to kept, which may share memory with the tile, what passes.
func (r *Ranker) cutTile(some, kept []candidate, fresh bool) []candidate {
	p, n := r.program, len(some)
	t := &r.tile
	t.ords = t.ords[:0]
	for i := range some {
		t.ords = append(t.ords, some[i].n)
	}
	for len(t.columns) < p.Early() {
		t.columns = append(t.columns, make([]float64, tileSize))
	}
	for i := range r.feat.early {
		at := r.feat.early[i].at
		t.columns[at] = t.columns[at][:n]
		r.feat.column(&r.feat.early[i], t.ords, t.columns[at])
	}
	if len(t.pass) == 0 {
		t.pass, t.first = make([]bool, tileSize), make([]float64, tileSize)
	}
	p.PassEarlyColumns(t.pass[:n], t.columns[:p.Early()])
	if p.HasFirst() && fresh {
		p.FirstColumns(t.first[:n], t.columns[:p.Early()])
	}
	for i := range some {
		c := some[i]
		if !t.pass[i] {
			continue
		}
		if p.HasFirst() && fresh {
			c.first = t.first[i]
		}
		kept = append(kept, c)
	}
	return kept
}

// tile is what is known of some candidates, feature by feature.
type tile struct {
	ords    []state.Ord
	columns [][]float64 // by feature
	first   []float64
	pass    []bool
}

// before orders candidates by the first phase, ties by id, so that every replica cuts at the same place.
func (r *Ranker) before(a, b *candidate) bool {
	if a.first != b.first {
		return a.first > b.first
	}
	return r.job.Engine.CompareItems(a.n, b.n) < 0
}

// second computes every feature of the candidates that are left, drops those that gates hold back, and scores the others.
func (r *Ranker) second() error {
	if r.program.Exact() && r.program.Early() == len(r.program.Features()) && len(r.job.Kept) == 0 {
		// The first phase has computed all that there is.
		for i := range r.found {
			r.found[i].score = r.found[i].first
			r.adjust(&r.found[i])
		}
		r.sort()
		return nil
	}
	kept := r.found[:0]
	for _, c := range r.found {
		pass, err := r.score(&c)
		if err != nil {
			return err
		}
		if pass {
			kept = append(kept, c)
		}
	}
	r.found = kept
	if !r.job.AsShown {
		r.sort()
	}
	return nil
}

// score scores one candidate, and reports whether it passes the gates; one that doesn't has no score. What is in a list
// that is asked for again has passed them already.
func (r *Ranker) score(c *candidate) (pass bool, err error) {
	if err := r.feat.all(c.n, r.values); err != nil {
		return false, err
	}
	if !r.job.AsShown && !r.program.Pass(r.values) {
		return false, nil
	}
	r.scoreValues(c)
	return true, nil
}

// scoreShown scores one candidate that is shown whether it passes the gates or not.
func (r *Ranker) scoreShown(c *candidate) error {
	if err := r.feat.all(c.n, r.values); err != nil {
		return err
	}
	r.scoreValues(c)
	return nil
}

// scoreValues scores a candidate whose features have been computed.
func (r *Ranker) scoreValues(c *candidate) {
	c.score = r.program.Score(r.values)
	r.adjust(c)
}

// adjust does to a score what the query says beside its profile.
func (r *Ranker) adjust(c *candidate) {
	for i, f := range r.boosts {
		if f.Match(c.n) {
			c.score, _ = rank.Boosted(c.score, "boost", r.job.Ask.Boosts[i].Factor)
		}
	}
	c.buried = r.buried(c.n)
}

func (r *Ranker) buried(n state.Ord) bool {
	if len(r.job.Ask.Buries) == 0 {
		return false
	}
	return slices.Contains(r.job.Ask.Buries, r.job.Engine.ItemID(n))
}

// sort orders by score, buried items last, ties by id.
func (r *Ranker) sort() {
	slices.SortFunc(r.found, func(a, b candidate) int {
		if a.buried != b.buried {
			if a.buried {
				return 1
			}
			return -1
		}
		if c := cmp.Compare(b.score, a.score); c != 0 {
			return c
		}
		return r.job.Engine.CompareItems(a.n, b.n)
	})
}

// explain says what an item's score is made of.
func (r *Ranker) explain(c *candidate) ([]rank.Term, error) {
	if err := r.feat.all(c.n, r.values); err != nil {
		return nil, err
	}
	terms := r.program.Explain(nil, r.values)
	score := 0.0
	for _, t := range terms {
		score += t.Delta
	}
	for i, f := range r.boosts {
		if f.Match(c.n) {
			var t rank.Term
			score, t = rank.Boosted(score, "boost "+r.job.Ask.Boosts[i].Where.String(), r.job.Ask.Boosts[i].Factor)
			terms = append(terms, t)
		}
	}
	return terms, nil
}
