package schema

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tidaldb/tidal/internal/fault"
)

// mapping returns the entries of a mapping in the order of the document. Unknown keys (unless known is nil), repeated
// keys and everything that isn't a mapping are refused; null is a mapping without entries.
func (r *yamlReader) mapping(n ast.Node, path, want string, known []string) []pair {
	if isNull(n) {
		return nil
	}
	if !isMapping(n) {
		r.refuse(n, path, "is %s; expected %s", describe(n), want)
		return nil
	}
	var good []pair
	first := make(map[string]place)
	for _, p := range entries(n) {
		at := join(path, p.key)
		switch earlier, repeated := first[p.key]; {
		case !isPlainKey(p.node):
			r.refuse(p.node, path, "has a key that is %s; keys are words", describe(p.node))
		case known != nil && !slices.Contains(known, p.key):
			r.refuse(p.node, at, "is no key of the schema language%s; the keys here are %s",
				suggest(p.key, known), strings.Join(known, ", "))
		case repeated:
			r.refuse(p.node, at, "stands here for the second time; the first is at line %d, column %d",
				earlier.line, earlier.column)
		default:
			first[p.key] = placeOf(p.node)
			good = append(good, p)
		}
	}
	return good
}

// list returns the elements of a sequence.
func (r *yamlReader) list(n ast.Node, path, example string) []ast.Node {
	if seq, ok := n.(*ast.SequenceNode); ok {
		return seq.Values
	}
	r.refuse(n, path, "is %s; expected a list, such as %s", describe(n), example)
	return nil
}

// words reads a list of words of one kind. Validate sorts what it returns, so places are noted in that order.
func words[T ~uint8](r *yamlReader, n ast.Node, path, example string, parse func(string) (T, error)) []T {
	var set []T
	var nodes []ast.Node
	for i, entry := range r.list(n, path, example) {
		v := parsed(r, entry, fmt.Sprintf("%s[%d]", path, i), parse)
		at, _ := slices.BinarySearch(set, v)
		for at < len(set) && set[at] == v {
			at++ // the later of two equal words is the one that's too many
		}
		set, nodes = slices.Insert(set, at, v), slices.Insert(nodes, at, entry)
	}
	for i, entry := range nodes {
		r.at[fmt.Sprintf("%s[%d]", path, i)] = placeOf(entry)
	}
	return set
}

// parsed reads a word by one of the package's parsers.
func parsed[T any](r *yamlReader, n ast.Node, path string, parse func(string) (T, error)) T {
	text, ok := scalar(n)
	if !ok || isNull(n) {
		r.refuse(n, path, "is %s; expected a word", describe(n))
		var zero T
		return zero
	}
	v, err := parse(text)
	if err != nil {
		r.refuse(n, path, "%s", reason(err))
	}
	return v
}

// word reads a string; what YAML takes for something else (true, 12) is refused, since another program would, too.
func (r *yamlReader) word(n ast.Node, path, want string) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	r.refuse(n, path, "is %s; expected %s", describe(n), want)
	return ""
}

func (r *yamlReader) flag(n ast.Node, path string) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		r.refuse(n, path, "is %s; expected true or false", describe(n))
		return false
	}
	return b.Value
}

func (r *yamlReader) number(n ast.Node, path string, least, most uint64) uint64 {
	text, _ := scalar(n)
	v, err := strconv.ParseUint(text, 10, 64)
	if _, isInt := n.(*ast.IntegerNode); !isInt || err != nil || v < least || v > most {
		r.refuse(n, path, "is %s; expected a whole number from %d to %d", describe(n), least, most)
		return 0
	}
	return v
}

func (r *yamlReader) duration(n ast.Node, path string) (time.Duration, bool) {
	text, _ := scalar(n)
	d, err := parseDuration(text)
	if err != nil {
		r.refuse(n, path, "is %s; expected a whole number with a unit (w, d, h, m, s, ms), such as 7d, 36h or 30m",
			describe(n))
	}
	return d, err == nil
}

// entries returns the entries of a mapping as they stand.
func entries(n ast.Node) []pair {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	}
	pairs := make([]pair, len(values))
	for i, v := range values {
		pairs[i] = pair{node: v.Key, value: v.Value}
		if v.Value == nil {
			pairs[i].value = ast.Null(v.Key.GetToken())
		}
		pairs[i].key, _ = scalar(v.Key)
	}
	return pairs
}

func isMapping(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

func isNull(n ast.Node) bool {
	_, ok := n.(*ast.NullNode)
	return ok || n == nil
}

func isPlainKey(n ast.Node) bool {
	_, ok := scalar(n)
	return ok && !isNull(n)
}

// scalar returns the text of a scalar as it's written, quotes removed.
func scalar(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.NanNode, *ast.InfinityNode:
		return strings.TrimSpace(n.GetToken().Value), true
	}
	return "", false
}

// describe says what a node is, with its text if that's short.
func describe(n ast.Node) string {
	if isNull(n) {
		return "empty"
	}
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode, *ast.DirectiveNode:
		return "an anchor, alias, tag or directive, which a schema can't have"
	case *ast.LiteralNode:
		return "a text of several lines"
	case *ast.BoolNode:
		return "the truth value " + n.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.NanNode, *ast.InfinityNode:
		return fmt.Sprintf("the number %.40s", strings.TrimSpace(n.GetToken().Value))
	}
	if text, ok := scalar(n); ok {
		return fmt.Sprintf("%.40q", text)
	}
	return "a " + strings.ToLower(n.Type().String())
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// reason returns what an error of this package says, without the name of the field.
func reason(err error) string {
	var in *fault.Input
	if errors.As(err, &in) {
		return in.Reason
	}
	return err.Error()
}
