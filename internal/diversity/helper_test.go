package diversity_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/diversity"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
)

// newRand returns a generator whose seed is logged; TIDAL_SEED repeats a run.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := testseed.Of(t)
	return rand.New(rand.NewPCG(seed, 1))
}

// stock is items with the values of fields by name, and a place on a line, by which they are alike.
type stock struct {
	fields []string
	values []map[string][]uint32
	place  []float32
}

func (s *stock) Codes(item, field int) []uint32 { return s.values[item][s.fields[field]] }

func (s *stock) Similarity(a, b int) float32 { return 1 - 3*abs(s.place[a]-s.place[b]) }

func abs(x float32) float32 { return max(x, -x) }

// problem is a random list to mix.
type problem struct {
	*diversity.Input
	stock *stock
}

func (p problem) String() string {
	s := fmt.Sprintf("limit %d, rules %+v, codes %v, fixed %+v\n", p.Limit, *p.Rules, p.Minimums, p.Fixed)
	for i, v := range p.stock.values {
		s += fmt.Sprintf("%d: %v\n", i, v)
	}
	return s
}

var fieldNames = []string{"creator", "category", "tags"}

// size bounds random problems.
type size struct{ candidates, limit, values int }

func randomProblem(r *rand.Rand, z size) problem {
	n := r.IntN(z.candidates + 1)
	outside := r.IntN(3)
	p := problem{&diversity.Input{Rules: &schema.Diversity{}, Limit: r.IntN(z.limit + 1)}, &stock{}}
	score := r.NormFloat64()
	for range n {
		p.Scores = append(p.Scores, score)
		if r.IntN(4) > 0 {
			score -= r.Float64()
		}
	}
	values := [3]int{1 + r.IntN(z.values), 1 + r.IntN(z.values), 1 + r.IntN(z.values)}
	for range n + outside {
		item := map[string][]uint32{}
		for f, name := range fieldNames[:2] {
			if r.IntN(8) > 0 {
				item[name] = []uint32{r.Uint32N(uint32(values[f])) * 1000003}
			}
		}
		for code := range uint32(values[2]) {
			if r.IntN(values[2]+1) == 0 {
				item["tags"] = append(item["tags"], code)
			}
		}
		p.stock.values = append(p.stock.values, item)
		p.stock.place = append(p.stock.place, r.Float32())
	}
	randomRules(r, p, values)
	used := map[int]bool{diversity.Reserved: false}
	for range r.IntN(4) {
		item := r.IntN(n+outside+1) - 1
		if r.IntN(2) == 0 && !used[item] {
			used[item] = item >= 0
			p.Fixed = append(p.Fixed, diversity.Fixed{Rank: r.IntN(z.limit + 2), Item: item})
		}
	}
	p.stock.fields = diversity.Fields(p.Rules)
	p.Items = p.stock
	return p
}

func randomRules(r *rand.Rand, p problem, values [3]int) {
	rules := p.Rules
	for range r.IntN(3) {
		rules.MaxPer = append(rules.MaxPer, schema.MaxPer{Field: fieldNames[r.IntN(3)], N: 1 + r.IntN(3)})
	}
	for range r.IntN(3) {
		rules.Shares = append(rules.Shares, schema.Share{Field: fieldNames[r.IntN(3)], Max: 0.1 + 0.9*r.Float64()})
	}
	for range r.IntN(3) {
		f := r.IntN(3)
		code := r.Uint32N(uint32(values[f] + 1))
		if f < 2 {
			code *= 1000003
		}
		if r.IntN(10) == 0 {
			code = diversity.NoCode
		}
		rules.AtLeast = append(rules.AtLeast, schema.AtLeast{Field: fieldNames[f], N: 1 + r.IntN(3)})
		p.Minimums = append(p.Minimums, code)
	}
}

// rule is a rule of a problem in the order of importance, as a slow program would see it.
type rule struct {
	kind  diversity.Rule
	index int
	field string
	code  uint32
	n     int
}

func (p problem) rules(length int) (out []rule) {
	for i, r := range p.Rules.AtLeast {
		out = append(out, rule{diversity.AtLeast, i, r.Field, p.Minimums[i], r.N})
	}
	for i, r := range p.Rules.MaxPer {
		out = append(out, rule{diversity.MaxPer, i, r.Field, 0, r.N})
	}
	for i, r := range p.Rules.Shares {
		out = append(out, rule{diversity.Share, i, r.Field, 0, max(1, int(r.Max*float64(length)+1e-9))})
	}
	return out
}

// counts is how many of the items have each value of a field.
func (p problem) counts(items []int, field string) map[uint32]int {
	out := map[uint32]int{}
	for _, i := range items {
		if i >= 0 {
			for _, code := range p.stock.values[i][field] {
				out[code]++
			}
		}
	}
	return out
}

// distance is how far a list is from each rule: that which items at fixed places alone make isn't counted.
func (p problem) distance(list, fixed []int) (out []int) {
	for _, r := range p.rules(len(list)) {
		all, given := p.counts(list, r.field), p.counts(fixed, r.field)
		far := 0
		if r.kind == diversity.AtLeast {
			far = max(0, r.n-all[r.code])
		} else {
			for code, n := range all {
				far = max(far, n-max(r.n, given[code]))
			}
		}
		out = append(out, far)
	}
	return out
}

// places is the fixed places that the list has, in the order of ranks.
func (p problem) places() (out []diversity.Fixed) {
	for _, f := range p.Fixed {
		if f.Rank >= 1 && f.Rank <= p.Limit {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b diversity.Fixed) int { return cmp.Compare(a.Rank, b.Rank) })
	return out[:min(len(out), p.Limit)]
}

// split is the items at fixed places of the list, and the candidates that are free.
func (p problem) split() (fixed, free []int) {
	taken := map[int]bool{}
	for _, f := range p.places() {
		fixed = append(fixed, f.Item)
		taken[f.Item] = true
	}
	for i := range p.Scores {
		if !taken[i] {
			free = append(free, i)
		}
	}
	return fixed, free
}
