package house

import (
	"fmt"
	"go/ast"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ban is one line of forbidden.txt.
type ban struct {
	line      int
	verb      string // "import", "call" or "go"
	what      string // the import path, or package.Name
	only, but []string
	tests     bool
	reason    string
}

func parseForbidden(lines []string) ([]ban, error) {
	groups := map[string][]string{}
	var bans []ban
	for i, line := range lines {
		if line == "" {
			continue
		}
		if rest, ok := strings.CutPrefix(line, "group "); ok {
			name, list, _ := strings.Cut(rest, "=")
			groups[strings.TrimSpace(name)] = strings.Fields(list)
			continue
		}
		parts := strings.Split(line, "|")
		if len(parts) != 3 || strings.TrimSpace(parts[2]) == "" {
			return nil, fmt.Errorf("forbidden.txt:%d: want what | where | reason", i+1)
		}
		b := ban{line: i + 1, reason: strings.TrimSpace(parts[2])}
		b.verb, b.what, _ = strings.Cut(strings.TrimSpace(parts[0]), " ")
		where, tests := strings.CutSuffix(strings.TrimSpace(parts[1]), ", tests too")
		only, but, _ := strings.Cut(where, " but ")
		b.tests, b.but = tests, expand(but, groups)
		if strings.TrimSpace(only) != "everywhere" {
			b.only = expand(only, groups)
		}
		if !slices.Contains([]string{"import", "call", "go"}, b.verb) || b.what == "" {
			return nil, fmt.Errorf("forbidden.txt:%d: %q is not import, call or go statement", i+1, parts[0])
		}
		bans = append(bans, b)
	}
	return bans, nil
}

func expand(list string, groups map[string][]string) []string {
	var out []string
	for _, name := range strings.Fields(list) {
		if members, ok := groups[name]; ok {
			out = append(out, members...)
		} else {
			out = append(out, name)
		}
	}
	return out
}

func (b *ban) covers(s *source) bool {
	return !s.tool && (b.tests || !s.test) && !slices.Contains(b.but, s.pkg) &&
		(b.only == nil || slices.Contains(b.only, s.pkg))
}

// finds returns the nodes of a file that break the ban.
func (b *ban) finds(f *ast.File) []ast.Node {
	var out []ast.Node
	if b.verb == "import" {
		for _, spec := range f.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); path == b.what {
				out = append(out, spec)
			}
		}
		return out
	}
	dot := strings.LastIndexByte(b.what, '.')
	for node := range ast.Preorder(f) {
		switch n := node.(type) {
		case *ast.GoStmt:
			if b.verb == "go" {
				out = append(out, n)
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if b.verb == "call" && ok && n.Sel.Name == b.what[dot+1:] && x.Name == importName(f, b.what[:dot]) {
				out = append(out, n)
			}
		}
	}
	return out
}

// importName is the name under which a file knows a package; "" when it doesn't import it.
func importName(f *ast.File, path string) string {
	for _, spec := range f.Imports {
		if p, _ := strconv.Unquote(spec.Path.Value); p == path {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return p[strings.LastIndexByte(p, '/')+1:]
		}
	}
	return ""
}

func TestNothingForbiddenIsUsed(t *testing.T) {
	tr := loadModule(t)
	bans, err := parseForbidden(listLines(t, "forbidden.txt"))
	if err != nil {
		t.Fatal(err)
	}
	packages := tr.packages()
	for _, b := range bans {
		for _, pkg := range slices.Concat(b.only, b.but) {
			if !slices.Contains(packages, pkg) {
				packages = append(packages, pkg) // tell it once
				t.Errorf("forbidden.txt:%d: there is no package %s", b.line, pkg)
			}
		}
		for _, s := range tr.sources {
			if !b.covers(s) {
				continue
			}
			for _, n := range b.finds(s.syntax) {
				t.Errorf("%s: %s %s: %s (forbidden.txt:%d)", tr.where(n.Pos()), b.verb, b.what, b.reason, b.line)
			}
		}
	}
}

func TestBansFindWhatTheyName(t *testing.T) {
	bans, err := parseForbidden([]string{
		"group cores = a b",
		"import os | cores | r", "call time.Now | everywhere but c | r", "go statement | cores but b | r",
		"call time.Sleep | everywhere, tests too | r",
	})
	if err != nil {
		t.Fatal(err)
	}
	file := parse(t, `package p
import ("os"; clock "time")
func f() { go f(); _ = clock.Now(); clock.Sleep(1); _ = os.Args; var time x; time.Now() }`)
	for i, want := range []struct {
		found   int
		covered string
	}{{1, "a b"}, {1, "a b d"}, {1, "a"}, {1, "a b c d a_test"}} {
		if got := len(bans[i].finds(file)); got != want.found {
			t.Errorf("line %d finds %d, want %d", bans[i].line, got, want.found)
		}
		var covered []string
		for _, pkg := range []string{"a", "b", "c", "d", "a_test"} {
			name, test := strings.CutSuffix(pkg, "_test")
			if bans[i].covers(&source{pkg: name, test: test}) {
				covered = append(covered, pkg)
			}
		}
		if got := strings.Join(covered, " "); got != want.covered {
			t.Errorf("line %d covers %q, want %q", bans[i].line, got, want.covered)
		}
	}
	for _, bad := range []string{"import os | everywhere", "import os | everywhere |", "use os | everywhere | r"} {
		if _, err := parseForbidden([]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
