package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// Parse reads a query in the text form, which docs/query.md describes:
//
//	RANK items FOR USER "ada" USING for_you FILTER category = "jazz" AND unseen LIMIT 25
//
// Key words may be in any case, and clauses in any order. The text has at most 64 KiB. An error is an [Error] for the
// first thing that can't be read; whether fields and names exist is checked by [Query.Compile].
func Parse(text string) (*Query, error) { return readText(text, nil) }

// readText reads a query and notes where its parts stand, unless at is nil.
func readText(text string, at places) (*Query, error) {
	p, err := newParser(text, at)
	if err != nil {
		return nil, err
	}
	q := &Query{from: &source{text: text}}
	if err := p.query(q); err != nil {
		return nil, err
	}
	return q, nil
}

// ParseFilter reads a filter in the text form, such as `category = "jazz" AND NOT tags = "live"`. It has at most
// 64 KiB. An error is an [Error].
func ParseFilter(text string) (Expr, error) {
	p, err := newParser(text, nil)
	if err != nil {
		return nil, err
	}
	return p.filterAlone("")
}

// filterAlone reads a text that is nothing but a filter, as the part of a query at path.
func (p *parser) filterAlone(path string) (Expr, error) {
	x, m, err := p.expr()
	if err == nil && p.tok.kind != tokEnd {
		err = p.fail("AND", "OR", "the end of the text")
	}
	if err != nil {
		return nil, err
	}
	p.note(path, x, m)
	if e := checkSize(path, x); e != nil {
		return nil, e.locate(place{p.lex.text, m.start})
	}
	return x, nil
}

// parser reads a text by recursive descent, one token ahead.
type parser struct {
	lex    lexer
	tok    token
	at     places
	used   uint32 // a bit for each clause that was read
	open   bool   // the clause before was a filter, which AND and OR continue
	depth  int    // of parentheses and NOT
	counts int    // comparisons and conditions so far
}

func newParser(text string, at places) (*parser, error) {
	if len(text) > maxText {
		return nil, refuse("", "the text has %d bytes; texts have at most %d", len(text), maxText)
	}
	p := &parser{lex: lexer{text: text}, at: at}
	p.next()
	return p, nil
}

// next moves to the next token and returns the one before.
func (p *parser) next() token {
	t := p.tok
	p.tok = p.lex.next()
	return t
}

// fail is the error of a token that can't stand here.
func (p *parser) fail(expected ...string) error {
	if p.tok.kind == tokBad {
		return p.failAt(p.tok.at, "%s", p.tok.text)
	}
	among := expected
	if p.tok.kind != tokWord {
		among = nil
	}
	list := "one of " + strings.Join(expected, ", ")
	if len(expected) == 1 {
		list = expected[0]
	}
	e := refuse("", "found %s, expected %s%s", p.tok.found(), list, suggest(p.tok.text, among))
	e.Expected = expected
	return e.locate(place{p.lex.text, p.tok.at})
}

// failAt is an error about what stands at a byte of the text.
func (p *parser) failAt(at int, format string, args ...any) error {
	return refuse("", format, args...).locate(place{p.lex.text, at})
}

// word reads one of a clause's key words.
func (p *parser) word(w string) error {
	if !p.tok.is(w) {
		return p.fail(w)
	}
	p.next()
	return nil
}

func (p *parser) sign(s string) error {
	if !p.tok.sign(s) {
		return p.fail(quoted(s))
	}
	p.next()
	return nil
}

// mark notes that a part of the query stands at the next token.
func (p *parser) mark(path string) { p.markAt(path, p.tok.at) }

func (p *parser) markAt(path string, at int) {
	if p.at != nil && path != "" {
		p.at[path] = place{p.lex.text, at}
	}
}

// text reads a string that isn't empty into a part of the query.
func (p *parser) text(path, what string, into *string) error {
	p.mark(path)
	if p.tok.kind != tokString {
		return p.fail(what + " in double quotes")
	}
	if p.tok.text == "" {
		return p.failAt(p.tok.at, "%s is empty; leave the clause out instead", what)
	}
	*into = p.next().text
	return nil
}

