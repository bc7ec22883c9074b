package rank

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/schema"
)

// oracle evaluates an expression as it was written: no folding, no instructions, no sharing, and its own arithmetic.
// Only what names mean comes from the checker.
type oracle struct {
	check  *checker
	values map[Feature]float64
}

func (o *oracle) eval(x *syntax) float64 {
	if x.kind == syntaxNumber || x.kind == syntaxDuration {
		return x.num
	}
	if w := find(x.text); x.kind == syntaxName || x.kind == syntaxCall && w != nil && w.op == opNone {
		return o.leaf(o.check.word(x))
	}
	args := make([]float64, len(x.args))
	for i, a := range x.args {
		args[i] = o.eval(a)
	}
	one := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	var v float64
	switch {
	case x.text == "-" && len(args) == 1:
		v = -args[0]
	case x.text == "not":
		v = one(args[0] == 0)
	case x.text == "+":
		v = args[0] + args[1]
	case x.text == "-":
		v = args[0] - args[1]
	case x.text == "*":
		v = args[0] * args[1]
	case x.text == "/":
		if args[1] != 0 {
			v = args[0] / args[1]
		}
	case x.text == "^" || x.text == "pow":
		switch {
		case args[0] == 2:
			v = math.Exp2(args[1])
		case args[1] == 2:
			v = args[0] * args[0]
		case args[0] != 0 || args[1] >= 0:
			v = math.Pow(args[0], args[1])
		}
	case x.text == "<":
		v = one(args[0] < args[1])
	case x.text == "<=":
		v = one(args[0] <= args[1])
	case x.text == ">":
		v = one(args[0] > args[1])
	case x.text == ">=":
		v = one(args[0] >= args[1])
	case x.text == "=":
		v = one(args[0] == args[1])
	case x.text == "!=":
		v = one(args[0] != args[1])
	case x.text == "and":
		v = one(args[0] != 0 && args[1] != 0)
	case x.text == "or":
		v = one(args[0] != 0 || args[1] != 0)
	case x.text == "if":
		v = args[2]
		if args[0] != 0 {
			v = args[1]
		}
	case x.text == "min" || x.text == "max":
		v = args[0]
		for _, y := range args[1:] {
			if x.text == "min" && y < v || x.text == "max" && y > v {
				v = y
			}
		}
	case x.text == "clamp":
		v = math.Min(math.Max(args[0], args[1]), args[2])
	case x.text == "abs":
		v = math.Abs(args[0])
	case x.text == "sigmoid":
		v = 1 / (1 + math.Exp(-args[0]))
	case x.text == "exp":
		v = math.Exp(args[0])
	case x.text == "wilson":
		v = wilson(args[0], args[1]) // held against its definition by TestWilson
	case args[0] > 0:
		v = map[string]func(float64) float64{
			"sqrt": math.Sqrt, "ln": math.Log, "log2": math.Log2, "log10": math.Log10,
		}[x.text](args[0])
	}
	if math.IsNaN(v) {
		return 0
	}
	return max(-math.MaxFloat64, min(math.MaxFloat64, v))
}

func (o *oracle) leaf(n *node) float64 {
	switch n.op {
	case opConst:
		return n.num
	case opFeature:
		return o.values[n.feat]
	}
	return o.leaf(n.args[0]) / o.leaf(n.args[1]) // a velocity
}

// drawNumberText draws an expression whose value is a number.
func drawNumberText(t *rapid.T, depth int) string {
	leaves := []string{
		"age", "now", "random", "affinity", "interest", "similar", "if(known, 1, 0)", "field(price)", "score(view)",
		"score(view, 7d)", "score(positive)", "count(view, 24h)", "velocity(like, 1h)", "total(negative)", "unique(view)",
		"sum(tip)", "total(nothing)", "0", "1", "2", "0.5", "7d", "1e300", "count(signal, window)",
	}
	if depth == 0 {
		return rapid.SampledFrom(leaves).Draw(t, "leaf")
	}
	sub := func() string { return drawNumberText(t, depth-1) }
	switch rapid.IntRange(0, 9).Draw(t, "form") {
	case 0, 1, 2, 3:
		op := rapid.SampledFrom([]string{"+", "-", "*", "/", "^"}).Draw(t, "operator")
		return "(" + sub() + " " + op + " " + sub() + ")"
	case 4:
		return "if(" + drawConditionText(t, depth-1) + ", " + sub() + ", " + sub() + ")"
	case 5:
		f := rapid.SampledFrom([]string{"abs", "sqrt", "exp", "ln", "log2", "log10", "sigmoid"}).Draw(t, "function")
		return f + "(" + sub() + ")"
	case 6:
		f := rapid.SampledFrom([]string{"min", "max", "pow", "wilson"}).Draw(t, "function of two")
		return f + "(" + sub() + ", " + sub() + ")"
	case 7:
		return "(-" + sub() + ")"
	case 8:
		x := sub() // the same part twice is computed once
		return "(" + x + " * if(" + drawConditionText(t, depth-1) + ", " + x + ", 3) - " + x + ")"
	}
	return drawNumberText(t, 0)
}

