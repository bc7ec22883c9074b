package index

import (
	"slices"

	"github.com/tidaldb/tidal/query"
)

// Few enough items to be candidates all of them: this part of the live items, or this number, which is as many as the
// first phase of ranking scores.
const (
	fewShare = 0.01
	fewFloor = 2000
)

// buildBudget is what making a set may cost, in rough nanoseconds, while a query waits for it.
const buildBudget = 150_000

// Plan makes a filter of an expression that was compiled against the schema; nil holds for every item. Whatever the
// expression, the filter holds only for items that are live and haven't expired at ctx's time.
//
// An expression that doesn't fit the fields (one of an unknown name, a comparison that its type doesn't have, a value
// of another type) is refused with a [fault.Input].
func (x *Index) Plan(e query.Expr, ctx Context) (*Filter, error) {
	c := compiler{x, ctx}
	var parts []node
	if e != nil {
		n, err := c.node(e, false)
		if err != nil {
			return nil, err
		}
		if a, ok := n.(*all); ok {
			parts = a.of
		} else {
			parts = []node{n}
		}
	}
	if gone := c.expired(); gone != nil {
		parts = append(slices.Clip(parts), x.newNot(gone))
	}
	if !slices.ContainsFunc(parts, func(n node) bool { return n.known().live }) {
		k := facts{rows: float64(x.n), exact: true, cost: costColumn, live: true, note: "live"}
		parts = append(slices.Clip(parts), &isLive{k, x})
	}
	f := &Filter{x: x, parts: parts}
	whole := x.newAll(parts)
	if a, ok := whole.(*all); ok {
		f.parts = a.of
	}
	f.expect = *whole.known()
	f.use(f.choose())
	return f, nil
}

// expired is the node of the items that have expired; nil if there are none.
func (c *compiler) expired() node {
	if c.x.expires == nil {
		return nil
	}
	n := c.keyRange(c.x.expires, 0, intKey(c.ctx.Now()))
	n.note = "expired"
	if n.rows == 0 {
		return nil
	}
	return n
}

// choose returns the mode for a filter and the parts that are made a set in it.
//
// When few items pass, it's best to have them all: the sources of candidates, which know nothing of the filter, would
// hardly meet one of them. So it is if all that holds them back is what testing the last parts on every item costs;
// then the set is of the others, and candidates taken from it are still tested. Else the sources will do, and testing
// what they yield is cheapest.
func (f *Filter) choose() (Mode, []node) {
	order := f.x.buildOrder(f.parts)
	few := max(float64(f.x.n)*fewShare, fewFloor)
	if f.expect.rows > few {
		return Predicate, nil
	}
	cost, rows := order[0].known().making, order[0].known().rows
	taken := 0
	for i, n := range order {
		if i > 0 {
			cost += min(rows*n.known().cost, f.x.makeNarrow(n))
			rows *= f.x.share(n.known())
		}
		if cost > buildBudget {
			break
		}
		taken++
	}
	switch rest := order[taken:]; {
	case len(rest) == 0:
		return Bitmap, order
	case taken > 0 && f.x.joint(order[:taken]) <= few:
		return Mixed, order[:taken]
	}
	return Predicate, nil
}

// joint is the number of items for which all nodes are expected to hold.
func (x *Index) joint(of []node) float64 {
	rows := float64(x.n)
	for _, n := range of {
		rows *= x.share(n.known())
	}
	return rows
}
