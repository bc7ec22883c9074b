package query

import (
	"strings"

	"github.com/tidaldb/tidal/schema"
)

// clause is a part of the text form: the words that it begins with, and how the rest is read.
type clause struct {
	words string
	many  bool // may come several times
	read  func(p *parser, q *Query) error
}

// clauses are all there are, in the order in which they're printed; a constant table.
var clauses = [...]clause{
	{"FOR USER", false, func(p *parser, q *Query) error { return p.text("user", "a user's id", &q.User) }},
	{"USING", false, func(p *parser, q *Query) error { return p.name("profile", "a profile's name", &q.Profile) }},
	{"VERSION", false, func(p *parser, q *Query) error {
		n, err := p.whole("version", "version", 1, 1<<32-1)
		q.Version = uint32(n)
		return err
	}},
	{"SIMILAR TO", false, func(p *parser, q *Query) error { return p.text("similar", "an item's id", &q.Similar) }},
	{"COHORT", false, func(p *parser, q *Query) error { return p.name("cohort", "a cohort's name", &q.Cohort) }},
	{"WINDOW", false, func(p *parser, q *Query) (err error) {
		q.Window, err = p.window("window")
		return err
	}},
	{"SIGNAL", false, func(p *parser, q *Query) error { return p.name("signal", "a signal type's name", &q.Signal) }},
	{"FILTER", false, func(p *parser, q *Query) (err error) {
		q.Filter, err = p.filter("filter")
		return err
	}},
	{"EXCLUDE", false, func(p *parser, q *Query) (err error) {
		q.Exclude, err = p.ids("exclude", "an item's id", maxExclude)
		return err
	}},
	{"DIVERSIFY", false, func(p *parser, q *Query) (err error) {
		q.Diversity, err = p.diversity()
		return err
	}},
	{"EXPLORE", false, func(p *parser, q *Query) error {
		f, err := p.number("explore", "a number from 0 to 0.5")
		q.Explore = &f
		return err
	}},
	{"PIN", true, (*parser).pin},
	{"BURY", false, func(p *parser, q *Query) (err error) {
		q.Buries, err = p.ids("bury", "an item's id", maxBuries)
		return err
	}},
	{"BOOST", true, (*parser).boost},
	{"AT", false, func(p *parser, q *Query) (err error) {
		q.At, err = p.instant("at")
		return err
	}},
	{"SEED", false, func(p *parser, q *Query) error {
		n, err := p.whole("seed", "seed", 0, 1<<64-1)
		q.Seed = &n
		return err
	}},
	{"LIMIT", false, func(p *parser, q *Query) error {
		n, err := p.whole("limit", "limit", 1, MaxLimit)
		q.Limit = int(n)
		return err
	}},
	{"CURSOR", false, func(p *parser, q *Query) error { return p.text("cursor", "a cursor", &q.Cursor) }},
	{"ASOF", false, func(p *parser, q *Query) error { return p.text("as_of", "a list's reference", &q.AsOf) }},
	{"EXPLAIN", false, func(_ *parser, q *Query) error {
		q.Explain = true
		return nil
	}},
}

// query reads a whole query.
func (p *parser) query(q *Query) error {
	if !p.tok.is("RANK") {
		return p.fail("RANK")
	}
	p.next()
	if err := p.word("ITEMS"); err != nil {
		return err
	}
	for p.tok.kind != tokEnd {
		if err := p.clause(q); err != nil {
			return err
		}
	}
	return nil
}

// clause reads one clause, whichever it is.
func (p *parser) clause(q *Query) error {
	for i := range clauses {
		c := &clauses[i]
		first, second, two := strings.Cut(c.words, " ")
		if !p.tok.is(first) {
			continue
		}
		if p.used&(1<<i) != 0 && !c.many {
			return p.failAt(p.tok.at, "there are two clauses %s; one is enough", c.words)
		}
		p.used |= 1 << i
		p.open = first == "FILTER"
		p.next()
		if two {
			if err := p.word(second); err != nil {
				return err
			}
		}
		return c.read(p, q)
	}
	return p.failClause()
}

// failClause is the error of what begins no clause. Behind a filter or a boost, it could have gone on otherwise.
func (p *parser) failClause() error {
	var expected []string
	if p.open {
		expected = append(expected, "AND", "OR")
	}
	for i, c := range clauses {
		if p.used&(1<<i) == 0 || c.many {
			expected = append(expected, c.words)
		}
	}
	switch {
	case p.tok.is("WHERE"):
		return p.failAt(p.tok.at, `there is no clause %s; write FILTER`, quoted(p.tok.text))
	case p.tok.is("ORDER"):
		return p.failAt(p.tok.at, `there is no clause %s; lists are ordered by a profile: USING and its name`,
			quoted(p.tok.text))
	case p.tok.is("AND"), p.tok.is("OR"):
		return p.failAt(p.tok.at, `%s stands outside of a filter; write FILTER before the first condition`,
			quoted(p.tok.text))
	}
	return p.fail(append(expected, "the end of the text")...)
}

