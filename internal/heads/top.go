package heads

import (
	"cmp"
	"math"
	"slices"

	"github.com/tidaldb/tidal/internal/state"
)

// Ranked is one item of a list of the best.
type Ranked struct {
	Ord state.Ord
	// LogScore is what it is ordered by, see [Column.LogScore].
	LogScore int64
}

// compareRanked orders by score, the highest first, then by ordinal. Ordinals differ from replica to replica, so an
// answer that must not puts its ids in their place.
func compareRanked(a, b Ranked) int {
	switch {
	case a.LogScore != b.LogScore:
		return cmp.Compare(b.LogScore, a.LogScore)
	}
	return cmp.Compare(a.Ord, b.Ord)
}

// Top appends the k best items that are accepted, and all that tie with the last of them, best first and ties by
// ordinal. It looks at the head alone. Exact says whether that was enough; if not, what it appended is a part of the
// answer, of which [Column.Scan] has the whole.
//
// A nil accept accepts everything. It is called at most once per item, in no order. With room in out for the head, of
// at most 6,145, nothing is allocated.
func (c Column) Top(k int, accept func(state.Ord) bool, out []Ranked) (top []Ranked, exact bool) {
	return c.column.head.top(k, c.column.lift, accept, out)
}

func (h *head) top(k int, lift uint8, accept func(state.Ord) bool, out []Ranked) ([]Ranked, bool) {
	if k <= 0 {
		return out, true
	}
	begin := len(out)
	bound := h.estimate(k)
	for i, v := range h.scores {
		if v >= bound && (accept == nil || accept(h.ords[i])) {
			out = append(out, Ranked{h.ords[i], v << lift})
		}
	}
	if len(out)-begin < k && bound > math.MinInt64 {
		for i, v := range h.scores {
			if v < bound && (accept == nil || accept(h.ords[i])) {
				out = append(out, Ranked{h.ords[i], v << lift})
			}
		}
	}
	exact := len(out)-begin >= k || h.complete()
	return finish(k, begin, out), exact
}

// estimate returns a value that probably a few more than k members reach, so that only those have to be sorted: the one
// of the right rank among some that are taken at even distances. It needs not be right.
func (h *head) estimate(k int) int64 {
	const samples = 128
	n := len(h.scores)
	// Half as many again and a few, for the sample's error and for those that aren't accepted.
	want := k + k/2 + n/32
	if n < 4*samples || want > n*3/4 {
		return math.MinInt64
	}
	var sample [samples]int64
	for i := range sample {
		sample[i] = h.scores[i*n/samples]
	}
	slices.Sort(sample[:])
	return sample[samples-1-want*samples/n]
}

// finish cuts what lies in out from begin on to the k best and their ties, and sorts it.
func finish(k, begin int, out []Ranked) []Ranked {
	out = out[:begin+best(out[begin:], k)]
	slices.SortFunc(out[begin:], compareRanked)
	return out
}

// Scan is Top over the whole column, always exact. It takes a millisecond or two per million items.
//
// accept is called for items that are among the best of those before them, so for few of them.
func (c Column) Scan(k int, accept func(state.Ord) bool, out []Ranked) []Ranked {
	if k <= 0 {
		return out
	}
	col := c.column
	begin := len(out)
	// What is below bound can't be among the k best, since as many were found that aren't. Room is for those that are
	// found until it is raised again.
	bound := col.none() + 1
	room := max(2*k, 1024)
	for i, p := range col.pieces {
		if p == nil {
			continue
		}
		for k1, kept := range p {
			v := (kept ^ none) >> col.shift
			if v < bound {
				continue
			}
			n := state.Ord(i<<pieceBits + k1)
			if accept != nil && !accept(n) {
				continue
			}
			out = append(out, Ranked{n, v << col.lift})
			if len(out)-begin == room {
				out = out[:begin+best(out[begin:], k)]
				bound = lowest(out[begin:]) >> col.lift
				room = max(room, 2*(len(out)-begin)) // ties can't be let go
			}
		}
	}
	return finish(k, begin, out)
}

// MostOf is the k items with the most events of a type, and all that tie with the last of them, with the numbers of events
// in the place of scores; those without events aren't among them. There is no head of these: it takes as long as
// [Column.Scan].
func (c *Columns) MostOf(typ Type, k int, accept func(state.Ord) bool, out []Ranked) []Ranked {
	if k <= 0 {
		return out
	}
	begin, bound, room := len(out), int64(1), max(2*k, 1024)
	for i, p := range c.types[typ].counts.pieces {
		if p == nil {
			continue
		}
		for k1, kept := range p {
			word := kept ^ none
			v := int64(int32(word))
			if v < bound || word == none {
				continue
			}
			n := state.Ord(i<<pieceBits + k1)
			if accept != nil && !accept(n) {
				continue
			}
			out = append(out, Ranked{n, v})
			if len(out)-begin == room {
				out = out[:begin+best(out[begin:], k)]
				bound = lowest(out[begin:])
				room = max(room, 2*(len(out)-begin))
			}
		}
	}
	return finish(k, begin, out)
}

func lowest(r []Ranked) int64 {
	v := r[0].LogScore
	for i := range r {
		v = min(v, r[i].LogScore)
	}
	return v
}
