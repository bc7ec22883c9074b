package query

import (
	"time"

	"github.com/tidaldb/tidal/schema"
)

// Query asks what should be shown, to whom, in which order. The builder ([Rank]), the JSON form ([ParseJSON]) and the
// text form ([Parse]) all make one; [Query.Compile] checks it against a schema.
//
// The zero Query asks for the 25 best items for nobody in particular.
type Query struct {
	// User is whom the list is for; empty for nobody in particular.
	User string
	// Profile is the way to rank; empty is "for_you". Version is one of its versions, 0 the newest.
	Profile string
	Version uint32
	// Filter is what items must meet, nil for nothing.
	Filter Expr
	// Similar is the item that "related" lists are about.
	Similar string
	// Cohort makes signals count as those of one cohort only, empty as those of everybody.
	Cohort string
	// Window is what profiles such as "top" look back over; 0 leaves it to the profile.
	Window schema.Window
	// Signal is what profiles such as "most" count; empty leaves it to the profile.
	Signal string
	// Exclude are items that must not be in the list, such as those of the page before; at most 1,000.
	Exclude []string
	// Diversity mixes the list, nil as the profile says. One that says nothing switches the profile's off.
	Diversity *schema.Diversity
	// Explore is the part of the list for exploration, in [0, 0.5]; nil as the profile says.
	Explore *float64
	// Pins are items at fixed places, Buries such that come last, Boosts multiply the scores of items that meet a
	// filter. At most 100, 100 and 16.
	Pins   []Pin
	Buries []string
	Boosts []Boost
	// Limit is the length of the list, 1–500; 0 is 25.
	Limit int
	// At is the time to rank at, to the millisecond; zero is now. Hidden items are those of now, always.
	At time.Time
	// Seed decides what is random; nil draws one.
	Seed *uint64
	// Cursor continues a list; AsOf asks for an earlier list again. Both are texts that an answer gave, and a query has
	// at most one of them.
	Cursor, AsOf string
	// Explain asks for every term of every score.
	Explain bool

	// from knows where the parts of a query that was read stood.
	from *source
}

// Pin puts an item at a place of the list, counted from 1.
type Pin struct {
	Item string
	Rank int
}

// Boost multiplies the score of the items that meet a filter by a factor in (0, 1000].
type Boost struct {
	Where  Expr
	Factor float64
}