func (p *parser) pin(q *Query) error {
	if len(q.Pins) == maxPins {
		return p.failAt(p.tok.at, "there are more than %d pins; a query has at most %d", maxPins, maxPins)
	}
	path := p.item("pins", len(q.Pins))
	var pin Pin
	if err := p.text(path+".item", "an item's id", &pin.Item); err != nil {
		return err
	}
	if err := p.word("AT"); err != nil {
		return err
	}
	n, err := p.whole(path+".rank", "place", 1, MaxLimit)
	pin.Rank = int(n)
	q.Pins = append(q.Pins, pin)
	return err
}

func (p *parser) boost(q *Query) error {
	if len(q.Boosts) == maxBoosts {
		return p.failAt(p.tok.at, "there are more than %d boosts; a query has at most %d", maxBoosts, maxBoosts)
	}
	path := p.item("boosts", len(q.Boosts))
	x, err := p.filter(path + ".where")
	if err != nil {
		return err
	}
	if !p.tok.is("BY") {
		return p.fail("AND", "OR", "BY")
	}
	p.next()
	f, err := p.number(path+".factor", "a factor above 0")
	q.Boosts = append(q.Boosts, Boost{Where: x, Factor: f})
	return err
}

// diversity reads the rules of DIVERSIFY, separated by commas, or "none".
func (p *parser) diversity() (*schema.Diversity, error) {
	p.mark("diversify")
	d := &schema.Diversity{}
	if p.tok.is("NONE") {
		p.next()
		return d, nil
	}
	for {
		if err := p.rule(d); err != nil {
			return nil, err
		}
		if !p.tok.sign(",") {
			return d, nil
		}
		p.next()
	}
}

func (p *parser) rule(d *schema.Diversity) error {
	start := p.tok
	low := strings.ToLower(start.text)
	if start.kind != tokWord {
		low = ""
	}
	switch {
	case low == "max_per", strings.HasPrefix(low, "max_per_") && len(low) > len("max_per_"):
		return p.maxPer(d, start.text[len("max_per"):])
	case low == "max_share":
		p.next()
		return p.share(d)
	case low == "at_least":
		p.next()
		return p.atLeast(d)
	case low == "relevance":
		if p.next(); d.Relevance != 0 {
			return p.failAt(start.at, "there are two rules relevance; one is enough")
		}
		f, err := p.number("diversify.relevance", "a number above 0, at most 1")
		if err == nil && f == 0 {
			err = p.failAt(start.at, "relevance 0 is off; leave the rule out instead")
		}
		d.Relevance = f
		return err
	case low == "embedding":
		if p.next(); d.Embedding != "" {
			return p.failAt(start.at, "there are two rules embedding; one is enough")
		}
		return p.name("diversify.embedding", "an embedding's name", &d.Embedding)
	}
	return p.fail("max_per_FIELD", "max_share", "at_least", "relevance", "embedding", "none")
}

// maxPer reads max_per_creator 2, or max_per creator 2.
func (p *parser) maxPer(d *schema.Diversity, behind string) error {
	path := p.item("diversify.max_per", len(d.MaxPer))
	m := schema.MaxPer{Field: strings.TrimPrefix(behind, "_")}
	p.mark(path + ".field")
	if p.next(); behind == "" {
		if err := p.field(path+".field", &m.Field); err != nil {
			return err
		}
	}
	n, err := p.whole(path+".n", "number of items", 1, MaxLimit)
	m.N = int(n)
	d.MaxPer = append(d.MaxPer, m)
	return err
}

func (p *parser) share(d *schema.Diversity) error {
	path := p.item("diversify.max_share", len(d.Shares))
	var s schema.Share
	if err := p.field(path+".field", &s.Field); err != nil {
		return err
	}
	f, err := p.number(path+".max", "a number above 0, at most 1")
	s.Max = f
	d.Shares = append(d.Shares, s)
	return err
}

func (p *parser) atLeast(d *schema.Diversity) error {
	path := p.item("diversify.at_least", len(d.AtLeast))
	var a schema.AtLeast
	if err := p.field(path+".field", &a.Field); err != nil {
		return err
	}
	p.mark(path + ".value")
	switch {
	case p.tok.kind == tokString, p.tok.kind == tokInt:
		a.Value = p.next().text
	case p.tok.is("TRUE"), p.tok.is("FALSE"):
		a.Value = strings.ToLower(p.next().text)
	default:
		return p.fail("a value")
	}
	n, err := p.whole(path+".n", "number of items", 1, MaxLimit)
	a.N = int(n)
	d.AtLeast = append(d.AtLeast, a)
	return err
}
