package schema

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/tidaldb/tidal/internal/fault"
)

// Bounds on a YAML document. The largest valid schema prints in less than half of maxYAML and maxYAMLLines. The parser
// takes time that grows with the square of the lines, and it recurses: a hostile document must not get far in either.
const (
	maxYAML       = 256 << 10
	maxYAMLLines  = 8192
	maxYAMLDepth  = 64
	maxYAMLErrors = 20
)

// ParseYAML reads a schema from YAML and validates it. name is the name of the file in messages; nothing is opened.
//
// It's strict: unknown and repeated keys, wrong types, anchors, tags and further documents are refused. The error joins
// up to 20 problems, each with file, line and column, path, and what was expected; with errors.As it leads to the
// [fault.Input] of the first. docs/schema.md describes the language.
func ParseYAML(name string, data []byte) (*Schema, error) {
	r := &yamlReader{file: name, at: make(map[string]place)}
	root, err := r.parse(data)
	if err != nil {
		return nil, err
	}
	s := r.schema(root)
	if len(r.errs) == 0 {
		r.validate(s)
	}
	if len(r.errs) > 0 {
		return nil, r.joined()
	}
	return s, nil
}

// place is where something stands in a document; both numbers count from 1.
type place struct{ line, column int }

// yamlReader walks a document, remembers where each path stands, and collects what's wrong.
type yamlReader struct {
	file string
	at   map[string]place
	errs []problem
	full bool // there were more problems than are reported
}

// problem is one thing that's wrong, and where.
type problem struct {
	at  place
	err error
}

// parse returns the root of the only document.
func (r *yamlReader) parse(data []byte) (root ast.Node, err error) {
	if len(data) > maxYAML {
		return nil, r.document("has %d bytes, at most %d", len(data), maxYAML)
	}
	if n := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")); n > maxYAMLLines {
		return nil, r.document("has %d ends of lines, at most %d", n, maxYAMLLines)
	}
	if !shallow(data) {
		return nil, r.document("is nested deeper than a schema can be")
	}
	// The parser is another's and has panicked on odd input before; a schema file must not take a process down.
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, r.document("isn't YAML: %v", p)
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) && syntax.GetToken() != nil {
			p := syntax.GetToken().Position
			return nil, r.problem(place{p.Line, p.Column}, "", "isn't YAML: %s", syntax.GetMessage())
		}
		return nil, r.document("isn't YAML: %v", err)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			return nil, r.problem(placeOf(doc.Body), "", "is a second document; a schema is one")
		}
		root = doc.Body
	}
	if root == nil {
		return nil, r.document("is empty; a schema has at least a name")
	}
	return root, nil
}

// validate reports what Validate finds at the place of the path that it names, or of the nearest path around it.
func (r *yamlReader) validate(s *Schema) {
	err := s.Validate()
	if err == nil {
		return
	}
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var in *fault.Input
		if errors.As(e, &in) {
			r.add(r.nearest(in.Field), in.Field, "%s", in.Reason)
		}
	}
}

func (r *yamlReader) nearest(path string) place {
	for {
		if p, ok := r.at[path]; ok {
			return p
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return place{1, 1}
		}
		path = path[:cut]
	}
}

// refuse adds a problem at a node.
func (r *yamlReader) refuse(n ast.Node, path, format string, args ...any) {
	r.add(placeOf(n), path, format, args...)
}

func (r *yamlReader) add(at place, path, format string, args ...any) {
	switch {
	case len(r.errs) < maxYAMLErrors:
		r.errs = append(r.errs, problem{at, r.problem(at, path, format, args...)})
	default:
		r.full = true
	}
}

// joined returns all problems in the order of the document.
func (r *yamlReader) joined() error {
	slices.SortStableFunc(r.errs, func(p, q problem) int {
		return cmp.Or(cmp.Compare(p.at.line, q.at.line), cmp.Compare(p.at.column, q.at.column))
	})
	var errs []error
	for _, p := range r.errs {
		errs = append(errs, p.err)
	}
	if r.full {
		errs = append(errs, fmt.Errorf("%s: there are more problems", r.file))
	}
	return errors.Join(errs...)
}

func (r *yamlReader) problem(at place, path, format string, args ...any) error {
	return fmt.Errorf("%s:%d:%d: %w", r.file, at.line, at.column, fault.Refuse(path, format, args...))
}

// document returns a problem of the document as a whole.
func (r *yamlReader) document(format string, args ...any) error {
	return r.problem(place{1, 1}, "", format, args...)
}

func placeOf(n ast.Node) place {
	if n == nil {
		return place{1, 1}
	}
	t := n.GetToken()
	// The token of a mapping is the colon of its first entry; people look for the key.
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			t = m.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		t = m.Key.GetToken()
	}
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// shallow reports whether no line of data can open more than maxYAMLDepth levels and no indentation is deeper than
// that many levels could need. It counts also what stands in strings and comments, so it may refuse a document that's
// merely odd.
func shallow(data []byte) bool {
	open := 0
	for line := range bytes.Lines(data) {
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		nested := 0
		for _, c := range line {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(open-1, 0)
			case '-', '?', ':', '&', '*', '!', '|', '>':
				nested++
			}
		}
		if open > maxYAMLDepth || indent > 8*maxYAMLDepth || open == 0 && nested > 2*maxYAMLDepth {
			return false
		}
	}
	return true
}
