package schema

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"

	"github.com/tidaldb/tidal/internal/fault"
)

// Bounds on a YAML document. The largest valid schema prints in less than four fifths of maxYAML and maxYAMLLines.
// The parser takes time that grows with the square of the lines, and it recurses: a hostile document must not get far in
// either.
const (
	maxYAML       = 640 << 10
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
	r := &yamlReader{file: name, at: make(map[string]place), moved: make(map[string]string)}
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
	// moved has paths of elements in normal form, where they are others in the document.
	moved map[string]string
	errs  []problem
	full  bool // there were more problems than are reported
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
	tokens, ok := shallow(data)
	if !ok {
		return nil, r.document("is nested deeper than a schema can be")
	}
	// The parser is another's and has panicked on odd input before; a schema file must not take a process down.
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, r.document("isn't YAML: %v", p)
		}
	}()
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
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
			path := in.Field
			if end := strings.IndexByte(path, ']') + 1; r.moved[path[:end]] != "" {
				path = r.moved[path[:end]] + path[end:]
			}
			r.add(r.nearest(path), path, "%s", in.Reason)
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

// shallow takes a document apart and reports whether it's nested so little that the parser, which recurses, may have
// it: brackets open no more than maxYAMLDepth levels, no line opens more than twice as many in other ways, and no line
// begins further to the right than that many levels could need. It stops at the first that does.
func shallow(data []byte) (token.Tokens, bool) {
	var s scanner.Scanner
	s.Init(string(data))
	var tokens token.Tokens
	open, nested, line := 0, 0, 0
	for {
		next, err := s.Scan()
		if errors.Is(err, io.EOF) { // other errors are tokens, too, which the parser refuses
			return tokens, true
		}
		tokens.Add(next...)
		for _, t := range next {
			if t.Position.Line != line {
				line, nested = t.Position.Line, 0
				if t.Position.Column > 8*maxYAMLDepth {
					return nil, false
				}
			}
			switch t.Type {
			case token.SequenceStartType, token.MappingStartType:
				open++
			case token.SequenceEndType, token.MappingEndType:
				open = max(open-1, 0)
			case token.MappingValueType:
				if open == 0 { // between brackets, entries stand beside each other
					nested++
				}
			case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.AliasType, token.TagType,
				token.LiteralType, token.FoldedType:
				nested++
			}
			if open > maxYAMLDepth || nested > 2*maxYAMLDepth {
				return nil, false
			}
		}
	}
}
