package diversity_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/diversity"
	"github.com/tidaldb/tidal/schema"
)

var small = size{candidates: 9, limit: 7, values: 4}

// TestRulesAreKeptWheneverTheyCanBe tries all lists: none is nearer to the first AtLeast, of those that are as near
// none is nearer to the second one, and so on down to the last share.
func TestRulesAreKeptWheneverTheyCanBe(t *testing.T) {
	r := newRand(t)
	var mixer diversity.Mixer
	kept, broken := 0, 0
	for range 20000 {
		p := randomProblem(r, small)
		if r.IntN(4) == 0 {
			p.Rules.Relevance = r.Float64()
		}
		picks, _ := mixer.Mix(p.Input, nil)
		fixed, free := p.split()
		got := p.distance(picks, fixed)
		var best []int
		subsets(free, len(picks)-len(fixed), func(chosen []int) {
			d := p.distance(slices.Concat(fixed, chosen), fixed)
			if best == nil || slices.Compare(d, best) < 0 {
				best = d
			}
		})
		if !slices.Equal(got, best) {
			t.Fatalf("%v\nlist %v is as far as %v from the rules, another one %v", p, picks, got, best)
		}
		if slices.Max(append(got, 0)) == 0 {
			kept++
		} else {
			broken++
		}
	}
	if kept < 2000 || broken < 2000 {
		t.Errorf("rules were kept %d times and broken %d times: the cases are one-sided", kept, broken)
	}
}

func subsets(items []int, n int, visit func([]int)) {
	var chosen []int
	var walk func(from int)
	walk = func(from int) {
		if len(chosen) == n {
			visit(chosen)
			return
		}
		for i := from; i <= len(items)-(n-len(chosen)); i++ {
			chosen = append(chosen, items[i])
			walk(i + 1)
			chosen = chosen[:len(chosen)-1]
		}
	}
	walk(0)
}

func TestAListIsNeverShorterAndHasNothingTwice(t *testing.T) {
	r := newRand(t)
	var mixer diversity.Mixer
	for range 20000 {
		p := randomProblem(r, size{30, 20, 6})
		if r.IntN(2) == 0 {
			p.Rules.Relevance = r.Float64()
		}
		picks, _ := mixer.Mix(p.Input, []int{-7})
		if picks[0] != -7 {
			t.Fatal("picks weren't appended")
		}
		picks = picks[1:]
		fixed, free := p.split()
		if want := min(p.Limit, len(fixed)+len(free)); len(picks) != want {
			t.Fatalf("%v\n%d items, want %d", p, len(picks), want)
		}
		seen := map[int]bool{}
		for _, i := range picks {
			if i != diversity.Reserved && seen[i] {
				t.Fatalf("%v\nlist %v has %d twice", p, picks, i)
			}
			seen[i] = true
			if !slices.Contains(fixed, i) && !slices.Contains(free, i) {
				t.Fatalf("%v\nlist %v has %d, which isn't a candidate", p, picks, i)
			}
		}
		checkRanks(t, p, picks)
	}
}

// checkRanks holds fixed places where ranks differ and the list is long enough.
func checkRanks(t *testing.T, p problem, picks []int) {
	t.Helper()
	ranks := map[int]int{}
	for _, f := range p.Fixed {
		ranks[f.Rank]++
	}
	for rank, n := range ranks {
		if n > 1 || rank > len(picks)-len(p.Fixed) {
			return // the law for crowds is in testdata
		}
	}
	for _, f := range p.Fixed {
		if f.Rank >= 1 && f.Rank <= p.Limit && picks[f.Rank-1] != f.Item {
			t.Fatalf("%v\nlist %v hasn't %d at %d", p, picks, f.Item, f.Rank)
		}
	}
}

