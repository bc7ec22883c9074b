package eval_test

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/eval"
	"github.com/tidaldb/tidal/internal/explore"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// visitors look at lists of for_you and click as they like: how probable each click is, nobody but this test knows.
type visitors struct {
	*testing.T
	db    *tidal.DB
	clock atomic.Int64
	rng   *rand.Rand

	left  []place // of each place that exploration filled
	shown int
}

// place is where something was drawn: for whom, and from which items.
type place struct {
	user string
	of   []string
}

const newItems = 8

// chance is the probability of a click: users are of two sorts, which like the even or the odd items.
func chance(user, item string) float64 {
	var i int
	if n, _ := fmt.Sscanf(item, "new %d", &i); n == 1 {
		return 0.05 + 0.03*float64(i) + 0.3*float64((sortOf(user)+i+1)%2)
	}
	return 0.2
}

// sortOf is 0 or 1.
func sortOf(user string) int {
	var u int
	if _, err := fmt.Sscanf(user, "user %d", &u); err != nil {
		panic(err)
	}
	return u % 2
}

// visitorsSchema has a signal for whatever was seen, so that the log tells of places that weren't clicked, too.
func visitorsSchema() *schema.Schema {
	return &schema.Schema{
		Name: "visits",
		Signals: []schema.SignalType{
			{Name: "impression"},
			{
				Name: "click", Meaning: schema.Positive, HalfLives: []time.Duration{24 * time.Hour},
				Windows: []schema.Window{schema.Window1h, schema.Window24h},
			},
		},
		Items: schema.EntityType{Fields: []schema.Field{{Name: "published", Type: schema.TypeTime}}},
	}
}

func (v *visitors) now() time.Time { return time.UnixMilli(v.clock.Load()) }

// load writes records under a lane of their own.
func (v *visitors) load(lane string, records iter.Seq[tidal.Record]) {
	v.Helper()
	if _, _, err := v.db.Load(v.Context(), lane, func(yield func(tidal.Record, error) bool) {
		records(func(r tidal.Record) bool { return yield(r, nil) })
	}); err != nil {
		v.Fatal(err)
	}
}

// settle puts 30 items of a month and eight of today, and gives each user three clicks on older items.
func (v *visitors) settle(users int) {
	v.Helper()
	v.load("settle", func(yield func(tidal.Record) bool) {
		put := func(id string, age time.Duration) bool {
			return yield(tidal.Put{Kind: tidal.Item, ID: id, Fields: tidal.Fields{
				"published": schema.Time(v.now().Add(-age).UnixMilli()),
			}})
		}
		for i := range 30 {
			if !put(fmt.Sprint("old ", i), 30*24*time.Hour) {
				return
			}
		}
		for i := range newItems {
			if !put(fmt.Sprint("new ", i), time.Hour) {
				return
			}
		}
		for u := range users {
			for range 3 {
				s := tidal.Signal{Type: "click", User: fmt.Sprint("user ", u), Item: fmt.Sprint("old ", v.rng.IntN(30))}
				s.Time = v.now().Add(-time.Duration(1+v.rng.IntN(600)) * time.Minute)
				if !yield(s) {
					return
				}
			}
		}
	})
}

// visit shows each of the users a list, and then writes what they saw and clicked.
func (v *visitors) visit(round string, from, to int) {
	v.Helper()
	var signals []tidal.Record
	part, none := 0.1, 0.0
	for u := from; u < to; u++ {
		v.clock.Add(2000)
		user, seed := fmt.Sprint("user ", u), uint64(u)
		q := query.Query{User: user, Profile: "for_you", Limit: 10, Explore: &part, Seed: &seed}
		list, err := v.db.Rank(v.Context(), &q)
		if err != nil {
			v.Fatal(err)
		}
		q.Explore = &none
		ranked, err := v.db.Rank(v.Context(), &q)
		if err != nil {
			v.Fatal(err)
		}
		v.note(user, list, ranked)
		for i, x := range list.Items {
			s := tidal.Signal{Type: "impression", User: user, Item: x.Item, Ref: list.Ref(i), Time: v.now()}
			signals = append(signals, s)
			if v.rng.Float64() < chance(user, x.Item) {
				s.Type, s.Time = "click", v.now().Add(time.Second)
				signals = append(signals, s)
			}
		}
	}
	v.load(round, slices.Values(signals))
}

// note keeps what the explored place was drawn from: the new items that the list wouldn't hold without exploration.
func (v *visitors) note(user string, list, ranked *tidal.Answer) {
	v.Helper()
	p := place{user: user}
	for i := range newItems {
		item := fmt.Sprint("new ", i)
		if slices.ContainsFunc(ranked.Items, func(x tidal.RankedItem) bool { return x.Item == item }) {
			v.shown++
		} else {
			p.of = append(p.of, item)
		}
	}
	var drawn []tidal.RankedItem
	for _, x := range list.Items {
		if x.Slot != "" {
			drawn = append(drawn, x)
		}
	}
	if len(drawn) != 1 || math.Abs(drawn[0].Propensity-1/float64(len(p.of))) > 1e-9 {
		v.Fatalf("drawn %+v, of %q", drawn, p.of)
	}
	v.left = append(v.left, p)
}

