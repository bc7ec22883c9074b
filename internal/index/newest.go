package index

import "github.com/tidaldb/tidal/internal/state"

// PublishedAt is the time that the item's age counts from, in Unix milliseconds: its field "published", or else its
// last put or patch. It's 0 for an item that isn't live.
func (x *Index) PublishedAt(n state.Ord) int64 {
	if !x.alive.get(n) {
		return 0
	}
	return keyInt(x.ages.get(n))
}

// ExpiresAt is the time from which on the item isn't served, in Unix milliseconds; false if it has none.
func (x *Index) ExpiresAt(n state.Ord) (ms int64, ok bool) {
	if x.expires == nil {
		return 0, false
	}
	key, ok := x.expires.get(n)
	return keyInt(key), ok
}

// Served reports whether an item may be in a list made at time q: it exists and hasn't expired. Every filter demands
// it.
func (x *Index) Served(n state.Ord, q int64) bool {
	if !x.alive.get(n) {
		return false
	}
	until, ok := x.ExpiresAt(n)
	return !ok || q < until
}

// Newest appends to dst the k newest of the live items that were published at q or before and that accept lets pass,
// newest first. Items of the same millisecond come in an order of their own, which another process need not share.
// Accept may be nil. It's asked once per item until there are k.
func (x *Index) Newest(dst []state.Ord, k int, q int64, accept func(state.Ord) bool) []state.Ord {
	from := lastOf(0, intKey(q))
	a := x.touched.from(from)
	b := cursor{at: -1}
	if x.published != nil {
		b = x.published.order.from(from)
	}
	for k > 0 {
		e, ok := a.entry()
		other, otherOK := b.entry()
		switch {
		case !ok && !otherOK:
			return dst
		case !ok || otherOK && e.below(other):
			e = other
			b.down()
		default:
			a.down()
		}
		if accept == nil || accept(e.ord) {
			dst = append(dst, e.ord)
			k--
		}
	}
	return dst
}

// NewestBy is [Index.Newest] among the items of one creator.
func (x *Index) NewestBy(dst []state.Ord, creator string, k int, q int64, accept func(state.Ord) bool) []state.Ord {
	if x.creator == nil {
		return dst
	}
	code := x.creator.dict.lookup(creator)
	if code == 0 {
		return dst
	}
	for c := x.byCreator.from(lastOf(code, intKey(q))); k > 0; c.down() {
		e, ok := c.entry()
		if !ok || e.group != code {
			break
		}
		if accept == nil || accept(e.ord) {
			dst = append(dst, e.ord)
			k--
		}
	}
	return dst
}
