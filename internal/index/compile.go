package index

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// compiler makes nodes of a filter's expressions.
type compiler struct {
	x   *Index
	ctx Context
}

// node returns the node of an expression, or of its negation.
func (c *compiler) node(e query.Expr, negated bool) (node, error) {
	switch e := e.(type) {
	case nil:
		return nil, fault.Refuse("filter", "has an expression that is nil")
	case query.And:
		return c.list(e, negated, negated)
	case query.Or:
		return c.list(e, !negated, negated)
	case query.Not:
		return c.node(e.X, !negated)
	case query.Compare:
		if e.Op == query.NotEqual {
			e.Op, negated = query.Equal, !negated
		}
		return c.leaf(e, negated)
	case query.Condition:
		return c.node(query.Is{What: e}, negated)
	case query.Is:
		if e.What == query.Unseen {
			e.What, negated = query.Seen, !negated
		}
		return c.leaf(e, negated)
	}
	return c.leaf(e, negated)
}

// list returns the node of a list of which one must hold, or else all.
func (c *compiler) list(of []query.Expr, one, negated bool) (node, error) {
	var nodes []node
	for _, e := range of {
		n, err := c.node(e, negated)
		if err != nil {
			return nil, err
		}
		a, isAll := n.(*all)
		s, isSome := n.(*some)
		switch { // a list within one of its own kind is a part of it; an empty one is true or false
		case isAll && !one:
			nodes = append(nodes, a.of...)
		case isSome && one:
			nodes = append(nodes, s.of...)
		case isAll && len(a.of) == 0, isSome && len(s.of) == 0:
			return n, nil
		default:
			nodes = append(nodes, n)
		}
	}
	if one {
		return c.x.newSome(nodes), nil
	}
	return c.x.newAll(c.joinRanges(nodes)), nil
}

// joinRanges makes one range of all those over the same field: together they are estimated well, apart they aren't.
func (c *compiler) joinRanges(nodes []node) []node {
	var out []node
	for _, n := range nodes {
		r, ok := n.(*keyRange)
		if !ok {
			out = append(out, n)
			continue
		}
		at := slices.IndexFunc(out, func(o node) bool { s, ok := o.(*keyRange); return ok && s.v == r.v })
		if at < 0 {
			out = append(out, n)
			continue
		}
		s := out[at].(*keyRange)
		joined := c.keyRange(s.v, max(r.lo, s.lo), min(r.hi, s.hi))
		joined.source = slices.Concat(s.source, r.source)
		out[at] = joined
	}
	return out
}

func (c *compiler) leaf(e query.Expr, negated bool) (node, error) {
	n, err := c.positive(e)
	if err != nil {
		return nil, err
	}
	if k := n.known(); k.source == nil {
		k.source = []query.Expr{e}
	}
	if negated {
		return c.x.newNot(n), nil
	}
	return n, nil
}

func (c *compiler) positive(e query.Expr) (node, error) {
	switch e := e.(type) {
	case query.Is:
		return c.member(c.ctx.Condition(e.What)), nil
	case query.InCollection:
		return c.member(c.ctx.Collection(e.Name)), nil
	case query.InCohort:
		return c.member(c.ctx.Cohort(e.Name)), nil
	}
	name := fieldOf(e)
	v := c.x.view(name)
	if v == nil {
		return nil, fault.Refuse("filter", "%q is no field of items", name)
	}
	var n node
	switch e := e.(type) {
	case query.Has:
		n = c.has(v)
	case query.Compare:
		n = c.compare(v, e)
	case query.In:
		n = c.in(v, e)
	case query.Within:
		n = c.within(v, e)
	case query.Near:
		n = c.near(v, e)
	}
	if n == nil {
		return nil, fault.Refuse("filter", "%s: the field %q doesn't take this comparison or value", e, name)
	}
	return n, nil
}

func fieldOf(e query.Expr) string {
	switch e := e.(type) {
	case query.Has:
		return e.Field
	case query.Compare:
		return e.Field
	case query.In:
		return e.Field
	case query.Within:
		return e.Field
	case query.Near:
		return e.Field
	}
	return ""
}

