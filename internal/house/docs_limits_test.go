package house

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// limitRow is a row of docs/limits.md: what, figure, consequence, `package.Name`.
var limitRow = regexp.MustCompile("(?m)^\\| (.+?) \\| ([^|]+) \\| .+ \\| `([a-z]+)\\.([A-Za-z]\\w*)(?:\\.([A-Z]\\w*))?` \\|$")

// TestLimitsAreWhatTheSourceSays holds each figure of docs/limits.md against the constant that its row names; where
// the row names a field of options, or a constant that isn't the figure itself, against the comment on it.
func TestLimitsAreWhatTheSourceSays(t *testing.T) {
	tr, n := loadModule(t), declaredNames(t)
	text, err := os.ReadFile(filepath.Join(tr.root, "docs/limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := limitRow.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 30 {
		t.Fatalf("docs/limits.md has %d rows that can be checked", len(rows))
	}
	for _, r := range rows {
		figure, source := r[2], strings.TrimSuffix(r[3]+"."+r[4]+"."+r[5], ".")
		folder, ok := n.packages[r[3]]
		if !ok {
			t.Errorf("%s: there is no package %s", source, r[3])
			continue
		}
		digits := strings.ReplaceAll(figure, ",", "")
		if r[5] == "" {
			value, err := tr.constant(folder, r[4])
			if err == nil && value.ExactString() == digits {
				continue
			}
			if err == nil && !strings.Contains(figure, " ") {
				t.Errorf("docs/limits.md says %s for %s, which is %s", figure, source, value)
				continue
			}
		}
		if !strings.Contains(tr.comment(folder, r[4], r[5]), figure) {
			t.Errorf("docs/limits.md says %s for %s, whose comment doesn't", figure, source)
		}
	}
}

// constant evaluates a constant of a package as far as literals, operators, conversions and other constants of ours
// go.
func (tr *tree) constant(pkg, name string) (constant.Value, error) {
	for _, s := range tr.sources {
		if s.pkg != pkg || s.test {
			continue
		}
		for _, decl := range s.syntax.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				continue
			}
			for _, spec := range d.Specs {
				v := spec.(*ast.ValueSpec)
				for i, n := range v.Names {
					if n.Name == name && i < len(v.Values) {
						return tr.evaluate(s, v.Values[i])
					}
				}
			}
		}
	}
	return nil, fmt.Errorf("package %s has no constant %s", pkg, name)
}

func (tr *tree) evaluate(s *source, x ast.Expr) (constant.Value, error) {
	switch e := x.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), nil
	case *ast.ParenExpr:
		return tr.evaluate(s, e.X)
	case *ast.Ident:
		return tr.constant(s.pkg, e.Name)
	case *ast.CallExpr: // a conversion
		if len(e.Args) == 1 {
			return tr.evaluate(s, e.Args[0])
		}
	case *ast.BinaryExpr:
		a, err := tr.evaluate(s, e.X)
		if err != nil {
			return nil, err
		}
		b, err := tr.evaluate(s, e.Y)
		if err != nil {
			return nil, err
		}
		switch e.Op {
		case token.SHL, token.SHR:
			by, _ := constant.Uint64Val(b)
			return constant.Shift(a, e.Op, uint(by)), nil
		case token.QUO:
			return constant.BinaryOp(a, token.QUO_ASSIGN, b), nil // of integers
		}
		return constant.BinaryOp(a, e.Op, b), nil
	}
	return nil, fmt.Errorf("%s: can't be evaluated", tr.where(x.Pos()))
}

// comment returns what is written about a declaration, or about a field of it.
func (tr *tree) comment(pkg, name, member string) string {
	for _, s := range tr.sources {
		if s.pkg != pkg || s.test {
			continue
		}
		for _, decl := range s.syntax.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range d.Specs {
				switch v := spec.(type) {
				case *ast.ValueSpec:
					if v.Names[0].Name == name || len(v.Names) > 1 && v.Names[1].Name == name {
						return d.Doc.Text() + v.Doc.Text() + v.Comment.Text()
					}
				case *ast.TypeSpec:
					if x, ok := v.Type.(*ast.StructType); ok && v.Name.Name == name && member != "" {
						return fieldComment(x, member)
					}
				}
			}
		}
	}
	return ""
}

func fieldComment(x *ast.StructType, member string) string {
	for _, f := range x.Fields.List {
		for _, n := range f.Names {
			if n.Name == member {
				return f.Doc.Text() + f.Comment.Text()
			}
		}
	}
	return ""
}
