package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// shape is what was counted, test files and generated ones apart.
type shape struct {
	files, funcs []named // lines each
	structs      []named // fields each
	interfaces   []named // methods each
	packages     map[string]*pkg
	testLines    int
	commentLines int
	inits        int
	variables    []string // mutable package variables
	wide         int      // lines over 120 columns
}

type pkg struct {
	lines, exported, documented, goStatements int
	comment                                   bool
	imports                                   map[string]bool // packages of this module
}

// named is one measured thing, with the place where it is.
type named struct {
	name string
	n    int
}

func measure(root string) (*shape, error) {
	sh := &shape{packages: map[string]*pkg{}}
	module, err := modulePath(root)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "vendor") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return sh.addFile(path, filepath.ToSlash(rel), module)
	})
	return sh, err
}

func modulePath(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("read module path: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(path), nil
		}
	}
	return "", fmt.Errorf("go.mod names no module")
}

func (sh *shape) addFile(path, rel, module string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, rel, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	lines := bytes.Count(text, []byte("\n"))
	switch {
	case ast.IsGenerated(f) || bytes.Contains(text, []byte("//go:build ignore")):
		return nil
	case strings.HasSuffix(rel, "_test.go"):
		sh.testLines += lines
		return nil
	}
	p := sh.packages[filepath.ToSlash(filepath.Dir(rel))]
	if p == nil {
		p = &pkg{imports: map[string]bool{}}
		sh.packages[filepath.ToSlash(filepath.Dir(rel))] = p
	}
	p.lines += lines
	p.comment = p.comment || f.Doc != nil
	sh.files = append(sh.files, named{rel, lines})
	for line := range bytes.Lines(text) {
		if len([]rune(string(bytes.TrimRight(line, "\n")))) > 120 {
			sh.wide++
		}
	}
	for _, group := range f.Comments {
		sh.commentLines += fset.Position(group.End()).Line - fset.Position(group.Pos()).Line + 1
	}
	for _, spec := range f.Imports {
		if to, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module); ok {
			p.imports[strings.TrimPrefix(to, "/")] = true
		}
	}
	for _, decl := range f.Decls {
		sh.addDecl(fset, rel, p, decl)
	}
	for node := range ast.Preorder(f) {
		if _, ok := node.(*ast.GoStmt); ok {
			p.goStatements++
		}
	}
	return nil
}

func (sh *shape) addDecl(fset *token.FileSet, rel string, p *pkg, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		length := fset.Position(d.End()).Line - fset.Position(d.Pos()).Line + 1
		sh.funcs = append(sh.funcs, named{rel + ": " + d.Name.Name, length})
		if d.Recv == nil && d.Name.Name == "init" {
			sh.inits++
		}
		if d.Recv == nil { // methods are counted with the handle, by eye
			p.export(d.Name, d.Doc != nil)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				p.export(s.Name, s.Doc != nil || d.Doc != nil)
				sh.addType(rel, s)
			case *ast.ValueSpec:
				for i, name := range s.Names {
					// A comment on the block or at the line's end documents a constant.
					p.export(name, s.Doc != nil || s.Comment != nil || d.Doc != nil)
					if d.Tok == token.VAR && !isConstantTable(s, i) {
						sh.variables = append(sh.variables, rel+": "+name.Name)
					}
				}
			}
		}
	}
}

func (sh *shape) addType(rel string, s *ast.TypeSpec) {
	switch t := s.Type.(type) {
	case *ast.StructType:
		sh.structs = append(sh.structs, named{rel + ": " + s.Name.Name, t.Fields.NumFields()})
	case *ast.InterfaceType:
		sh.interfaces = append(sh.interfaces, named{rel + ": " + s.Name.Name, t.Methods.NumFields()})
	}
}

func (p *pkg) export(name *ast.Ident, documented bool) {
	if name.IsExported() {
		p.exported++
		if documented {
			p.documented++
		}
	}
}

// isConstantTable reports whether a package variable is an error, a table, a pattern, another name of one of these, or
// an assertion about types: something that is given its value where it stands. Whether anybody writes to it afterwards is for a reviewer.
func isConstantTable(s *ast.ValueSpec, i int) bool {
	if s.Names[i].Name == "_" {
		return true
	}
	if i >= len(s.Values) {
		return false
	}
	switch v := s.Values[i].(type) {
	case *ast.CompositeLit, *ast.SelectorExpr:
		return true
	case *ast.CallExpr:
		sel, ok := v.Fun.(*ast.SelectorExpr)
		return ok && (sel.Sel.Name == "New" || sel.Sel.Name == "MustCompile" || sel.Sel.Name == "MakeTable")
	}
	return false
}
