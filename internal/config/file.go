package config

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/tidaldb/tidal/internal/fault"
)

// MaxFile bounds the file in bytes; it's a hundred times what a file with everything in it has.
const MaxFile = 1 << 20

// parseFile reads a mapping of names to single values.
func parseFile(name string, b []byte) (map[string]placed, error) {
	out := map[string]placed{}
	if name == "" {
		name = "file"
	}
	if len(b) > MaxFile {
		return nil, fault.Refuse(name, "has %d bytes; at most %d", len(b), MaxFile)
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, fault.Refuse(name, "is no YAML: %v", err)
	}
	if len(file.Docs) > 1 {
		return nil, fault.Refuse(name, "holds %d documents; one is wanted", len(file.Docs))
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return out, nil
	}
	var pairs []*ast.MappingValueNode
	switch body := file.Docs[0].Body.(type) {
	case *ast.MappingNode:
		pairs = body.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{body}
	case *ast.NullNode, *ast.CommentGroupNode:
		return out, nil
	default:
		return nil, fault.Refuse(name, "is no list of names and values, such as \"listen: 127.0.0.1:7878\"")
	}
	var errs []error
	for _, pair := range pairs {
		key := pair.Key.GetToken()
		place := fmt.Sprintf("%s:%d: %s", name, key.Position.Line, key.Value)
		if _, ok := Find(key.Value); !ok {
			errs = append(errs, unknown(place, key.Value, names()))
			continue
		}
		text, ok := scalar(pair.Value)
		if _, twice := out[key.Value]; twice || !ok {
			errs = append(errs, fault.Refuse(place, "has to be one value, once"))
			continue
		}
		out[key.Value] = placed{text, place}
	}
	return out, errors.Join(errs...)
}

// scalar returns the text of a single value, as it is written.
func scalar(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	}
	return "", false
}
