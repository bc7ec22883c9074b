package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/schema"
)

// marks are the places of a filter's parts, in a tree of the filter's own shape: where a part will stand in the whole
// is known only when what follows it was read.
type marks struct {
	start, op, value int
	values           []int
	inner            []marks
}

// reader reads a part of a filter.
type reader func(*parser) (Expr, marks, error)

// filter reads a filter as the part of a query at path.
func (p *parser) filter(path string) (Expr, error) {
	p.mark(path)
	start := p.tok.at
	x, m, err := p.expr()
	if err != nil {
		return nil, err
	}
	p.note(path, x, m)
	if e := checkSize(path, x); e != nil {
		return nil, e.locate(place{p.lex.text, start})
	}
	return x, nil
}

// note notes where the parts of a filter stand.
func (p *parser) note(path string, x Expr, m marks) {
	if p.at == nil {
		return
	}
	p.markAt(path, m.start)
	switch x := x.(type) {
	case And:
		for i := range x {
			p.note(fmt.Sprintf("%s.and[%d]", path, i), x[i], m.inner[i])
		}
	case Or:
		for i := range x {
			p.note(fmt.Sprintf("%s.or[%d]", path, i), x[i], m.inner[i])
		}
	case Not:
		p.note(path+".not", x.X, m.inner[0])
	case Compare:
		p.markAt(path+".op", m.op)
		p.markAt(path+".value", m.value)
	case In:
		p.markAt(path+".in", m.op)
		for i := range x.Values {
			p.markAt(fmt.Sprintf("%s.in[%d]", path, i), m.values[i])
		}
	case Within:
		p.markAt(path+".within", m.value)
	case Near:
		p.markAt(path+".near", m.value)
	case Has:
		p.markAt(path+".has", m.value)
	case InCohort:
		p.markAt(path+".cohort", m.value)
	case InCollection:
		p.markAt(path+".collection", m.value)
	}
}

// expr reads what OR joins.
func (p *parser) expr() (Expr, marks, error) {
	return p.chain("OR", (*parser).conjunction, func(list []Expr) Expr { return Or(list) })
}

// conjunction reads what AND joins.
func (p *parser) conjunction() (Expr, marks, error) {
	return p.chain("AND", (*parser).operand, func(list []Expr) Expr { return And(list) })
}

// chain reads one part or more with a word between them, and makes a list of more than one.
func (p *parser) chain(word string, part reader, list func([]Expr) Expr) (Expr, marks, error) {
	x, m, err := part(p)
	if err != nil || !p.tok.is(word) {
		return x, m, err
	}
	all, inner := []Expr{x}, []marks{m}
	for p.tok.is(word) {
		p.next()
		if x, m, err = part(p); err != nil {
			return nil, marks{}, err
		}
		all, inner = append(all, x), append(inner, m)
	}
	return list(all), marks{start: inner[0].start, inner: inner}, nil
}

// nested reads what stands within NOT or parentheses.
func (p *parser) nested(at int, read reader) (Expr, marks, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, marks{}, p.failAt(at, "the filter is nested more than %d deep; filters are at most %d deep",
			maxDepth, maxDepth)
	}
	x, m, err := read(p)
	p.depth--
	return x, m, err
}

// operand reads what AND joins: NOT of another one, a filter in parentheses, a constant, a condition, a question to a
// field.
func (p *parser) operand() (Expr, marks, error) {
	t := p.tok
	switch {
	case t.is("NOT"):
		p.next()
		x, m, err := p.nested(t.at, (*parser).operand)
		return Not{x}, marks{start: t.at, inner: []marks{m}}, err
	case t.sign("("):
		p.next()
		x, m, err := p.nested(t.at, (*parser).expr)
		if err == nil {
			err = p.closing()
		}
		return x, m, err
	case t.is("AND"), t.is("OR"), t.is("IN"), t.is("WITHIN"): // no field is called so
	case t.kind == tokWord:
		p.next()
		return p.question(t)
	}
	return nil, marks{}, p.fail("a field", "a condition", "NOT", `"("`)
}

