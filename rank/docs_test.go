package rank

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/schema"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs/ranking.md")

const page = "../docs/ranking.md"

// The tables of docs/ranking.md are the language's own table. Run with -update after a change.
func TestThePageOfRankingIsUpToDate(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	want := got
	for _, part := range []struct{ name, source, content string }{
		{"functions", "vocabulary", wordTable(func(w word) bool { return w.op != opNone }, false)},
		{"signals", "vocabulary", wordTable(func(w word) bool { return takesType(w) }, true)},
		{"groups", "vocabulary", groupTable()},
		{"features", "vocabulary", wordTable(func(w word) bool { return w.op == opNone && !takesType(w) }, true)},
		{"profiles", "builtin", profileSteps()},
	} {
		begin := fmt.Sprintf("<!-- %s: from rank/%s.go by go test ./rank -update -->\n", part.name, part.source)
		end := fmt.Sprintf("<!-- end of %s -->\n", part.name)
		before, rest, ok := strings.Cut(want, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("the page has no place for the %s", part.name)
		}
		want = before + begin + "\n" + part.content + "\n" + end + after
	}
	if got == want {
		return
	}
	if !*update {
		t.Fatal("docs/ranking.md is behind the code; run go test ./rank -update")
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func takesType(w word) bool { return len(w.args) > 0 && w.args[0] == argType }

func wordTable(shown func(word) bool, features bool) string {
	var b strings.Builder
	if features {
		b.WriteString("| feature | is | needs | |\n|---|---|---|---|\n")
	} else {
		b.WriteString("| function | is |\n|---|---|\n")
	}
	for _, w := range vocabulary {
		if !shown(w) {
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s", w.call, w.doc)
		if features {
			if w.cond {
				b.WriteString(" (condition)")
			}
			cost := "*cell*"
			if (Feature{Kind: w.feature}).Cheap() {
				cost = ""
			}
			needs := w.needs
			if needs != "" && takesType(w) {
				needs = "`" + needs + "`"
			}
			fmt.Fprintf(&b, " | %s | %s", needs, cost)
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

func groupTable() string {
	var b strings.Builder
	b.WriteString("| name | stands for |\n|---|---|\n")
	for _, g := range groups {
		fmt.Fprintf(&b, "| `%s` | %s |\n", g.name, g.doc)
	}
	return b.String()
}

func profileSteps() string {
	s := withEmbedding()
	var b strings.Builder
	b.WriteString("```\n")
	for i, p := range Builtins(s) {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s\n", p.Name)
		if p.First != "" {
			fmt.Fprintf(&b, "  first     %s\n", p.First)
		}
		for _, step := range p.Score {
			op := "add"
			if step.Op == schema.Multiply {
				op = "multiply"
			}
			fmt.Fprintf(&b, "  %-9s %s: %s\n", op, step.Name, step.Expr)
		}
		for _, g := range p.Gates {
			fmt.Fprintf(&b, "  gate      %s\n", g)
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// Every expression on the page is one: the examples of the language compile.
func TestTheExamplesOnThePageCompile(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "are expressions:\n\n```\n")
	block, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the page has no block of examples")
	}
	for line := range strings.Lines(block) {
		p, err := compileOne(withEmbedding(), line, Params{})
		if err != nil || len(p.Warnings()) > 0 {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// The limits on the page are those of the code.
func TestTheLimitsOnThePage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("An expression has at most %d,%03d bytes, %d parts, %d levels, and %d values that wait for each "+
		"other; a profile has at most %d steps, %d gates and %d different features.",
		maxSource/1000, maxSource%1000, maxNodes, maxNested, maxStack, maxSteps, maxGates, maxFeatures)
	if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
		t.Errorf("the page doesn't say: %s", want)
	}
}

// The profile on the page is one, and the mistake that the page shows is told as shown.
func TestTheProfileOnThePage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	evening := schema.Profile{
		Name: "evening", Version: 1,
		Candidates: []schema.Source{{Kind: schema.FromCoEngaged, Limit: 500}, {Kind: schema.FromHead, Signal: "complete"}},
		First:      "co_engaged + 0.1 * log10(1 + score(complete))",
		Score: []schema.Step{
			add("taste", "co_engaged"),
			add("finished", "0.5 * wilson(total(complete), total(start))"),
			times("long", "if(field(duration) > 1200, 1.3, 1)"),
		},
		Gates:     []string{"not seen", "age < 365d"},
		Diversity: schema.Diversity{MaxPer: []schema.MaxPer{{Field: "creator", N: 2}}},
	}
	for _, part := range append([]string{evening.First, evening.Score[1].Expr, evening.Score[2].Expr}, evening.Gates...) {
		if !strings.Contains(string(text), fmt.Sprintf("%q", part)) {
			t.Errorf("the page doesn't have %q", part)
		}
	}
	if p, err := Compile(evening, schema.Events(), Params{}); err != nil || len(p.Warnings()) > 0 {
		t.Errorf("%v", err)
	}
	evening.Score[2].Expr = "if(field(durration) > 1200, 1.3, 1)"
	if _, err := Compile(evening, schema.Events(), Params{}); err == nil || !strings.Contains(string(text), err.Error()) {
		t.Errorf("the page doesn't show: %v", err)
	}
}
