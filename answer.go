package tidal

import (
	"context"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/ranker"
	"github.com/tidaldb/tidal/internal/token"
	"github.com/tidaldb/tidal/rank"
)

// Answer is a ranked list, the answer to a query.
type Answer struct {
	// Items are in the order in which they should be shown.
	Items []RankedItem
	// Feed numbers the list, at random.
	Feed uint64
	// Profile and Version are what ranked it, At the time that it was ranked for, and Seed what its draws came from: with
	// the same seed and time the same database draws the same.
	Profile string
	Version uint32
	At      time.Time
	Seed    uint64
	// Broken are rules of diversity that couldn't be kept with the items that there are, in words.
	Broken []string
	// Warnings are what didn't stop the list: signals that the schema doesn't have, say, or a pinned item that can't be
	// shown.
	Warnings []string
	// Stats say what the list took, Vector which events it was made from.
	Stats  RankStats
	Vector VersionVector

	db      *DB // for the ids of rest
	highest Stamp
	keys    token.Keys
	page    token.Pinned // without items
	rest    []ranker.Left
	before  int
}

// RankedItem is one item of an [Answer].
type RankedItem struct {
	Item  string
	Score float64
	// Slot is the exploration slot that gave the place to the item, empty for a place that was ranked or pinned; Propensity
	// is the probability with which the item was drawn for it, given the slot, 1 where nothing was drawn.
	Slot       string
	Propensity float64
	// Pinned reports that the query put the item there.
	Pinned bool
	// Terms are the steps of the score, if the query asked for them. Their deltas, added in order, are the score.
	Terms []rank.Term
}

// RankStats say what a list took.
type RankStats struct {
	// Candidates were found, Passed of them had the filter, hides and cheap gates let through, Scored had all their
	// features computed.
	Candidates, Passed, Scored int
	// Hidden counts what would have been a candidate but for the user's hides, mutes and blocks; an item that several sources
	// gave counts for each.
	Hidden int
	// Degradation is how much was left out because many queries were under way: "full", "fewer_candidates",
	// "coarse_counts" or "no_mixing", each of which leaves out what the one before does, too.
	Degradation string
	// Unreachable names the regions whose writes may be missing, because they weren't heard of for five seconds or something
	// of theirs that is older isn't here yet; the list is made from what is here. Lag is how old the oldest event is that
	// is known to be missing, about.
	Unreachable []string
	Lag         time.Duration
	// Times of the stages: reading the user, finding candidates, first and second phase, mixing.
	User, Find, First, Second, Mix time.Duration
}

// Cursor returns a text with which [query.Query.Cursor] continues the list, empty if there's nothing behind it or the
// database was closed. It holds the
// candidates that are left, so that the next page is of the same time and repeats nothing; what is hidden in the meantime
// isn't in it. It is good for as long as the database has its keys.
func (a *Answer) Cursor() string {
	if len(a.rest) == 0 {
		return ""
	}
	p := a.page
	p.Use, p.Page, p.Before = token.NextPage, a.page.Page+1, a.before+len(a.Items)
	p.Items = make([]token.PinnedItem, 0, len(a.rest))
	size := 0
	err := a.db.read(context.Background(), func(e *engine.Engine) error {
		for _, k := range a.rest {
			x := token.PinnedItem{ID: e.ItemID(k.Ord), Score: k.Score, Propensity: 1}
			if size += len(x.ID) + token.ItemSize; size > token.MaxItems {
				break
			}
			p.Items = append(p.Items, x)
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return p.Text(a.keys)
}

// AsOf returns a text with which [query.Query.AsOf] asks for this list again: the same items in the same order, ranked as of
// the same time, without those that were hidden in the meantime. It's empty for a list whose ids are too long to be held
// in a text: 25 items always fit.
func (a *Answer) AsOf() string {
	p := a.page
	p.Use, p.Before = token.Again, a.before
	p.Items = make([]token.PinnedItem, len(a.Items))
	size := 0
	for i := range a.Items {
		x := &a.Items[i]
		if size += len(x.Item) + len(x.Slot) + token.ItemSize; size > token.MaxItems {
			return ""
		}
		p.Items[i] = token.PinnedItem{ID: x.Item, Score: x.Score, Slot: x.Slot, Propensity: x.Propensity}
	}
	return p.Text(a.keys)
}

// Ref returns the reference of item i: echoed by a signal ([Signal.Ref]) it says in the log which list showed the item, at
// which place, why and with which probability. [DB.Ref] reads it.
func (a *Answer) Ref(i int) []byte {
	x := &a.Items[i]
	return token.AppendRef(nil, a.keys, &token.Ref{
		Feed: a.Feed, Place: a.before + i + 1, Item: x.Item, Slot: x.Slot, Propensity: x.Propensity,
		Profile: a.Profile, Version: a.Version, Time: a.At.UnixMilli(),
	})
}

// FeedRef is what a reference says: which list showed an item, and how it came there.
type FeedRef struct {
	// Feed is the list's number, Place the item's place in it, from 1.
	Feed  uint64
	Place int
	// Item is the item, cut to 64 bytes.
	Item string
	// Slot and Propensity are as in [RankedItem].
	Slot       string
	Propensity float64
	// Profile and Version are what ranked the list, Time is when.
	Profile string
	Version uint32
	Time    time.Time
}

// Ref reads a reference that an answer gave. One that was changed, or that another database gave, is an [InputError]; where
// there are other regions the key that sealed it may be on its way, which is a [NotYetError].
func (db *DB) Ref(ref []byte) (FeedRef, error) {
	keys, err := db.host.Keys()
	if err != nil {
		return FeedRef{}, fmt.Errorf("read a reference: %w", err)
	}
	r, err := token.OpenRef(keys, ref)
	if err != nil {
		return FeedRef{}, db.known(err)
	}
	return FeedRef{
		Feed: r.Feed, Place: r.Place, Item: r.Item, Slot: r.Slot, Propensity: r.Propensity, Profile: r.Profile,
		Version: r.Version, Time: time.UnixMilli(r.Time).UTC(),
	}, nil
}
