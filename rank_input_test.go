package tidal_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// FuzzRank asks for whatever can be read as a query, in either form. Nothing panics; a query is refused with its place,
// or answered.
func FuzzRank(f *testing.F) {
	for _, text := range []string{
		`RANK items`, `RANK items FOR USER "user 1" USING for_you FILTER unseen LIMIT 5 EXPLAIN`,
		`RANK items FOR USER "user 2" USING related SIMILAR TO "item 003" DIVERSIFY max_per_creator 1, relevance 0.5`,
		`RANK items USING trending COHORT "us" WINDOW 7d SIGNAL share`, `RANK items USING top VERSION 7`,
		`RANK items USING most SIGNAL purchase WINDOW 1h EXCLUDE ("item 001") PIN "item 002" AT 1 BURY ("item 004")`,
		`RANK items FOR USER "user 0" FILTER (followed OR collection "later") AND cohort "us" AND NOT duration < 9`,
		`RANK items USING shuffle EXPLORE 0.5 SEED 3 AT "1970-01-01T00:00:00Z" BOOST explicit = true BY 1000`,
		`RANK items USING new AT "9999-12-31T23:59:59.999Z" FILTER published WITHIN 100w`,
		`RANK items USING new AT "0000-01-01" ASOF "AA"`, `RANK items USING wander EXPLORE 0.5 LIMIT 500 CURSOR "x"`,
		`{"rank": "items", "user": "user 1", "filter": {"and": ["unseen", {"field": "price", "op": "<", "value": 1e300}]}}`,
		`{"rank": "items", "profile": "hot", "pins": [{"item": "item 001", "rank": 25}], "limit": 25, "explain": true}`,
	} {
		f.Add(text)
	}
	db := open(f, f.TempDir(), rankSchema(wanderer()), newClock().options())
	fillSmall(f, db)
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (*query.Query, error){
			query.Parse, func(s string) (*query.Query, error) { return query.ParseJSON([]byte(s)) },
		} {
			q, err := parse(text)
			if err != nil {
				continue
			}
			a, err := db.Rank(ctx, q)
			if err != nil {
				if !errors.Is(err, tidal.ErrInput) {
					t.Errorf("%s: %v", text, err)
				}
				continue
			}
			if limit := max(q.Limit, 1); q.Limit != 0 && len(a.Items) > limit {
				t.Errorf("%s: %d items", text, len(a.Items))
			}
			if _, err := db.QueryPlan(ctx, q); err != nil {
				t.Errorf("%s is answered and can't be planned: %v", text, err)
			}
		}
		if n := db.Stats().HiddenServed; n != 0 {
			t.Errorf("%d hidden items served", n)
		}
	})
}

func fillSmall(t testing.TB, db *tidal.DB) {
	t.Helper()
	var records []tidal.Record
	for i := range 20 {
		item := fmt.Sprintf("item %03d", i)
		records = append(records, tidal.Put{Kind: tidal.Item, ID: item, Fields: tidal.Fields{
			"creator": schema.String(fmt.Sprint("creator ", i%3)), "duration": schema.Int(int64(i * 100)),
			"vec": schema.Vector([]float32{float32(i), 1, 2}), "price": schema.Float(float64(i)),
		}})
		for k := range 3 {
			records = append(records, tidal.Signal{Type: "like", Item: item, User: fmt.Sprint("user ", (i+k)%4)})
		}
	}
	records = append(records, tidal.Relate{User: "user 0", What: tidal.Hides, Target: "item 003"},
		tidal.Relate{User: "user 1", What: tidal.Blocks, Target: "creator 1"},
		tidal.Collect{User: "user 0", Collection: "later", Item: "item 001"})
	write(t, db, records...)
}

