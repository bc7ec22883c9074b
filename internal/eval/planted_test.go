package eval_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/eval"
	"github.com/tidaldb/tidal/schema"
)

// groups is a made-up world in which it is known what lists should hold: users and items are in groups, and 85 in 100 of
// what a user likes is of their group, the rest of any. Within a group the k-th item is liked 1/√k times as often as the
// first.
type groups struct {
	groups, items, users, likes int // items and users of one group, likes of one user
	rng                         *rand.Rand
}

func (g *groups) item(group int) string {
	weight := func(k int) float64 { return 1 / float64(1+k) }
	for {
		k := g.rng.IntN(g.items)
		if x := g.rng.Float64(); x*x < weight(k) { // x < 1/√(k+1)
			return fmt.Sprintf("item %d of %d", k, group)
		}
	}
}

// records are the likes of all, one every 20 seconds, and who liked what.
func (g *groups) records(start time.Time, liked map[string][]string) iter.Seq2[tidal.Record, error] {
	return func(yield func(tidal.Record, error) bool) {
		for group := range g.groups {
			for k := range g.items {
				if !yield(tidal.Put{Kind: tidal.Item, ID: fmt.Sprintf("item %d of %d", k, group)}, nil) {
					return
				}
			}
		}
		at := start
		for range g.likes {
			for _, u := range g.rng.Perm(g.groups * g.users) {
				group := u % g.groups
				if g.rng.IntN(100) >= 85 {
					group = g.rng.IntN(g.groups)
				}
				user, item := fmt.Sprintf("user %d of %d", u/g.groups, u%g.groups), g.item(group)
				at = at.Add(20 * time.Second)
				liked[user] = append(liked[user], item)
				if !yield(tidal.Signal{Type: "like", User: user, Item: item, Time: at}, nil) {
					return
				}
			}
		}
	}
}

// Where likes come in groups, nine in ten places of for_you are of the user's own group, though one like in seven is not
// and no two users like the same: structure that was put in is found.
func TestForYouFindsPlantedGroups(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		g := &groups{groups: 8, items: 40, users: 50, likes: 12, rng: rand.New(rand.NewPCG(seed, 0))}
		start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		now := start.Add(time.Duration(g.groups*g.users*g.likes) * 20 * time.Second)
		db, err := tidal.Open(filepath.Join(t.TempDir(), "db"), schema.Events(),
			&tidal.Options{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		liked := map[string][]string{}
		if _, _, err := db.Load(t.Context(), "likes", g.records(start, liked)); err != nil {
			t.Fatal(err)
		}
		places, own := 0, 0
		for u := range g.groups * g.users {
			user := fmt.Sprintf("user %d of %d", u/g.groups, u%g.groups)
			list, err := eval.ForYou(t.Context(), db, user, liked[user], 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range list {
				var k, group int
				if _, err := fmt.Sscanf(item, "item %d of %d", &k, &group); err != nil {
					t.Fatal(err)
				}
				places++
				if group == u%g.groups {
					own++
				}
			}
		}
		part := float64(own) / float64(max(1, places))
		t.Logf("seed %d: %.3f of %d places", seed, part, places)
		if places != 10*g.groups*g.users || part < 0.9 {
			t.Errorf("seed %d: %.3f of %d places are of the user's group", seed, part, places)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
