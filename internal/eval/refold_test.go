package eval_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/eval"
	"github.com/tidaldb/tidal/schema"
)

// history is a directory with 30 users who like and view 40 items over a month, some of which were put.
func history(t testing.TB, c *clock) string {
	rng := rand.New(rand.NewPCG(4, 2))
	start := c.now().Add(-30 * 24 * time.Hour)
	var requests []tidal.Request
	for i := range 25 {
		requests = append(requests, one(tidal.Put{Kind: tidal.Item, ID: fmt.Sprintf("item-%d", i), Fields: tidal.Fields{
			"creator": schema.String(fmt.Sprintf("creator-%d", i%4)), "tags": schema.Tags([]string{fmt.Sprint("t", i%3), "all"}),
		}}))
	}
	for n := range 600 {
		requests = append(requests, one(tidal.Signal{
			Type: []string{"like", "view", "like", "skip"}[rng.IntN(4)],
			User: fmt.Sprintf("user-%d", rng.IntN(30)), Item: fmt.Sprintf("item-%d", rng.IntN(40)),
			Time: start.Add(time.Duration(n) * time.Hour),
		}))
	}
	// What only the test part of leave-last-out and of time may know: a user's last like, on an item of its own, and
	// what that user does about it afterwards.
	last := start.Add(601 * time.Hour)
	requests = append(requests,
		one(tidal.Signal{Type: "like", User: "user-7", Item: "planted-item", Time: last, Cohorts: []string{"planted-cohort"}}),
		one(tidal.Signal{Type: "view", User: "user-7", Item: "planted-later", Time: last.Add(time.Hour)}),
		one(tidal.SetMark{User: "user-7", Item: "planted-item", Mark: schema.Saved}),
		one(tidal.Relate{User: "user-7", What: tidal.Follows, Target: "planted-creator"}),
	)
	return makeDir(t, c, catalogue(), requests...)
}