// truth is the chance of a click at the places where a policy's choice could be drawn, and their part.
func (v *visitors) truth(policy func(user string) string) (mean, part float64) {
	n := 0
	for _, p := range v.left {
		if choice := policy(p.user); slices.Contains(p.of, choice) {
			mean += chance(p.user, choice)
			n++
		}
	}
	return mean / float64(max(1, n)), float64(n) / float64(len(v.left))
}

// From the log of lists with exploration, and from nothing else, follows how often policies that were never shown would
// have been clicked: the estimate is within two of its standard errors of the truth.
func TestReplayFindsTheTruthFromTheLog(t *testing.T) {
	const users, rounds = 4000, 8
	v := &visitors{T: t, rng: rand.New(rand.NewPCG(11, 0))}
	v.clock.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	dir := filepath.Join(t.TempDir(), "db")
	db, err := tidal.Open(dir, visitorsSchema(), &tidal.Options{Now: v.now})
	if err != nil {
		t.Fatal(err)
	}
	v.db = db
	v.settle(users)
	for r := range rounds {
		v.visit(fmt.Sprint("round ", r), users/rounds*r, users/rounds*(r+1))
	}
	l, err := eval.ReadLog(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	d := data(t, l)
	var clicks float64
	logged := 0
	for entry := range eval.Explored(d, eval.Refs(db)) {
		logged++
		clicks += entry.Reward
	}
	drawn := 0.0
	for _, p := range v.left {
		for _, item := range p.of {
			drawn += chance(p.user, item) / float64(len(p.of))
		}
	}
	rate, want := clicks/float64(logged), drawn/float64(len(v.left))
	t.Logf("%d places, %d new items were ranked; as drawn: %.3f, truth %.3f", logged, v.shown, rate, want)
	if logged != users || math.Abs(rate-want) > 2*math.Sqrt(rate*(1-rate)/users) {
		t.Errorf("%d places; clicked %.4f, truth %.4f", logged, rate, want)
	}
	v.checkPolicies(d)
	v.checkSlots(eval.Slots(d, eval.Refs(db)), want)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkSlots says that the report names the item that is best for all, and what it would have brought.
func (v *visitors) checkSlots(slots []eval.SlotReport, draw float64) {
	v.Helper()
	if len(slots) != 1 || slots[0].Best == nil {
		v.Fatalf("%+v", slots)
	}
	s, best := slots[0], slots[0].Best
	v.Logf("%+v, best %+v", s, *best)
	var i int
	if _, err := fmt.Sscanf(best.Item, "new %d", &i); err != nil {
		v.Fatal(err)
	}
	truth := 0.05 + 0.03*float64(i) + 0.15
	if s.Places != 4000 || s.Users != 4000 || s.Items != newItems || i < newItems-3 || best.Matched < 50 ||
		best.Estimate.Low > truth || best.Estimate.High < truth || s.Draw.Low > draw || s.Draw.High < draw {
		v.Errorf("truth: best %.3f, drawn %.3f", truth, draw)
	}
}

func (v *visitors) checkPolicies(d *eval.Data) {
	v.Helper()
	always := func(item string) func(string) string { return func(string) string { return item } }
	for _, c := range []struct {
		name   string
		policy func(user string) string
	}{
		{"new 0 for all", always("new 0")},
		{"new 7 for all", always("new 7")},
		{"by the user's sort", func(user string) string { return fmt.Sprint("new ", 6+sortOf(user)) }},
	} {
		name, policy := c.name, c.policy
		e := explore.Replay(eval.Explored(d, eval.Refs(v.db)), func(p eval.Place) string { return policy(p.User) }, nil)
		truth, part := v.truth(policy)
		v.Logf("%-20s %.3f ± %.3f, truth %.3f; HT %.3f ± %.3f, truth %.3f; %d of %d places", name, e.Mean, 2*e.StdErr, truth,
			e.HorvitzThompson, 2*e.HorvitzThompsonStdErr, truth*part, e.Matched, e.Logged)
		if math.Abs(e.Mean-truth) > 2*e.StdErr || e.StdErr > 0.05 {
			v.Errorf("%s: %.4f ± %.4f, truth %.4f", name, e.Mean, e.StdErr, truth)
		}
		if math.Abs(e.HorvitzThompson-truth*part) > 2*e.HorvitzThompsonStdErr || e.HorvitzThompsonStdErr > 0.05 {
			v.Errorf("%s: Horvitz-Thompson %.4f ± %.4f, truth %.4f", name, e.HorvitzThompson, e.HorvitzThompsonStdErr, truth*part)
		}
	}
}
