package index

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
)

// Mode is how a filter is answered. It changes no answer.
type Mode uint8

// The modes.
const (
	// Bitmap has the set of all items that pass.
	Bitmap Mode = iota + 1
	// Predicate tests each item.
	Predicate
	// Mixed has a set outside of which no item passes, and tests those in it.
	Mixed
)

func (m Mode) String() string {
	switch m {
	case Bitmap:
		return "bitmap"
	case Predicate:
		return "predicate"
	case Mixed:
		return "mixed"
	}
	return "mode(" + strconv.Itoa(int(m)) + ")"
}

// Filter is a planned filter. It holds until the index, or what the context told it, changes. Its reads may run in
// parallel.
type Filter struct {
	x      *Index
	parts  []node // all of which must hold, the best to test first
	expect facts

	mode Mode
	set  *roaring.Bitmap // of the parts that aren't in rest; nil if all are
	rest []node          // in the order of parts

	// What a match asks: a set is made for the sake of candidates, and columns tell sooner whether one item is in it.
	look bool // into the set, before the tests
	test []node
}

// Match reports whether the filter lets an item pass. It doesn't allocate.
func (f *Filter) Match(n state.Ord) bool {
	if f.look && !f.set.Contains(uint32(n)) {
		return false
	}
	for _, p := range f.test {
		if !p.match(n) {
			return false
		}
	}
	return true
}

// Mode says how the filter is answered.
func (f *Filter) Mode() Mode { return f.mode }

// Bitmap returns the set of the items that pass, if the plan is to have it. It isn't to be modified.
func (f *Filter) Bitmap() (*roaring.Bitmap, bool) {
	if f.set == nil || len(f.rest) > 0 {
		return nil, false
	}
	return f.set, true
}

// Superset returns a set outside of which no item passes, for bitmap and mixed plans: candidates, which [Filter.Match]
// has to test for mixed ones. It isn't to be modified.
func (f *Filter) Superset() (*roaring.Bitmap, bool) { return f.set, f.set != nil }

// Estimate is the expected number of items that pass, from 0 to the number of live items. It's exact where the set is
// at hand, and for a single condition on a field, but for places and several tags at once.
func (f *Filter) Estimate() int {
	if b, ok := f.Bitmap(); ok {
		return int(b.GetCardinality())
	}
	return int(math.Round(min(max(f.expect.rows, 0), float64(f.x.n))))
}

// Each yields the items that pass, by ascending ordinal, until yield returns false. It's a walk over the set, or over
// all live items if the plan has none.
func (f *Filter) Each(yield func(state.Ord) bool) {
	from, test := f.set, f.rest
	if from == nil {
		from = f.x.live
	}
	from.Iterate(func(n uint32) bool {
		for _, p := range test {
			if !p.match(state.Ord(n)) {
				return true
			}
		}
		return yield(state.Ord(n))
	})
}

// Force returns the same filter in a mode that wasn't chosen by cost, for tests and to compare. A mixed one has the set
// of the part that's best to begin with.
func (f *Filter) Force(m Mode) *Filter {
	g := &Filter{x: f.x, parts: f.parts, expect: f.expect}
	order := f.x.buildOrder(f.parts)
	switch m {
	case Bitmap:
		g.use(Bitmap, order)
	case Mixed:
		g.use(Mixed, order[:1])
	default:
		g.use(Predicate, nil)
	}
	return g
}

// use makes the set of some parts and leaves the others to be tested.
func (f *Filter) use(m Mode, set []node) {
	f.mode = m
	if len(set) > 0 {
		f.set, _ = f.x.build(set)
	}
	f.rest = slices.DeleteFunc(slices.Clone(f.parts), func(n node) bool { return slices.Contains(set, n) })
	f.test = f.parts
	if len(set) > 0 && f.x.newAll(set).known().cost > costLook {
		f.look, f.test = true, f.rest
	}
}

// String draws the plan: the mode and the number of items, then a line for each condition in the order of its use, with
// what is done with it ("set" or "test") and the number of items for which it holds by itself. "~" is an estimate.
func (f *Filter) String() string {
	var b strings.Builder
	b.WriteString(f.mode.String() + ": ")
	if _, ok := f.Bitmap(); !ok && !f.expect.exact {
		b.WriteByte('~')
	}
	b.WriteString(strconv.Itoa(f.Estimate()) + " of " + strconv.Itoa(f.x.n) + " items\n")
	if f.set != nil {
		for _, n := range f.x.buildOrder(f.parts) {
			if !slices.Contains(f.rest, n) {
				draw(&b, n, "set", 1)
			}
		}
	}
	for _, n := range f.rest {
		draw(&b, n, "test", 1)
	}
	return b.String()
}

func draw(b *strings.Builder, n node, role string, depth int) {
	k := n.known()
	text := k.text()
	var children []node
	switch n := n.(type) {
	case *all:
		text, children = "all of", n.of
	case *some:
		text, children = "any of", n.of
	case *not:
		text = "NOT " + text
	}
	about := ""
	if !k.exact {
		about = "~"
	}
	fmt.Fprintf(b, "%*s%-4s  %s  [%s%.0f]\n", 2*depth, "", role, text, about, k.rows)
	for _, c := range children {
		draw(b, c, "", depth+1)
	}
}
