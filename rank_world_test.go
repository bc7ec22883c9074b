package tidal_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// rankSchema is the events schema with what else ranking can be about: vectors, expiry, numbers and truths of items, and a
// cohort.
func rankSchema(profiles ...schema.Profile) *schema.Schema {
	s := testSchema()
	s.Items.Fields = append(s.Items.Fields, schema.Field{Name: "expires", Type: schema.TypeTime},
		schema.Field{Name: "explicit", Type: schema.TypeBool})
	s.Cohorts = []schema.Cohort{{Name: "us", Where: `region = "US"`}}
	s.Profiles = profiles
	return s
}

// world is a database that is written to at random, and what was written, as far as the database doesn't tell it again.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	dir     string
	clock   *clock
	opts    *tidal.Options
	db      *tidal.DB
	items   int
	users   int
	lives   map[string]int    // of items: how often each was deleted
	creator map[string]string // of items
	regions map[string]string // of users
	events  []worldEvent
}

// worldEvent is a signal that was written.
type worldEvent struct {
	tidal.Signal
	at      tidal.Position
	creator string
	life    int
	cohort  bool // its user was in cohort "us"
	undone  bool
	erased  bool // so is what its user did
}

func newWorld(t *testing.T, seed uint64, items, users int, s *schema.Schema) *world {
	t.Helper()
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), dir: t.TempDir(), clock: newClock(), items: items, users: users,
		lives: map[string]int{}, creator: map[string]string{}, regions: map[string]string{},
	}
	w.opts = w.clock.options()
	w.opts.CheckpointBytes = -1
	w.db = open(t, w.dir, s, w.opts)
	for i := range items {
		w.put(fmt.Sprintf("item %03d", i))
	}
	return w
}

func (w *world) one(of ...string) string { return of[w.rng.IntN(len(of))] }
func (w *world) item() string {
	return fmt.Sprintf("item %03d", min(w.rng.IntN(w.items), w.rng.IntN(w.items)))
}
func (w *world) user() string      { return fmt.Sprint("user ", w.rng.IntN(w.users)) }
func (w *world) ofCreator() string { return fmt.Sprint("creator ", w.rng.IntN(6)) }

// within is a time in the last so many hours.
func (w *world) within(hours int) time.Time {
	return w.clock.ago(time.Duration(w.rng.Int64N(int64(hours)*3600_000)) * time.Millisecond)
}

func (w *world) put(item string) {
	w.t.Helper()
	f := tidal.Fields{}
	maybe := func(name string, v schema.Value) {
		if w.rng.IntN(5) > 0 {
			f[name] = v
		}
	}
	maybe("creator", schema.String(w.ofCreator()))
	maybe("category", schema.String(w.one("jazz", "rock", "soul")))
	maybe("tags", schema.Tags([]string{w.one("live", "new"), w.one("old", "rare", "live")}))
	maybe("published", schema.Time(w.within(2000).UnixMilli()))
	maybe("duration", schema.Int(w.rng.Int64N(400)-20))
	maybe("price", schema.Float(w.rng.NormFloat64()))
	maybe("explicit", schema.Bool(w.rng.IntN(2) == 0))
	maybe("vec", schema.Vector([]float32{w.rng.Float32() - 0.5, w.rng.Float32(), w.rng.Float32() + 0.01}))
	if w.rng.IntN(6) == 0 {
		f["expires"] = schema.Time(w.clock.now().Add(time.Duration(w.rng.IntN(48)-12) * time.Hour).UnixMilli())
	}
	w.creator[item] = ""
	if v, ok := f["creator"]; ok {
		w.creator[item], _ = v.Text()
	}
	write(w.t, w.db, tidal.Put{Kind: tidal.Item, ID: item, Fields: f})
}

// step writes something.
func (w *world) step() {
	w.t.Helper()
	w.clock.ms.Add(w.rng.Int64N(60_000))
	switch k := w.rng.IntN(40); {
	case k < 2:
		w.put(w.item())
	case k == 2:
		item := w.item()
		write(w.t, w.db, tidal.Delete{Kind: tidal.Item, ID: item})
		w.lives[item]++
		delete(w.creator, item)
	case k == 3:
		item, c := w.item(), w.ofCreator()
		write(w.t, w.db, tidal.Patch{Kind: tidal.Item, ID: item, Fields: tidal.Fields{"creator": schema.String(c)}})
		w.creator[item] = c
	case k < 7:
		what := []tidal.Relation{tidal.Follows, tidal.Follows, tidal.Mutes, tidal.Blocks}[w.rng.IntN(4)]
		write(w.t, w.db, tidal.Relate{User: w.user(), What: what, Target: w.ofCreator(), Off: w.rng.IntN(3) == 0})
	case k == 7:
		write(w.t, w.db, tidal.Relate{User: w.user(), What: tidal.Hides, Target: w.item(), Off: w.rng.IntN(3) == 0})
	case k < 10:
		mark := []schema.Mark{schema.Liked, schema.Saved, schema.InProgress}[w.rng.IntN(3)]
		write(w.t, w.db, tidal.SetMark{User: w.user(), Item: w.item(), Mark: mark, Off: w.rng.IntN(3) == 0})
	case k < 12:
		write(w.t, w.db, tidal.Collect{User: w.user(), Collection: "later", Item: w.item(), Off: w.rng.IntN(4) == 0})
	case k == 12 && w.rng.IntN(4) == 0:
		user := w.user()
		write(w.t, w.db, tidal.Erase{User: user})
		delete(w.regions, user)
		for i := range w.events {
			w.events[i].erased = w.events[i].erased || w.events[i].User == user
		}
	case k == 13:
		user, region := w.user(), w.one("US", "DE")
		write(w.t, w.db, tidal.Put{Kind: tidal.User, ID: user, Fields: tidal.Fields{"region": schema.String(region)}})
		w.regions[user] = region
	case k == 14:
		w.undo()
	default:
		w.signal()
	}
}