// TestWrongQueriesAreRefusedWithTheirPlace asks for what isn't there, is of another type or is too much.
func TestWrongQueriesAreRefusedWithTheirPlace(t *testing.T) {
	w := newWorld(t, 1, 3, 2, rankSchema())
	deep := query.Eq("category", "jazz")
	for range 40 {
		deep = query.Negate(query.Any(deep, query.Eq("price", 1.0)))
	}
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprint("i", i)
	}
	wide := make([]query.Expr, 300)
	for i := range wide {
		wide[i] = query.Eq("duration", i)
	}
	for _, c := range []struct {
		q     *query.Query
		place string
	}{
		{query.Rank("for_me").Query(), "profile"},
		{query.Rank("For You").Query(), "profile"},
		{query.Rank("hot").Version(9).Query(), "version"},
		{query.Rank("hot").Where(query.Eq("colour", "red")).Query(), "filter"},
		{query.Rank("hot").Where(query.Eq("duration", "red")).Query(), "filter"},
		{query.Rank("hot").Where(query.Lt("explicit", true)).Query(), "filter"},
		{query.Rank("hot").Where(query.Unseen).Query(), "filter"},
		{query.Rank("hot").Where(query.FromCohort("uk")).Query(), "filter"},
		{query.Rank("hot").Where(query.NearTo("price", 1, 1, 1)).Query(), "filter"},
		{query.Rank("hot").Where(deep).Query(), "filter"},
		{query.Rank("hot").Where(query.Any(wide...)).Query(), "filter"},
		{query.Rank("hot").Where(query.AnyOf("category", many...)).Query(), "filter"},
		{query.Rank("hot").Cohort("uk").Query(), "cohort"},
		{query.Rank("hot").Limit(501).Query(), "limit"},
		{query.Rank("hot").Limit(-1).Query(), "limit"},
		{query.Rank("hot").Explore(0.6).Query(), "explore"},
		{query.Rank("hot").Exclude(many...).Query(), "exclude"},
		{query.Rank("hot").Exclude("").Query(), "exclude"},
		{query.Rank("hot").Pin("x", 26).Query(), "pins"},
		{query.Rank("hot").Pin("x", 1).Pin("y", 1).Query(), "pins"},
		{query.Rank("hot").Boost(query.Eq("category", "jazz"), 0).Query(), "boosts"},
		{query.Rank("hot").Boost(query.Eq("category", "jazz"), 1001).Query(), "boosts"},
		{query.Rank("hot").MaxPer("title", 1).Query(), "diversi"},
		{query.Rank("hot").AtLeast("colour", "red", 1).Query(), "diversi"},
		{query.Rank("hot").Relevance(2, "").Query(), "diversi"},
		{query.Rank("hot").Relevance(0.5, "nose").Query(), "diversi"},
		{query.Rank("most").Signal("smile").Query(), "signal"},
		{query.Rank("most").Signal("unlike").Window(schema.Window7d).Query(), "window"},
		{query.Rank("top").Window(99).Query(), "window"},
		{query.Rank("hot").At(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)).Query(), "at"},
		{query.Rank("hot").For(strings.Repeat("u", 600)).Query(), "user"},
		{query.Rank("hot").After("x").AsOf("y").Query(), "as_of"},
	} {
		_, err := w.db.Rank(ctx, c.q)
		if !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), c.place) {
			t.Errorf("%.200s: %v, want a refusal about %s", c.q, err, c.place)
		}
		if _, err := w.db.QueryPlan(ctx, c.q); c.place != "as_of" && !errors.Is(err, tidal.ErrInput) {
			t.Errorf("%.200s is planned: %v", c.q, err)
		}
	}
}

