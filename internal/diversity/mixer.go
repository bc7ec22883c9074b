package diversity

import (
	"cmp"
	"slices"

	"github.com/tidaldb/tidal/schema"
)

// Mixer mixes lists, one at a time. The zero value is ready; what it keeps from list to list is memory alone.
type Mixer struct {
	in   *Input
	need int // places for candidates
	size int // candidates

	fields   []string
	caps     []limit   // the most important first: MaxPer, then Shares
	minimums []minimum // the most important first
	fixed    []Fixed   // by rank, no two alike
	table    interner
	values   []value
	starts   []int32 // values of candidate i in field f: codes[starts[i*fields+f]:starts[i*fields+f+1]]
	codes    []int32 // indexes of values
	member   []bool  // of candidate i and minimum k: member[i*minimums+k]

	free    []bool    // candidates that no fixed place has
	norm    []float64 // scores within [0, 1]
	greedy  greedy
	search  search
	excess  []int32 // of what greed found, by rule: minimums, then caps
	bounds  []int32
	current []int32
}

// limit is a cap on items with the same value, the same for all values of a field.
type limit struct {
	rule  Rule
	index int
	field int
	most  int32
}

// minimum is a rule about one value.
type minimum struct {
	value  int32 // an index of values, −1 if no item has it
	wanted int32 // items
	fixed  int32 // of them at fixed places
	left   int32 // candidates that have the value
}

// value is one that a field has.
type value struct {
	field int
	code  uint32
	fixed int32 // items at fixed places that have it
}

// Mix appends to picks which item comes at which place: a candidate, an item at its fixed place, or [Reserved]. It
// returns what isn't kept, nil if all is. The list has Limit places, or as many as there are candidates and fixed
// places.
//
// From the top down each place gets the best candidate that keeps all rules, while places for AtLeast are kept free as
// long as they are needed. A share is of all places of the list, rounded down, but at least one. Where Relevance λ lies
// between 0 and 1 the best candidate is that of maximal marginal relevance: the highest
//
//	λ·score − (1−λ)·max(0, similarity to whatever was picked already or has a fixed place)
//
// with scores brought to [0, 1] by the least and the greatest of them (J. Carbonell, J. Goldstein, The Use of MMR,
// Diversity-Based Reranking for Reordering Documents and Producing Summaries, SIGIR 1998). Of equal ones the earlier
// candidate is the best. So items whose values are the same in all fields of rules stay in the order of their scores
// unless λ says otherwise, and without rules the list is the beginning of the input.
//
// Where not all rules can be kept, relevance never stands against one, and they give way in this order, of one kind the
// last declared first, each as little as possible before the next one gives way:
//
//  1. Shares: one item more than the share, two more, …
//  2. MaxPer: N + 1 for each value, N + 2, …
//  3. AtLeast: one item less, two less, …
//
// In other words: of all lists it is one that is best for the first AtLeast, of these one that is best for the second,
// …, for the first MaxPer, …, for the last share. That is exact unless finding it takes more than a bounded number of
// steps, which needs many candidates and rules about several fields that contradict each other; then a rule may give
// way although some other list would have kept it. What gives way does so towards the end of the list.
//
// Only candidates give way. A value that items at fixed places have more often than a cap allows is reported, and gets
// no more while others can be had.
func (m *Mixer) Mix(in *Input, picks []int) ([]int, []Violation) {
	m.in = in
	m.size = len(in.Scores)
	m.place()
	rules := in.Rules
	if rules == nil {
		rules = &schema.Diversity{}
	}
	m.setFields(rules)
	m.readCodes()
	m.setRules(rules)
	relevance := rules.Relevance
	if relevance > 0 && relevance < 1 {
		m.normalise()
	} else {
		relevance = 1
	}
	m.greedy.run(m, relevance, m.free)
	if m.measure(m.greedy.picked) && m.improve() {
		m.greedy.run(m, relevance, m.search.chosen)
	}
	violations := m.violations(rules)
	picks = m.list(picks)
	m.in = nil
	return picks, violations
}

// place sorts the fixed places and counts those that are left.
func (m *Mixer) place() {
	m.fixed = m.fixed[:0]
	for _, f := range m.in.Fixed {
		if f.Rank >= 1 && f.Rank <= m.in.Limit {
			m.fixed = append(m.fixed, f)
		}
	}
	slices.SortStableFunc(m.fixed, func(a, b Fixed) int { return cmp.Compare(a.Rank, b.Rank) })
	m.fixed = m.fixed[:min(len(m.fixed), max(m.in.Limit, 0))]
	m.free = resize(m.free, m.size)
	for i := range m.free {
		m.free[i] = true
	}
	left := m.size
	for _, f := range m.fixed {
		if f.Item >= 0 && f.Item < m.size && m.free[f.Item] {
			m.free[f.Item] = false
			left--
		}
	}
	m.need = max(min(m.in.Limit-len(m.fixed), left), 0)
}

// list puts picks and fixed places together.
func (m *Mixer) list(out []int) []int {
	fixed, picked := m.fixed, m.greedy.picked
	for rank := 1; len(fixed)+len(picked) > 0; rank++ {
		if len(fixed) > 0 && (fixed[0].Rank <= rank || len(picked) == 0) {
			out = append(out, fixed[0].Item)
			fixed = fixed[1:]
			continue
		}
		out = append(out, int(picked[0]))
		picked = picked[1:]
	}
	return out
}

// measure sets how far a choice of candidates is from each rule, and says whether it is from any.
func (m *Mixer) measure(picked []int32) bool {
	k := len(m.minimums)
	m.excess = resize(m.excess, k+len(m.caps))
	for i, x := range m.minimums {
		m.excess[i] = max(0, x.wanted-x.fixed-m.count(picked, i))
	}
	broken := false
	for r := range m.caps {
		m.excess[k+r] = 0
	}
	for r := range m.caps {
		for v := range m.values {
			m.excess[k+r] = max(m.excess[k+r], -m.greedy.room[r*len(m.values)+v])
		}
	}
	for _, e := range m.excess {
		broken = broken || e > 0
	}
	return broken
}

// count is how many of the candidates meet a minimum.
func (m *Mixer) count(picked []int32, minimum int) (n int32) {
	for _, i := range picked {
		if m.member[int(i)*len(m.minimums)+minimum] {
			n++
		}
	}
	return n
}

// violations is what the list, with its fixed places, doesn't keep.
func (m *Mixer) violations(rules *schema.Diversity) (out []Violation) {
	for k, x := range m.minimums {
		if got := x.fixed + m.count(m.greedy.picked, k); got < x.wanted {
			r := rules.AtLeast[k]
			out = append(out, Violation{AtLeast, k, r.Field, m.minimumCode(k), int(x.wanted), int(got)})
		}
	}
	for r, c := range m.caps {
		for v, x := range m.values {
			if x.field != c.field {
				continue
			}
			got := x.fixed + roomFor(c, x) - m.greedy.room[r*len(m.values)+v]
			if got > c.most {
				out = append(out, Violation{c.rule, c.index, m.fields[c.field], x.code, int(c.most), int(got)})
			}
		}
	}
	return out
}

func (m *Mixer) minimumCode(k int) uint32 {
	if k < len(m.in.Minimums) {
		return m.in.Minimums[k]
	}
	return NoCode
}

// roomFor is how many candidates may have a value before the cap is reached.
func roomFor(c limit, v value) int32 { return max(0, c.most-v.fixed) }

// resize returns a slice of n elements with any content, in the memory of s if that suffices.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}
