package rank_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/rank"
	"github.com/tidaldb/tidal/schema"
)

// A program says which features it needs; whoever has computed them gets the score, and why.
func Example() {
	s := schema.Events()
	p, err := rank.Lookup(s, "hot", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	prog, err := rank.Compile(p, s, rank.Params{})
	if err != nil {
		fmt.Println(err)
		return
	}
	known := map[string]float64{"total(approval)": 120, "total(negative)": 20, "age": 2 * 3600}
	var values []float64
	for _, f := range prog.Features() {
		values = append(values, known[f.String()])
		fmt.Println(f, "is", known[f.String()])
	}
	fmt.Printf("score %.4f\n", prog.Score(values))
	for _, t := range prog.Explain(nil, values) {
		fmt.Printf("%s: value %.4f, changes the score by %+.4f\n", t.Name, t.Value, t.Delta)
	}
	// Output:
	// total(approval) is 120
	// total(negative) is 20
	// age is 7200
	// score 1.0001
	// votes: value 2.0001, changes the score by +2.0001
	// gravity: value 0.5000, changes the score by -1.0001
}

// What's wrong in an expression is said with its place.
func ExampleError() {
	_, err := rank.Compile(schema.Profile{
		Name: "evening", Version: 1,
		Score: []schema.Step{{Name: "finished", Op: schema.Add, Expr: "0.5 * skore(complete, 7d)"}},
	}, schema.Events(), rank.Params{})
	fmt.Println(err)
	var wrong *rank.Error
	if errors.As(err, &wrong) {
		for line := range strings.Lines(wrong.Caret()) {
			fmt.Print("|", line)
		}
	}
	// Output:
	// compile profile evening: refused: score[0]: column 7: skore is unknown (did you mean "score"?)
	// |0.5 * skore(complete, 7d)
	// |      ^
}

// What the schema doesn't have counts 0 and is told; the query doesn't fail.
func ExampleProgram_Warnings() {
	prog, err := rank.Compile(schema.Profile{
		Name: "tipped", Version: 1,
		Score: []schema.Step{{Name: "tips", Op: schema.Add, Expr: "log10(1 + sum(tip)) + score(view)"}},
	}, schema.Events(), rank.Params{})
	fmt.Println(err)
	for _, w := range prog.Warnings() {
		fmt.Println(w)
	}
	fmt.Println(prog.Features())
	// Output:
	// <nil>
	// tip is no signal type of the schema and counts 0
	// [score(view, 1d)]
}

// A query's boost continues the explanation; the deltas still add up to the score.
func ExampleBoosted() {
	score, term := rank.Boosted(0.5, "boost", 1.5)
	fmt.Println(score, term.Value, term.Delta)
	// Output: 0.75 1.5 0.25
}
