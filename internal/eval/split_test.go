package eval_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/eval"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/schema"
)

// shop has a positive, a neutral and a negative type.
func shop() *schema.Schema {
	return &schema.Schema{Name: "shop", Signals: []schema.SignalType{
		{Name: "like", Meaning: schema.Positive, HalfLives: []time.Duration{24 * time.Hour}},
		{Name: "view", Seen: true},
		{Name: "skip", Meaning: schema.Negative},
	}}
}

// tester is what checks need of *testing.T and *rapid.T.
type tester interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

// forLogs calls check with logs of all sizes that shrink when it fails, and with 20 dense ones.
func forLogs(t *testing.T, check func(tester, *eval.Log)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		check(t, randomLog(rapid.IntRange(1, 15).Draw(t, "users"), rapid.IntRange(1, 25).Draw(t, "items"),
			rapid.IntRange(0, 120).Draw(t, "events"), rapid.Int64Range(0, 3).Draw(t, "longest pause"),
			rapid.Uint64().Draw(t, "seed")))
	})
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("dense, seed %d", seed), func(t *testing.T) {
			check(t, randomLog(20, 30, 300, int64(seed%3), seed))
		})
	}
}

// randomLog is a log of a shop, with ties in time, repeated meetings and events of nobody.
func randomLog(users, items, events int, pause int64, seed uint64) *eval.Log {
	l := &eval.Log{Schema: shop(), From: 1}
	for i := range users {
		l.Users = append(l.Users, fmt.Sprintf("u%d", i))
	}
	for i := range items {
		l.Items = append(l.Items, fmt.Sprintf("i%d", i))
	}
	now := int64(1_000_000)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range events {
		now += rng.Int64N(pause + 1)
		user := uint32(rng.IntN(users + 1))
		if int(user) == users {
			user = eval.Nobody
		}
		l.Events = append(l.Events, eval.Event{
			Time: now, Type: []uint16{0, 0, 0, 1, 2}[rng.IntN(5)], Weight: 1, User: user,
			Item: uint32(min(rng.IntN(items), rng.IntN(items))), Creator: eval.Nobody,
		})
	}
	return l
}

