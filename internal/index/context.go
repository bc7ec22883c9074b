package index

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/query"
)

// Context is what a filter is about beside the fields of items.
type Context interface {
	// Now is the time of the query in Unix milliseconds.
	Now() int64
	// Condition returns the items that meet a condition on the query's user. Query.Unseen is never asked for: it is
	// those that aren't seen. Nil stands for no items, here and below.
	Condition(c query.Condition) Set
	// Collection returns the items of the user's collection of that name.
	Collection(name string) Set
	// Cohort returns the items that users of a cohort have sent signals about.
	Cohort(name string) Set
}

// Set is a set of items that something else than the index knows. It may hold items that aren't live, and must not
// change while a filter is in use.
type Set interface {
	// Has reports whether an item is in the set. It's called once per candidate and should be quick.
	Has(n state.Ord) bool
	// Items returns the set as a bitmap if it is at hand, or small enough to be made. It's called once per plan and
	// isn't modified.
	Items() (*roaring.Bitmap, bool)
	// Estimate is about how many items are in the set; it's asked for if there's no bitmap.
	Estimate() int
}

// nobody stands for a set that a context doesn't have.
type nobody struct{}

func (nobody) Has(state.Ord) bool             { return false }
func (nobody) Items() (*roaring.Bitmap, bool) { return roaring.New(), true }
func (nobody) Estimate() int                  { return 0 }
