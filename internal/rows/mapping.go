package rows

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// Bounds on a mapping file: the parser takes time that grows with the square of the lines.
const (
	maxMapping      = 64 << 10
	maxMappingLines = 1000
)

// A Mapping says which columns of a CSV file hold what. As a file:
//
//	columns:                      # field: column; columns that aren't named here are ignored
//	  item: product_id
//	  user: customer
//	  time: bought_at
//	  cohorts: [country, device]  # cohorts alone may come from several columns
//	constants:                    # field: the same value for every row
//	  type: purchase
//	time_formats: [datetime, date]
//
// The fields are type, item, user, weight, time, creator and cohorts; each comes from a column or is a constant, and
// type and item have to be there. A mapping is immutable.
type Mapping struct {
	file    string
	columns []mappedColumn
	given   tidal.Signal // the constants
	typeAt  Place        // of the constant type
	times   timeFormats
}

// mappedColumn is a field and the column that holds it.
type mappedColumn struct {
	field, column string
	at            Place // in the mapping
}

// mappedFields are the fields that a mapping can name.
var mappedFields = []string{"type", "item", "user", "weight", "time", "creator", "cohorts"}

// ParseMapping reads a mapping. file is its name in messages; nothing is opened. What is wrong is answered with an
// InputError that begins with file and line.
func ParseMapping(file string, data []byte) (*Mapping, error) {
	p := &mappingParser{m: &Mapping{file: file, times: defaultTimes}}
	root, err := p.root(data)
	if err == nil {
		err = p.mapping(root)
	}
	if err != nil {
		return nil, err
	}
	return p.m, nil
}

// fits refuses a schema without the constant type.
func (m *Mapping) fits(s *schema.Schema) error {
	if m.given.Type == "" {
		return nil
	}
	if _, _, ok := s.Signal(m.given.Type); !ok {
		return refuse("%s:%d: unknown signal type %q; the schema %s has %s",
			m.file, m.typeAt.Line, m.given.Type, s.Name, TypeNames(s))
	}
	return nil
}

// mappingParser fills m from a document.
type mappingParser struct{ m *Mapping }

// root returns the document.
func (p *mappingParser) root(data []byte) (root ast.Node, err error) {
	file := p.m.file
	if len(data) > maxMapping || bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r")) > maxMappingLines {
		return nil, refuse("%s:1: the mapping is too long; at most %d bytes and %d lines are read",
			file, maxMapping, maxMappingLines)
	}
	// The parser is another's and has panicked on odd input before; a file must not take a process down.
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, refuse("%s:1: isn't YAML: %v", file, r)
		}
	}()
	parsed, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) && syntax.GetToken() != nil {
			return nil, refuse("%s:%d: isn't YAML: %s", file, syntax.GetToken().Position.Line, syntax.GetMessage())
		}
		return nil, refuse("%s:1: isn't YAML: %v", file, err)
	}
	for _, doc := range parsed.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case root != nil:
			return nil, p.refuse(doc.Body, "a second document begins here; a mapping is one")
		default:
			root = doc.Body
		}
	}
	if root == nil {
		return nil, refuse("%s:1: the mapping is empty; it has to say where type and item come from", file)
	}
	return root, nil
}

// mapping reads the whole. Time formats come first, because a constant time needs them.
func (p *mappingParser) mapping(root ast.Node) error {
	top, err := p.entries(root, "the mapping", []string{"columns", "constants", "time_formats"})
	if err != nil {
		return err
	}
	for _, part := range []struct {
		key  string
		read func(ast.Node) error
	}{{"time_formats", p.timeFormats}, {"columns", p.columns}, {"constants", p.constants}} {
		i := slices.IndexFunc(top, func(e entry) bool { return e.key == part.key })
		if i < 0 {
			continue
		}
		if err := part.read(top[i].value); err != nil {
			return err
		}
	}
	for _, field := range []string{"type", "item"} {
		if _, there := p.m.source(field); !there {
			return p.refuse(root, "nothing says where %s comes from: name it under columns or constants", field)
		}
	}
	return nil
}