func data(t tester, l *eval.Log) *eval.Data {
	d, err := eval.NewData(l, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The laws of leave-last-out, each checked the long way round: every user who can be tested is, once, by their last
// positive interaction with an item that was new to them; training holds all that they did before it, nothing that they
// did later, and never the item under test.
func TestLeaveLastOutHidesTheLastAndWhatFollows(t *testing.T) {
	forLogs(t, func(t tester, l *eval.Log) {
		d := data(t, l)
		s, err := eval.LeaveLastOut(d)
		wanted := map[uint32]int{} // by user, the interaction under test
		for i, x := range d.Interactions {
			if x.User == eval.Nobody || !x.Positive {
				continue
			}
			before, met := 0, false
			for _, y := range d.Interactions[:i] {
				if y.User == x.User {
					before++
					met = met || y.Item == x.Item
				}
			}
			if before > 0 && !met {
				wanted[x.User] = i
			}
		}
		if len(wanted) == 0 {
			if !errors.Is(err, fault.ErrInput) {
				t.Fatalf("nobody can be tested: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		newest := int64(0)
		for i, x := range d.Interactions {
			at, tested := wanted[x.User]
			want := eval.Train
			switch {
			case tested && x.User != eval.Nobody && i == at:
				want = eval.Test
			case tested && x.User != eval.Nobody && i > at:
				want = eval.Aside
			default:
				newest = max(newest, x.Time)
			}
			if s.Part[i] != want {
				t.Fatalf("interaction %d %+v is on side %d, want %d", i, x, s.Part[i], want)
			}
		}
		if s.Now != newest || len(s.Tests) != len(wanted) {
			t.Fatalf("now %d, %d tests; want %d, %d", s.Now, len(s.Tests), newest, len(wanted))
		}
		for _, c := range s.Tests {
			if at, ok := wanted[c.User]; !ok || !slices.Equal(c.Items, []uint32{d.Interactions[at].Item}) {
				t.Fatalf("test %+v", c)
			}
		}
		checkApart(t, d, s)
	})
}

// The temporal split: training is the oldest 80 % of events with all that happened at the same time; what is tested
// lies behind it, each pair once, of users and items of before, and was never met.
func TestTemporalSplitTestsTheFutureOfWhatIsKnown(t *testing.T) {
	forLogs(t, func(t tester, l *eval.Log) {
		d := data(t, l)
		s, err := eval.Temporal(d)
		if err != nil {
			if !errors.Is(err, fault.ErrInput) {
				t.Fatal(err)
			}
			return
		}
		oldest := int(0.8*float64(len(d.Events)) + 0.5)
		cut := d.Events[oldest-1].Time
		wanted := map[uint32][]uint32{}
		for i, x := range d.Interactions {
			if (x.Time <= cut) != (s.Part[i] == eval.Train) {
				t.Fatalf("interaction at %d is on side %d, the cut at %d", x.Time, s.Part[i], cut)
			}
			var user, item, met bool
			for _, y := range d.Interactions {
				if y.Time <= cut {
					user, item = user || y.User == x.User, item || y.Item == x.Item
					met = met || y.User == x.User && y.Item == x.Item
				}
			}
			test := x.User != eval.Nobody && x.Time > cut && x.Positive && user && item && !met &&
				!slices.Contains(wanted[x.User], x.Item)
			if test {
				wanted[x.User] = append(wanted[x.User], x.Item)
			}
			if test != (s.Part[i] == eval.Test) {
				t.Fatalf("interaction %+v is on side %d", x, s.Part[i])
			}
		}
		for _, c := range s.Tests {
			if !slices.Equal(c.Items, wanted[c.User]) {
				t.Fatalf("test %+v, want %v", c, wanted[c.User])
			}
		}
		if len(s.Tests) != len(wanted) || s.Now != cut {
			t.Fatalf("%d tests, now %d; want %d, %d", len(s.Tests), s.Now, len(wanted), cut)
		}
		checkApart(t, d, s)
	})
}

// checkApart makes sure that what baselines learn from holds nothing that is under test.
func checkApart(t tester, d *eval.Data, s *eval.Split) {
	tr := eval.NewTraining(d, s)
	for _, c := range s.Tests {
		if len(tr.History[c.User]) == 0 {
			t.Fatalf("user %d is under test without a history", c.User)
		}
		for _, item := range tr.MetBy(c.User) {
			if slices.Contains(c.Items, item) {
				t.Fatalf("user %d met item %d in training, and it is under test", c.User, item)
			}
		}
	}
	visits := 0
	for _, h := range tr.History {
		visits += len(h)
	}
	for i, x := range d.Interactions {
		if s.Part[i] == eval.Train && x.User != eval.Nobody {
			visits--
		}
	}
	if visits != 0 {
		t.Fatalf("histories have %d visits too many", visits)
	}
}

func TestPositiveRulesAreFoundOrGiven(t *testing.T) {
	s := schema.MovieLens()
	rating, like, dislike := uint16(0), uint16(1), uint16(2)
	stars := func(weights ...float64) *eval.Log {
		l := &eval.Log{Schema: s, Users: []string{"ada"}}
		for i, w := range weights {
			e := eval.Event{Time: int64(i), Type: rating, Weight: w, Item: uint32(i), Creator: eval.Nobody}
			l.Items = append(l.Items, fmt.Sprint(i))
			l.Events = append(l.Events, e)
			e.Weight = 1
			switch {
			case w >= 4:
				e.Type = like
				l.Events = append(l.Events, e)
			case w <= 2:
				e.Type = dislike
				l.Events = append(l.Events, e)
			}
		}
		return l
	}
	tests := []struct {
		name    string
		log     *eval.Log
		filters []string
		rule    string
		want    []bool
	}{
		{"stars", stars(1, 2, 3, 4, 5), nil, "rating>=4", []bool{false, false, false, true, true}},
		{"ten points", stars(1, 2, 7.9, 8, 10), nil, "rating>=8", []bool{false, false, false, true, true}},
		{
			"two weights are no scale", stars(2, 3, 3), nil,
			"signals of a positive meaning, none negative in the same instant",
			[]bool{false, true, true},
		},
		{
			"weights beyond 10 are no scale", stars(2, 30, 400), nil,
			"signals of a positive meaning, none negative in the same instant",
			[]bool{false, true, true},
		},
		{"a filter", stars(1, 2, 3, 4, 5), []string{"rating <= 2"}, "rating <= 2", []bool{true, true, false, false, false}},
		{
			"any of two filters", stars(1, 2, 3, 4, 5),
			[]string{"dislike", "rating=3"},
			"dislike or rating=3",
			[]bool{true, true, true, false, false},
		},
		{
			"above and below", stars(1, 2, 3, 4, 5),
			[]string{"rating>4", "rating<2"},
			"rating>4 or rating<2",
			[]bool{true, false, false, false, true},
		},
	}
	for _, c := range tests {
		d, err := eval.NewData(c.log, c.filters)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []bool
		for _, x := range d.Interactions {
			got = append(got, x.Positive)
		}
		if d.Positive.Text != c.rule || !slices.Equal(got, c.want) || d.Positive.Found != (c.filters == nil) {
			t.Errorf("%s: %+v gives %v, want %s and %v", c.name, d.Positive, got, c.rule, c.want)
		}
	}
	for _, filter := range []string{"", ">=4", "rating>=", "rating>=x", "rating>=-1", "rating=>4", "two words", "stars", "rating>=NaN"} {
		if _, err := eval.NewData(stars(1), []string{filter}); !errors.Is(err, fault.ErrInput) {
			t.Errorf("filter %q: %v", filter, err)
		}
	}
}