func (w *world) signal() {
	w.t.Helper()
	s := tidal.Signal{
		Type: w.one("view", "view", "view", "like", "unlike", "save", "share", "skip", "hide", "start", "complete", "purchase"),
		Item: w.item(), Weight: float64(1 + w.rng.IntN(9)), Time: w.within(1000),
	}
	if s.Type == "hide" && w.rng.IntN(3) > 0 {
		s.Type = "view"
	}
	if w.rng.IntN(3) > 0 {
		s.Time = w.within(30)
	}
	if w.rng.IntN(8) > 0 {
		s.User = w.user()
	}
	r := write(w.t, w.db, s)
	w.events = append(w.events, worldEvent{
		Signal: s, at: r.Position, creator: w.creator[s.Item], life: w.lives[s.Item],
		cohort: s.User != "" && w.regions[s.User] == "US",
	})
}

func (w *world) undo() {
	if len(w.events) == 0 {
		return
	}
	e := &w.events[w.rng.IntN(len(w.events))]
	if e.undone {
		return
	}
	e.undone = true
	write(w.t, w.db, tidal.Undo{Position: e.at})
}

func (w *world) reopen() {
	w.t.Helper()
	if err := w.db.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.db = open(w.t, w.dir, nil, w.opts)
}

// filter is a random filter in the text form.
func (w *world) filter(depth int, user bool) string {
	if depth > 0 && w.rng.IntN(2) == 0 {
		switch w.rng.IntN(5) {
		case 0:
			return "NOT (" + w.filter(depth-1, user) + ")"
		case 1, 2:
			return "(" + w.filter(depth-1, user) + " OR " + w.filter(depth-1, user) + ")"
		}
		return "(" + w.filter(depth-1, user) + " AND " + w.filter(depth-1, user) + ")"
	}
	kinds := 10
	if user {
		kinds = 13
	}
	switch w.rng.IntN(kinds) {
	case 0:
		return fmt.Sprintf("category %s %q", w.one("=", "!="), w.one("jazz", "rock", "soul", "none"))
	case 1:
		return fmt.Sprintf("category IN (%q, %q)", w.one("jazz", "rock"), w.one("soul", "none"))
	case 2:
		return fmt.Sprintf("tags = %q", w.one("live", "new", "old", "rare"))
	case 3:
		return fmt.Sprintf("duration %s %d", w.one("<", "<=", ">", ">=", "=", "!="), w.rng.IntN(400)-20)
	case 4:
		return fmt.Sprintf("price %s %.3f", w.one("<", ">="), w.rng.NormFloat64())
	case 5:
		return fmt.Sprintf("published WITHIN %dh", 1+w.rng.IntN(2000))
	case 6:
		return "has(" + w.one("published", "tags", "url", "creator", "explicit") + ")"
	case 7:
		return "explicit = " + w.one("true", "false")
	case 8:
		return fmt.Sprintf("creator = %q", w.ofCreator())
	case 9:
		return `cohort "us"`
	case 10:
		return w.one("unseen", "seen", "liked", "saved", "in_progress", "followed", "unblocked")
	case 11:
		return w.one("unseen", "liked", "followed")
	}
	return `collection "later"`
}

func mustParse(t testing.TB, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func rankText(t testing.TB, db *tidal.DB, text string) *tidal.Answer {
	t.Helper()
	return rankIt(t, db, mustParse(t, text))
}

func rankIt(t testing.TB, db *tidal.DB, q *query.Query) *tidal.Answer {
	t.Helper()
	a, err := db.Rank(ctx, q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return a
}

func idsOf(a *tidal.Answer) []string {
	out := make([]string, len(a.Items))
	for i := range a.Items {
		out[i] = a.Items[i].Item
	}
	return out
}

// builtinsOf are the names of the built-in profiles.
func builtinsOf(db *tidal.DB) (names []string) {
	for _, p := range db.Profiles() {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