// reserved reports whether a word means something else than a field where a field could stand.
func reserved(word string) bool {
	low := strings.ToLower(word)
	return conditionNamed(low) != 0 || slices.Contains([]string{
		"and", "or", "not", "in", "within", "true", "false", "cohort", "collection",
	}, low)
}

// closing reads the parenthesis at the end of a filter.
func (p *parser) closing() error {
	if !p.tok.sign(")") {
		return p.fail("AND", "OR", `")"`)
	}
	p.next()
	return nil
}

// question reads what begins with a word, which was read.
func (p *parser) question(t token) (Expr, marks, error) {
	m := marks{start: t.at}
	low := strings.ToLower(t.text)
	switch {
	case p.tok.sign("("):
		return p.function(t, low)
	case low == "true":
		return And{}, m, p.count(t)
	case low == "false":
		return Or{}, m, p.count(t)
	case conditionNamed(low) != 0:
		if p.tok.kind == tokSign && opNamed(p.tok.text) != 0 {
			return nil, m, p.failAt(p.tok.at, "%s is a condition and stands alone; write %s or NOT %s", low, low, low)
		}
		return Is{conditionNamed(low)}, m, p.count(t)
	case low == "cohort" || low == "collection":
		m.value = p.tok.at
		var name string
		if err := p.text("", "a "+low+"'s name", &name); err != nil {
			return nil, m, err
		}
		if low == "cohort" {
			return InCohort{name}, m, p.count(t)
		}
		return InCollection{name}, m, p.count(t)
	}
	if err := p.count(t); err != nil {
		return nil, m, err
	}
	return p.comparison(t, m)
}

// count refuses one condition too many before it's built.
func (p *parser) count(t token) error {
	if p.counts++; p.counts > maxConditions {
		return p.failAt(t.at, "there are more than %d conditions; a query's filters have at most %d together",
			maxConditions, maxConditions)
	}
	return nil
}

// function reads the parenthesis behind has, all or any.
func (p *parser) function(t token, low string) (Expr, marks, error) {
	m := marks{start: t.at}
	if low != "has" && low != "all" && low != "any" {
		return nil, m, p.failAt(t.at, "there is no function %s%s; there are has(FIELD), all(FILTER) and any(FILTER)",
			quoted(clip(t.text)), suggest(t.text, []string{"has", "all", "any"}))
	}
	p.next()
	if low == "has" {
		m.value = p.tok.at
		if p.tok.kind != tokWord {
			return nil, m, p.fail("a field")
		}
		x := Has{p.next().text}
		if err := p.count(t); err != nil {
			return nil, m, err
		}
		return x, m, p.sign(")")
	}
	x, inner, err := p.nested(t.at, (*parser).expr)
	if err == nil {
		err = p.closing()
	}
	m.inner = []marks{inner}
	if low == "all" {
		return And{x}, m, err
	}
	return Or{x}, m, err
}

// comparison reads what follows a field.
func (p *parser) comparison(t token, m marks) (Expr, marks, error) {
	m.op = p.tok.at
	switch {
	case p.tok.kind == tokSign && opNamed(p.tok.text) != 0:
		op := opNamed(p.next().text)
		m.value = p.tok.at
		v, err := p.value()
		return Compare{t.text, op, v}, m, err
	case p.tok.is("IN"):
		p.next()
		values, at, err := p.valueList()
		m.values = at
		return In{t.text, values}, m, err
	case p.tok.is("WITHIN"):
		p.next()
		m.value = p.tok.at
		x, err := p.within(t.text)
		return x, m, err
	case p.tok.is("NOT"):
		return nil, m, p.failAt(p.tok.at, "NOT stands before the field: NOT %s IN (…)", clip(t.text))
	}
	return nil, m, p.failOperator(t)
}

