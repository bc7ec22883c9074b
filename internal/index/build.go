package index

import (
	"cmp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// build makes the set of the items for which all nodes hold: the set of the smallest and cheapest, narrowed by the
// others one after another, each in the way that costs less, as a set or item by item.
func (x *Index) build(of []node) (b *roaring.Bitmap, owned bool) {
	order := x.buildOrder(of)
	if len(order) == 0 {
		return x.live, false
	}
	b, owned = order[0].items(x)
	for _, n := range order[1:] {
		k := n.known()
		left := float64(b.GetCardinality())
		if left == 0 {
			break
		}
		if left*k.cost < x.makeNarrow(n) {
			b, owned = where(b, n.match), true
			continue
		}
		if !owned {
			b, owned = b.Clone(), true
		}
		if inner, ok := n.(*not); ok {
			s, _ := inner.of.items(x)
			b.AndNot(s)
		} else {
			s, _ := n.items(x)
			b.And(s)
		}
	}
	return b, owned
}

// makeNarrow is the cost of narrowing by the set of a node: a negation needs the set of what it negates only.
func (x *Index) makeNarrow(n node) float64 {
	if inner, ok := n.(*not); ok {
		return inner.of.known().making + x.makeBitmap()
	}
	return n.known().making + x.makeBitmap()
}

// buildOrder returns the nodes in the order in which build uses them: first the one with which the least work is left,
// then those that rule out most per cost.
func (x *Index) buildOrder(of []node) []node {
	if len(of) < 2 {
		return of
	}
	order := slices.Clone(of)
	slices.SortStableFunc(order, func(p, q node) int { return cmp.Compare(x.rankOf(p), x.rankOf(q)) })
	first := 0
	for i := range order {
		if x.driverCost(order, i) < x.driverCost(order, first) {
			first = i
		}
	}
	driver := order[first]
	return slices.Insert(slices.Delete(order, first, first+1), 0, driver)
}

// driverCost is the cost of making the set of one node and testing its items for the others.
func (x *Index) driverCost(of []node, driver int) float64 {
	k := of[driver].known()
	left, cost := k.rows, k.making
	for i, n := range of {
		if i == driver {
			continue
		}
		cost += min(left*n.known().cost, x.makeNarrow(n))
		left *= x.share(n.known())
	}
	return cost
}

// estimateBuild returns how many items build is expected to find, and at which cost.
func (x *Index) estimateBuild(of []node) (rows, cost float64) {
	order := x.buildOrder(of)
	if len(order) == 0 {
		return float64(x.n), 0
	}
	rows = order[0].known().rows
	for _, n := range order[1:] {
		rows *= x.share(n.known())
	}
	return rows, x.driverCost(order, 0)
}
