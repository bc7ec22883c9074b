package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
)

// Tie is what holds between a user and one item or creator, signals apart.
type Tie struct {
	Kind id.Kind
	ID   string
	// Relations are those that hold, in ascending order, collections apart.
	Relations []record.RelationKind
	// Collections are the names of the user's collections that an item is in, in ascending order.
	Collections []string
	// Marks are those on an item; zero for a creator.
	Marks algebra.PairMarks
}

// Ties returns what holds between a user and others, ordered by kind and then id, from behind the given kind and id: at
// most limit of them. What was ended or cleared isn't among them. It looks at all of the user's records.
func (e *Engine) Ties(user string, kind id.Kind, after string, limit int) ([]Tie, error) {
	n, ok := e.user(user)
	if !ok {
		return nil, nil
	}
	from := Tie{Kind: kind, ID: after}
	var parts []Tie
	for key, v := range e.table.All(id.KindUser, n) {
		t, holds, err := tieIn(key, v)
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", user, err)
		}
		if holds && t.compare(&from) > 0 {
			parts = append(parts, t)
		}
	}
	slices.SortFunc(parts, func(a, b Tie) int {
		return cmp.Or(a.compare(&b), slices.Compare(a.Relations, b.Relations), slices.Compare(a.Collections, b.Collections))
	})
	return united(parts, limit), nil
}

func (t *Tie) compare(o *Tie) int {
	return cmp.Or(cmp.Compare(t.Kind, o.Kind), strings.Compare(t.ID, o.ID))
}

// tieIn reads one record of a user: a part of a tie, or nothing of the kind.
func tieIn(key state.Key, v []byte) (t Tie, holds bool, err error) {
	switch key.Kind {
	case algebra.KindPairMarks:
		m, err := algebra.DecodePairMarks(v)
		if err != nil {
			return Tie{}, false, err
		}
		return Tie{Kind: id.KindItem, ID: key.Sub, Marks: m},
			!m.Seen.IsZero() || m.Liked.On || m.Saved.On || m.InProgress.On, nil
	case algebra.KindRelation:
		pair, err := algebra.DecodeMaxPair(v)
		if err != nil {
			return Tie{}, false, err
		}
		which := record.RelationKind(key.Sub[0])
		if which == record.CollectItem {
			name, item, err := collectedIn(key.Sub)
			return Tie{Kind: id.KindItem, ID: item, Collections: []string{name}}, pair.Holds(), err
		}
		return Tie{Kind: which.Target(), ID: key.Sub[1:], Relations: []record.RelationKind{which}}, pair.Holds(), nil
	}
	return Tie{}, false, nil
}

// united joins the parts of each tie, which stand side by side: the marks first, which are one record, then collections
// and relations.
func united(parts []Tie, limit int) []Tie {
	var out []Tie
	for _, t := range parts {
		if last := len(out) - 1; last >= 0 && out[last].compare(&t) == 0 {
			out[last].Relations = append(out[last].Relations, t.Relations...)
			out[last].Collections = append(out[last].Collections, t.Collections...)
			continue
		}
		if len(out) == limit {
			break
		}
		out = append(out, t)
	}
	return out
}

// Interactions returns a user's newest interactions, one for each item, newest first, without those with items that were
// deleted since.
func (e *Engine) Interactions(user string) (algebra.TopN, error) {
	all, err := e.Recents(user)
	if err != nil {
		return nil, fmt.Errorf("user %q: %w", user, err)
	}
	return slices.DeleteFunc(all, func(x algebra.Interaction) bool {
		return x.Gen < e.Generation(id.KindItem, x.ID)
	}), nil
}

// UserFields calls yield with the name and the encoded value of each field that a user has, lent.
func (e *Engine) UserFields(user string, yield func(name, value []byte)) {
	if n, ok := e.user(user); ok {
		v, _ := e.table.Get(entityKey(id.KindUser, n))
		algebra.ScanEntity(v, yield)
	}
}

// Knows reports whether anything is known of a user: fields, interactions, marks, relations.
func (e *Engine) Knows(user string) bool {
	n, ok := e.user(user)
	return ok && e.holds(id.KindUser, n)
}