func drawConditionText(t *rapid.T, depth int) string {
	if depth == 0 {
		return rapid.SampledFrom([]string{"seen", "follows", "true", "false", "has(title)", "liked"}).Draw(t, "condition")
	}
	switch rapid.IntRange(0, 3).Draw(t, "form of condition") {
	case 0:
		op := rapid.SampledFrom([]string{"<", "<=", ">", ">=", "=", "!="}).Draw(t, "comparison")
		return "(" + drawNumberText(t, depth-1) + " " + op + " " + drawNumberText(t, depth-1) + ")"
	case 1:
		op := rapid.SampledFrom([]string{"and", "or"}).Draw(t, "connective")
		return "(" + drawConditionText(t, depth-1) + " " + op + " " + drawConditionText(t, depth-1) + ")"
	case 2:
		return "(not " + drawConditionText(t, depth-1) + ")"
	}
	return drawConditionText(t, 0)
}

// drawValues draws values for features, extreme ones among them.
func drawValues(t *rapid.T, features []Feature) []float64 {
	out := make([]float64, len(features))
	for i, f := range features {
		out[i] = rapid.OneOf(
			rapid.Map(rapid.Float64Range(0, 0.999), func(u float64) float64 { return plausible(f, u) }),
			rapid.SampledFrom([]float64{0, 1, -1, 2, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e300}),
		).Draw(t, f.String())
	}
	return out
}

// What a program computes is what its text says: the instructions, with constants folded, equal parts shared and
// branches passed over, give the very number that a walk over the text gives.
func TestProgramsComputeWhatTheirTextSays(t *testing.T) {
	s := fixture()
	rapid.Check(t, func(t *rapid.T) {
		src := drawNumberText(t, rapid.IntRange(0, 4).Draw(t, "depth"))
		p, err := compileOne(s, src, Params{})
		if err != nil {
			if strings.Contains(err.Error(), "intermediate values") || strings.Contains(err.Error(), "parts") {
				return
			}
			t.Fatalf("%s: %v", src, err)
		}
		values := drawValues(t, p.Features())
		compareWithOracle(t, s, src, p, values)
	})
}

func compareWithOracle(t fataler, s *schema.Schema, src string, p *Program, values []float64) {
	o := &oracle{check: &checker{schema: s, warn: func(string, ...any) {}}, values: map[Feature]float64{}}
	for i, f := range p.Features() {
		o.values[f] = values[i]
	}
	want := bounded(o.eval(parse(src)))
	if got := p.Score(values); got != want {
		t.Fatalf("%s\nwith %v = %v\ngot  %v\nwant %v", src, p.Features(), values, got, want)
	}
}