// source returns where a field was given.
func (m *Mapping) source(field string) (at Place, ok bool) {
	for _, c := range m.columns {
		if c.field == field {
			return c.at, true
		}
	}
	constant := map[string]bool{"type": m.given.Type != "", "item": m.given.Item != ""}
	return Place{}, constant[field]
}

func (p *mappingParser) columns(n ast.Node) error {
	fields, err := p.entries(n, "columns", mappedFields)
	if err != nil {
		return err
	}
	for _, f := range fields {
		values := []ast.Node{f.value}
		if list, ok := f.value.(*ast.SequenceNode); ok && f.key == "cohorts" {
			values = list.Values
		}
		for _, v := range values {
			column, ok := scalar(v)
			if !ok || column == "" {
				return p.refuse(v, "columns: %s needs the name of a column", f.key)
			}
			p.m.columns = append(p.m.columns, mappedColumn{f.key, column, p.place(v)})
		}
	}
	return nil
}

func (p *mappingParser) constants(n ast.Node) error {
	fields, err := p.entries(n, "constants", mappedFields)
	if err != nil {
		return err
	}
	for _, f := range fields {
		if at, twice := p.m.source(f.key); twice {
			return p.refuse(f.node, "%s is a constant here and a column in line %d", f.key, at.Line)
		}
		text, ok := scalar(f.value)
		if !ok || text == "" {
			return p.refuse(f.value, "constants: %s needs a value", f.key)
		}
		if f.key == "type" {
			p.m.typeAt = p.place(f.value)
		}
		if err := p.m.set(&p.m.given, f.key, text); err != nil {
			return p.refuse(f.value, "constants: %v", err)
		}
	}
	return nil
}

// set sets one field of a row.
func (m *Mapping) set(s *tidal.Signal, field, text string) error {
	if field != "time" || text == "" {
		return setField(s, field, text)
	}
	t, err := m.times.parse(text)
	if err != nil {
		return badField(causeTime, "%v", err)
	}
	return setTime(s, t)
}

func (p *mappingParser) timeFormats(n ast.Node) error {
	values := []ast.Node{n}
	if list, ok := n.(*ast.SequenceNode); ok {
		values = list.Values
	}
	p.m.times = nil
	for _, v := range values {
		text, _ := scalar(v)
		f, err := parseTimeFormat(text)
		if err != nil {
			return p.refuse(v, "time_formats: %v", err)
		}
		p.m.times = append(p.m.times, f)
	}
	if len(p.m.times) == 0 {
		return p.refuse(n, "time_formats: the list is empty")
	}
	return nil
}

// entry is a key of a mapping and its value.
type entry struct {
	key   string
	node  ast.Node // of the key
	value ast.Node
}

// entries returns the entries of a YAML mapping, each of whose keys has to be one that's known.
func (p *mappingParser) entries(n ast.Node, what string, known []string) ([]entry, error) {
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		return nil, p.refuse(n, "%s: want lines of the form key: value", what)
	}
	var all []entry
	for _, v := range pairs {
		e := entry{node: v.Key, value: v.Value}
		e.key, _ = scalar(v.Key)
		if !slices.Contains(known, e.key) {
			return nil, p.refuse(v.Key, "%s: there is no %q; there are %s", what, e.key, strings.Join(known, ", "))
		}
		if slices.ContainsFunc(all, func(earlier entry) bool { return earlier.key == e.key }) {
			return nil, p.refuse(v.Key, "%s: %s appears twice", what, e.key)
		}
		all = append(all, e)
	}
	return all, nil
}

// scalar returns the text of a scalar as it's written, quotes removed; false for what is none.
func scalar(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return strings.TrimSpace(n.GetToken().Value), true
	}
	return "", false
}

func (p *mappingParser) refuse(n ast.Node, format string, args ...any) error {
	return refuse("%s:%d: "+format, append([]any{p.m.file, p.place(n).Line}, args...)...)
}

func (p *mappingParser) place(n ast.Node) Place {
	at := Place{p.m.file, 1}
	switch m := n.(type) {
	case nil:
		return at
	case *ast.MappingNode:
		if len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key // the token of a mapping is the colon of its first entry
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		at.Line = max(t.Position.Line, 1)
	}
	return at
}
