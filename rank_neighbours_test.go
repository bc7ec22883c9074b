package tidal_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// TestCoEngagedIsItsFormula computes co_engaged from a list of likes, as decision 0024 has it, for every user and item.
func TestCoEngagedIsItsFormula(t *testing.T) {
	for name, marks := range map[string]bool{"marks": true, "no marks": false} {
		t.Run(name, func(t *testing.T) { checkCoEngaged(t, marks) })
	}
}

func checkCoEngaged(t *testing.T, marks bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed(t), 0))
	s := &schema.Schema{
		Name: "likes",
		Signals: []schema.SignalType{{
			Name: "like", Meaning: schema.Positive, Seen: marks, HalfLives: []time.Duration{24 * time.Hour},
			Windows: []schema.Window{schema.Window24h},
		}},
		Profiles: []schema.Profile{{Name: "near", Version: 1, Score: []schema.Step{{Name: "co", Op: schema.Add, Expr: "co_engaged"}}}},
	}
	c := newClock()
	db := open(t, t.TempDir(), s, c.options())
	const users, items = 14, 24
	for i := range items {
		write(t, db, tidal.Put{Kind: tidal.Item, ID: fmt.Sprint("item ", i)})
	}
	trails := make([][]int, users) // what each likes, in order, an item once
	likes := make([]int, items)
	for n := range 120 {
		u, i := rng.IntN(users), min(rng.IntN(items), rng.IntN(items))
		for k, other := range trails[u] {
			if other == i { // the newest is what counts
				trails[u] = append(trails[u][:k:k], trails[u][k+1:]...)
				break
			}
		}
		trails[u] = append(trails[u], i)
		likes[i]++
		write(t, db, tidal.Signal{
			Type: "like", User: fmt.Sprint("user ", u), Item: fmt.Sprint("item ", i), Time: c.ago(time.Duration(200-n) * time.Minute),
		})
	}
	found := 0
	for u := range users {
		want := coEngaged(trails, likes, u, marks)
		a := rankIt(t, db, query.Rank("near").For(fmt.Sprint("user ", u)).Explore(0).Unmixed().Limit(items).Query())
		if len(a.Items) != items {
			t.Fatalf("%d items", len(a.Items))
		}
		for _, x := range a.Items {
			var i int
			if _, err := fmt.Sscanf(x.Item, "item %d", &i); err != nil {
				t.Fatal(err)
			}
			if math.Abs(x.Score-want[i]) > 1e-5 {
				t.Errorf("user %d, %s: %v, want %v", u, x.Item, x.Score, want[i])
			}
			if want[i] > 0 {
				found++
			}
		}
	}
	if found < users {
		t.Errorf("only %d scores above 0", found)
	}
}

// coEngaged is the score of each item for a user.
func coEngaged(trails [][]int, likes []int, user int, marks bool) []float64 {
	discount := func(i int) float64 { return math.Pow(float64(likes[i])+10, -0.25) }
	own := map[int]float64{}
	for k, i := range trails[user] {
		own[i] = math.Exp2(-float64(len(trails[user])-1-k)/4) * discount(i)
	}
	out := make([]float64, len(likes))
	for other, trail := range trails {
		shared := 0.0
		for _, i := range trail {
			shared += own[i]
		}
		if other == user || shared == 0 {
			continue
		}
		records := len(trail)
		if marks {
			records++ // one for each item, and the list of them
		}
		for k, i := range trail {
			if _, met := own[i]; met {
				continue
			}
			near := 0.0
			for j, x := range trail {
				switch {
				case j < k:
					near += own[x] * math.Exp(-float64(k-j)/10)
				case j > k:
					near += own[x] * math.Exp(-float64(j-k)/10) / 2
				}
			}
			out[i] += (0.25*shared + 0.75*near) / math.Sqrt(float64(records))
		}
	}
	best := 0.0
	for i := range out {
		out[i] *= discount(i)
		best = max(best, out[i])
	}
	for i := range out {
		if best > 0 {
			out[i] /= best
		}
	}
	return out
}
