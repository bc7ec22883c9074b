package house

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rules is what imports.txt says.
type rules struct {
	allowed map[string][]string // by package: packages of ours, from the root, and modules of others
	tests   map[string][]string // by package, or "*": what test files may import beyond that
	order   []string            // the packages in order of their lines
	lines   map[string]int
}

func parseImports(lines []string) (*rules, error) {
	r := &rules{allowed: map[string][]string{}, tests: map[string][]string{}, lines: map[string]int{}}
	for i, line := range lines {
		if line == "" {
			continue
		}
		name, list, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("imports.txt:%d: no colon", i+1)
		}
		into := r.allowed
		pkg, test := strings.CutSuffix(name, " [test]")
		if test {
			into = r.tests
		}
		if _, twice := into[pkg]; twice {
			return nil, fmt.Errorf("imports.txt:%d: %s has two lines", i+1, name)
		}
		into[pkg] = strings.Fields(list)
		if !test {
			for _, to := range into[pkg] {
				if ours(to) && r.lines[to] == 0 {
					return nil, fmt.Errorf("imports.txt:%d: %s may import %s only from a line above it", i+1, to, pkg)
				}
			}
			r.order, r.lines[pkg] = append(r.order, pkg), i+1
		}
	}
	return r, nil
}

// ours tells packages of this module from modules of others, which begin with a host's name.
func ours(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return path == "." || !strings.Contains(first, ".")
}

// check returns why a file of pkg may not import path, "" if it may.
func (r *rules) check(pkg, path string, test bool) string {
	allowed := slices.Clone(r.allowed[pkg])
	if test {
		allowed = slices.Concat(allowed, r.tests["*"], r.tests[pkg], []string{pkg})
	}
	inside, isOurs := cutModule(path)
	for _, a := range allowed {
		if isOurs && a == inside || !ours(a) && (path == a || strings.HasPrefix(path, a+"/")) {
			return ""
		}
	}
	switch {
	case isOurs:
		return fmt.Sprintf("%s may not import %s", pkg, inside)
	case !ours(path):
		return fmt.Sprintf("%s may not import %s", pkg, path)
	}
	return "" // the standard library
}

// cutModule turns an import path of this module into the folder.
func cutModule(path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

func TestImportsPointDown(t *testing.T) {
	tr := loadModule(t)
	r, err := parseImports(listLines(t, "imports.txt"))
	if err != nil {
		t.Fatal(err)
	}
	packages := tr.packages()
	for _, pkg := range packages {
		if r.lines[pkg] == 0 {
			t.Errorf("package %s has no line in imports.txt", pkg)
		}
	}
	for _, pkg := range r.order {
		if !slices.Contains(packages, pkg) {
			t.Errorf("imports.txt:%d: there is no package %s", r.lines[pkg], pkg)
		}
	}
	for pkg := range r.tests {
		if pkg != "*" && r.lines[pkg] == 0 {
			t.Errorf("imports.txt: %s [test] is no package with a line of its own", pkg)
		}
	}
	for _, s := range tr.sources {
		if s.tool || r.lines[s.pkg] == 0 {
			continue
		}
		for _, spec := range s.syntax.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if why := r.check(s.pkg, path, s.test); why != "" {
				t.Errorf("%s: %s (imports.txt:%d)", tr.where(spec.Pos()), why, r.lines[s.pkg])
			}
		}
	}
}

func TestImportRulesRefuseWhatIsNotNamed(t *testing.T) {
	r, err := parseImports([]string{
		"leaf:", "mid: leaf example.com/lib", "top: leaf mid", "* [test]: example.com/check", "mid [test]: top",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pkg, path string
		test, ok  bool
	}{
		{"mid", module + "/leaf", false, true},
		{"mid", module + "/top", false, false},
		{"mid", module + "/top", true, true},
		{"leaf", module + "/mid", true, false},
		{"leaf", module + "/leaf", true, true}, // an external test of its own package
		{"leaf", module, false, false},
		{"mid", "example.com/lib", false, true},
		{"mid", "example.com/lib/sub", false, true},
		{"mid", "example.com/library", false, false},
		{"top", "example.com/lib", false, false},
		{"top", "example.com/check", false, false},
		{"top", "example.com/check", true, true},
		{"top", "net/netip", false, true},
	} {
		if why := r.check(c.pkg, c.path, c.test); (why == "") != c.ok {
			t.Errorf("%s imports %s (test %v): %q, want allowed = %v", c.pkg, c.path, c.test, why, c.ok)
		}
	}
	for _, bad := range [][]string{{"a: b", "b:"}, {"a: a"}, {"a:", "a:"}, {"a"}} {
		if _, err := parseImports(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