func (c *compiler) member(set Set) node {
	if set == nil {
		return &member{set: nobody{}, facts: facts{exact: true, cost: costColumn, live: true}}
	}
	m := &member{set: set}
	bits, ok := set.Items()
	if ok && bits != nil {
		m.bits = bits
		m.rows, m.exact, m.cost = float64(bits.AndCardinality(c.x.live)), true, costLook
		m.making = c.x.makeBitmap()
		return m
	}
	m.rows, m.cost = float64(min(max(set.Estimate(), 0), c.x.n)), costForeign
	m.making = float64(c.x.n) * costForeign
	return m
}

func (c *compiler) has(v view) node {
	return &isSet{v: v, facts: facts{rows: float64(v.count()), exact: true, cost: costColumn, live: true}}
}

func (c *compiler) compare(v view, e query.Compare) node {
	equal := e.Op == query.Equal
	switch v := v.(type) {
	case *keywords:
		text, ok := e.Value.Text()
		switch {
		case !ok:
			return nil
		case equal:
			return c.codeIs(v, text)
		}
		return c.codeIn(v, keywordRange(v, e.Op, text))
	case *tags:
		if text, ok := e.Value.Text(); ok && equal {
			return c.tagIn(v, []uint32{v.dict.lookup(text)})
		}
	case *numbers:
		if key, ok := v.key(e.Value); ok {
			return c.compareKey(v, e.Op, key)
		}
	case *flags:
		if is, ok := e.Value.Bool(); ok && equal {
			return c.flagIs(v, is)
		}
	}
	return nil
}

// keywordRange returns the codes of the texts that compare so, byte by byte.
func keywordRange(v *keywords, op query.Op, text string) []uint32 {
	always := func(string) bool { return true }
	switch op {
	case query.Less:
		return v.dict.between(nil, "", func(t string) bool { return t < text })
	case query.LessEqual:
		return v.dict.between(nil, "", func(t string) bool { return t <= text })
	case query.Greater:
		return v.dict.between(nil, text+"\x00", always)
	}
	return v.dict.between(nil, text, always)
}

func (c *compiler) compareKey(v *numbers, op query.Op, key uint64) node {
	lo, hi := uint64(0), uint64(math.MaxUint64)
	switch {
	case op == query.Equal:
		lo, hi = key, key
	case op == query.Less && key == 0, op == query.Greater && key == math.MaxUint64:
		lo, hi = 1, 0
	case op == query.Less:
		hi = key - 1
	case op == query.LessEqual:
		hi = key
	case op == query.Greater:
		lo = key + 1
	default:
		lo = key
	}
	return c.keyRange(v, lo, hi)
}

// keyRange returns the node of a range of keys, which is empty if lo > hi.
func (c *compiler) keyRange(v *numbers, lo, hi uint64) *keyRange {
	rows := float64(v.countRange(lo, hi))
	return &keyRange{v: v, lo: lo, hi: hi, facts: facts{
		rows: rows, exact: true, cost: costColumn, making: rows*costCollect + c.x.makeBitmap(), live: true,
	}}
}

func (c *compiler) codeIs(v *keywords, text string) node {
	code := v.dict.lookup(text)
	rows := v.dict.items(code).n
	if code == 0 {
		code = noCode
	}
	return &codeIs{v: v, code: code, facts: facts{rows: float64(rows), exact: true, cost: costColumn, live: true}}
}

// codeIn returns the node of one of several codes.
func (c *compiler) codeIn(v *keywords, codes []uint32) node {
	n := &codeIn{v: v, codes: newCodeSet(codes), facts: facts{exact: true, cost: costColumn * 2, live: true}}
	for _, code := range n.codes.list {
		n.rows += float64(v.dict.items(code).n)
	}
	n.making = c.makeUnion(n.rows, len(n.codes.list))
	return n
}

