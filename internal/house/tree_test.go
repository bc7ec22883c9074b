package house

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/tidaldb/tidal"

// source is one Go file of the module.
type source struct {
	path   string // from the module's root, with slashes
	pkg    string // the folder; "." is the root
	test   bool
	tool   bool // has the constraint "ignore": a program of its own, such as a generator
	gen    bool // was written by a program, and says so
	text   []byte
	syntax *ast.File
}

// tree is the module as it lies on disk.
type tree struct {
	root    string
	fset    *token.FileSet
	sources []*source
	files   []string // every file that isn't binary or test data, from the root
	broken  []error
}

var loadTree = sync.OnceValue(func() *tree {
	tr := &tree{fset: token.NewFileSet()}
	tr.root, _ = filepath.Abs("../..")
	err := filepath.WalkDir(tr.root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(tr.root, p)
		return tr.visit(filepath.ToSlash(rel), d)
	})
	if err != nil {
		tr.broken = append(tr.broken, err)
	}
	return tr
})

// visit adds one file. Folders that hold no source of ours are skipped: hidden ones but those of CI, data, output.
func (tr *tree) visit(rel string, d fs.DirEntry) error {
	name := d.Name()
	if d.IsDir() {
		hidden := strings.HasPrefix(name, ".") && rel != "." && rel != ".ci" && rel != ".github"
		if hidden || slices.Contains([]string{"testdata", "vendor", "node_modules"}, name) || rel == "bin" || rel == "tmp" {
			return fs.SkipDir
		}
		return nil
	}
	tr.files = append(tr.files, rel)
	if path.Ext(rel) != ".go" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(tr.root, rel))
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(tr.fset, rel, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		tr.broken = append(tr.broken, err)
		return nil
	}
	tr.sources = append(tr.sources, &source{
		path: rel, pkg: path.Dir(rel), test: strings.HasSuffix(name, "_test.go"), tool: isTool(syntax), gen: ast.IsGenerated(syntax),
		text: text, syntax: syntax,
	})
	return nil
}

func isTool(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() < f.Package && constraint.IsGoBuild(c.Text) {
				x, err := constraint.Parse(c.Text)
				return err == nil && !x.Eval(func(tag string) bool { return tag != "ignore" })
			}
		}
	}
	return false
}

// loadModule loads the tree once for all tests and fails the calling one if a file doesn't parse.
func loadModule(t *testing.T) *tree {
	t.Helper()
	tr := loadTree()
	for _, err := range tr.broken {
		t.Error(err)
	}
	if len(tr.sources) == 0 {
		t.Fatalf("no Go files under %s", tr.root)
	}
	return tr
}

// packages returns the folders that hold a package, in order.
func (tr *tree) packages() []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range tr.sources {
		if !s.tool && !seen[s.pkg] {
			seen[s.pkg] = true
			out = append(out, s.pkg)
		}
	}
	slices.Sort(out)
	return out
}

// where prints the place of a node as file:line.
func (tr *tree) where(p token.Pos) string {
	at := tr.fset.Position(p)
	return at.Filename + ":" + strconv.Itoa(at.Line)
}

// listLines returns the lines of a list beside the tests, without comments and blank lines; index i is line i+1, and
// a line left out is "".
func listLines(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			line = ""
		}
		lines[i] = line
	}
	return lines
}
