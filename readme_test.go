package tidal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestTheReadmeShowsTheExample holds the Go block of the README against the body of likes, which is compiled and run
// as an example.
func TestTheReadmeShowsTheExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "\n```go\n")
	block, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("README.md has no block of Go")
	}
	if body := functionBody(t, "example_readme_test.go", "likes"); block != body {
		t.Errorf("README.md shows\n%s\nthe example is\n%s", block, body)
	}
	if strings.Count(string(readme), "\n```go\n") > 1 {
		t.Error("README.md has a second block of Go, which nothing compiles")
	}
}

// functionBody returns the lines between a function's braces, without their outer tab.
func functionBody(t *testing.T, file, name string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, file, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range syntax.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Name.Name != name {
			continue
		}
		var b strings.Builder
		body := string(text[fset.Position(f.Body.Lbrace).Offset+2 : fset.Position(f.Body.Rbrace).Offset])
		for line := range strings.Lines(body) {
			b.WriteString(strings.TrimPrefix(line, "\t"))
		}
		return b.String()
	}
	t.Fatalf("%s has no function %s", file, name)
	return ""
}
