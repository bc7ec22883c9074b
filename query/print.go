package query

import (
	"strconv"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// How tightly the parts of a filter bind, loosest first. A part stands in parentheses where something looser than its
// place takes would be torn apart, and where it is a list of the same kind as the one around it.
const (
	bindOr = iota + 1
	bindAnd
	bindNot
)

func (x And) String() string          { return printed(x) }
func (x Or) String() string           { return printed(x) }
func (x Not) String() string          { return printed(x) }
func (x Compare) String() string      { return printed(x) }
func (x In) String() string           { return printed(x) }
func (x Within) String() string       { return printed(x) }
func (x Near) String() string         { return printed(x) }
func (x Has) String() string          { return printed(x) }
func (x Is) String() string           { return printed(x) }
func (x InCohort) String() string     { return printed(x) }
func (x InCollection) String() string { return printed(x) }

// String is the condition's word, such as "unseen".
func (c Condition) String() string {
	if !c.valid() {
		return "condition(" + strconv.Itoa(int(c)) + ")"
	}
	return conditionWords[c]
}

// String is the comparison's sign, such as "<=".
func (o Op) String() string {
	if !o.valid() {
		return "op(" + strconv.Itoa(int(o)) + ")"
	}
	return opWords[o]
}

func printed(x Expr) string { return string(appendExpr(nil, x, bindOr)) }

// appendExpr appends x for a place that takes what binds as tightly as place or tighter.
func appendExpr(dst []byte, x Expr, place int) []byte {
	switch x := x.(type) {
	case And:
		return appendList(dst, x, "true", "all", " AND ", bindAnd, place)
	case Or:
		return appendList(dst, x, "false", "any", " OR ", bindOr, place)
	case Not:
		return appendExpr(append(dst, "NOT "...), x.X, bindNot)
	case Compare:
		dst = append(append(append(dst, x.Field...), ' '), x.Op.String()...)
		return appendValue(append(dst, ' '), x.Value)
	case In:
		dst = append(append(dst, x.Field...), " IN ("...)
		for i, v := range x.Values {
			dst = appendValue(appendComma(dst, i), v)
		}
		return append(dst, ')')
	case Within:
		dst = append(append(dst, x.Field...), " WITHIN "...)
		return append(dst, schema.FormatDuration(x.Span)...)
	case Near:
		return appendNear(dst, x)
	case Has:
		return append(append(append(dst, "has("...), x.Field...), ')')
	case Is:
		return append(dst, x.What.String()...)
	case Condition:
		return append(dst, x.String()...)
	case InCohort:
		return appendQuoted(append(dst, "cohort "...), x.Name)
	case InCollection:
		return appendQuoted(append(dst, "collection "...), x.Name)
	}
	return append(dst, "nil"...) // Compile refuses it
}

// appendList appends a list of AND or OR. One without members is a constant, and one with a single member needs the
// form of a function to be told from that member.
func appendList(dst []byte, list []Expr, empty, function, between string, bind, place int) []byte {
	switch len(list) {
	case 0:
		return append(dst, empty...)
	case 1:
		dst = append(append(dst, function...), '(')
		return append(appendExpr(dst, list[0], bindOr), ')')
	}
	if place > bind {
		dst = append(dst, '(')
	}
	for i, x := range list {
		if i > 0 {
			dst = append(dst, between...)
		}
		dst = appendExpr(dst, x, bind+1)
	}
	if place > bind {
		dst = append(dst, ')')
	}
	return dst
}

func appendNear(dst []byte, x Near) []byte {
	dst = append(append(dst, x.Field...), " WITHIN "...)
	if km := x.Meters / 1000; km >= 1 && km*1000 == x.Meters {
		dst = append(appendNumber(dst, km), " km OF "...)
	} else {
		dst = append(appendNumber(dst, x.Meters), " m OF "...)
	}
	dst = append(appendNumber(dst, x.Lat), ", "...)
	return appendNumber(dst, x.Lon)
}

// appendValue appends a literal that says its own kind: what is no string, number, truth or time has none.
func appendValue(dst []byte, v schema.Value) []byte {
	if s, ok := v.Text(); ok {
		return appendQuoted(dst, s)
	}
	if ms, ok := v.Time(); ok {
		return appendTime(dst, ms)
	}
	return append(dst, v.String()...) // numbers and truths print as they are read
}

// Milliseconds at the start of year 0 and of year 10000: the times between them have an RFC 3339 form.
const (
	minTextTime = -62167219200000
	endTextTime = 253402300800000
)

// appendTime appends a time as time("2024-05-01T12:00:00Z"), and as seconds since 1970 where RFC 3339 has no form.
func appendTime(dst []byte, ms int64) []byte {
	dst = append(dst, "time("...)
	if ms >= minTextTime && ms < endTextTime {
		dst = append(dst, '"')
		dst = time.UnixMilli(ms).UTC().AppendFormat(dst, time.RFC3339Nano)
		return append(dst, '"', ')')
	}
	if ms < 0 {
		dst = append(dst, '-')
	}
	size := uint64(ms)
	if ms < 0 {
		size = -size
	}
	dst = strconv.AppendUint(dst, size/1000, 10)
	if part := size % 1000; part > 0 {
		dst = append(dst, '.', '0'+byte(part/100), '0'+byte(part/10%10), '0'+byte(part%10))
	}
	return append(dst, ')')
}

func appendNumber(dst []byte, f float64) []byte { return strconv.AppendFloat(dst, f, 'g', -1, 64) }

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ", "...)
	}
	return dst
}
