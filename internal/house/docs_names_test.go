package house

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the documents name must exist: a reader searches for it. A name is a code span that is nothing else, such as
// engine.Engine.Apply, TestEntityRules, make test or tidal verify.
var (
	span      = regexp.MustCompile("`([^`\n]+)`")
	qualified = regexp.MustCompile(`^([a-z]+)\.([A-Za-z]\w*)(?:\.([A-Za-z]\w*))?$`)
	testName  = regexp.MustCompile(`^(Test|Fuzz|Benchmark|Example)[A-Z]\w*$`)
	command   = regexp.MustCompile(`^(?:make|tidal) [a-z]+`)
	extension = regexp.MustCompile(`\.(go|md|txt|yaml|csv|data|seg|cut|mod|sum)$`)
)

// names is everything that the sources declare.
type names struct {
	packages map[string]string          // by package name: the folder
	declared map[string]map[string]bool // by folder: Name, and Type.Member
	tests    map[string]bool
	commands map[string]bool // "make test", "tidal verify"
}

func declaredNames(t *testing.T) *names {
	t.Helper()
	tr := loadModule(t)
	n := &names{
		packages: map[string]string{}, declared: map[string]map[string]bool{},
		tests: map[string]bool{}, commands: map[string]bool{},
	}
	for _, s := range tr.sources {
		if s.tool {
			continue
		}
		if s.test {
			n.addTests(s.syntax)
			continue
		}
		if n.declared[s.pkg] == nil {
			n.declared[s.pkg] = map[string]bool{}
		}
		n.packages[s.syntax.Name.Name] = s.pkg
		for _, decl := range s.syntax.Decls {
			n.add(n.declared[s.pkg], decl)
		}
		if s.pkg == "cmd/tidal" {
			for _, m := range regexp.MustCompile(`Use:\s+"([a-z]+)`).FindAllStringSubmatch(string(s.text), -1) {
				n.commands["tidal "+m[1]] = true
			}
		}
	}
	makefile, err := os.ReadFile(filepath.Join(tr.root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^([a-z]+):`).FindAllStringSubmatch(string(makefile), -1) {
		n.commands["make "+m[1]] = true
	}
	return n
}

func (n *names) addTests(f *ast.File) {
	for _, decl := range f.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && testName.MatchString(f.Name.Name) {
			n.tests[f.Name.Name] = true
		}
	}
}

// add enters what one declaration declares: functions, methods, types with their fields, constants and variables.
func (n *names) add(into map[string]bool, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = receiver(d.Recv.List[0].Type) + "." + name
		}
		into[name] = true
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					into[name.Name] = true
				}
			case *ast.TypeSpec:
				into[s.Name.Name] = true
				addMembers(into, s)
			}
		}
	}
}

func addMembers(into map[string]bool, s *ast.TypeSpec) {
	var fields *ast.FieldList
	switch x := s.Type.(type) {
	case *ast.StructType:
		fields = x.Fields
	case *ast.InterfaceType:
		fields = x.Methods
	default:
		return
	}
	for _, f := range fields.List {
		for _, name := range f.Names {
			into[s.Name.Name+"."+name.Name] = true
		}
	}
}

func receiver(x ast.Expr) string {
	switch r := x.(type) {
	case *ast.StarExpr:
		return receiver(r.X)
	case *ast.IndexExpr:
		return receiver(r.X)
	case *ast.Ident:
		return r.Name
	}
	return ""
}

// missing returns why a code span names nothing, "" if it does or is no name.
func (n *names) missing(code string) string {
	if c := command.FindString(code); c != "" && !n.commands[c] {
		return "no such command"
	}
	if testName.MatchString(code) && !n.tests[code] {
		return "no such test"
	}
	m := qualified.FindStringSubmatch(code)
	if m == nil || extension.MatchString(code) {
		return ""
	}
	pkg, ours := n.packages[m[1]]
	if !ours {
		return ""
	}
	name := strings.TrimSuffix(m[2]+"."+m[3], ".")
	if !n.declared[pkg][name] {
		return "package " + pkg + " declares no " + name
	}
	return ""
}

// documents returns the pages that are held against the source.
func documents(tr *tree) []string {
	var out []string
	for _, name := range tr.files {
		if path.Ext(name) == ".md" {
			out = append(out, name)
		}
	}
	return out
}

func TestDocumentsNameWhatExists(t *testing.T) {
	tr, n := loadModule(t), declaredNames(t)
	for _, name := range documents(tr) {
		text, err := os.ReadFile(filepath.Join(tr.root, name))
		if err != nil {
			t.Fatal(err)
		}
		inFence := false
		for i, line := range strings.Split(string(text), "\n") {
			if fence.MatchString(line) {
				inFence = !inFence
			}
			if inFence {
				continue
			}
			for _, m := range span.FindAllStringSubmatch(line, -1) {
				if why := n.missing(m[1]); why != "" {
					t.Errorf("%s:%d: `%s`: %s", name, i+1, m[1], why)
				}
			}
		}
	}
}

func TestNamesAreLookedUpAsTheyAreWritten(t *testing.T) {
	n := declaredNames(t)
	for code, ok := range map[string]bool{
		"engine.Engine.Apply": true, "engine.Engine.Fly": false, "algebra.Kind": true, "algebra.Sort": false,
		"record.Meta.Stamp": true, "record.Meta.Weather": false, "tidal.DB.Top": true, "tidal.Put": true,
		"os.File.Sync": true, "state.md": true, "x == engine.Nothing": true,
		"TestNamesAreLookedUpAsTheyAreWritten": true, "TestThatNobodyWrote": false,
		"make test": true, "make coffee": false, "tidal verify --dir D": true, "tidal fly": false,
	} {
		if why := n.missing(code); (why == "") != ok {
			t.Errorf("%s: %q, want found = %v", code, why, ok)
		}
	}
}

// TestEveryPageCanBeReached follows the links from the README: a page that nothing links to is found by nobody.
func TestEveryPageCanBeReached(t *testing.T) {
	tr := loadModule(t)
	all := documents(tr)
	reached := []string{"README.md"}
	for i := 0; i < len(reached); i++ {
		text, err := os.ReadFile(filepath.Join(tr.root, reached[i]))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range readPage(string(text)).links {
			target, _, _ := strings.Cut(l.target, "#")
			to := path.Join(path.Dir(reached[i]), target)
			if target != "" && slices.Contains(all, to) && !slices.Contains(reached, to) {
				reached = append(reached, to)
			}
		}
	}
	for _, name := range all {
		if !slices.Contains(reached, name) {
			t.Errorf("%s: no page links to it", name)
		}
	}
	if len(all) < 10 {
		t.Errorf("only %d pages were found", len(all))
	}
}

// TestThePageOfTheDirectoryNamesEveryField holds docs/format/directory.md against the structs that are written.
func TestThePageOfTheDirectoryNamesEveryField(t *testing.T) {
	tr := loadModule(t)
	page, err := os.ReadFile(filepath.Join(tr.root, "docs/format/directory.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []struct {
		heading, source string
		structs         []string
	}{
		{"## IDENTITY", "internal/host/identity.go", []string{"identity"}},
		{"## KEYS", "internal/host/keys_file.go", []string{"keyFile", "keyText"}},
	} {
		_, section, _ := strings.Cut(string(page), file.heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		fields := fieldsOf(tr, file.source, file.structs)
		if len(fields) < 4 {
			t.Fatalf("%s has fields %q", file.source, fields)
		}
		var shown []string
		for _, m := range regexp.MustCompile(`(?m)^ +"([a-z]+)":`).FindAllStringSubmatch(section, -1) {
			shown = append(shown, m[1])
		}
		if !slices.Equal(shown, fields) {
			t.Errorf("docs/format/directory.md shows %q under %q, written are %q", shown, file.heading, fields)
		}
		for _, field := range fields {
			if !regexp.MustCompile("(?m)^\\| [^|]*`" + field + "`[^|]* \\|").MatchString(section) {
				t.Errorf("docs/format/directory.md doesn't explain %q under %q", field, file.heading)
			}
		}
	}
}

// fieldsOf returns the JSON names of the fields of structs in a file.
func fieldsOf(tr *tree, path string, structs []string) (fields []string) {
	for _, s := range tr.sources {
		if s.path != path {
			continue
		}
		for _, name := range structs {
			_, text, _ := strings.Cut(string(s.text), "type "+name+" struct {")
			text, _, _ = strings.Cut(text, "\n}\n")
			for _, m := range regexp.MustCompile("`json:\"([a-z]+)\"`").FindAllStringSubmatch(text, -1) {
				fields = append(fields, m[1])
			}
		}
	}
	return fields
}
