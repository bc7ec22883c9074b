package eval

import (
	"slices"

	"github.com/tidaldb/tidal"
)

// Training is what those who rank may know of a split, for baselines.
type Training struct {
	// Items names all items; those that aren't Served can't be in a list.
	Items  []string
	Served []bool
	// History are the training interactions of each user with items, in order.
	History [][]Visit
	// Positives counts the positive training interactions of each item, those of unknown users included.
	Positives []int
	// Users are the users with training interactions, and Met counts, of each item, those who met it.
	Users int
	Met   []int
	// Events counts the training events.
	Events int
}

// Visit is one interaction of a user.
type Visit struct {
	Item     uint32
	Positive bool
}

// NewTraining takes the training part of a split. What can be served are the items with a training event, and those
// that were put: but in the temporal split, none of which all events lie behind the cut.
func NewTraining(d *Data, s *Split) *Training {
	t := &Training{
		Items: d.Items, Served: make([]bool, len(d.Items)), History: make([][]Visit, len(d.Users)),
		Positives: make([]int, len(d.Items)), Met: make([]int, len(d.Items)),
	}
	for i := range d.Interactions {
		x := &d.Interactions[i]
		if s.Part[i] != Train {
			continue
		}
		t.Served[x.Item] = true
		if x.Positive {
			t.Positives[x.Item]++
		}
		if x.User != Nobody {
			t.History[x.User] = append(t.History[x.User], Visit{x.Item, x.Positive})
		}
	}
	for i := range d.Events {
		if s.Part[d.Of[i]] == Train {
			t.Events++
		}
	}
	t.serveEntities(d, s.byTime)
	last := make([]uint32, len(d.Items)) // the user, plus one, who met an item last
	for user, visits := range t.History {
		if len(visits) > 0 {
			t.Users++
		}
		for _, v := range visits {
			if last[v.Item] != uint32(user)+1 {
				last[v.Item] = uint32(user) + 1
				t.Met[v.Item]++
			}
		}
	}
	return t
}

// serveEntities adds the items that were put. An item of which all events lie behind a cut in time isn't there yet.
func (t *Training) serveEntities(d *Data, byTime bool) {
	put := map[string]bool{}
	for i := range d.Entities {
		if e := &d.Entities[i]; e.Kind == tidal.Item {
			put[e.ID] = true
		}
	}
	t.Items = slices.Clone(t.Items)
	for i, name := range d.Items {
		if put[name] && !byTime {
			t.Served[i] = true
		}
		delete(put, name)
	}
	for i := range d.Entities { // those without any event, in the order of their ids
		if e := &d.Entities[i]; e.Kind == tidal.Item && put[e.ID] {
			t.Items, t.Served = append(t.Items, e.ID), append(t.Served, true)
			t.Positives, t.Met = append(t.Positives, 0), append(t.Met, 0)
		}
	}
}

// MetBy returns the items that a user met in training, each once, in the order in which they were met first.
func (t *Training) MetBy(user uint32) []uint32 {
	var out []uint32
	met := make(map[uint32]bool, len(t.History[user]))
	for _, v := range t.History[user] {
		if !met[v.Item] {
			met[v.Item] = true
			out = append(out, v.Item)
		}
	}
	return out
}

// liked returns the items of a user's positive interactions, each once, in the order of the latest of these.
func (t *Training) liked(user uint32) []uint32 {
	var out []uint32
	had := map[uint32]bool{}
	visits := t.History[user]
	for i := len(visits) - 1; i >= 0; i-- {
		if v := visits[i]; v.Positive && !had[v.Item] {
			had[v.Item] = true
			out = append(out, v.Item)
		}
	}
	slices.Reverse(out)
	return out
}

// CatalogueSize is the number of items that lists can hold.
func (t *Training) CatalogueSize() int {
	n := 0
	for _, served := range t.Served {
		if served {
			n++
		}
	}
	return n
}