func TestViolationsAreWhatIsBroken(t *testing.T) {
	r := newRand(t)
	var mixer diversity.Mixer
	total := 0
	for range 10000 {
		p := randomProblem(r, size{30, 20, 6})
		picks, violations := mixer.Mix(p.Input, nil)
		var want []diversity.Violation
		for _, rule := range p.rules(len(picks)) {
			counts := p.counts(picks, rule.field)
			if rule.kind == diversity.AtLeast {
				if n := counts[rule.code]; n < rule.n {
					want = append(want, diversity.Violation{rule.kind, rule.index, rule.field, rule.code, rule.n, n})
				}
				continue
			}
			for code, n := range counts {
				if n > rule.n {
					want = append(want, diversity.Violation{rule.kind, rule.index, rule.field, code, rule.n, n})
				}
			}
		}
		inOrder := func(a, b diversity.Violation) int {
			return cmp.Or(cmp.Compare(b.Rule, a.Rule), cmp.Compare(a.Index, b.Index), cmp.Compare(a.Code, b.Code))
		}
		slices.SortFunc(want, inOrder)
		got := slices.SortedFunc(slices.Values(violations), inOrder)
		if !slices.Equal(got, want) {
			t.Fatalf("%v\nlist %v: violations %v, want %v", p, picks, got, want)
		}
		total += len(want)
	}
	if total < 500 {
		t.Errorf("only %d violations in all cases", total)
	}
}

func TestItemsWithEqualValuesStayInOrder(t *testing.T) {
	r := newRand(t)
	var mixer diversity.Mixer
	for range 10000 {
		p := randomProblem(r, size{30, 20, 4})
		picks, _ := mixer.Mix(p.Input, nil)
		_, free := p.split()
		for i, a := range free {
			for _, b := range free[i+1:] {
				at, behind := slices.Index(picks, a), slices.Index(picks, b)
				if behind >= 0 && (at < 0 || at > behind) && alike(p, a, b) {
					t.Fatalf("%v\nlist %v has %d without or before %d, which is better and alike", p, picks, b, a)
				}
			}
		}
	}
}

func alike(p problem, a, b int) bool {
	for _, f := range p.stock.fields {
		if !slices.Equal(p.stock.values[a][f], p.stock.values[b][f]) {
			return false
		}
	}
	return true
}

func TestWithoutRulesTheListIsTheBeginning(t *testing.T) {
	var mixer diversity.Mixer
	for n := range 10 {
		for limit := range 12 {
			for _, rules := range []*schema.Diversity{nil, {}, {Relevance: 1}} {
				in := &diversity.Input{Rules: rules, Scores: make([]float64, n), Limit: limit}
				picks, violations := mixer.Mix(in, nil)
				if len(picks) != min(n, limit) || violations != nil {
					t.Fatalf("%d candidates, limit %d: list %v, violations %v", n, limit, picks, violations)
				}
				for i, pick := range picks {
					if pick != i {
						t.Fatalf("%d candidates, limit %d: list %v", n, limit, picks)
					}
				}
			}
		}
	}
}

// TestGreedIsWhatTheDefinitionSays holds lists for which no rule had to give way against a slow program that follows
// the definition word by word.
func TestGreedIsWhatTheDefinitionSays(t *testing.T) {
	r := newRand(t)
	var mixer diversity.Mixer
	checked := 0
	for range 10000 {
		p := randomProblem(r, size{30, 15, 8})
		if r.IntN(2) == 0 {
			p.Rules.Relevance = r.Float64()
		}
		want := slowGreed(p)
		if want == nil {
			continue
		}
		checked++
		if got, violations := mixer.Mix(p.Input, nil); !slices.Equal(got, want) {
			t.Fatalf("%v\nlist %v, want %v (violations %v)", p, got, want, violations)
		}
	}
	if checked < 2000 {
		t.Errorf("only %d cases kept all rules", checked)
	}
}

// slowGreed is nil where it would have to break a rule.
func slowGreed(p problem) []int {
	fixed, free := p.split()
	places := min(p.Limit, len(fixed)+len(free)) - len(fixed)
	rules := p.rules(places + len(fixed))
	var picked []int
	for len(picked) < places {
		best, highest := -1, math.Inf(-1)
		for _, i := range free {
			if slices.Contains(picked, i) || !keeps(p, rules, fixed, append(slices.Clone(picked), i), places) {
				continue
			}
			if m := marginal(p, append(slices.Clone(fixed), picked...), i); m > highest {
				best, highest = i, m
			}
		}
		if best < 0 {
			return nil
		}
		picked = append(picked, best)
	}
	fixes := p.places()
	var out []int
	for len(fixes)+len(picked) > 0 {
		if len(fixes) > 0 && (fixes[0].Rank <= len(out)+1 || len(picked) == 0) {
			out, fixes = append(out, fixes[0].Item), fixes[1:]
		} else {
			out, picked = append(out, picked[0]), picked[1:]
		}
	}
	return out
}

