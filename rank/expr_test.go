package rank

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// TestLanguage runs the scripts of testdata/language: what an expression comes to, which features it needs, what it
// warns of, and how a wrong one is refused. Lines "let FEATURE = NUMBER" before the expression set values; others are
// 0.
func TestLanguage(t *testing.T) {
	datadriven.Walk(t, "testdata/language", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var params Params
			for _, arg := range d.CmdArgs {
				switch arg.Key {
				case "signal":
					params.Signal = arg.Vals[0]
				case "window":
					params.Window, _ = schema.ParseWindow(arg.Vals[0])
				}
			}
			values, src := map[string]float64{}, d.Input
			for strings.HasPrefix(src, "let ") {
				line, rest, _ := strings.Cut(src, "\n")
				name, number, _ := strings.Cut(line[len("let "):], " = ")
				var err error
				if values[name], err = strconv.ParseFloat(number, 64); err != nil {
					d.Fatalf(t, "%v", err)
				}
				src = rest
			}
			switch d.Cmd {
			case "eval":
				return evalText(t, d, src, params, values)
			case "gate":
				p := schema.Profile{Name: "p", Version: 1, Score: []schema.Step{add("x", "1")}, Gates: []string{src}}
				prog, err := Compile(p, fixture(), params)
				if err != nil {
					return errorText(err)
				}
				return fmt.Sprintln(prog.Pass(row(t, d, prog, values)))
			}
			d.Fatalf(t, "no command %s", d.Cmd)
			return ""
		})
	})
}

func evalText(t *testing.T, d *datadriven.TestData, src string, params Params, values map[string]float64) string {
	p, err := compileOne(fixture(), src, params)
	if err != nil {
		return errorText(err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, p.Score(row(t, d, p, values)))
	for _, f := range p.Features() {
		if _, set := values[f.String()]; !set {
			fmt.Fprintf(&b, "needs %s\n", f)
		}
	}
	for _, w := range p.Warnings() {
		fmt.Fprintf(&b, "warns: %s\n", w)
	}
	return b.String()
}

// row is the values of a program's features; a value for none of them is a mistake of the script.
func row(t *testing.T, d *datadriven.TestData, p *Program, values map[string]float64) []float64 {
	out := make([]float64, len(p.Features()))
	used := 0
	for i, f := range p.Features() {
		if v, ok := values[f.String()]; ok {
			out[i] = v
			used++
		}
	}
	if used != len(values) {
		var names []string
		for name := range values {
			names = append(names, name)
		}
		sort.Strings(names)
		d.Fatalf(t, "values for %q, features are %v", names, p.Features())
	}
	return out
}

func errorText(err error) string {
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, fault.ErrInput) {
		return "not a refusal of an expression: " + err.Error()
	}
	return e.Reason + "\n  " + strings.ReplaceAll(e.Caret(), "\n", "\n  ") + "\n"
}

// A program tells every wrong expression, each with its path, and matches what every refusal of input matches.
func TestAllWrongExpressionsAreTold(t *testing.T) {
	p := schema.Profile{
		Name: "broken", Version: 3, First: "count(view, 24h)",
		Score: []schema.Step{add("a", "scor(view)"), add("b", "1"), times("c", "1 +\n  * 2")},
		Gates: []string{"age"},
	}
	_, err := Compile(p, fixture(), Params{})
	want := `compile profile broken: refused: score[0]: column 1: scor is unknown (did you mean "score"?)
refused: score[2]: line 2, column 3: expected a number, a name or a parenthesis, got *
refused: gates[0]: column 1: is a number; a gate is a condition, such as not seen or age < 7d
refused: first: count(view, 24h) takes too long for the first phase; ` +
		`score, total and what isn't about signals may stand here`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var in *fault.Input
	if !errors.As(err, &in) || in.Field != "score[0]" {
		t.Errorf("the error holds the refusal %v", in)
	}
}

// The limits of the language are where they are said to be.
func TestLimitsOfExpressions(t *testing.T) {
	for _, c := range []struct{ name, fits, breaks, why string }{
		{"bytes", "1" + strings.Repeat(" ", maxSource-1), "1" + strings.Repeat(" ", maxSource), "bytes, at most 4096"},
		{
			"nesting", strings.Repeat("(", maxNested-1) + "1" + strings.Repeat(")", maxNested-1),
			strings.Repeat("(", maxNested) + "1" + strings.Repeat(")", maxNested), "nested more than 64 deep",
		},
		{
			"parts", strings.Repeat("age+", maxNodes/2-1) + "age", strings.Repeat("age+", maxNodes/2) + "age",
			"more than 512 parts",
		},
		{"stack", deep(maxStack), deep(maxStack + 1), "needs 25 intermediate values at once, at most 24"},
		{"chained signs", strings.Repeat("-", maxNested-1) + "1", strings.Repeat("-", maxNested) + "1", "64 deep"},
		{"names in groups", "total(positive)", strings.Repeat("(", 5000), "bytes"},
	} {
		if _, err := compileOne(fixture(), c.fits, Params{}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := compileOne(fixture(), c.breaks, Params{}); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// deep is an expression that needs n values on the stack: each level waits for the one within.
func deep(n int) string {
	x := "age * age"
	for i := range n {
		x = fmt.Sprintf("min(age * %d, %s)", i+2, x)
	}
	return x
}

func TestAProfileNeedsAtMost128Features(t *testing.T) {
	s := fixture()
	s.Items.Fields = nil
	for i := range 129 {
		s.Items.Fields = append(s.Items.Fields, schema.Field{Name: fmt.Sprintf("f%d", i), Type: schema.TypeInt})
	}
	p := schema.Profile{Name: "wide", Version: 1}
	for i := 0; i < 129; i += 3 {
		expr := fmt.Sprintf("field(f%d) + field(f%d) * field(f%d)", i, i+1, i+2)
		p.Score = append(p.Score, add(fmt.Sprintf("s%d", i), expr))
	}
	if _, err := Compile(p, s, Params{}); err == nil || !strings.Contains(err.Error(), "needs 129 features, at most 128") {
		t.Errorf("129 features: %v", err)
	}
	p.Score[0].Expr = "field(f0) + field(f1)"
	if prog, err := Compile(p, s, Params{}); err != nil || len(prog.Features()) != 128 {
		t.Errorf("128 features: %v", err)
	}
}

// A set of signal types is 64 bits, which is as many types as a schema may have.
func TestASchemaHasNoMoreTypesThanASetHolds(t *testing.T) {
	s := &schema.Schema{Name: "wide"}
	for i := range 64 {
		s.Signals = append(s.Signals, schema.SignalType{Name: fmt.Sprintf("s%d", i), Meaning: schema.Positive})
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := compileOne(s, "total(positive) + total(s63)", Params{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range p.Features()[0].Types() {
		if i != n {
			t.Errorf("type %d is yielded as number %d", i, n)
		}
		n++
	}
	if n != 64 || p.Features()[1].Signals != 1<<63 {
		t.Errorf("the features are %+v", p.Features())
	}
	s.Signals = append(s.Signals, schema.SignalType{Name: "one_more"})
	if s.Validate() == nil {
		t.Error("a schema of 65 types is valid: a set of types must grow")
	}
}