// drawProgram draws a profile of several steps, a first phase and gates, and compiles it.
func drawProgram(t *rapid.T) *Program {
	p := schema.Profile{Name: "p", Version: 1}
	for i := range rapid.IntRange(1, 6).Draw(t, "steps") {
		op := schema.StepOp(rapid.IntRange(1, 2).Draw(t, "op"))
		p.Score = append(p.Score, schema.Step{
			Name: fmt.Sprintf("s%d", i), Op: op, Expr: drawNumberText(t, rapid.IntRange(0, 3).Draw(t, "depth")),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "gates") {
		p.Gates = append(p.Gates, drawConditionText(t, rapid.IntRange(0, 2).Draw(t, "depth")))
	}
	if rapid.Bool().Draw(t, "first") {
		p.First = rapid.SampledFrom([]string{"age", "score(view) - age", "1", "affinity * total(like)"}).Draw(t, "first")
	}
	prog, err := Compile(p, fixture(), Params{Cohort: rapid.Bool().Draw(t, "cohort")})
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return prog
}

// An explanation is the score: its deltas, added in order from 0, give it bit for bit, boosts included; and each step's
// value is that of its expression.
func TestDeltasAddUpToTheScoreExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t)
		values := drawValues(t, p.Features())
		score := p.Score(values)
		terms := p.Explain(nil, values)
		for i := range rapid.IntRange(0, 3).Draw(t, "boosts") {
			var term Term
			score, term = Boosted(score, fmt.Sprintf("boost %d", i), rapid.Float64Range(0, 1000).Draw(t, "factor"))
			terms = append(terms, term)
		}
		sum := 0.0
		for i, term := range terms {
			sum += term.Delta
			if i >= len(p.profile.Score) {
				continue
			}
			step := p.profile.Score[i]
			alone, err := compileOne(fixture(), step.Expr, Params{})
			if err != nil {
				t.Fatalf("%v", err)
			}
			row := make([]float64, len(alone.Features()))
			for j, f := range alone.Features() {
				for k, g := range p.Features() {
					if f == g {
						row[j] = values[k]
					}
				}
			}
			if want := alone.Score(row); term.Value != want || term.Name != step.Name || term.Op != step.Op {
				t.Fatalf("step %d is %+v, its expression comes to %v", i, term, want)
			}
		}
		if math.Float64bits(sum) != math.Float64bits(score) {
			t.Fatalf("the deltas of %+v add up to %v, the score is %v", terms, sum, score)
		}
		if math.IsNaN(score) || math.Abs(score) > 1.0000001e300 {
			t.Fatalf("the score is %v", score)
		}
	})
}

// The first phase reads the first Early values and no others, and gates are true of the same candidates in one phase or
// two.
func TestTheFirstPhaseReadsItsOwnFeaturesOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t)
		values := drawValues(t, p.Features())
		early := append([]float64(nil), values[:p.Early()]...)
		first, pass := p.First(early), p.PassEarly(early) // beyond Early a read would panic
		for _, f := range p.Features()[:p.Early()] {
			if !f.Cheap() {
				t.Fatalf("the first phase needs %s", f)
			}
		}
		if p.Exact() && first != p.Score(values) {
			t.Fatalf("the exact first phase gives %v, the score is %v", first, p.Score(values))
		}
		all := true
		for _, g := range p.profile.Gates {
			alone, err := compileOne(fixture(), "if("+g+", 1, 0)", Params{})
			if err != nil {
				t.Fatalf("%v", err)
			}
			row := make([]float64, len(alone.Features()))
			for j, f := range alone.Features() {
				for k, h := range p.Features() {
					if f == h {
						row[j] = values[k]
					}
				}
			}
			all = all && alone.Score(row) == 1
		}
		if p.Pass(values) != all || all && !pass {
			t.Fatalf("gates %q: Pass is %v, PassEarly %v, want %v", p.profile.Gates, p.Pass(values), pass, all)
		}
	})
}

// FuzzExpression feeds arbitrary texts to the compiler: it never panics; a refusal has its place; what compiles
// computes what the text says, also of numbers that no feature should have.
func FuzzExpression(f *testing.F) {
	for _, b := range Builtins(withEmbedding()) {
		for _, s := range b.Score {
			f.Add(s.Expr, 1.5)
		}
	}
	for _, src := range []string{
		"1 +", "((", "seen and not liked or 1 < 2", "count(signal(view), window(24h))", `is(tags, "\"")`, "2^-3^2", "7d5",
		"é",
		"score(positive, 30d)", "if(known, 1/0, ln(0))", "- - -1", "max(1,2,3,age)",
	} {
		f.Add(src, -0.25)
	}
	s := fixture()
	f.Fuzz(func(t *testing.T, src string, seed float64) {
		p, err := compileOne(s, src, Params{})
		if err != nil {
			if bad := refusal(err); bad != nil {
				if bad.Offset < 0 || bad.Offset > len(src) || bad.Reason == "" {
					t.Fatalf("%q: %+v", src, bad)
				}
				bad.Caret()
			}
			return
		}
		values := make([]float64, len(p.Features()))
		for i := range values {
			values[i] = seed * math.Pow(-3, float64(i))
		}
		score := p.Score(values)
		if math.IsNaN(score) || math.IsInf(score, 0) {
			t.Fatalf("%q of %v is %v", src, values, score)
		}
		for i := range values {
			values[i] = bounded(values[i])
		}
		compareWithOracle(t, s, src, p, values)
	})
}
