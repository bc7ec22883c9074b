package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// deterministic says which files compute replicated state.
func deterministic(s *source) bool {
	if s.test || s.tool {
		return false
	}
	switch s.pkg {
	case "internal/fixed", "internal/algebra", "internal/record", "internal/state", "internal/lane":
		return true
	case "internal/engine":
		return strings.HasPrefix(s.path, "internal/engine/apply")
	}
	return false
}

// finding is one place that breaks a rule of determinism.
type finding struct {
	pos  token.Pos
	rule string // as in determinism.txt
	what string
}

// forbiddenForState are packages by the rule that refuses them. math/bits is integer arithmetic and free.
var forbiddenForState = map[string]string{
	"math": "math", "math/cmplx": "math", "math/big": "math",
	"time":         "time",
	"hash/maphash": "random", "math/rand": "random", "math/rand/v2": "random", "crypto/rand": "random",
	"runtime": "random",
}

// inspect finds what a file does that may differ from machine to machine or from run to run.
func inspect(f *ast.File, info *types.Info) []finding {
	var out []finding
	for _, spec := range f.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if rule, ok := forbiddenForState[path]; ok {
			out = append(out, finding{spec.Pos(), rule, "imports " + path})
		}
	}
	sorted := sortedArguments(f, info)
	for node := range ast.Preorder(f) {
		switch n := node.(type) {
		case *ast.RangeStmt:
			if isMap(info.TypeOf(n.X)) {
				out = append(out, finding{n.Pos(), "map-range", "ranges over a map"})
			}
		case *ast.SelectStmt:
			out = append(out, finding{n.Pos(), "random", "selects among channels"})
		case *ast.CallExpr:
			if name := mapIterator(n, info); name != "" && !sorted[n] {
				out = append(out, finding{n.Pos(), "map-range", "calls maps." + name + " without slices.Sorted"})
			}
		}
		if x, ok := node.(ast.Expr); ok && isFloat(info.Types[x].Type) {
			out = append(out, finding{x.Pos(), "float", "has floating point"})
		} else if id, ok := node.(*ast.Ident); ok && isFloat(objectType(info, id)) {
			out = append(out, finding{id.Pos(), "float", "has floating point"})
		}
	}
	return out
}

func objectType(info *types.Info, id *ast.Ident) types.Type {
	if obj := info.ObjectOf(id); obj != nil {
		return obj.Type()
	}
	return nil
}

func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

// isFloat also looks into slices, arrays and pointers; fields of structs are seen where they are declared or used.
func isFloat(t types.Type) bool {
	for t != nil {
		switch u := t.Underlying().(type) {
		case *types.Basic:
			return u.Info()&(types.IsFloat|types.IsComplex) != 0
		case *types.Slice:
			t = u.Elem()
		case *types.Array:
			t = u.Elem()
		case *types.Pointer:
			// A pointer to a named type that holds itself would go round for ever.
			if _, named := u.Elem().(*types.Named); named {
				return false
			}
			t = u.Elem()
		default:
			return false
		}
	}
	return false
}

func mapIterator(call *ast.CallExpr, info *types.Info) string {
	if fn := callee(call, info); fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == "maps" {
		switch fn.Name() {
		case "All", "Keys", "Values":
			return fn.Name()
		}
	}
	return ""
}

// sortedArguments are the calls whose result goes straight into slices.Sorted or its variants.
func sortedArguments(f *ast.File, info *types.Info) map[ast.Node]bool {
	out := map[ast.Node]bool{}
	for node := range ast.Preorder(f) {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			continue
		}
		if fn := callee(call, info); fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == "slices" && fn.Name() == "Sorted" {
			out[call.Args[0]] = true
		}
	}
	return out
}

