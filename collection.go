package tidal

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
)

// Collection is one of a user's named lists of items; see [Collect].
type Collection struct {
	Name string
	// Items is how many items are in it, those that were deleted since among them.
	Items int
}

// CollectedItem is an item in a collection.
type CollectedItem struct {
	Item string
	// Added is when it was put there, for the last time if that was done again: when that was written, that is.
	Added time.Time
}

// CollectionQuery asks for the items of a collection, the one that was put there last first.
type CollectionQuery struct {
	User, Name string
	// After is the item behind which the page begins: the last one of the page before. Empty begins at the first. Where it
	// was taken out since, the page begins where it was.
	After string
	// Limit is the length of the page, 1–10,000; 0 is 100. A page that is shorter is the last one.
	Limit int
}

// Collections returns a user's collections in ascending order of the bytes of their names. [ErrNotFound] means that
// nothing is known of the user, or nothing since they were erased.
//
// It looks at all of the user's records, as [DB.Collection] does.
func (db *DB) Collections(ctx context.Context, user string) ([]Collection, error) {
	var out []Collection
	err := db.readKnown(ctx, user, func(e *engine.Engine) error {
		counts, err := e.Collections(user)
		for name, n := range counts {
			out = append(out, Collection{Name: name, Items: n})
		}
		return err
	})
	slices.SortFunc(out, func(a, b Collection) int { return cmp.Compare(a.Name, b.Name) })
	return out, err
}

// Collection returns a page of the items of a collection. One that nothing was put into, or all was taken out of, is
// empty. Items that were deleted are among them; a query with the filter `collection "later"` leaves these out. Errors
// are those of [DB.Collections], and an [InputError] for a page behind an item that was never there.
func (db *DB) Collection(ctx context.Context, q CollectionQuery) ([]CollectedItem, error) {
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return nil, err
	}
	var out []CollectedItem
	err = db.readKnown(ctx, q.User, func(e *engine.Engine) error {
		page, err := e.Collection(q.User, q.Name, q.After, limit)
		for _, c := range page {
			out = append(out, CollectedItem{c.Item, time.UnixMilli(c.Since.Millis()).UTC()})
		}
		return err
	})
	return out, err
}

// readKnown is readUser for a user of whom something is known.
func (db *DB) readKnown(ctx context.Context, user string, f func(*engine.Engine) error) error {
	return db.readUser(ctx, user, func(e *engine.Engine) error {
		if !e.Knows(user) {
			return fmt.Errorf("user %q: %w", user, fault.ErrNotFound)
		}
		return f(e)
	})
}
