package tidal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// UserState is what a database knows of a user.
type UserState struct {
	// Entity is what was put and patched; without any of it, all but kind and id are zero.
	Entity
	// Recents are the items that the user met last, newest first, each with its newest interaction: up to 64 different
	// ones of the year before the newest. Types that are neutral leave none, and deleted items take theirs with them.
	Recents []Interaction
	// Ties are what holds between the user and items and creators: a page of them, items first, each kind in ascending
	// order of the bytes of its ids.
	Ties []Tie
}

// Interaction is one signal of a user.
type Interaction struct {
	Type, Item string
	Time       time.Time
	// Position names the event, as an [Undo] takes it. Undone reports that one has; the interaction keeps its place, and
	// an older one with the same item doesn't come back.
	Position Position
	Undone   bool
}

// Tie is what a user decided about an item or a creator, or did to an item.
type Tie struct {
	Kind EntityKind
	ID   string
	// Relations are those that hold: Hides for an item, Mutes, Blocks and Follows for a creator.
	Relations []Relation
	// Marks are those set on an item.
	Marks []schema.Mark
	// Collections are the names of those of the user's collections that hold an item, in ascending order.
	Collections []string
	// Seen is the time of the latest event that showed the item to the user, zero if none did.
	Seen time.Time
}

// UserQuery asks for a user's state.
type UserQuery struct {
	ID string
	// After is the tie behind which the page of ties begins: the last one of the page before, of which kind and id
	// count. Zero begins at the first.
	After Tie
	// Limit is the length of the page of ties, 1–10,000; 0 is 100. A page that is shorter is the last one.
	Limit int
}

// User returns what is known of a user. [ErrNotFound] means that nothing is, or nothing since they were erased.
//
// It looks at all of the user's records at once, however long the page is.
func (db *DB) User(ctx context.Context, q UserQuery) (UserState, error) {
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return UserState{}, err
	}
	var out UserState
	err = db.readUser(ctx, q.ID, func(e *engine.Engine) error {
		if !e.Knows(q.ID) {
			return fmt.Errorf("user %q: %w", q.ID, fault.ErrNotFound)
		}
		var err error
		if out.Entity, err = entityOf(e, User, q.ID); errors.Is(err, fault.ErrNotFound) {
			out.Entity, err = Entity{Kind: User, ID: q.ID}, nil
		}
		if err != nil {
			return err
		}
		recents, err := e.Interactions(q.ID)
		if err != nil {
			return err
		}
		for i := range recents {
			out.Recents = append(out.Recents, interactionOf(e, &recents[i]))
		}
		ties, err := e.Ties(q.ID, q.After.Kind, q.After.ID, limit)
		for i := range ties {
			out.Ties = append(out.Ties, tieOf(&ties[i]))
		}
		return err
	})
	if err != nil {
		return UserState{}, err
	}
	return out, nil
}

func interactionOf(e *engine.Engine, x *algebra.Interaction) Interaction {
	at := x.Origin.At(x.Seq)
	return Interaction{
		Type: x.Type, Item: x.ID, Time: time.UnixMilli(x.Time).UTC(), Position: at, Undone: e.Undone(at),
	}
}

func tieOf(t *engine.Tie) Tie {
	out := Tie{Kind: t.Kind, ID: t.ID, Collections: t.Collections}
	for _, r := range t.Relations {
		out.Relations = append(out.Relations, Relation(r))
	}
	for _, m := range []struct {
		mark schema.Mark
		on   bool
	}{{schema.Liked, t.Marks.Liked.On}, {schema.Saved, t.Marks.Saved.On}, {schema.InProgress, t.Marks.InProgress.On}} {
		if m.on {
			out.Marks = append(out.Marks, m.mark)
		}
	}
	if !t.Marks.Seen.IsZero() {
		out.Seen = time.UnixMilli(t.Marks.Seen.Time).UTC()
	}
	return out
}
