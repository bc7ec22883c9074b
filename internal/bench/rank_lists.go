package bench

import (
	"math/rand/v2"

	"github.com/tidaldb/tidal/query"
)

// listLength is how many items every list has.
const listLength = 25

// rankedKind is one kind of list that is measured.
type rankedKind struct {
	name string
	// profile is what ranks it, if that isn't the name.
	profile string
	// user says that it is for a user; others are for nobody in particular.
	user bool
	// subject says that it's about an item.
	subject bool
	// filter is added for a category, if there is one.
	filter func(category string) []query.Expr
	// full lists can't be short: there are enough items for everybody.
	full bool
}

// rankedLists are those that are measured, in this order; a constant table.
var rankedLists = [...]rankedKind{
	{name: "for_you", user: true},
	{name: "for_you_filtered", profile: "for_you", user: true, filter: unseenIn},
	{name: "trending", full: true},
	{name: "trending_for_user", profile: "trending", user: true},
	{name: "hot", full: true},
	{name: "rising", full: true},
	{name: "top", full: true},
	{name: "most", full: true},
	{name: "new", full: true},
	{name: "new_filtered", profile: "new", user: true, filter: unseenIn},
	{name: "following", user: true},
	{name: "notification", user: true},
	{name: "related", user: true, subject: true},
	{name: "hidden_gems", full: true},
	{name: "controversial", full: true},
	{name: "shuffle", full: true},
}

func unseenIn(category string) []query.Expr {
	return []query.Expr{query.Eq("category", category), query.Unseen}
}

// rankedList finds a kind of list by name.
func rankedList(name string) (*rankedKind, bool) {
	for i := range rankedLists {
		if rankedLists[i].name == name {
			return &rankedLists[i], true
		}
	}
	return nil, false
}

// query invents a question for a list of this kind; user is who asks, if the list is for a user.
func (k *rankedKind) query(w *world, user int, rng *rand.Rand) *query.Query {
	profile := k.profile
	if profile == "" {
		profile = k.name
	}
	b := query.Rank(profile).Limit(listLength)
	if k.user {
		b.For(userName(user))
	}
	if k.subject {
		item, _ := w.itemDraw(user, w.end, rng)
		b.SimilarTo(itemName(item))
	}
	if k.filter != nil {
		b.Where(k.filter(categoryName(w.tasteOf(user, rng)))...)
	}
	return b.Query()
}

// RankedLists are the names of the lists that [Rank] measures, in order.
func RankedLists() []string {
	out := make([]string, len(rankedLists))
	for i := range rankedLists {
		out[i] = rankedLists[i].name
	}
	return out
}
