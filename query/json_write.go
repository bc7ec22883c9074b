package query

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidaldb/tidal/schema"
)

// MarshalJSON is [Query.AppendJSON]. A number that isn't finite, which no valid query has, makes json.Marshal fail.
func (q Query) MarshalJSON() ([]byte, error) { return q.AppendJSON(nil), nil }

// AppendJSON appends the query in the JSON form, which [ParseJSON] reads as the same query again. Its keys stand in a
// fixed order and without blanks, so equal queries have equal bytes.
func (q *Query) AppendJSON(dst []byte) []byte {
	w := jsonWriter{append(dst, `{"rank":"items"`...)}
	w.id("user", q.User)
	w.id("profile", q.Profile)
	if q.Version != 0 {
		w.dst = strconv.AppendUint(w.key("version"), uint64(q.Version), 10)
	}
	w.id("similar", q.Similar)
	w.id("cohort", q.Cohort)
	if q.Window != 0 {
		w.id("window", q.Window.String())
	}
	w.id("signal", q.Signal)
	if q.Filter != nil {
		w.dst = appendJSONExpr(w.key("filter"), q.Filter)
	}
	w.ids("exclude", q.Exclude)
	if q.Diversity != nil {
		w.diversity(q.Diversity)
	}
	if q.Explore != nil {
		w.dst = appendNumber(w.key("explore"), *q.Explore)
	}
	w.arranged(q)
	if !q.At.IsZero() {
		w.id("at", q.At.UTC().Format(time.RFC3339Nano))
	}
	if q.Seed != nil {
		w.dst = strconv.AppendUint(w.key("seed"), *q.Seed, 10)
	}
	if q.Limit != 0 {
		w.dst = strconv.AppendInt(w.key("limit"), int64(q.Limit), 10)
	}
	w.id("cursor", q.Cursor)
	w.id("as_of", q.AsOf)
	if q.Explain {
		w.dst = append(w.key("explain"), "true"...)
	}
	return append(w.dst, '}')
}

// jsonWriter writes the members of objects. Each key is written with a comma before it, unless it's the first.
type jsonWriter struct{ dst []byte }

func (w *jsonWriter) key(k string) []byte {
	w.comma()
	return append(append(append(w.dst, '"'), k...), `":`...)
}

func (w *jsonWriter) comma() {
	if last := w.dst[len(w.dst)-1]; last != '{' && last != '[' {
		w.dst = append(w.dst, ',')
	}
}

func (w *jsonWriter) id(k, s string) {
	if s != "" {
		w.dst = appendJSONID(w.key(k), s)
	}
}

func (w *jsonWriter) ids(k string, list []string) {
	if len(list) == 0 {
		return
	}
	w.dst = append(w.key(k), '[')
	for _, s := range list {
		w.comma()
		w.dst = appendJSONID(w.dst, s)
	}
	w.dst = append(w.dst, ']')
}

func (w *jsonWriter) arranged(q *Query) {
	if len(q.Pins) > 0 {
		w.dst = append(w.key("pins"), '[')
		for _, p := range q.Pins {
			w.open()
			w.id("item", p.Item)
			w.number("rank", float64(p.Rank))
			w.dst = append(w.dst, '}')
		}
		w.dst = append(w.dst, ']')
	}
	w.ids("bury", q.Buries)
	if len(q.Boosts) > 0 {
		w.dst = append(w.key("boosts"), '[')
		for _, b := range q.Boosts {
			w.open()
			w.dst = appendJSONExpr(w.key("where"), b.Where)
			w.number("factor", b.Factor)
			w.dst = append(w.dst, '}')
		}
		w.dst = append(w.dst, ']')
	}
}

// open begins an object in an array.
func (w *jsonWriter) open() {
	w.comma()
	w.dst = append(w.dst, '{')
}

func (w *jsonWriter) number(k string, f float64) { w.dst = appendNumber(w.key(k), f) }

