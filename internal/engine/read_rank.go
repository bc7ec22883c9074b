package engine

import (
	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
)

// What ranking reads lies in the table as bytes, and is lent without a copy: nothing may be kept once the engine is
// given back.

// ItemOrd returns an item's ordinal, false if it was never named.
func (e *Engine) ItemOrd(item string) (state.Ord, bool) { return e.table.Find(id.KindItem, item) }

// ItemOrdOf is [Engine.ItemOrd] for bytes that are lent.
func (e *Engine) ItemOrdOf(item []byte) (state.Ord, bool) {
	return e.table.FindBytes(id.KindItem, item)
}

// ItemID returns the id of an ordinal.
func (e *Engine) ItemID(n state.Ord) string { return e.table.Name(id.KindItem, n) }

// CompareItems compares the ids of two items.
func (e *Engine) CompareItems(a, b state.Ord) int { return e.table.CompareNames(id.KindItem, a, b) }

// ItemOrds is the bound of items' ordinals: they run from 0 to one below.
func (e *Engine) ItemOrds() state.Ord { return e.table.Owners(id.KindItem) }

// ItemGeneration returns an item's generation.
func (e *Engine) ItemGeneration(n state.Ord) uint64 {
	return uint64(e.table.Generation(id.KindItem, n))
}

// ItemCell reads an item's cell of a type, or of a cohort and a type if cohort isn't empty: an empty cell if it has none.
func (e *Engine) ItemCell(n state.Ord, cohort, typeName string, into *algebra.SignalState) error {
	key := cellKey(n, typeName)
	if cohort != "" {
		key = cohortKey(n, cohort, typeName)
	}
	v, _ := e.table.Get(key)
	return algebra.ViewSignalState(v, into)
}

// HasCohortCell reports whether a cohort has sent signals of a type about an item.
func (e *Engine) HasCohortCell(n state.Ord, cohort, typeName string) bool {
	_, ok := e.table.Get(cohortKey(n, cohort, typeName))
	return ok
}

// Engagers lends the encoded list of those who met an item last, nil if nobody did.
func (e *Engine) Engagers(n state.Ord) []byte {
	v, _ := e.table.Get(engagersKey(n))
	return v
}

// WalkUser calls yield with every record of a resident user, in no order; sub-keys and values are lent. A user who is
// cold must have been made resident.
func (e *Engine) WalkUser(user string, yield func(kind algebra.Kind, sub, value []byte) bool) {
	if n, ok := e.user(user); ok {
		e.table.Walk(id.KindUser, n, yield)
	}
}

// ItemHash is the hash by which an item's id is looked up; [Engine.ItemOfHash] returns an item that has it, and two may.
func (e *Engine) ItemHash(n state.Ord) uint32 { return e.table.Hash(id.KindItem, n) }

// ItemOfHash returns an item by the hash of its id.
func (e *Engine) ItemOfHash(hash uint32) (state.Ord, bool) {
	return e.table.FindHash(id.KindItem, hash)
}

// Resident returns the place of a user whom nobody asked for, which doesn't count as a touch, and how many records there
// are of them. It's false if they are cold, or if their generation isn't the one given any more.
func (e *Engine) Resident(user []byte, gen uint64) (n state.Ord, records int, ok bool) {
	n, ok = e.table.FindBytes(id.KindUser, user)
	if !ok || uint64(e.table.Generation(id.KindUser, n)) != gen {
		return 0, 0, false
	}
	return n, e.table.Records(id.KindUser, n), true
}

// RecentsOfOrd lends the encoded list of the newest interactions of a resident user, one for each item.
func (e *Engine) RecentsOfOrd(n state.Ord) []byte {
	v, _ := e.table.Get(recentsKey(n))
	return v
}

// Holds reports whether a relation of a resident user holds.
func (e *Engine) Holds(user string, what byte, target string) bool {
	p, err := e.Relation(user, what, target)
	return err != nil || p.Holds() // what can't be read is taken for a hide
}

// AnyUndone reports whether any event was ever undone.
func (e *Engine) AnyUndone() bool { return e.table.Count(algebra.KindUndone) > 0 }

// SplitSub takes the sub-key of a creator cell apart: the creator and the signal type, both lent.
func SplitSub(sub []byte) (creator, typeName []byte) {
	return parted(sub)
}
