package algebra

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/hlc"
)

// MaxList is the largest N of a [ListRule].
const MaxList = 64

// Interaction is one entry of a list: what a user met, or who met an item.
type Interaction struct {
	Order
	ID   string        // 1 to id.MaxLen bytes: the item, or the user
	Gen  hlc.Timestamp // the generation of ID at stamping; readers drop entries of lower ones than the live one
	Type string        // the signal type, at most 255 bytes
}

// Compare orders by Order. The rest decides only between entries that no event could both have made; it makes the
// order total over values, so that even those end alike everywhere.
func (e Interaction) Compare(o Interaction) int {
	if c := e.Order.Compare(o.Order); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(e.ID, o.ID), cmp.Compare(e.Gen, o.Gen), strings.Compare(e.Type, o.Type))
}

// TopN is a list of interactions, highest first. What it may hold is said by a [ListRule].
type TopN []Interaction

// ListRule says which interactions a list keeps. An entry x of a set S of interactions stays iff
//
//	(1) Distinct: no higher entry of S has the same ID,
//	(2) fewer than N entries of S (Distinct: different IDs in S) have an entry above x, and
//	(3) Retention: x is at most Retention older than the newest time in S.
//
// This is a join, that is, keep(keep(A) ∪ keep(B)) = keep(A ∪ B). Let the *tops* of a set be the highest entry of each
// ID (all entries, when not Distinct).
//
// What A drops is not wanted: each condition only turns from true to false as a set grows, so x falls out of A ∪ B
// too.
//
// What A ∪ B drops is still dropped after A and B dropped theirs: let t₁ > … > tₙ be the N highest tops of A ∪ B (or
// all, if fewer). In A or B, where they came from, neither (1) nor (2) drops one of them, as it has no higher entry of
// its ID and fewer than N IDs above. t₁ is the newest of all; (3) doesn't drop it either, so (3) is judged after as
// before. So each tᵢ stays, or fell by (3), and then every x below it, being no newer, falls by (3) too. Beyond that,
// an x that (2) drops lies below all N of them and falls by (2). An x that (1) drops lies below the top of its ID: if
// that is one of the tᵢ, x falls by (1); if not, it lies below tₙ, and x falls by (2).
//
// A lower generation isn't dropped here although it is dead on arrival: whether it is lower is known by the entity,
// not by the list; and were an ID's entry chosen by generation first, a late event could move it down the list, and
// bring back to a place what had been dropped.
//
// The rule of a record kind is part of the meaning of stored bytes: see [Kind.List].
type ListRule struct {
	N         int   // 1 to MaxList
	Distinct  bool  // one entry per ID, its highest
	Retention int64 // milliseconds; 0 keeps entries of any age
}

// Insert returns the list with e in it, if e has a place. A list that holds e already stays as it is.
func (r ListRule) Insert(list TopN, e Interaction) TopN { return r.Merge(list, TopN{e}) }

// Merge returns the list of the union.
func (r ListRule) Merge(a, b TopN) TopN {
	r.check()
	out := make(TopN, 0, min(r.N, len(a)+len(b)))
	for len(out) < r.N && len(a)+len(b) > 0 {
		var e Interaction
		switch c := compareHeads(a, b); {
		case c > 0:
			e, a = a[0], a[1:]
		case c < 0:
			e, b = b[0], b[1:]
		default:
			e, a, b = a[0], a[1:], b[1:]
		}
		if len(out) > 0 && e.Time < r.cutoff(out[0].Time) {
			break
		}
		if !r.Distinct || !out.contains(e.ID) {
			out = append(out, e)
		}
	}
	return out
}

// Equal reports whether both lists hold the same entries.
func (l TopN) Equal(o TopN) bool { return slices.Equal(l, o) }

func (l TopN) contains(id string) bool {
	return slices.ContainsFunc(l, func(e Interaction) bool { return e.ID == id })
}

// compareHeads compares the first entries; an empty list's is below all. Not both are empty.
func compareHeads(a, b TopN) int {
	switch {
	case len(a) == 0:
		return -1
	case len(b) == 0:
		return 1
	}
	return a[0].Compare(b[0])
}

// cutoff returns the oldest time that a list keeps beside an entry of time newest.
func (r ListRule) cutoff(newest int64) int64 {
	oldest := newest - r.Retention
	if r.Retention == 0 || oldest > newest { // no retention, or beyond the beginning of time
		return -1 << 63
	}
	return oldest
}

func (r ListRule) check() {
	if r.N < 1 || r.N > MaxList || r.Retention < 0 {
		panic("algebra: list rule out of range")
	}
}
