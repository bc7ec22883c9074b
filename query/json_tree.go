package query

import (
	"fmt"
	"strings"
)

// node is a JSON value and where it stands. The decoder of the standard library accepts repeated keys, keys in any
// case and halves of surrogate pairs, and forgets places; queries are read strictly.
type node struct {
	kind    byte   // one of { [ " 0 t f n, as the value begins
	at, end int    // its bytes
	text    string // of a string what it stands for, of a number its digits
	keys    []string
	items   []node // of an array, and the values of an object's keys
}

// kindOf is how messages call a node.
func (n *node) kindOf() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "the string " + quoted(clip(n.text))
	case '0':
		return "the number " + clip(n.text)
	case 't':
		return "true"
	case 'f':
		return "false"
	}
	return "null"
}

// get returns the value of a key, nil if it isn't there or null.
func (n *node) get(key string) *node {
	for i, k := range n.keys {
		if k == key && n.items[i].kind != 'n' {
			return &n.items[i]
		}
	}
	return nil
}

const (
	// maxJSONDepth is enough for the deepest filter: each level is an object and an array.
	maxJSONDepth = 2*maxDepth + 8
	// maxKeys is more than any object of a query has: each key is compared with those before it.
	maxKeys = 64
)

// treeReader reads JSON into nodes.
type treeReader struct {
	text  string
	at    int
	count int  // of values so far
	paths bool // paths are kept up to date, for an error
}

// readTree reads a text that is one JSON value. Without paths, an error has none.
func readTree(text string, paths bool) (*node, error) {
	if len(text) > maxJSON {
		return nil, refuse("", "the JSON has %d bytes; queries have at most %d", len(text), maxJSON)
	}
	r := &treeReader{text: text, paths: paths}
	n, err := r.value("", 0)
	if err == nil {
		if r.space(); r.at < len(text) {
			err = r.fail("", "there is more behind the query")
		}
	}
	return &n, err
}

func (r *treeReader) fail(path, format string, args ...any) error {
	return refuse(path, format, args...).locate(place{r.text, r.at})
}

func (r *treeReader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
}

// peek returns the byte behind white space, 0 at the end.
func (r *treeReader) peek() byte {
	if r.space(); r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *treeReader) value(path string, depth int) (node, error) {
	if depth > maxJSONDepth {
		return node{}, r.fail(path, "is nested more than %d deep; filters are at most %d deep", maxJSONDepth, maxDepth)
	}
	if r.count++; r.count > maxNodes {
		return node{}, r.fail(path, "is one value too many; the JSON of a query has at most %d", maxNodes)
	}
	c := r.peek()
	n := node{kind: c, at: r.at}
	var err error
	switch {
	case c == '{':
		err = r.object(&n, path, depth)
	case c == '[':
		err = r.array(&n, path, depth)
	case c == '"':
		n.text, err = r.str(path)
	case c == '-' || isDigit(c):
		n.kind = '0'
		n.text, err = r.number(path)
	default:
		err = r.constant(path)
	}
	n.end = r.at
	return n, err
}

func (r *treeReader) constant(path string) error {
	for _, w := range [...]string{"true", "false", "null"} {
		if rest := r.text[r.at:]; strings.HasPrefix(rest, w) && (len(rest) == len(w) || !isWordByte(rest[len(w)])) {
			r.at += len(w)
			return nil
		}
	}
	if r.at == len(r.text) {
		return r.fail(path, "the JSON ends here; expected a value")
	}
	return r.fail(path, "found %s, expected a JSON value", quoted(firstRune(r.text[r.at:])))
}

func (r *treeReader) str(path string) (string, error) {
	s, n, err := cutQuoted(r.text[r.at:], true)
	if r.at += n; err != nil {
		return "", r.fail(path, "%v", err)
	}
	return s, nil
}

// number reads a number as JSON has it: no leading zeros, digits on both sides of a point.
func (r *treeReader) number(path string) (string, error) {
	l := lexer{text: r.text, at: r.at}
	t := l.next()
	digits := strings.TrimPrefix(t.text, "-")
	if t.kind != tokInt && t.kind != tokFloat || len(digits) > 1 && digits[0] == '0' && isDigit(digits[1]) ||
		strings.HasPrefix(r.text[l.at:], ".") {
		return "", r.fail(path, "is no JSON number")
	}
	r.at = l.at
	return t.text, nil
}

func (r *treeReader) array(n *node, path string, depth int) error {
	r.at++
	if r.peek() == ']' {
		r.at++
		return nil
	}
	for {
		item, err := r.value(member(r.paths, path, len(n.items)), depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
		switch r.peek() {
		case ',':
			r.at++
		case ']':
			r.at++
			return nil
		default:
			return r.fail(path, `expected "," or "]" in the array`)
		}
	}
}

func (r *treeReader) object(n *node, path string, depth int) error {
	r.at++
	if r.peek() == '}' {
		r.at++
		return nil
	}
	for {
		if r.peek() != '"' {
			return r.fail(path, "expected a key in double quotes")
		}
		if len(n.keys) == maxKeys {
			return r.fail(path, "has more than %d keys", maxKeys)
		}
		start := r.at
		key, err := r.str(path)
		if err != nil {
			return err
		}
		for _, k := range n.keys {
			if k == key {
				r.at = start
				return r.fail(r.join(path, key), "stands twice in the object")
			}
		}
		if r.peek() != ':' {
			return r.fail(r.join(path, key), `expected ":" behind the key`)
		}
		r.at++
		item, err := r.value(r.join(path, key), depth+1)
		if err != nil {
			return err
		}
		n.keys, n.items = append(n.keys, key), append(n.items, item)
		switch r.peek() {
		case ',':
			r.at++
		case '}':
			r.at++
			return nil
		default:
			return r.fail(path, `expected "," or "}" in the object`)
		}
	}
}

func (r *treeReader) join(path, key string) string {
	if !r.paths {
		return ""
	}
	return join(path, key)
}

// member is the path of a list's member, empty if no paths are needed.
func member(paths bool, path string, i int) string {
	if !paths {
		return ""
	}
	return fmt.Sprintf("%s[%d]", path, i)
}

// join is the path of a key. One that is no name, which no query has, is shortened and quoted.
func join(path, key string) string {
	if !isName(key) || len(key) > 64 {
		key = quoted(clip(key))
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