// name reads a name, bare or in quotes.
func (p *parser) name(path, what string, into *string) error {
	if p.tok.kind != tokWord {
		if p.tok.kind != tokString {
			p.mark(path)
			return p.fail(what)
		}
		return p.text(path, what, into)
	}
	p.mark(path)
	*into = p.next().text
	return nil
}

// field reads a field's name, which stands bare.
func (p *parser) field(path string, into *string) error {
	p.mark(path)
	if p.tok.kind != tokWord {
		return p.fail("a field")
	}
	*into = p.next().text
	return nil
}

// number reads a number with or without a point.
func (p *parser) number(path, what string) (float64, error) {
	p.mark(path)
	if p.tok.kind != tokInt && p.tok.kind != tokFloat {
		return 0, p.fail(what)
	}
	f, err := strconv.ParseFloat(p.tok.text, 64)
	if err != nil {
		return 0, p.failAt(p.tok.at, "%.40s doesn't fit a 64-bit floating point number", p.tok.text)
	}
	p.next()
	return positiveZero(f), nil
}

// whole reads a whole number from least to most.
func (p *parser) whole(path, what string, least, most uint64) (uint64, error) {
	p.mark(path)
	if p.tok.kind != tokInt {
		return 0, p.fail(fmt.Sprintf("a whole number from %d to %d", least, most))
	}
	n, err := strconv.ParseUint(p.tok.text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, p.failAt(p.tok.at, "%.40s is no %s; it's from %d to %d", p.tok.text, what, least, most)
	}
	p.next()
	return n, nil
}

// ids reads a list of ids in parentheses, at most most.
func (p *parser) ids(path, what string, most int) ([]string, error) {
	p.mark(path)
	if err := p.sign("("); err != nil {
		return nil, err
	}
	var list []string
	for {
		if len(list) == most {
			return nil, p.failAt(p.tok.at, "a list of more than %d ids; there are at most %d here", most, most)
		}
		var id string
		if err := p.text(p.item(path, len(list)), what, &id); err != nil {
			return nil, err
		}
		list = append(list, id)
		if !p.tok.sign(",") {
			break
		}
		p.next()
	}
	if !p.tok.sign(")") {
		return nil, p.fail(`","`, `")"`)
	}
	p.next()
	return list, nil
}

// item returns the path of a list's member, which nobody reads unless places are noted.
func (p *parser) item(path string, i int) string {
	if p.at == nil {
		return ""
	}
	return fmt.Sprintf("%s[%d]", path, i)
}

// instant reads a time: RFC 3339 or a date in quotes, or seconds since 1970.
func (p *parser) instant(path string) (time.Time, error) {
	p.mark(path)
	var ms int64
	var err error
	switch p.tok.kind {
	case tokString:
		ms, err = parseTime(p.tok.text)
	case tokInt, tokFloat:
		ms, err = parseSeconds(p.tok.text)
	default:
		return time.Time{}, p.fail(`a time such as "2024-05-01T12:00:00Z"`, "seconds since 1970")
	}
	if err != nil {
		return time.Time{}, p.failAt(p.tok.at, "%v", err)
	}
	t := time.UnixMilli(ms).UTC()
	if t.IsZero() {
		return t, p.failAt(p.tok.at, "the first instant of year 1 stands for now; leave the clause out instead")
	}
	p.next()
	return t, nil
}

func (p *parser) window(path string) (schema.Window, error) {
	p.mark(path)
	if p.tok.kind == tokQuantity || p.tok.is("ALL") {
		if w, err := schema.ParseWindow(strings.ToLower(p.tok.text)); err == nil {
			p.next()
			return w, nil
		}
	}
	return 0, p.fail("1h", "24h", "7d", "30d", "all")
}

func positiveZero(f float64) float64 {
	if f == 0 {
		return 0
	}
	return f
}
