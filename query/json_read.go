package query

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidaldb/tidal/schema"
)

// ParseJSON reads a query in the JSON form, which docs/query.md describes:
//
//	{"rank": "items", "user": "ada", "profile": "for_you", "filter": "category = \"jazz\" AND unseen", "limit": 25}
//
// "rank" may be left out. Unknown and repeated keys are refused. A filter is an object or a string in the text form, at each of its levels.
// The JSON has at most 1 MiB. An error is an [Error] with path and place.
func ParseJSON(data []byte) (*Query, error) { return readJSON(string(data), nil) }

// UnmarshalJSON reads the JSON form as [ParseJSON] does. On an error q is left alone.
func (q *Query) UnmarshalJSON(data []byte) error {
	read, err := ParseJSON(data)
	if err == nil {
		*q = *read
	}
	return err
}

// readJSON reads a query and notes where its parts stand, unless at is nil.
func readJSON(text string, at places) (*Query, error) {
	if !utf8.ValidString(text) {
		e := refuse("", `the JSON is not UTF-8; an id of other bytes is {"base64":…}`)
		return nil, e.locate(place{text, notUTF8(text)})
	}
	q, err := readMembers(text, at, at != nil)
	if err != nil && at == nil {
		_, err = readMembers(text, nil, true) // once more, for the path of what is wrong
	}
	if err != nil {
		return nil, err
	}
	return q, nil
}

// notUTF8 returns the first byte of a text that is no part of UTF-8.
func notUTF8(text string) int {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return i
			}
		}
	}
	return len(text)
}

// readMembers reads a query. Paths cost more than all else, so they're made only for errors and places.
func readMembers(text string, at places, paths bool) (*Query, error) {
	tree, err := readTree(text, paths)
	if err != nil {
		return nil, err
	}
	r := &jsonReader{text: text, at: at, paths: paths}
	q := &Query{from: &source{text: text, json: true}}
	r.query(tree, q)
	return q, r.err
}

// jsonReader reads the nodes of a query. It keeps the first error; what follows one is without meaning.
type jsonReader struct {
	text  string
	at    places
	paths bool
	err   error
}

func (r *jsonReader) fail(path string, n *node, format string, args ...any) {
	if r.err == nil {
		r.err = refuse(path, format, args...).locate(place{r.text, n.at})
	}
}

// wrong is the error of a value that is something else than expected.
func (r *jsonReader) wrong(path string, n *node, expected string) {
	r.fail(path, n, "is %s; expected %s", n.kindOf(), expected)
}

func (r *jsonReader) mark(path string, n *node) {
	if r.at != nil {
		r.at[path] = place{r.text, n.at}
	}
}

// object checks that n is an object without other keys than these.
func (r *jsonReader) object(path string, n *node, keys ...string) bool {
	if n.kind != '{' {
		r.wrong(path, n, "an object with "+strings.Join(keys, ", "))
		return false
	}
	for i, k := range n.keys {
		known := false
		for _, want := range keys {
			known = known || k == want
		}
		if !known {
			r.fail(join(path, k), &n.items[i], "is no key here%s; the keys are %s", suggest(k, keys),
				strings.Join(keys, ", "))
			return false
		}
	}
	r.mark(path, n)
	return true
}

// array calls each for the members of n, which is an array of at most most of them, 0 for any number.
func (r *jsonReader) array(path string, n *node, most int, each func(path string, n *node)) {
	if n.kind != '[' {
		r.wrong(path, n, "an array")
		return
	}
	if most > 0 && len(n.items) > most {
		r.fail(path, n, "has %d members, at most %d", len(n.items), most)
		return
	}
	r.mark(path, n)
	for i := range n.items {
		if r.err == nil {
			each(member(r.paths, path, i), &n.items[i])
		}
	}
}

// id reads an id: a string, or {"base64": …} for one whose bytes aren't UTF-8.
func (r *jsonReader) id(path string, n *node) string {
	r.mark(path, n)
	s := n.text
	switch n.kind {
	case '"':
	case '{':
		b := n.get("base64")
		if b == nil || len(n.keys) != 1 || b.kind != '"' {
			r.fail(path, n, `is an object; an id is a string, or {"base64": "…"} if its bytes aren't UTF-8`)
			return ""
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(b.text)
		if err != nil || strings.ContainsAny(b.text, "\r\n") {
			r.fail(path+".base64", b, "is no padded base64")
			return ""
		}
		s = string(raw)
	default:
		r.wrong(path, n, "a string")
		return ""
	}
	if s == "" {
		r.fail(path, n, "is empty; leave the key out instead")
	}
	return s
}

func (r *jsonReader) str(path string, n *node) string {
	r.mark(path, n)
	if n.kind != '"' {
		r.wrong(path, n, "a string")
	}
	return n.text
}

func (r *jsonReader) number(path string, n *node) float64 {
	r.mark(path, n)
	if n.kind != '0' {
		r.wrong(path, n, "a number")
		return 0
	}
	f, err := strconv.ParseFloat(n.text, 64)
	if err != nil {
		r.fail(path, n, "is %s, which doesn't fit a 64-bit floating point number", clip(n.text))
	}
	return positiveZero(f)
}

// whole reads a whole number from least to most. A string of digits will do: many programs' numbers are exact to 2⁵³
// only.
func (r *jsonReader) whole(path string, n *node, least, most uint64) uint64 {
	r.mark(path, n)
	v, err := strconv.ParseUint(n.text, 10, 64)
	if n.kind != '0' && n.kind != '"' || err != nil || v < least || v > most {
		r.wrong(path, n, fmt.Sprintf("a whole number from %d to %d", least, most))
	}
	return v
}

func (r *jsonReader) truth(path string, n *node) bool {
	r.mark(path, n)
	if n.kind != 't' && n.kind != 'f' {
		r.wrong(path, n, "true or false")
	}
	return n.kind == 't'
}

func (r *jsonReader) instant(path string, n *node) time.Time {
	r.mark(path, n)
	var ms int64
	var err error
	switch n.kind {
	case '"':
		ms, err = parseTime(n.text)
	case '0':
		ms, err = parseSeconds(n.text)
	default:
		r.wrong(path, n, `a time such as "2024-05-01T12:00:00Z", or seconds since 1970`)
		return time.Time{}
	}
	t := time.UnixMilli(ms).UTC()
	switch {
	case err != nil:
		r.fail(path, n, "%v", err)
	case t.IsZero():
		r.fail(path, n, "the first instant of year 1 stands for now; leave the key out instead")
	}
	return t
}

func (r *jsonReader) window(path string, n *node) schema.Window {
	s := r.str(path, n)
	w, err := schema.ParseWindow(s)
	if err != nil {
		r.fail(path, n, "is %s; expected one of 1h, 24h, 7d, 30d, all", quoted(clip(s)))
	}
	return w
}
