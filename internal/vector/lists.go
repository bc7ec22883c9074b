package vector

import (
	"math"

	"github.com/viterin/vek/vek32"

	"github.com/tidaldb/tidal/internal/state"
)

// Lists is the index that keeps the vectors of a set in cells of vectors that lie near each other, and compares with
// those of the cells nearest to the query: inverted lists, or IVF-Flat (J. Sivic, A. Zisserman, Video Google, ICCV
// 2003; H. Jégou, M. Douze, C. Schmid, on product quantization, TPAMI 33, 2011, §IV). Below
// a number of vectors it is [Exact].
//
// Of the ten nearest of a hundred thousand vectors it finds at least 95 of 100 where they have 32 dimensions and form
// clusters, and 90 where 128 dimensions really vary in 96 directions and there is little to cluster. A query that
// equals an item's vector always finds that item, if k leaves it room.
//
// Cells are trained on the vectors when their number has doubled, and vectors are moved into new cells, by the calls
// that change something and by [Lists.Refresh], a little each time. Meanwhile both the old cells and the new ones are
// searched. What is found depends on the history of calls alone.
//
// Calls that change it must not run beside any other call. Changes go through Put and Remove; a vector that was put
// into the set itself is found too, and takes its place with the next Refresh.
type Lists struct {
	set   *Set
	exact int
	probe int
	// now holds vectors, and gets new ones unless next can; next is what they move to. Either may be nil. What is in
	// neither is in the set's loose cell, and is searched whole.
	now, next *layer
	training  training
	trained   int // how many vectors there were when training began last
}

// Options are how a [Lists] goes about it. Zeros stand for what is right mostly.
type Options struct {
	// Exact is up to how many vectors every one is compared with; 0 is 4,096.
	Exact int
	// Probe is how many cells are searched at least; 0 is 40. There are about 3·√n cells, and at most 2,048: more finds
	// more, and takes longer.
	Probe int
}

const (
	defaultExact = 4096
	defaultProbe = 40
	// maxCells keeps the time bounded that it takes to rank cells.
	maxCells = 2048
	// fewIn is how many items a filter leaves at most for all of them to be compared, whatever else. More are, too, if
	// finding k among all takes as long: that is looking up c of them against asking the filter k·n/c times and more.
	fewIn = 4096
	// choosy is how many vectors that the filter lets through a search compares with, about, for one that it finds. The
	// k best of those that a filter lets through lie as far out as the k ÷ part best of all.
	choosy = 16
)

// NewLists returns an index of the vectors of a set, whatever it holds. The set has no other one.
func NewLists(set *Set, options Options) *Lists {
	l := &Lists{set: set, exact: options.Exact, probe: options.Probe}
	if l.exact <= 0 {
		l.exact = defaultExact
	}
	if l.probe <= 0 {
		l.probe = defaultProbe
	}
	return l
}

// Set is what was given to [NewLists].
func (l *Lists) Set() *Set { return l.set }

// Len is the number of vectors.
func (l *Lists) Len() int { return l.set.n }

// Memory is how many bytes the index and its set occupy, without the bookkeeping of Go's allocator.
func (l *Lists) Memory() int {
	sum := l.set.Memory() + l.training.memory()
	for _, y := range l.layers() {
		if y != nil {
			sum += y.memory()
		}
	}
	return sum
}

func (l *Lists) layers() [2]*layer { return [2]*layer{l.now, l.next} }

// Search implements [Index].
//
// The cells nearest to q are searched: Probe at least, twice as many while vectors move, and then further ones until k
// items were found and compared with 16 × k that the filter lets through, by the part that it let through so far. So
// however few it lets through, as many are found as there are, up to k, unless Filter.Most ends the search before.
//
// Where Filter.In holds few items, up to 4,096 or 2·√(k·n) of n, each of them is compared, and none is ever missed;
// so it is once the filter was asked more often than In has items. With Accept alone a search may come to all
// vectors, as that of Exact does. Accept may be asked twice for an item.
func (l *Lists) Search(q []float32, k int, filter Filter, out []Hit) []Hit {
	s := l.set
	if l.now == nil && l.next == nil || s.n <= l.exact {
		return Exact{s}.Search(q, k, filter, out)
	}
	if k < 1 || len(q) != s.dimensions {
		return out
	}
	k = min(k, s.n)
	in := math.MaxInt
	if filter.In != nil {
		in = int(filter.In.GetCardinality())
		if in <= fewIn || in <= 2*int(math.Sqrt(float64(k)*float64(s.n))) {
			return Exact{s}.Search(q, k, filter, out)
		}
	}
	t := newTop(k, out)
	var so seen
	l.scan(&s.loose, q, &filter, &t, &so)
	var room [2 * maxCells]near
	cells := l.rank(q, room[:0])
	probe := l.probe
	if l.now != nil && l.next != nil {
		probe *= 2
	}
	for ; len(cells) > 0 && (probe > 0 || !so.enough(k) && so.within(filter.Most)); probe-- {
		nearest := l.cell(cells[0].index)
		cells = cells.rest()
		l.scan(nearest, q, &filter, &t, &so)
		if so.asked > in {
			return Exact{s}.Search(q, k, filter, out)
		}
	}
	return t.sorted()
}

// enough reports whether a search has compared with so many that the filter would let choosy × k of them through. It
// has found k then: until it has, the filter is asked for each vector.
func (s *seen) enough(k int) bool {
	return float64(s.compared)*float64(s.accepted) >= float64(choosy*k)*float64(s.asked)
}

// within reports whether a search may go on.
func (s *seen) within(most int) bool { return most == 0 || s.compared < most }

func (l *Lists) scan(c *cell, q []float32, filter *Filter, t *top, so *seen) {
	for _, p := range c.pieces {
		n := l.set.scan(int(p), q, filter, t)
		so.compared += n.compared
		so.asked += n.asked
		so.accepted += n.accepted
	}
}

// rank appends the cells that hold something. The one where q itself would be comes first of its layer, for otherwise
// an item might not be found by its own vector.
func (l *Lists) rank(q []float32, cells ranking) ranking {
	for i, y := range l.layers() {
		if y == nil {
			continue
		}
		home := y.nearest(q)
		for c := range y.cells {
			if y.cells[c].n == 0 {
				continue
			}
			similarity := float32(math.Inf(1))
			if c != home {
				similarity = vek32.Dot(y.centroid(c), q)
			}
			cells = append(cells, near{similarity, int32(i*maxCells + c)})
		}
	}
	cells.order()
	return cells
}

func (l *Lists) cell(index int32) *cell {
	if index >= maxCells {
		return &l.next.cells[index-maxCells]
	}
	return &l.now.cells[index]
}

// Put makes v the vector of n, as [Set.Put] does.
func (l *Lists) Put(n state.Ord, v []float32) bool {
	ok := l.set.Put(n, v)
	if ok && (l.now != nil || l.next != nil) {
		row, _ := l.set.rows.get(n)
		l.place(row)
	}
	l.keepUp()
	return ok
}

// Remove takes the vector of n out, if there is one.
func (l *Lists) Remove(n state.Ord) {
	l.set.Remove(n)
	l.keepUp()
}
