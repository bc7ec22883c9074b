package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// The demo's invented world: the same on every run, apart from being dated relative to now.
const (
	demoItems  = 300
	demoUsers  = 240
	demoVisits = 3_500
	demoSpan   = 30 * 24 * time.Hour
	demoSeed   = 20_260_421
)

// demoSchema says what the demo counts. It shows what a schema in Go looks like.
func demoSchema() *schema.Schema {
	return &schema.Schema{
		Name: "demo",
		Signals: []schema.SignalType{
			{Name: "view", HalfLives: []time.Duration{24 * time.Hour}, Windows: []schema.Window{
				schema.Window24h,
				schema.Window7d,
			}, UniqueUsers: true, Seen: true},
			{Name: "like", HalfLives: []time.Duration{7 * 24 * time.Hour}, Windows: []schema.Window{
				schema.Window24h,
				schema.Window7d, schema.Window30d,
			}, Meaning: schema.Positive, Sets: []schema.Mark{schema.Liked}},
			{Name: "skip", HalfLives: []time.Duration{24 * time.Hour}, Meaning: schema.Negative},
			{Name: "hide", Meaning: schema.HardNegative},
		},
		Items: schema.EntityType{Fields: []schema.Field{
			{Name: "title", Type: schema.TypeText}, {Name: "category", Type: schema.TypeKeyword},
		}},
	}
}

// A demoCategory invents titles: any of its beginnings goes with any of its ends.
type demoCategory struct {
	name   string
	begins [7]string
	ends   [6]string
}

// demoCategories is a constant table.
var demoCategories = [...]demoCategory{
	{"jazz", [...]string{
		"Late Set", "Two Trumpets", "Blue Hour", "Brushes and Rain", "Slow Train", "Last Chorus",
		"A Borrowed Bass",
	}, [...]string{
		"in Lisbon", "on Harbour Street", "at the Corner Room", "in Winter",
		"for Six Hands", "after Midnight",
	}},
	{
		"cooking",
		[...]string{"Bread", "Dumplings", "A Pot of Beans", "Pickles", "Noodles", "Lemon Cake", "Soup"},
		[...]string{
			"without a Recipe", "for a Crowd", "on One Flame", "the Slow Way", "in Ten Minutes",
			"from What Is Left",
		},
	},
	{"astronomy", [...]string{
		"A Comet", "The Far Side", "Saturn's Rings", "Dark Dust", "A Dying Star", "Moonrise",
		"The Meteor Shower",
	}, [...]string{
		"through Binoculars", "over the Desert", "Explained Slowly",
		"as Seen in 1910", "for Beginners", "from a City Roof",
	}},
	{"chess", [...]string{
		"The Quiet Move", "A Rook Ending", "The Poisoned Pawn", "Opposite Bishops", "A Lost Queen",
		"The Long Diagonal", "Zugzwang",
	}, [...]string{
		"in the Park", "at Two in the Morning", "That Wins",
		"Nobody Saw", "under the Clock", "Move by Move",
	}},
	{
		"gardening",
		[...]string{"Tomatoes", "A Hedge", "Wild Garlic", "Old Roses", "A Pond", "Moss", "Beehives"},
		[...]string{
			"on a Balcony", "in the Shade", "in Clay Soil", "through the Frost", "for the Lazy",
			"with Children",
		},
	},
	{"cycling", [...]string{
		"A Mountain Pass", "The Coast Road", "Gravel", "A Night Ride", "The Commute", "Headwind",
		"One Gear",
	}, [...]string{
		"before Breakfast", "in the Rain", "with a Tent", "from Sea to Sea", "at Sixty",
		"Uphill Both Ways",
	}},
	{"history", [...]string{
		"A Lighthouse", "The Salt Road", "A Forged Map", "The Post Coach", "A Canal",
		"The Clockmakers", "A Lost Library",
	}, [...]string{
		"and Its Keepers", "in Six Letters", "before the Railway",
		"as Told by Neighbours", "in Photographs", "Found Again",
	}},
	{"woodworking", [...]string{
		"A Stool", "Dovetails", "The Hand Plane", "A Toy Boat", "Spoons", "A Workbench",
		"Chair Legs",
	}, [...]string{
		"from One Plank", "by Hand", "in a Small Flat", "That Lasts", "from Green Wood",
		"with Three Tools",
	}},
}

// A demoItem is one invented item.
type demoItem struct {
	id, title, category string
}

// demoCatalogue returns the items, always the same.
func demoCatalogue() []demoItem {
	items := make([]demoItem, 0, demoItems)
	for n := range demoItems {
		c, k := &demoCategories[n%len(demoCategories)], n/len(demoCategories)
		// 7 and 6 have no common divisor, so 42 items of a category have different titles.
		items = append(items, demoItem{
			id:       fmt.Sprintf("%s-%02d", c.name, k+1),
			title:    c.begins[k%len(c.begins)] + " " + c.ends[k%len(c.ends)],
			category: c.name,
		})
	}
	return items
}

// demoTitles returns titles by id.
func demoTitles() map[string]string {
	titles := make(map[string]string, demoItems)
	for _, it := range demoCatalogue() {
		titles[it.id] = it.title
	}
	return titles
}

func demoUser(n int) string { return fmt.Sprintf("reader-%03d", n+1) }

// demoHistory returns what the readers did in the 30 days before now, in no particular order: each visit is a view,
// often followed by a like or a skip. Some items are far more popular than others, and every reader has a favourite
// category.
func demoHistory(now time.Time) []tidal.Record {
	rng := rand.New(rand.NewPCG(demoSeed, 1))
	items := demoCatalogue()
	rank := rng.Perm(len(items)) // which item is the n-th most popular
	var out []tidal.Record
	for range demoVisits {
		reader := rng.IntN(demoUsers)
		// The square of a uniform number prefers small ranks: a quarter of the items gets half of the visits.
		popular := rng.Float64()
		item := items[rank[int(popular*popular*float64(len(items)))]]
		at := now.Add(-time.Hour - time.Duration(rng.Int64N(int64(demoSpan-time.Hour)))).Truncate(time.Millisecond)
		act := func(what string, later time.Duration) {
			out = append(out, tidal.Signal{Type: what, User: demoUser(reader), Item: item.id, Time: at.Add(later)})
		}
		act("view", 0)
		fond := item.category == demoCategories[reader%len(demoCategories)].name
		switch mood := rng.Float64(); {
		case mood < 0.15, fond && mood < 0.6:
			act("like", time.Minute)
		case mood > 0.85 && !fond:
			act("skip", 5*time.Second)
		}
	}
	return out
}
