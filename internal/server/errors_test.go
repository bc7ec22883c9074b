package server

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var errorRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\d+) \\| ([a-z_]+) \\| (yes|no) \\| .+ \\|$")

// TestErrorsAreThoseOfThePage holds docs/errors.md against the table, row by row.
func TestErrorsAreThoseOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range errorRow.FindAllStringSubmatch(string(page), -1) {
		got = append(got, strings.Join(m[1:], " "))
	}
	for _, k := range problems() {
		again := map[bool]string{true: "yes", false: "no"}[k.retry > 0]
		want = append(want, fmt.Sprintf("%s %d %v %s", k.code, k.status, k.rpc, again))
	}
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("row %d of the page says %s, the table %s", i+1, g, w)
		}
	}
}

// TestEverySentinelOfTheRootHasACode reads the root's list of errors.
func TestEverySentinelOfTheRootHasACode(t *testing.T) {
	source, err := os.ReadFile("../../types.go")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^\t(Err\w+)\s+= fault\.`).FindAllStringSubmatch(string(source), -1)
	if len(names) < 15 {
		t.Fatalf("found %d errors of the root", len(names))
	}
	for _, n := range names {
		if !strings.Contains(string(ours), "{tidal."+n[1]+", ") {
			t.Errorf("tidal.%s has no row among the problems", n[1])
		}
	}
}