// TestColdStarts asks every profile where little or nothing is known.
func TestColdStarts(t *testing.T) {
	db, c := fresh(t)
	ask := func(when string, user string, want int) {
		t.Helper()
		for _, name := range builtinsOf(db) {
			a := rankIt(t, db, query.Rank(name).For(user).Query())
			want := want
			if name == "following" {
				want = 0
			}
			if len(a.Items) != want {
				t.Errorf("%s: %s gives %d items, want %d", when, name, len(a.Items), want)
			}
		}
	}
	ask("nothing", "", 0)
	ask("nothing, somebody", "ada", 0)
	write(t, db, tidal.Signal{Type: "like", Item: "item 00", User: "ben"})
	ask("an item that only has a signal", "ada", 0)
	for i := range 40 {
		write(t, db, tidal.Put{Kind: tidal.Item, ID: fmt.Sprintf("item %02d", i), Fields: tidal.Fields{
			"published": schema.Time(c.ago(time.Duration(i) * time.Hour).UnixMilli()),
			"creator":   schema.String(fmt.Sprint("creator ", i%20)),
		}})
	}
	ask("nobody", "", 25)
	for _, name := range []string{"new", "hot", "rising"} {
		a := rankIt(t, db, query.Rank(name).Unmixed().Explore(0).Exclude("item 00").Query()) // which has a like
		for i := range a.Items {
			if want := fmt.Sprintf("item %02d", i+1); a.Items[i].Item != want {
				t.Errorf("%s without signals: place %d has %s, want %s, the newest first", name, i+1, a.Items[i].Item, want)
			}
		}
	}
	ask("somebody unknown", "ada", 25)
	write(t, db, tidal.Relate{User: "cem", What: tidal.Follows, Target: "nobody's creator"},
		tidal.Signal{Type: "like", Item: "item 01", User: "dee"}, tidal.Erase{User: "dee"})
	ask("one who follows a creator without items", "cem", 25)
	ask("one who was erased", "dee", 25)
	if a := rankIt(t, db, query.Rank("for_you").For("ada").Explore(0).Unmixed().Query()); a.Items[0].Item != "item 00" {
		t.Errorf("for_you begins with %v for somebody unknown", a.Items[0])
	}

	for i := range 40 {
		write(t, db, tidal.Signal{Type: "view", Item: fmt.Sprintf("item %02d", i), User: "eva"},
			tidal.Relate{User: "fay", What: tidal.Hides, Target: fmt.Sprintf("item %02d", i)})
	}
	ask("one who hides everything", "fay", 0)
	for _, name := range builtinsOf(db) {
		a := rankIt(t, db, query.Rank(name).For("eva").Query())
		if gated := name == "for_you" || name == "notification" || name == "following"; gated != (len(a.Items) == 0) {
			t.Errorf("one who has seen everything: %s gives %d", name, len(a.Items))
		}
	}
}

// TestListsUnderLoad makes each level of degradation the one of every list.
func TestListsUnderLoad(t *testing.T) {
	for _, c := range []struct {
		level   string
		degrade tidal.Degrade
	}{
		{"full", tidal.Degrade{FewerCandidates: -1, CoarseCounts: -1, NoMixing: -1}},
		{"fewer_candidates", tidal.Degrade{FewerCandidates: 1, CoarseCounts: -1, NoMixing: -1}},
		{"coarse_counts", tidal.Degrade{FewerCandidates: 1, CoarseCounts: 1, NoMixing: -1}},
		{"no_mixing", tidal.Degrade{FewerCandidates: 1, CoarseCounts: 1, NoMixing: 1}},
	} {
		clock := newClock()
		opts := clock.options()
		opts.Degrade = c.degrade
		db := open(t, t.TempDir(), rankSchema(wanderer()), opts)
		h := &hider{t: t, users: 3, clock: clock, opts: opts, db: db, asked: map[string]int{}}
		best := many(t, db, clock, 700, 350)
		write(t, db, tidal.Relate{User: "u", What: tidal.Hides, Target: best})
		for _, name := range builtinsOf(db) {
			if name == "following" {
				continue
			}
			q := query.Rank(name).For("u").Explore(0.3).Limit(40).Pin(best, 1).Query()
			a := rankIt(t, db, q)
			if len(a.Items) != 40 || a.Stats.Degradation != c.level {
				t.Errorf("%s: %s gives %d items, degradation %q", c.level, name, len(a.Items), a.Stats.Degradation)
			}
			explored := 0
			for _, x := range a.Items {
				explored += oneOf(x.Slot != "")
				if x.Item == best {
					t.Errorf("%s: %s serves what was hidden", c.level, name)
				}
			}
			slots := map[string]int{"for_you": 0, "wander": 9} // of 12; nothing is new
			if want, ok := slots[name]; explored != oneOf(c.level != "no_mixing")*(want+12*oneOf(!ok)) {
				t.Errorf("%s: %s explores %d places", c.level, name, explored)
			}
			switch name {
			case "for_you", "notification", "related", "shuffle", "controversial", "wander":
				continue // it isn't the best there
			case "rising":
				if c.degrade.CoarseCounts > 0 {
					continue // from one decayed score, the last hour is as the day
				}
			}
			a = rankIt(t, db, query.Rank(name).Explore(0).Unmixed().Limit(5).Query())
			if a.Items[0].Item != best {
				t.Errorf("%s: %s begins with %v", c.level, name, a.Items[0])
			}
		}
		h.counter()
	}
}