func callee(call *ast.CallExpr, info *types.Info) *types.Func {
	fun := ast.Unparen(call.Fun)
	switch x := fun.(type) {
	case *ast.IndexExpr:
		fun = x.X
	case *ast.IndexListExpr:
		fun = x.X
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	fn, _ := info.Uses[sel.Sel].(*types.Func)
	return fn
}

// exception is one line of determinism.txt.
type exception struct {
	line                int
	file, fn, rule, why string
	used                bool
}

func parseExceptions(lines []string) ([]*exception, error) {
	rules := []string{"float", "map-range", "math", "time", "random"}
	var out []*exception
	for i, line := range lines {
		if line == "" {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 4 || !slices.Contains(rules, words[1]) {
			return nil, fmt.Errorf("determinism.txt:%d: want file[:function] rule reason…, rule one of %v", i+1, rules)
		}
		e := &exception{line: i + 1, rule: words[1], why: strings.Join(words[2:], " ")}
		e.file, e.fn, _ = strings.Cut(words[0], ":")
		out = append(out, e)
	}
	return out, nil
}

// excused reports whether a finding has an exception, which counts as used then.
func excused(exceptions []*exception, file, fn, rule string) bool {
	for _, e := range exceptions {
		if e.file == file && e.rule == rule && (e.fn == "" || e.fn == fn) {
			e.used = true
			return true
		}
	}
	return false
}

// enclosing is the name of the function around pos, as Name or Type.Name; "" outside of functions.
func enclosing(f *ast.File, pos token.Pos) string {
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || pos < fn.Pos() || pos >= fn.End() {
			continue
		}
		if fn.Recv == nil || len(fn.Recv.List) == 0 {
			return fn.Name.Name
		}
		recv := fn.Recv.List[0].Type
		if star, ok := recv.(*ast.StarExpr); ok {
			recv = star.X
		}
		if id, ok := recv.(*ast.Ident); ok {
			return id.Name + "." + fn.Name.Name
		}
	}
	return ""
}

func TestReplicatedStateIsComputedDeterministically(t *testing.T) {
	tr := loadModule(t)
	exceptions, err := parseExceptions(listLines(t, "determinism.txt"))
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string][]*source{}
	for _, s := range tr.sources {
		if !s.test && !s.tool && slices.ContainsFunc(tr.sources, func(o *source) bool {
			return o.pkg == s.pkg && deterministic(o)
		}) {
			packages[s.pkg] = append(packages[s.pkg], s)
		}
	}
	var names []string
	for pkg := range packages {
		names = append(names, pkg)
	}
	slices.Sort(names)
	if len(names) == 0 {
		t.Fatal("no deterministic package was found")
	}
	imp := exportImporter(t, tr, names)
	for _, pkg := range names {
		files := make([]*ast.File, 0, len(packages[pkg]))
		for _, s := range packages[pkg] {
			files = append(files, s.syntax)
		}
		info, err := typeCheck(tr.fset, module+"/"+pkg, files, imp)
		if err != nil {
			t.Errorf("%s: %v", pkg, err)
			continue
		}
		for _, s := range packages[pkg] {
			if !deterministic(s) {
				continue
			}
			told := map[string]bool{}
			for _, f := range inspect(s.syntax, info) {
				at := tr.where(f.pos)
				if !excused(exceptions, s.path, enclosing(s.syntax, f.pos), f.rule) && !told[at+f.rule] {
					told[at+f.rule] = true
					t.Errorf("%s: %s (rule %s)", at, f.what, f.rule)
				}
			}
		}
	}
	for _, e := range exceptions {
		if !e.used {
			t.Errorf("determinism.txt:%d: %s no longer breaks rule %s; remove the exception", e.line, e.file, e.rule)
		}
	}
}

func typeCheck(fset *token.FileSet, path string, files []*ast.File, imp types.Importer) (*types.Info, error) {
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
	}
	conf := types.Config{Importer: imp}
	_, err := conf.Check(path, fset, files, info)
	return info, err
}

