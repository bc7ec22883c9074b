package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/ope"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// bazaar is a shop whose visitors open what they are shown with probabilities that only the test knows. What they open doesn't
// change what is ranked, so that every new item is in the pool of every list.
type bazaar struct {
	*testing.T
	db    *tidal.DB
	clock atomic.Int64
	rng   *rand.Rand
}

const (
	bazaarUsers = 3000
	bazaarNew   = 8
)

// opened is how probably a user opens a new item: users are of two sorts, which like the even or the odd ones.
func opened(user, item int) float64 { return 0.1 + 0.03*float64(item) + 0.3*float64((user+item+1)%2) }

func newBazaar(t *testing.T, dir string) *bazaar {
	t.Helper()
	s := &bazaar{T: t, rng: rand.New(rand.NewPCG(21, 0))}
	s.clock.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	db, err := tidal.Open(dir, &schema.Schema{
		Name:    "shop",
		Signals: []schema.SignalType{{Name: "impression"}, {Name: "open"}, {Name: "buy", Meaning: schema.Positive, HalfLives: []time.Duration{24 * time.Hour}}},
		Items:   schema.EntityType{Fields: []schema.Field{{Name: "published", Type: schema.TypeTime}}},
		Profiles: []schema.Profile{{
			Name: "shelf", Version: 1, Candidates: []schema.Source{{Kind: schema.FromHead, Signal: "buy"}},
			Score:   []schema.Step{{Name: "bought", Op: schema.Add, Expr: "score(buy)"}},
			Explore: []schema.Slot{{Name: "new", Share: 0.1, Pool: schema.PoolNew}},
		}},
	}, &tidal.Options{Now: func() time.Time { return time.UnixMilli(s.clock.Load()) }})
	if err != nil {
		t.Fatal(err)
	}
	s.db = db
	var records []tidal.Record
	put := func(id string, age time.Duration) {
		records = append(records, tidal.Put{Kind: tidal.Item, ID: id, Fields: tidal.Fields{
			"published": schema.Time(s.clock.Load() - age.Milliseconds()),
		}})
	}
	for i := range bazaarNew {
		put(fmt.Sprint("new ", i), time.Hour)
	}
	for i := range 40 {
		put(fmt.Sprint("old ", i), 30*24*time.Hour)
		for u := range 5 {
			records = append(records, tidal.Signal{Type: "buy", User: fmt.Sprint("before ", u), Item: fmt.Sprint("old ", i)})
		}
	}
	if _, err := db.Write(t.Context(), tidal.Request{Records: records}); err != nil {
		t.Fatal(err)
	}
	return s
}

// visit shows a user a list with exploration, and writes what was seen and opened.
func (s *bazaar) visit(u int) {
	s.Helper()
	s.clock.Add(2000)
	user, seed := fmt.Sprint("user ", u), uint64(u)
	list, err := s.db.Rank(s.Context(), &query.Query{User: user, Profile: "shelf", Limit: 10, Seed: &seed})
	if err != nil {
		s.Fatal(err)
	}
	var records []tidal.Record
	for i, x := range list.Items {
		var item int
		if _, err := fmt.Sscanf(x.Item, "new %d", &item); (err == nil) != (x.Slot != "") || x.Slot != "" && math.Abs(x.Propensity-1.0/bazaarNew) > 1e-9 {
			s.Fatalf("the list has %+v: the pool isn't all new items", x)
		}
		said := tidal.Signal{Type: "impression", User: user, Item: x.Item, Ref: list.Ref(i)}
		records = append(records, said)
		if x.Slot != "" && s.rng.Float64() < opened(u, item) {
			said.Type = "open"
			records = append(records, said)
		}
	}
	if _, err := s.db.Write(s.Context(), tidal.Request{Records: records}); err != nil {
		s.Fatal(err)
	}
}

// From an export, and from nothing else, follows what policies would have brought that nobody was ever shown: by slot, by
// user, and the draw itself. The planted truth lies in each interval.
func TestEvalOpeOfAnExport(t *testing.T) {
	unraced(t)
	dir := filepath.Join(t.TempDir(), "db")
	s := newBazaar(t, dir)
	for u := range bazaarUsers {
		s.visit(u)
	}
	s.clock.Add(3_600_000)
	s.visit(bazaarUsers) // of whom nothing is known yet when the export ends
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "events.jsonl")
	good(t, "export", "--dir", dir, "--from", "2026-01-01T00:00:00Z", "--out", log)
	var bySlot, byUser strings.Builder
	bySlot.WriteString("context,action,probability\n*,new 7,0.75\n*,new 2,0.25\n")
	byUser.WriteString("context,action,probability\n")
	truth := map[string]float64{}
	for u := range bazaarUsers {
		best := 6 + u%2
		fmt.Fprintf(&byUser, "user %d,new %d,0.9\nuser %d,new 0,0.1\n", u, best, u)
		truth["user"] += (0.9*opened(u, best) + 0.1*opened(u, 0)) / bazaarUsers
		truth["slot"] += (0.75*opened(u, 7) + 0.25*opened(u, 2)) / bazaarUsers
		truth["greedy"] += opened(u, 7) / bazaarUsers
		for i := range bazaarNew {
			truth["uniform"] += opened(u, i) / bazaarUsers / bazaarNew
		}
	}
	slot, user := write(t, "slot.csv", bySlot.String()), write(t, "user.csv", byUser.String())
	for _, c := range []struct {
		name   string
		target []string
	}{
		{"uniform", []string{"uniform"}},
		{"greedy", []string{"greedy"}},
		{"slot", []string{slot}},
		{"user", []string{user, "--context", "user"}},
	} {
		got := answer[opeFigures](t, good(t, append([]string{
			"eval", "ope", "--format", "tidal", "--log", log, "--reward", "open", "--window", "30m", "--json", "--target",
		}, c.target...)...))
		want := truth[c.name]
		for name, e := range map[string]ope.Estimate{"ips": got.IPS, "snips": got.SNIPS, "dr": got.DR} {
			t.Logf("%s, %s: %.4f (%.4f to %.4f), truth %.4f", c.name, name, e.Value, e.Low, e.High, want)
			if e.Low > want || e.High < want || e.High-e.Low > 0.15 {
				t.Errorf("%s, %s: %+v, truth %v", c.name, name, e, want)
			}
		}
		if got.Rounds != bazaarUsers || got.Clusters != bazaarUsers || got.Actions != bazaarNew || got.Young != 1 {
			t.Errorf("%+v", got)
		}
	}
	wrong := write(t, "wrong.csv", "context,action,probability\n*,old 3,1\n")
	o := cli(t, nil, "eval", "ope", "--format", "tidal", "--log", log, "--reward", "open", "--window", "30m", "--target", wrong)
	if o.code != exitRefused || !strings.Contains(o.stderr, "100 % of its choices are such as the log never shows") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}