// keeps says whether picks break no cap and leave enough places for minimums.
func keeps(p problem, rules []rule, fixed, picked []int, places int) bool {
	owed := 0
	for _, r := range rules {
		all, given := p.counts(append(slices.Clone(fixed), picked...), r.field), p.counts(fixed, r.field)
		if r.kind == diversity.AtLeast {
			owed += max(0, r.n-all[r.code])
			continue
		}
		for code, n := range all {
			if n > r.n && n > given[code] {
				return false
			}
		}
	}
	return owed <= places-len(picked)
}

func marginal(p problem, before []int, i int) float64 {
	λ := p.Rules.Relevance
	if λ <= 0 || λ >= 1 {
		return -float64(i)
	}
	low, high := slices.Min(p.Scores), slices.Max(p.Scores)
	score, likeness := 0.0, float32(0)
	if high > low {
		score = (p.Scores[i]/2 - low/2) / (high/2 - low/2)
	}
	for _, j := range before {
		if j >= 0 {
			likeness = max(likeness, p.stock.Similarity(i, j))
		}
	}
	return λ*score - (1-λ)*float64(likeness)
}

// TestCapsOfManyCandidates takes sizes as they are in practice, where one cap gives way by as little as counting says.
func TestCapsOfManyCandidates(t *testing.T) {
	r := newRand(t)
	var mixer diversity.Mixer
	for range 2000 {
		n, limit, creators := 1+r.IntN(300), 1+r.IntN(100), 1+r.IntN(80)
		s := &stock{fields: []string{"creator"}}
		count := map[uint32]int{}
		for range n {
			code := uint32(float64(creators) * math.Pow(r.Float64(), 3))
			s.values = append(s.values, map[string][]uint32{"creator": {code}})
			count[code]++
		}
		rules := &schema.Diversity{MaxPer: []schema.MaxPer{{Field: "creator", N: 1 + r.IntN(4)}}}
		in := &diversity.Input{Rules: rules, Scores: make([]float64, n), Items: s, Limit: limit}
		picks, violations := mixer.Mix(in, nil)
		most := rules.MaxPer[0].N
		for capacity(count, most) < len(picks) {
			most++
		}
		for code, n := range (problem{stock: s}).counts(picks, "creator") {
			if n > most {
				t.Fatalf("%d items by creator %d, of %d, where %d are enough", n, code, len(picks), most)
			}
		}
		if (most > rules.MaxPer[0].N) != (violations != nil) {
			t.Fatalf("%d per creator, violations %v", most, violations)
		}
	}
}

func capacity(count map[uint32]int, most int) (sum int) {
	for _, n := range count {
		sum += min(n, most)
	}
	return sum
}

func TestAMixerKeepsNothingButMemory(t *testing.T) {
	r := newRand(t)
	var used diversity.Mixer
	for range 5000 {
		p := randomProblem(r, size{40, 30, 8})
		p.Rules.Relevance = float64(r.IntN(3)) / 2
		picks, violations := used.Mix(p.Input, nil)
		again, too := new(diversity.Mixer).Mix(p.Input, nil)
		if !slices.Equal(picks, again) || !reflect.DeepEqual(violations, too) {
			t.Fatalf("%v\na new mixer makes %v, a used one %v", p, again, picks)
		}
	}
}

func TestOddInput(t *testing.T) {
	var mixer diversity.Mixer
	inf, nan := math.Inf(1), math.NaN()
	s := &stock{fields: []string{"creator"}, place: make([]float32, 5)}
	for range 5 {
		s.values = append(s.values, map[string][]uint32{"creator": {1}})
	}
	mmr := &schema.Diversity{Relevance: 0.5}
	for name, in := range map[string]*diversity.Input{
		"scores that aren't finite": {Rules: mmr, Scores: []float64{inf, 1, 0, nan, -inf}},
		"scores beyond all":         {Rules: mmr, Scores: []float64{1e308, 1, 0, -1, -1e308}},
		"caps of 0 and less": {Scores: make([]float64, 5), Rules: &schema.Diversity{
			MaxPer: []schema.MaxPer{{Field: "creator", N: 0}, {Field: "creator", N: -3}},
			Shares: []schema.Share{{Field: "creator", Max: 0}, {Field: "creator", Max: nan}},
		}},
		"minimum without code": {Scores: make([]float64, 5), Rules: &schema.Diversity{
			AtLeast: []schema.AtLeast{{Field: "creator", N: math.MaxInt}},
		}},
	} {
		in.Items = s
		for limit := -1; limit < 8; limit++ {
			in.Limit = limit
			if picks, _ := mixer.Mix(in, nil); len(picks) != max(0, min(limit, 5)) {
				t.Errorf("%s: limit %d makes %v", name, limit, picks)
			}
		}
	}
}