// exportImporter reads the types of imported packages from the build cache, where go list puts them.
func exportImporter(t *testing.T, tr *tree, packages []string) types.Importer {
	t.Helper()
	args := []string{"list", "-e", "-export", "-deps", "-json=ImportPath,Export"}
	for _, pkg := range packages {
		args = append(args, "./"+pkg)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = tr.root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err) // with -e only if there is no module or no toolchain
	}
	exports := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
	}
	return importer.ForCompiler(tr.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})
}

// TestDeterminismRulesFindWhatTheyForbid shows each rule a file that breaks it and one that doesn't.
func TestDeterminismRulesFindWhatTheyForbid(t *testing.T) {
	tr := loadModule(t)
	imp := exportImporter(t, tr, []string{"internal/house/testdata/imports"})
	for _, c := range []struct{ name, text, want string }{
		{"integers", `import "math/bits"; func f(x uint64) int { return bits.Len64(x) }`, ""},
		{"ordered range", `func f(x []int) (n int) { for _, v := range x { n += v }; return n }`, ""},
		{"map lookup", `func f(m map[int]int) int { return m[3] }`, ""},
		{"sorted keys", `import ("maps"; "slices"); func f(m map[int]int) []int { return slices.Sorted(maps.Keys(m)) }`, ""},
		{"duration constant", `const day = 24 * 3600 * 1000`, ""},
		{"map range", `func f(m map[int]int) { for range m {} }`, "map-range"},
		{"named map range", `type set map[int]bool; func f(m set) { for k := range m { _ = k } }`, "map-range"},
		{"map iterator", `import "maps"; func f(m map[int]int) { for range maps.Keys(m) {} }`, "map-range"},
		{"float type", `func f(x int64) bool { return float64(x) > 3 }`, "float"},
		{"float literal", `const x = 1e6`, "float"},
		{"float field", `type p struct { x float32 }`, "float"},
		{"float by inference", `import "strconv"; func f() { x, _ := strconv.ParseFloat("", 64); _ = x }`, "float"},
		{"floats in a slice", `func f(x []float64) int { return len(x) }`, "float"},
		{"complex", `var x = 1i`, "float"},
		{"math", `import "math"; const x = math.MaxInt64`, "math"},
		{"time", `import "time"; type d time.Duration`, "time"},
		{"seeded hash", `import "hash/maphash"; var s maphash.Seed`, "random"},
		{"random", `import "math/rand/v2"; func f() int { return rand.Int() }`, "random"},
		{"select", `func f(a, b chan int) { select { case <-a: case <-b: } }`, "random"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fset := token.NewFileSet()
			f := parseWith(t, fset, "package p\n"+c.text)
			info, err := typeCheck(fset, "p", []*ast.File{f}, imp)
			if err != nil {
				t.Fatal(err)
			}
			var rules []string
			for _, found := range inspect(f, info) {
				rules = append(rules, found.rule)
			}
			if got := strings.Join(slices.Compact(rules), " "); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func TestExceptionsHoldForTheirPlaceOnly(t *testing.T) {
	list, err := parseExceptions([]string{"", "a.go:T.F float the edge", "b.go time named edge"})
	if err != nil {
		t.Fatal(err)
	}
	f := parse(t, "package p\nfunc (*T) F() {}\nfunc F() {}\nvar x int")
	for i, want := range []string{"T.F", "F", ""} {
		if got := enclosing(f, f.Decls[i].Pos()); got != want {
			t.Errorf("declaration %d: got %q, want %q", i, got, want)
		}
	}
	if excused(list, "a.go", "F", "float") || excused(list, "a.go", "T.F", "time") || list[0].used {
		t.Error("an exception holds elsewhere")
	}
	if !excused(list, "a.go", "T.F", "float") || !excused(list, "b.go", "x", "time") || !list[0].used || !list[1].used {
		t.Error("an exception doesn't hold at its place")
	}
	for _, bad := range []string{"a.go", "a.go float", "a.go magic because of that"} {
		if _, err := parseExceptions([]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
