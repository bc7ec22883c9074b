package query

import (
	"strings"

	"github.com/tidaldb/tidal/schema"
)

// filterKinds are the keys by which the objects of a filter are told apart, and what else stands beside each.
var filterKinds = [...][]string{
	{"and"},
	{"or"},
	{"not"},
	{"has"},
	{"cohort"},
	{"collection"},
	{"field", "op", "value", "in", "within", "near"},
}

// filter reads a filter: an object, a string in the text form, true or false.
func (r *jsonReader) filter(path string, n *node) Expr {
	x := r.expr(path, n)
	if r.err == nil {
		if e := checkSize(path, x); e != nil {
			r.err = e.locate(place{r.text, n.at})
		}
	}
	return x
}

func (r *jsonReader) expr(path string, n *node) Expr {
	r.mark(path, n)
	switch n.kind {
	case '"':
		return r.written(path, n)
	case 't':
		return And{}
	case 'f':
		return Or{}
	case '{':
		for _, keys := range filterKinds {
			if n.get(keys[0]) != nil {
				if !r.object(path, n, keys...) {
					return nil
				}
				return r.kind(keys[0], path, n)
			}
		}
		r.fail(path, n, "is an object without any of and, or, not, has, cohort, collection, field%s", r.nearKind(n))
		return nil
	}
	r.wrong(path, n, "an object, a string in the text form, true or false")
	return nil
}

func (r *jsonReader) nearKind(n *node) string {
	for _, k := range n.keys {
		if near := suggest(k, []string{"and", "or", "not", "has", "cohort", "collection", "field"}); near != "" {
			return near
		}
	}
	return ""
}

// written reads a filter in the text form. Its places are those in the JSON around it.
func (r *jsonReader) written(path string, n *node) Expr {
	var at places
	if r.at != nil {
		at = places{}
	}
	p, err := newParser(n.text, at)
	var x Expr
	if err == nil {
		x, err = p.filterAlone(path)
	}
	for part, p := range at {
		r.at[part] = r.inside(n, p.offset)
	}
	if e, ok := err.(*Error); ok && r.err == nil { //nolint:errorlint // the parser's own errors aren't wrapped
		e.Path = path + strings.TrimPrefix(e.Path, path)
		r.err = e.locate(r.inside(n, e.Offset))
	}
	return x
}

// inside returns the place of a byte of what a string stands for.
func (r *jsonReader) inside(n *node, offset int) place {
	var decoded strings.Builder
	at := n.at + 1
	for decoded.Len() < offset && at < n.end {
		if r.text[at] != '\\' {
			decoded.WriteByte(r.text[at])
			at++
			continue
		}
		length, err := cutEscape(&decoded, r.text[at:], true)
		if err != nil {
			break // the string was read before, so this is out of reach
		}
		at += length
	}
	return place{r.text, at}
}

// kind reads an object that has the key.
func (r *jsonReader) kind(key, path string, n *node) Expr {
	v := n.get(key)
	switch key {
	case "and":
		return And(r.exprs(path+".and", v))
	case "or":
		return Or(r.exprs(path+".or", v))
	case "not":
		return Not{r.expr(path+".not", v)}
	case "has":
		if r.mark(path+".has", v); v.kind != '"' || !isField(v.text) {
			r.wrong(path+".has", v, "a field's name")
		}
		return Has{v.text}
	case "cohort":
		return InCohort{r.id(path+".cohort", v)}
	case "collection":
		return InCollection{r.id(path+".collection", v)}
	}
	return r.comparison(path, n)
}

func (r *jsonReader) exprs(path string, n *node) []Expr {
	list := []Expr{}
	r.array(path, n, 0, func(path string, n *node) { list = append(list, r.expr(path, n)) })
	return list
}

// comparison reads an object with a field: op and value, or in, or within, or near.
func (r *jsonReader) comparison(path string, n *node) Expr {
	field := r.field(path, n)
	if reserved(field) {
		r.fail(path+".field", n.get("field"), "is %s, which is a word of the language; no field is called so",
			quoted(field))
	}
	in, within, near, op, value := n.get("in"), n.get("within"), n.get("near"), n.get("op"), n.get("value")
	asked := 0
	for _, v := range []*node{in, within, near} {
		if v != nil {
			asked++
		}
	}
	if op != nil || value != nil {
		asked++
	}
	if asked != 1 {
		r.fail(path, n, "asks %d things of the field; expected one of op and value, in, within, near", asked)
		return nil
	}
	switch {
	case in != nil:
		values := []schema.Value{}
		r.array(path+".in", in, maxValues, func(path string, n *node) { values = append(values, r.value(path, n)) })
		return In{field, values}
	case within != nil:
		span, err := schema.ParseDuration(r.str(path+".within", within))
		if err != nil {
			r.wrong(path+".within", within, `whole numbers with a unit (w, d, h, m, s, ms), such as "7d"`)
		}
		return Within{field, span}
	case near != nil:
		return r.near(path+".near", field, near)
	case op == nil:
		r.fail(path+".op", n, "is missing; expected one of %s", opList)
		return nil
	case value == nil:
		r.fail(path+".value", n, "is missing")
		return nil
	}
	o := opNamed(r.str(path+".op", op))
	if o == 0 {
		r.fail(path+".op", op, "is %s; expected one of %s", op.kindOf(), opList)
	}
	return Compare{field, o, r.value(path+".value", value)}
}

// What messages expect.
const (
	opList   = "=, !=, <, <=, >, >="
	literals = `a string, a number, true, false or {"time": …}`
)

func (r *jsonReader) near(path, field string, n *node) Expr {
	x := Near{Field: field}
	if !r.object(path, n, "lat", "lon", "m") {
		return x
	}
	for _, part := range []struct {
		key  string
		into *float64
	}{{"lat", &x.Lat}, {"lon", &x.Lon}, {"m", &x.Meters}} {
		if v := r.needed(path, n, part.key); v != nil {
			*part.into = r.number(path+"."+part.key, v)
		}
	}
	return x
}

// value reads a value in the form that fields have in JSON.
func (r *jsonReader) value(path string, n *node) schema.Value {
	r.mark(path, n)
	var v schema.Value
	switch n.kind {
	case '"':
		v = schema.String(n.text)
	case '{':
		if n.get("time") == nil || len(n.keys) != 1 {
			r.wrong(path, n, literals)
			return v
		}
		fallthrough
	case '0', 't', 'f':
		if err := v.UnmarshalJSON([]byte(r.text[n.at:n.end])); err != nil {
			why := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "refused: "), "invalid value: ")
			r.fail(path, n, "is no value: %s", why)
		}
	default:
		r.wrong(path, n, literals)
	}
	if err := v.Err(); err != nil {
		r.fail(path, n, "%v", err)
	}
	return v
}
