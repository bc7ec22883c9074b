package tidal_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
)

// TestCellsFollowTheFormula writes random views over ten days and compares with what the definition says: scores are
// Σ w·2^(−age/h), windows count by whole minutes and hours.
func TestCellsFollowTheFormula(t *testing.T) {
	db, c := fresh(t)
	rng := rand.New(rand.NewPCG(7, 7))
	type event struct {
		at     time.Time
		weight float64
	}
	var events []event
	var records []tidal.Record
	users := map[string]bool{}
	for range 2000 {
		e := event{
			c.ago(time.Duration(rng.Int64N(int64(10 * 24 * time.Hour)))).Truncate(time.Millisecond),
			0.5 + rng.Float64()*10,
		}
		user := fmt.Sprint("u", rng.IntN(300))
		users[user] = true
		events = append(events, e)
		records = append(records, tidal.Signal{Type: "view", Item: "i", User: user, Time: e.at, Weight: e.weight})
	}
	write(t, db, records...)
	newest := slices.MaxFunc(events, func(a, b event) int { return a.at.Compare(b.at) }).at
	for _, q := range []time.Time{c.now(), newest, c.now().Add(5 * time.Hour), c.now().Add(4 * 24 * time.Hour)} {
		cell, err := db.Cell(t.Context(), "i", "view", q)
		if err != nil {
			t.Fatal(err)
		}
		for name, h := range map[string]time.Duration{"1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour} {
			want := 0.0
			for _, e := range events {
				want += e.weight * math.Exp2(-float64(q.Sub(e.at))/float64(h))
			}
			if got := cell.Scores[name]; math.Abs(got-want) > 1e-6*want {
				t.Errorf("at %v score %s is %v, want %v", q, name, got, want)
			}
		}
		for name, w := range map[string]struct{ length, step time.Duration }{
			"1h": {time.Hour, time.Minute}, "24h": {24 * time.Hour, time.Hour}, "7d": {7 * 24 * time.Hour, time.Hour},
			"30d": {30 * 24 * time.Hour, 24 * time.Hour},
		} {
			want, from := int64(0), q.Truncate(w.step).Add(-w.length)
			for _, e := range events {
				if e.at.Truncate(w.step).After(from) {
					want++
				}
			}
			if got := cell.Windows[name]; got != want {
				t.Errorf("at %v window %s counts %d, want %d", q, name, got, want)
			}
			if got, want := cell.Velocity[name], float64(want)/w.length.Seconds(); math.Abs(got-want) > 1e-12 {
				t.Errorf("at %v velocity %s is %v, want %v", q, name, got, want)
			}
		}
		if cell.Total != 2000 || cell.Windows["all"] != 2000 || cell.AsOfMark || !cell.At.Equal(q) {
			t.Errorf("at %v: %+v", q, cell)
		}
		if got, want := float64(cell.Unique), float64(len(users)); math.Abs(got-want) > 0.06*want {
			t.Errorf("%v unique users, want about %v", got, want)
		}
	}
	cell, err := db.Cell(t.Context(), "i", "view", newest.Add(-time.Hour))
	if err != nil || !cell.AsOfMark || !cell.At.Equal(newest) {
		t.Errorf("an hour before the newest event: %+v, %v", cell, err)
	}
}

// TestTopIsASortOfAllScores compares the list with the cells of all items.
func TestTopIsASortOfAllScores(t *testing.T) {
	db, c := fresh(t)
	rng := rand.New(rand.NewPCG(9, 9))
	var records []tidal.Record
	for range 3000 {
		records = append(records, tidal.Signal{
			Type: "view", Item: fmt.Sprint("i", rng.IntN(150)), Weight: 1 + rng.Float64(),
			Time: c.ago(time.Duration(rng.Int64N(int64(40 * 24 * time.Hour)))),
		})
	}
	write(t, db, records...)
	write(t, db, tidal.Signal{Type: "like", Item: "unviewed"})
	for _, q := range []time.Time{c.now(), c.now().Add(1000 * 24 * time.Hour)} {
		for name, h := range map[string]time.Duration{"1d": 0, "7d": 7 * 24 * time.Hour} {
			var want []tidal.Scored
			for item := range db.Items(t.Context()) {
				cell, err := db.Cell(t.Context(), item, "view", q)
				if err != nil {
					t.Fatal(err)
				}
				if cell.Total > 0 {
					want = append(want, tidal.Scored{Item: item, Score: cell.Scores[name]})
				}
			}
			slices.SortStableFunc(want, func(a, b tidal.Scored) int {
				switch {
				case a.Score > b.Score:
					return -1
				case a.Score < b.Score:
					return 1
				}
				return 0
			})
			got, err := db.Top(t.Context(), tidal.TopQuery{Type: "view", HalfLife: h, At: q, Limit: 20})
			if err != nil || len(got) != 20 {
				t.Fatalf("top: %d items, %v", len(got), err)
			}
			for i := range got {
				if got[i].Score != want[i].Score && q.Equal(c.now()) {
					t.Errorf("place %d by %s is %v, want %v", i, name, got[i], want[i])
				}
			}
		}
	}
}