// Events under test never reach the database that ranks: no file of it holds an id that the test part alone knows, and
// its events are exactly those for training.
func TestHiddenEventsNeverReachTheDatabaseUnderTest(t *testing.T) {
	from := history(t, newClock())
	l, err := eval.ReadLog(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	d, err := eval.NewData(l, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, split := range []func(*eval.Data) (*eval.Split, error){eval.LeaveLastOut, eval.Temporal} {
		s, err := split(d)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(s.Name, func(t *testing.T) {
			tr := eval.NewTraining(d, s)
			dir := filepath.Join(t.TempDir(), "db")
			db, err := eval.Refold(t.Context(), dir, d, s, tr, nil)
			if err != nil {
				t.Fatal(err)
			}
			if newest := db.Stats().Newest.UnixMilli(); newest != s.Now {
				t.Errorf("newest event %d, now %d", newest, s.Now)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if !inFiles(t, from, "planted-item") || !inFiles(t, dir, "user-7") {
				t.Fatal("the test looks into the wrong files")
			}
			if inFiles(t, dir, "planted-") {
				t.Error("the database under test holds what is hidden")
			}
			again, err := eval.ReadLog(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.SplitAfter(picture(l, time.UnixMilli(0)), "\n")
			trained := make([]string, 0, len(want))
			for i := range l.Events {
				if s.Part[d.Of[i]] == eval.Train {
					trained = append(trained, want[i])
				}
			}
			if got := picture(again, time.UnixMilli(0)); got != strings.Join(trained, "") {
				t.Errorf("%d events were written, %d are for training", len(again.Events), len(trained))
			}
			for _, c := range s.Tests {
				for i, e := range again.Events {
					if e.User == eval.Nobody || again.Users[e.User] != l.Users[c.User] {
						continue
					}
					if slices.Contains(c.Items, uint32(slices.Index(l.Items, again.Items[e.Item]))) {
						t.Fatalf("event %d is under test", i)
					}
				}
			}
		})
	}
}

// Items of the database under test are as old as they were: put before their first training event, not when the
// database was made; those that nobody put exist, too.
func TestRefoldedItemsHaveTheirAge(t *testing.T) {
	d, s, tr := splitOf(t, history(t, newClock()))
	db, err := eval.Refold(t.Context(), filepath.Join(t.TempDir(), "db"), d, s, tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	first := map[string]int64{}
	for i, e := range d.Events {
		if _, ok := first[d.Items[e.Item]]; !ok && s.Part[d.Of[i]] == eval.Train {
			first[d.Items[e.Item]] = e.Time
		}
	}
	if len(first) != 40 {
		t.Fatalf("%d items have training events", len(first))
	}
	for name, at := range first {
		x, err := db.Entity(t.Context(), tidal.Item, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// The clock is read once for 16 records of this log, which has an event an hour.
		if late := x.Touched.UnixMilli() - at; late < 0 || late > 40*time.Hour.Milliseconds() {
			t.Errorf("%s was put %d ms after its first event at %d, now %d", name, late, at, s.Now)
		}
	}
}

func splitOf(t *testing.T, dir string) (*eval.Data, *eval.Split, *eval.Training) {
	t.Helper()
	l, err := eval.ReadLog(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := eval.NewData(l, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := eval.LeaveLastOut(d)
	if err != nil {
		t.Fatal(err)
	}
	return d, s, eval.NewTraining(d, s)
}

// A database that knew what is hidden would get full marks; one that puts it into second place gets what the formula
// gives; one that knows nothing gets none. So the figures of for_you are those of its lists.
func TestForYouIsScoredByItsLists(t *testing.T) {
	dir := history(t, newClock())
	d, s, tr := splitOf(t, dir)
	answers := map[string]string{}
	reachable := 0
	for _, c := range s.Tests {
		if tr.Served[c.Items[0]] {
			answers[d.Users[c.User]] = d.Items[c.Items[0]]
			reachable++
		}
	}
	if missed := len(s.Tests) - reachable; missed != 1 { // the planted one
		t.Fatalf("%d of %d can't be reached", missed, len(s.Tests))
	}
	part := float64(reachable) / float64(len(s.Tests))
	other := func(exclude []string, but string) string {
		for i := range 40 {
			if name := fmt.Sprintf("item-%d", i); name != but && !slices.Contains(exclude, name) {
				return name
			}
		}
		return ""
	}
	temp := t.TempDir()
	for _, c := range []struct {
		name         string
		rank         func(exclude []string, answer string) []string
		ndcg, hr, rr float64
	}{
		{"first", func(_ []string, answer string) []string { return []string{answer} }, part, part, part},
		{"second", func(exclude []string, answer string) []string {
			return []string{other(exclude, answer), answer}
		}, part / math.Log2(3), part, part / 2},
		{"never", func(exclude []string, answer string) []string { return []string{other(exclude, answer)} }, 0, 0, 0},
	} {
		r, err := eval.Run(t.Context(), eval.Options{
			Dir: dir, Now: time.Now, Split: "leave-last-out", Temp: temp, K: []int{5, 2},
			ForYou: func(_ context.Context, _ *tidal.DB, user string, exclude []string, k int) ([]string, error) {
				answer, ok := answers[user]
				if k != 5 || !ok {
					return nil, nil
				}
				return c.rank(exclude, answer), nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.ForYou.K {
			if !near(r.ForYou.NDCG[i], c.ndcg) || !near(r.ForYou.HitRate[i], c.hr) {
				t.Errorf("%s: %+v, want %v and %v", c.name, r.ForYou, c.ndcg, c.hr)
			}
		}
		if above := r.ForYou.NDCG[0] - r.ItemKNNDecay.NDCG[0]; !near(r.ForYou.MRR, c.rr) || !near(r.Above.Mean, above) ||
			!slices.Equal(r.ForYou.K, []int{2, 5}) {
			t.Errorf("%s: %+v above %+v, want reciprocal rank %v", c.name, r.ForYou, r.Above, c.rr)
		}
		if r.DistanceBy != "creator, tags" || r.Split.Unreachable != 1 {
			t.Errorf("%s: %+v", c.name, r.Outcome)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("temporary databases were left behind: %v %v", left, err)
	}
}

// A list that breaks the rules has no figures: it is an error that says what is wrong with it.
func TestListsThatBreakTheRulesAreErrors(t *testing.T) {
	dir := history(t, newClock())
	temp := t.TempDir()
	for _, c := range []struct {
		says string
		rank func(exclude []string, k int) ([]string, error)
	}{
		{"which the user met in training", func(exclude []string, _ int) ([]string, error) { return exclude[:1], nil }},
		{"which training doesn't know", func([]string, int) ([]string, error) { return []string{"planted-item"}, nil }},
		{"which training doesn't know", func([]string, int) ([]string, error) { return []string{"none"}, nil }},
		{"twice", func(exclude []string, _ int) ([]string, error) {
			for i := range 40 {
				if name := fmt.Sprintf("item-%d", i); !slices.Contains(exclude, name) {
					return []string{name, name}, nil
				}
			}
			return nil, nil
		}},
		{"11 items; 10 were asked for", func(_ []string, k int) ([]string, error) { return make([]string, k+1), nil }},
		{"out of order", func([]string, int) ([]string, error) { return nil, errors.New("out of order") }},
	} {
		_, err := eval.Run(t.Context(), eval.Options{
			Dir: dir, Now: time.Now, Temp: temp, Split: "leave-last-out",
			ForYou: func(_ context.Context, _ *tidal.DB, _ string, exclude []string, k int) ([]string, error) {
				return c.rank(exclude, k)
			},
		})
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "for_you") {
			t.Errorf("%v; want %s", err, c.says)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("temporary databases were left behind: %v %v", left, err)
	}
}

// The users that get lists are drawn by the seed: the same ones for the same seed, as many as were asked for.
func TestUsersAreDrawnBySeed(t *testing.T) {
	dir := history(t, newClock())
	ranked := func(users int, seed uint64) []string {
		var asked []string
		r, err := eval.Run(t.Context(), eval.Options{
			Dir: dir, Now: time.Now, Temp: t.TempDir(), Split: "leave-last-out", MaxUsers: users, Seed: seed,
			ForYou: func(_ context.Context, _ *tidal.DB, user string, _ []string, _ int) ([]string, error) {
				asked = append(asked, user)
				return nil, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Split.Ranked != len(asked) || r.ForYou.Users != len(asked) {
			t.Errorf("%+v, %d users were asked for", r.Split, len(asked))
		}
		return asked
	}
	some, all := ranked(10, 1), ranked(-1, 1)
	if len(some) != 10 || !slices.Equal(some, ranked(10, 1)) || slices.Equal(some, ranked(10, 2)) {
		t.Errorf("%v", some)
	}
	if len(all) != 30 || slices.ContainsFunc(some, func(u string) bool { return !slices.Contains(all, u) }) {
		t.Errorf("%v of %v", some, all)
	}
}
