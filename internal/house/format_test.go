package house

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

func TestSourcesAreFormatted(t *testing.T) {
	for _, s := range loadModule(t).sources {
		if want, err := format.Source(s.text); err != nil || !bytes.Equal(s.text, want) {
			t.Errorf("%s is not formatted; run gofmt -w %s (%v)", s.path, s.path, err)
		}
	}
}

func TestNoPackageIsNamedForWhatItDoesNotSay(t *testing.T) {
	for _, pkg := range loadModule(t).packages() {
		if slices.Contains([]string{"util", "utils", "common", "base", "types", "core", "model", "helpers"}, path.Base(pkg)) {
			t.Errorf("package %s: a package is named by what it holds", pkg)
		}
	}
}

func TestNothingIsSetUpBehindTheCallersBack(t *testing.T) {
	tr := loadModule(t)
	for _, s := range tr.sources {
		for _, decl := range s.syntax.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" && !s.gen {
				t.Errorf("%s: no init functions; construct in main and pass down", tr.where(f.Pos()))
			}
		}
	}
}

// leftover matches notes to oneself. It is put together so that this file doesn't match.
var leftover = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

func TestNothingIsLeftOver(t *testing.T) {
	tr := loadModule(t)
	for _, name := range tr.files {
		switch path.Ext(name) {
		case ".go", ".md", ".txt", ".sh", ".yml", ".yaml", ".mod", "":
		default:
			continue
		}
		data, err := os.ReadFile(filepath.Join(tr.root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		for i, line := range bytes.Split(data, []byte("\n")) {
			if m := leftover.Find(line); m != nil {
				t.Errorf("%s:%d: %s: do it, or write down in docs/decisions why not", name, i+1, m)
			}
		}
	}
}

// parse reads a piece of source for the tests of the rules themselves.
func parse(t *testing.T, text string) *ast.File {
	t.Helper()
	return parseWith(t, token.NewFileSet(), text)
}

func parseWith(t *testing.T, fset *token.FileSet, text string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(fset, "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