// bench is 300 candidates by 80 creators in 12 categories, with vectors of 128 numbers.
type bench struct {
	creator, category []uint32
	vectors           [][]float32
	compared          int
}

func newBench(r *rand.Rand) *bench {
	b := &bench{}
	for range 300 {
		b.creator = append(b.creator, uint32(80*math.Pow(r.Float64(), 2)))
		b.category = append(b.category, uint32(12*math.Pow(r.Float64(), 2)))
		v := make([]float32, 128)
		for i := range v {
			v[i] = float32(r.NormFloat64()) / 11.3
		}
		b.vectors = append(b.vectors, v)
	}
	return b
}

// newContradiction is candidates of which counting finds enough for one item a creator, and for five a category, but
// none that are both: the rarer half of categories is by ten creators alone.
func newContradiction(r *rand.Rand) *bench {
	b := &bench{}
	for range 300 {
		creator := r.Uint32N(60)
		category := r.Uint32N(5)
		if creator < 10 && r.IntN(2) == 0 {
			category += 5
		}
		b.creator, b.category = append(b.creator, creator), append(b.category, category)
	}
	return b
}

func (b *bench) Codes(item, field int) []uint32 {
	if field == 0 {
		return b.creator[item : item+1]
	}
	return b.category[item : item+1]
}

// Similarity is plain Go; a vector set takes a fifth of the time.
func (b *bench) Similarity(x, y int) (sum float32) {
	b.compared++
	w := b.vectors[y]
	for i, v := range b.vectors[x] {
		sum += v * w[i]
	}
	return sum
}

var (
	twoPerCreator = []schema.MaxPer{{Field: "creator", N: 2}}
	mostly        = []schema.Share{{Field: "category", Max: 0.3}}
)

var benchRules = map[string]schema.Diversity{
	"two rules":  {MaxPer: twoPerCreator, Shares: mostly},
	"all rules":  {MaxPer: twoPerCreator, Shares: mostly, AtLeast: []schema.AtLeast{{Field: "category", N: 3}}},
	"mmr":        {MaxPer: twoPerCreator, Shares: mostly, Relevance: 0.7},
	"giving way": {MaxPer: twoPerCreator, Shares: []schema.Share{{Field: "category", Max: 0.02}}},
	"hopeless": {
		MaxPer:  []schema.MaxPer{{Field: "category", N: 3}, {Field: "creator", N: 1}},
		AtLeast: []schema.AtLeast{{Field: "category", N: 9}},
	},
	"contradiction": {MaxPer: []schema.MaxPer{{Field: "creator", N: 1}, {Field: "category", N: 5}}},
}

func benchInput(r *rand.Rand, rules schema.Diversity) *diversity.Input {
	in := &diversity.Input{Rules: &rules, Minimums: []uint32{11}, Items: newBench(r), Limit: 50}
	for i := range 300 {
		in.Scores = append(in.Scores, math.Exp(-float64(i)/100))
	}
	return in
}

func TestMixDoesNotAllocate(t *testing.T) {
	r := newRand(t)
	var mixer diversity.Mixer
	picks := make([]int, 0, 50)
	for name, rules := range benchRules {
		in := benchInput(r, rules)
		_, violations := mixer.Mix(in, picks)
		allowed := 0.0 // append doubles
		for n := 1; len(violations) > 0 && n < 2*len(violations); n *= 2 {
			allowed++
		}
		if n := testing.AllocsPerRun(20, func() { mixer.Mix(in, picks) }); n > allowed {
			t.Errorf("%s: a list allocates %v times, with %d violations", name, n, len(violations))
		}
	}
}

func BenchmarkMix50Of300(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, name := range []string{"two rules", "all rules", "mmr", "giving way", "hopeless", "contradiction"} {
		in := benchInput(r, benchRules[name])
		if name == "contradiction" {
			in.Items = newContradiction(r)
		}
		b.Run(name, func(b *testing.B) {
			var mixer diversity.Mixer
			picks := make([]int, 0, 50)
			b.ReportAllocs()
			items := in.Items.(*bench)
			items.compared = 0
			for b.Loop() {
				mixer.Mix(in, picks)
			}
			b.ReportMetric(float64(items.compared)/float64(b.N), "comparisons/op")
		})
	}
}
