package index

import (
	"cmp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
)

// not holds where its leaf doesn't. Negations of conjunctions and disjunctions are made into the other kind.
type not struct {
	facts
	of node
}

func (x *Index) newNot(of node) node {
	k := of.known()
	return &not{of: of, facts: facts{
		rows: float64(x.n) - k.rows, exact: k.exact, cost: k.cost, making: k.making + x.makeBitmap(),
		source: k.source, note: k.note,
	}}
}

func (n *not) match(i state.Ord) bool { return !n.of.match(i) }

func (n *not) items(x *Index) (*roaring.Bitmap, bool) {
	b, _ := n.of.items(x)
	return roaring.AndNot(x.live, b), true
}

// all holds where all of its nodes do: for every live item if there are none.
type all struct {
	facts
	of []node // the best to test first stands first
}

// newAll joins nodes into one. Selectivities are taken as independent of each other.
func (x *Index) newAll(of []node) node {
	switch len(of) {
	case 0:
		return &all{facts: facts{rows: float64(x.n), exact: true, making: x.makeBitmap()}}
	case 1:
		return of[0]
	}
	a := &all{of: slices.Clone(of)}
	// The order that costs least: those first that rule out most per cost (Hellerstein and Stonebraker, "Predicate
	// Migration", SIGMOD 1993).
	slices.SortStableFunc(a.of, func(p, q node) int { return cmp.Compare(x.rankOf(p), x.rankOf(q)) })
	a.rows = float64(x.n)
	passing, least := 1.0, float64(x.n)
	for _, n := range a.of {
		k := n.known()
		a.cost += passing * k.cost
		passing *= x.share(k)
		least = min(least, k.rows)
		a.live = a.live || k.live
	}
	a.rows = min(a.rows*passing, least)
	a.exact = x.exactIf(a.of, 0, float64(x.n))
	_, a.making = x.estimateBuild(a.of)
	return a
}

// exactIf reports whether the number of items of a list is known exactly: one node decides it alone, with so many rows,
// or all but one change nothing, with so many, and all are exact.
func (x *Index) exactIf(of []node, decides, neutral float64) bool {
	open, sure := 0, true
	for _, n := range of {
		k := n.known()
		if k.exact && k.rows == decides {
			return true
		}
		if !k.exact || k.rows != neutral {
			open++
		}
		sure = sure && k.exact
	}
	return sure && open <= 1
}

// rankOf is the cost of a node per share of items that it rules out.
func (x *Index) rankOf(n node) float64 {
	k := n.known()
	return k.cost / max(1-x.share(k), 1e-6)
}

// share is the part of the live items for which a node holds.
func (x *Index) share(k *facts) float64 {
	if x.n == 0 {
		return 0
	}
	return k.rows / float64(x.n)
}

func (a *all) match(n state.Ord) bool {
	for _, p := range a.of {
		if !p.match(n) {
			return false
		}
	}
	return true
}

func (a *all) items(x *Index) (*roaring.Bitmap, bool) { return x.build(a.of) }

// some holds where one of its nodes does: nowhere if there are none.
type some struct {
	facts
	of []node // the best to test first stands first
}

func (x *Index) newSome(of []node) node {
	switch len(of) {
	case 0:
		return &some{facts: facts{exact: true, live: true}}
	case 1:
		return of[0]
	}
	s := &some{of: slices.Clone(of)}
	s.live = true
	slices.SortStableFunc(s.of, func(p, q node) int { return cmp.Compare(x.hitRank(p), x.hitRank(q)) })
	failing, most, sum := 1.0, 0.0, 0.0
	for _, n := range s.of {
		k := n.known()
		s.cost += failing * k.cost
		failing *= 1 - x.share(k)
		most, sum = max(most, k.rows), sum+k.rows
		s.making += k.making + x.makeBitmap()
		s.live = s.live && k.live
	}
	s.rows = min(max(float64(x.n)*(1-failing), most), sum, float64(x.n))
	s.exact = x.exactIf(s.of, float64(x.n), 0)
	return s
}

// hitRank is the cost of a node per share of items for which it holds.
func (x *Index) hitRank(n node) float64 {
	k := n.known()
	return k.cost / max(x.share(k), 1e-6)
}

func (s *some) match(n state.Ord) bool {
	for _, p := range s.of {
		if p.match(n) {
			return true
		}
	}
	return false
}

func (s *some) items(x *Index) (*roaring.Bitmap, bool) {
	sets := make([]*roaring.Bitmap, len(s.of))
	for i, n := range s.of {
		sets[i], _ = n.items(x)
	}
	return roaring.FastOr(sets...), true
}
