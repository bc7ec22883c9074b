package schema

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// Union joins two additions to the same base, made without knowing of each other. All three must be valid, or unions
// themselves, and a and b must extend base; if one doesn't, the error is that of [Extends]. The result extends base and
// has everything that a and b add, united by name:
//
//   - Types, fields and slots of base keep their index. What a and b add follows in order of name, so the index of an
//     addition may differ from the one it has in a or b.
//   - A type that both have gets the half-lives and windows of both, and unique users if one of them has it.
//   - If that's more than three half-lives, those of base stay, and then the shortest.
//   - A new type that both add with different effects (permanent, velocity, meaning, seen, sets, clears) is the one
//     whose effects have the larger bytes, with half-lives, windows and unique users from that side alone.
//   - A new field that both add with different types gets the type with the larger number, a new slot the larger
//     number of dimensions. Where one adds a field and the other a slot of the same name, the field stays.
//   - A new version of a profile, a new cohort, or a new policy of sessions, that both add with different content is the one with the larger
//     bytes.
//   - Over the limits of 64 types, 256 fields, 8 slots, and of profiles and cohorts, the first in order stay.
//
// Version is one more than the larger of the two and Parent the smaller of their hashes; but where the result has
// nothing that a or b hasn't, it's that version itself, and of two versions with equal content the one with the larger
// Version, then the smaller hash.
//
// A profile may come to name what the result hasn't: a half-life, a type or a slot that gave way to the other side's. It
// stays, since versions never change, and is of no use: who asks for it is told what's missing. [Schema.Validate]
// refuses the result until there's a newer version of that profile; [Decode] and [Schema.Extend] take it.
//
// The result is the same for (a, b) and (b, a). With several additions to one base it has the same content, order
// included, in whichever order they are united, short of the limits of fields, profiles and cohorts.
func Union(base, a, b *Schema) (*Schema, error) {
	if err := Extends(base, a); err != nil {
		return nil, fmt.Errorf("unite schemas: %w", err)
	}
	if err := Extends(base, b); err != nil {
		return nil, fmt.Errorf("unite schemas: %w", err)
	}
	a, b = a.Clone(), b.Clone()
	ha, hb := a.Hash(), b.Hash()
	if cmp.Or(cmp.Compare(b.Version, a.Version), bytes.Compare(ha[:], hb[:])) > 0 {
		a, b, ha, hb = b, a, hb, ha // the higher version first, then the smaller hash: from here on order is fixed
	}
	switch {
	case sameContent(a, b), sameContent(base, b):
		return a, nil
	case sameContent(base, a):
		return b, nil
	}
	u := unite(base, a, b)
	switch {
	case sameContent(u, a):
		return a, nil
	case sameContent(u, b):
		return b, nil
	case a.Version == 1<<32-1:
		return nil, fmt.Errorf("unite schemas: %w", fault.Refuse("version", "is the last one"))
	}
	u.Version, u.Parent = a.Version+1, ha
	if bytes.Compare(hb[:], ha[:]) < 0 {
		u.Parent = hb
	}
	u.normalise()
	if err := u.checkForm(); err != nil {
		panic("schema: the union of valid schemas isn't valid: " + err.Error())
	}
	return u, nil
}

func unite(base, a, b *Schema) *Schema {
	u := base.Clone()
	for i := range base.Signals {
		u.Signals[i] = uniteKnown(&base.Signals[i], &a.Signals[i], &b.Signals[i])
	}
	n := len(base.Signals)
	u.Signals = addByName(u.Signals, a.Signals[n:], b.Signals[n:], maxSignals,
		func(t SignalType) string { return t.Name }, uniteNew)
	u.Items = uniteEntity(&base.Items, &a.Items, &b.Items)
	u.Users = uniteEntity(&base.Users, &a.Users, &b.Users)
	u.Creators = uniteEntity(&base.Creators, &a.Creators, &b.Creators)
	u.Profiles, u.Cohorts = uniteProfiles(base, a, b), uniteCohorts(base, a, b)
	u.SessionPolicies = unitePolicies(base, a, b)
	return u
}

// addByName appends to known what a and b add, in order of name and up to a limit. join makes one of two with the
// same name.
func addByName[T any](known, a, b []T, limit int, name func(T) string, join func(T, T) T) []T {
	added := slices.Concat(a, b)
	slices.SortStableFunc(added, func(x, y T) int { return strings.Compare(name(x), name(y)) })
	for i := 0; i < len(added); i++ {
		next := added[i]
		if i+1 < len(added) && name(added[i+1]) == name(next) {
			next = join(next, added[i+1])
			i++
		}
		if len(known) < limit {
			known = append(known, next)
		}
	}
	return known
}

// uniteKnown joins a type of base with what both sides add to it; its effects are the same in all three.
func uniteKnown(base, a, b *SignalType) SignalType {
	u := base.clone()
	u.UniqueUsers = a.UniqueUsers || b.UniqueUsers
	u.Windows = uniteSets(a.Windows, b.Windows)
	for _, h := range uniteSets(a.HalfLives, b.HalfLives) {
		if len(u.HalfLives) < maxHalfLives && !slices.Contains(base.HalfLives, h) {
			u.HalfLives = append(u.HalfLives, h)
		}
	}
	slices.Sort(u.HalfLives)
	return u
}

// uniteNew joins two declarations of a new type. Taking the larger effects first and uniting the sets only between
// equal ones is a join by lexicographic order, so it doesn't matter which of several declarations meet first.
func uniteNew(a, b SignalType) SignalType {
	switch c := bytes.Compare(effects(a), effects(b)); {
	case c < 0:
		return b.clone()
	case c > 0:
		return a.clone()
	}
	u := a.clone()
	u.UniqueUsers = a.UniqueUsers || b.UniqueUsers
	u.Windows = uniteSets(a.Windows, b.Windows)
	u.HalfLives = uniteSets(a.HalfLives, b.HalfLives)
	u.HalfLives = u.HalfLives[:min(len(u.HalfLives), maxHalfLives)]
	return u
}

// effects encodes what an extension of a type can't change.
func effects(t SignalType) []byte {
	t.HalfLives, t.Windows, t.UniqueUsers = nil, nil, false
	return t.append(nil)
}

func uniteEntity(base, a, b *EntityType) EntityType {
	u := base.clone()
	nf, ns := len(base.Fields), len(base.Embeddings)
	u.Fields = addByName(u.Fields, a.Fields[nf:], b.Fields[nf:], maxFields,
		func(f Field) string { return f.Name },
		func(x, y Field) Field { return Field{x.Name, max(x.Type, y.Type)} })
	withoutFields := func(slots []Embedding) []Embedding {
		return slices.DeleteFunc(slices.Clone(slots), func(m Embedding) bool {
			_, taken := u.Field(m.Name)
			return taken
		})
	}
	u.Embeddings = addByName(u.Embeddings, withoutFields(a.Embeddings[ns:]), withoutFields(b.Embeddings[ns:]),
		maxEmbeddings, func(m Embedding) string { return m.Name },
		func(x, y Embedding) Embedding { return Embedding{x.Name, max(x.Dimensions, y.Dimensions)} })
	return u
}

// uniteSets returns the ascending union of two ascending sets.
func uniteSets[T cmp.Ordered](a, b []T) []T {
	u := slices.Concat(a, b)
	slices.Sort(u)
	return slices.Compact(u)
}