// tagIn returns the node of tags that contain one of some codes. Tags are taken as independent of each other.
func (c *compiler) tagIn(v *tags, codes []uint32) node {
	n := &tagIn{v: v, codes: newCodeSet(codes), facts: facts{cost: costList, live: true}}
	sum, most, none := 0.0, 0.0, 1.0
	for _, code := range n.codes.list {
		rows := float64(v.dict.items(code).n)
		sum, most = sum+rows, max(most, rows)
		none *= 1 - rows/max(float64(c.x.n), 1)
	}
	n.rows = min(max(float64(c.x.n)*(1-none), most), sum)
	n.exact = sum == most
	n.making = c.makeUnion(sum, len(n.codes.list))
	return n
}

// makeUnion is what a union of sets costs that have so many items together.
func (c *compiler) makeUnion(rows float64, sets int) float64 {
	if sets < 2 {
		return 0
	}
	return min(rows*costItem, float64(sets)*c.x.makeBitmap()) + float64(sets)*50
}

func (c *compiler) flagIs(v *flags, is bool) node {
	flag := uint8(flagNo)
	if is {
		flag = flagYes
	}
	rows := float64(v.items(flag).GetCardinality())
	return &flagIs{v: v, flag: flag, facts: facts{rows: rows, exact: true, cost: costColumn, live: true}}
}

func (c *compiler) in(v view, e query.In) node {
	switch v := v.(type) {
	case *keywords, *tags:
		d, _ := c.x.Keyword(e.Field)
		var codes []uint32
		for _, value := range e.Values {
			text, ok := value.Text()
			if !ok {
				return nil
			}
			if code := d.Lookup(text); code != 0 {
				codes = append(codes, code)
			}
		}
		if v, ok := v.(*tags); ok {
			return c.tagIn(v, codes)
		}
		return c.codeIn(v.(*keywords), codes)
	case *numbers:
		n := &keyIn{v: v, facts: facts{exact: true, cost: costColumn * 2, live: true}}
		for _, value := range e.Values {
			key, ok := v.key(value)
			if !ok {
				return nil
			}
			n.keys = append(n.keys, key)
		}
		slices.Sort(n.keys)
		n.keys = slices.Compact(n.keys)
		for _, key := range n.keys {
			n.rows += float64(v.countRange(key, key))
		}
		n.making = n.rows*costCollect + c.x.makeBitmap()
		return n
	case *flags:
		var of []node
		for _, value := range e.Values {
			is, ok := value.Bool()
			if !ok {
				return nil
			}
			of = append(of, c.flagIs(v, is))
		}
		return c.eitherFlag(v, of)
	}
	return nil
}

// eitherFlag is the node of a list of truth values: none, one, or both, which is that the field is set.
func (c *compiler) eitherFlag(v *flags, of []node) node {
	var seen [flagYes + 1]bool
	var last node
	for _, n := range of {
		seen[n.(*flagIs).flag], last = true, n
	}
	switch {
	case seen[flagNo] && seen[flagYes]:
		return c.has(v)
	case last != nil:
		return last
	}
	return c.member(nil)
}

// within is the range of times from q−span to q, both included: an item of exactly that age is at most so old.
func (c *compiler) within(v view, e query.Within) node {
	t, ok := v.(*numbers)
	if !ok || t.of != schema.TypeTime {
		return nil
	}
	if e.Span < 0 {
		return c.keyRange(t, 1, 0)
	}
	q := c.ctx.Now()
	from := q - int64(e.Span/time.Millisecond)
	if from > q { // before the first millisecond that there is
		from = math.MinInt64
	}
	return c.keyRange(t, intKey(from), intKey(q))
}

func (c *compiler) near(v view, e query.Near) node {
	p, ok := v.(*places)
	if !ok || schema.Geo(e.Lat, e.Lon).Err() != nil {
		return nil
	}
	n := &near{v: p, disc: newDisc(e.Lat, e.Lon, e.Meters), facts: facts{cost: costPlace, live: true}}
	cells, within := p.estimate(&n.disc)
	n.rows, n.making = within, cells*(costPlace+costItem)+c.x.makeBitmap()
	n.exact = cells == 0
	return n
}

// text joins the texts of the expressions that a node was made of.
func (f *facts) text() string {
	if f.note != "" {
		return f.note
	}
	texts := make([]string, len(f.source))
	for i, e := range f.source {
		texts[i] = e.String()
	}
	return strings.Join(texts, " AND ")
}