// failOperator is the error of a word in a filter that no operator follows: most often a condition with a typing
// mistake, or a field that was thought to be one.
func (p *parser) failOperator(t token) error {
	if p.tok.kind == tokBad {
		return p.fail()
	}
	near := suggest(t.text, append(conditionWords[1:len(conditionWords):len(conditionWords)],
		"NOT", "true", "false", "cohort", "collection", "has"))
	if near != "" {
		return p.failAt(t.at, "%s is no condition%s; a field is followed by one of =, !=, <, <=, >, >=, IN, WITHIN",
			quoted(clip(t.text)), near)
	}
	ops := []string{"=", "!=", "<", "<=", ">", ">=", "IN", "WITHIN"}
	e := refuse("", "found %s, expected one of %s behind the field %s%s", p.tok.found(), strings.Join(ops, ", "),
		quoted(clip(t.text)), suggestOperator(p.tok, ops))
	e.Expected = ops
	return e.locate(place{p.lex.text, p.tok.at})
}

func suggestOperator(t token, ops []string) string {
	if t.kind != tokWord {
		return ""
	}
	return suggest(t.text, ops)
}

// value reads a literal: a string, a number, true, false, or time(…).
func (p *parser) value() (schema.Value, error) {
	t := p.tok
	var v schema.Value
	switch {
	case t.kind == tokString:
		v = schema.String(t.text)
	case t.kind == tokInt:
		n, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			return v, p.failAt(t.at, "%s doesn't fit a signed 64-bit number", clip(t.text))
		}
		v = schema.Int(n)
	case t.kind == tokFloat:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return v, p.failAt(t.at, "%s doesn't fit a 64-bit floating point number", clip(t.text))
		}
		v = schema.Float(f)
	case t.is("TRUE"), t.is("FALSE"):
		v = schema.Bool(t.is("TRUE"))
	case t.is("TIME"):
		p.next()
		return p.timeValue()
	case t.kind == tokQuantity:
		return v, p.failAt(t.at, "%s has a unit; fields compare with plain values, and times by WITHIN %s",
			quoted(clip(t.text)), clip(t.text))
	case t.kind == tokWord:
		return v, p.failAt(t.at, "found %s, expected a value; strings stand in double quotes: %s",
			quoted(clip(t.text)), quoted(clip(t.text)))
	default:
		return v, p.fail("a string in double quotes", "a number", "true", "false", "time(…)")
	}
	if err := v.Err(); err != nil {
		return v, p.failAt(t.at, "%v", err)
	}
	p.next()
	return v, nil
}

// timeValue reads the parenthesis behind time.
func (p *parser) timeValue() (schema.Value, error) {
	if err := p.sign("("); err != nil {
		return schema.Value{}, err
	}
	var ms int64
	var err error
	switch t := p.tok; t.kind {
	case tokString:
		ms, err = parseTime(t.text)
	case tokInt, tokFloat:
		ms, err = parseAnySeconds(t.text)
	default:
		return schema.Value{}, p.fail(`a time such as "2024-05-01T12:00:00Z"`, "seconds since 1970")
	}
	if err != nil {
		return schema.Value{}, p.failAt(p.tok.at, "%v", err)
	}
	p.next()
	return schema.Time(ms), p.sign(")")
}

// valueList reads the values of IN and where each of them stands.
func (p *parser) valueList() ([]schema.Value, []int, error) {
	if err := p.sign("("); err != nil {
		return nil, nil, err
	}
	values, at := []schema.Value{}, []int(nil)
	if p.tok.sign(")") {
		p.next()
		return values, at, nil
	}
	for {
		if len(values) == maxValues {
			return nil, nil, p.failAt(p.tok.at, "there are more than %d values; an IN has at most %d",
				maxValues, maxValues)
		}
		start := p.tok.at
		v, err := p.value()
		if err != nil {
			return nil, nil, err
		}
		values, at = append(values, v), append(at, start)
		if !p.tok.sign(",") {
			break
		}
		p.next()
	}
	if !p.tok.sign(")") {
		return nil, nil, p.fail(`","`, `")"`)
	}
	p.next()
	return values, at, nil
}