func (w *jsonWriter) diversity(d *schema.Diversity) {
	w.dst = append(w.key("diversify"), '{')
	if len(d.MaxPer) > 0 {
		w.dst = append(w.key("max_per"), '[')
		for _, m := range d.MaxPer {
			w.open()
			w.id("field", m.Field)
			w.number("n", float64(m.N))
			w.dst = append(w.dst, '}')
		}
		w.dst = append(w.dst, ']')
	}
	if len(d.Shares) > 0 {
		w.dst = append(w.key("max_share"), '[')
		for _, s := range d.Shares {
			w.open()
			w.id("field", s.Field)
			w.number("max", s.Max)
			w.dst = append(w.dst, '}')
		}
		w.dst = append(w.dst, ']')
	}
	if len(d.AtLeast) > 0 {
		w.dst = append(w.key("at_least"), '[')
		for _, a := range d.AtLeast {
			w.open()
			w.id("field", a.Field)
			w.dst = appendQuoted(w.key("value"), a.Value)
			w.number("n", float64(a.N))
			w.dst = append(w.dst, '}')
		}
		w.dst = append(w.dst, ']')
	}
	if d.Relevance != 0 {
		w.number("relevance", d.Relevance)
	}
	w.id("embedding", d.Embedding)
	w.dst = append(w.dst, '}')
}

// appendJSONID appends a string, or an object for one whose bytes aren't UTF-8. Quoted as in the text form a string of
// UTF-8 is JSON, too.
func appendJSONID(dst []byte, s string) []byte {
	if utf8.ValidString(s) {
		return appendQuoted(dst, s)
	}
	dst = append(dst, `{"base64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, []byte(s)), `"}`...)
}

func appendJSONExpr(dst []byte, x Expr) []byte {
	switch x := x.(type) {
	case And:
		return appendJSONExprs(dst, "and", "true", x)
	case Or:
		return appendJSONExprs(dst, "or", "false", x)
	case Not:
		return append(appendJSONExpr(append(dst, `{"not":`...), x.X), '}')
	case Compare:
		dst = append(appendQuoted(append(dst, `{"field":`...), x.Field), `,"op":`...)
		dst = append(appendQuoted(dst, x.Op.String()), `,"value":`...)
		return append(appendJSONValue(dst, x.Value), '}')
	case In:
		dst = append(appendQuoted(append(dst, `{"field":`...), x.Field), `,"in":[`...)
		for i, v := range x.Values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONValue(dst, v)
		}
		return append(dst, "]}"...)
	case Within:
		dst = append(appendQuoted(append(dst, `{"field":`...), x.Field), `,"within":`...)
		return append(appendQuoted(dst, schema.FormatDuration(x.Span)), '}')
	case Near:
		dst = append(appendQuoted(append(dst, `{"field":`...), x.Field), `,"near":{"lat":`...)
		dst = append(appendNumber(dst, x.Lat), `,"lon":`...)
		dst = append(appendNumber(dst, x.Lon), `,"m":`...)
		return append(appendNumber(dst, x.Meters), "}}"...)
	case Has:
		return append(appendQuoted(append(dst, `{"has":`...), x.Field), '}')
	case Is:
		return appendQuoted(dst, x.What.String())
	case Condition:
		return appendQuoted(dst, x.String())
	case InCohort:
		return append(appendJSONID(append(dst, `{"cohort":`...), x.Name), '}')
	case InCollection:
		return append(appendJSONID(append(dst, `{"collection":`...), x.Name), '}')
	}
	return append(dst, "null"...) // Compile refuses it
}

func appendJSONExprs(dst []byte, key, empty string, list []Expr) []byte {
	if len(list) == 0 {
		return append(dst, empty...)
	}
	dst = append(append(append(dst, `{"`...), key...), `":[`...)
	for i, x := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONExpr(dst, x)
	}
	return append(dst, "]}"...)
}

func appendJSONValue(dst []byte, v schema.Value) []byte {
	if s, ok := v.Text(); ok {
		return appendQuoted(dst, s)
	}
	b, err := v.MarshalJSON()
	if err != nil {
		return append(dst, "null"...) // Compile refuses it
	}
	return append(dst, b...)
}
