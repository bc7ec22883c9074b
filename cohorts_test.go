package tidal_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// cohortSchema is the test schema with fields of users and some cohorts.
func cohortSchema() *schema.Schema {
	s := testSchema()
	s.Users.Fields = []schema.Field{
		{Name: "age", Type: schema.TypeInt},
		{Name: "country", Type: schema.TypeKeyword},
		{Name: "joined", Type: schema.TypeTime},
		{Name: "likes", Type: schema.TypeTags},
	}
	s.Cohorts = []schema.Cohort{
		{Name: "elsewhere", Where: `country != "de"`},
		{Name: "fresh", Where: `joined WITHIN 7d`},
		{Name: "german", Where: `country IN ("de", "at")`},
		{Name: "jazzy", Where: `likes = "jazz" AND NOT age < 18`},
		{Name: "young", Where: `age < 25 OR country = "at"`},
	}
	return s
}

// sentBy returns the cohorts that have views of an item.
func sentBy(t testing.TB, db *tidal.DB, item string, names ...string) string {
	t.Helper()
	var out []string
	for _, name := range names {
		cell, err := db.CohortCell(t.Context(), name, item, "view", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if cell.Total == 1 {
			out = append(out, name)
		} else if cell.Total != 0 {
			out = append(out, fmt.Sprint(name, "×", cell.Total))
		}
	}
	return strings.Join(out, " ")
}

func namesOf(s *schema.Schema) (names []string) {
	for _, c := range s.Cohorts {
		names = append(names, c.Name)
	}
	return names
}

// TestASignalCountsForTheCohortsOfItsUser puts a user into and out of cohorts, and looks at what a signal counts for.
func TestASignalCountsForTheCohortsOfItsUser(t *testing.T) {
	c := newClock()
	db := open(t, t.TempDir(), cohortSchema(), c.options())
	put := func(fields tidal.Fields) tidal.Record { return tidal.Put{Kind: tidal.User, ID: "ada", Fields: fields} }
	for i, step := range []struct {
		what string
		do   tidal.Record
		user string
		want string
	}{
		{"nobody", nil, "", ""},
		{"a stranger, who is where an unset field lets them", nil, "eve", "elsewhere"},
		{"in", put(tidal.Fields{"country": schema.String("at")}), "ada", "elsewhere german young"},
		{"not equal", put(tidal.Fields{"country": schema.String("de")}), "ada", "german"},
		{"a range", put(tidal.Fields{"age": schema.Int(24), "country": schema.String("de")}), "ada", "german young"},
		{"beyond the range", put(tidal.Fields{"age": schema.Int(25), "country": schema.String("fr")}), "ada", "elsewhere"},
		{"tags, and NOT of an unset field", put(tidal.Fields{"likes": schema.Tags([]string{"jazz"})}), "ada", "elsewhere jazzy"},
		{
			"tags and a range", put(tidal.Fields{"likes": schema.Tags([]string{"jazz"}), "age": schema.Int(17)}), "ada",
			"elsewhere young",
		},
		{"within", tidal.Patch{Kind: tidal.User, ID: "ada", Fields: tidal.Fields{
			"joined": schema.Time(c.ago(7 * 24 * time.Hour).UnixMilli()),
		}}, "ada", "elsewhere fresh young"},
		{
			"cleared",
			tidal.Patch{Kind: tidal.User, ID: "ada", Fields: tidal.Fields{"age": schema.Value{}}},
			"ada",
			"elsewhere fresh jazzy",
		},
		{"erased", tidal.Erase{User: "ada"}, "ada", "elsewhere"},
		{"back", put(tidal.Fields{"country": schema.String("de")}), "ada", "german"},
		{"deleted", tidal.Delete{Kind: tidal.User, ID: "ada"}, "ada", "elsewhere"},
	} {
		if step.do != nil {
			write(t, db, step.do)
		}
		item := fmt.Sprint("item ", i)
		write(t, db, tidal.Signal{Type: "view", Item: item, User: step.user})
		if got := sentBy(t, db, item, namesOf(db.Schema())...); got != step.want {
			t.Errorf("%s: counted for %q, want %q", step.what, got, step.want)
		}
		if total(t, db, item, "view") != 1 {
			t.Errorf("%s: not counted once", step.what)
		}
	}
}

// TestCohortsAreResolvedWhenTheSignalIsWritten: neither its own time nor what comes later moves it.
func TestCohortsAreResolvedWhenTheSignalIsWritten(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	db := open(t, dir, cohortSchema(), c.options())
	write(t, db, tidal.Put{Kind: tidal.User, ID: "ada", Fields: tidal.Fields{
		"country": schema.String("de"), "joined": schema.Time(c.now().UnixMilli()),
	}})
	write(t, db, tidal.Signal{Type: "view", Item: "old", User: "ada", Time: c.ago(300 * 24 * time.Hour)})
	c.ms.Add((7*24*time.Hour + time.Millisecond).Milliseconds())
	write(t, db, tidal.Signal{Type: "view", Item: "late", User: "ada", Time: c.ago(24 * time.Hour)})
	// What a request says about its own users counts from the next one on.
	write(t, db,
		tidal.Put{Kind: tidal.User, ID: "ada", Fields: tidal.Fields{"country": schema.String("fr")}},
		tidal.Signal{Type: "view", Item: "same", User: "ada"})
	write(t, db, tidal.Signal{Type: "view", Item: "next", User: "ada"})
	check := func() {
		t.Helper()
		for item, want := range map[string]string{
			"old": "fresh german", "late": "german", "same": "german", "next": "elsewhere",
		} {
			if got := sentBy(t, db, item, namesOf(db.Schema())...); got != want {
				t.Errorf("%s counts for %q, want %q", item, got, want)
			}
		}
	}
	check()
	before := db.DigestCells() // by then another key seals tokens, which is in the digest of everything
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c.ms.Add(1000 * 24 * time.Hour.Milliseconds())
	db = open(t, dir, nil, c.options())
	check()
	if db.DigestCells() != before {
		t.Error("the digest is another one after a restart")
	}
}

// TestAtMostEightCohorts: the signal's own come first, then the schema's in its order; nothing is there twice.
func TestAtMostEightCohorts(t *testing.T) {
	s := testSchema()
	s.Users.Fields = []schema.Field{{Name: "n", Type: schema.TypeInt}}
	var all []string
	for i := range 10 {
		name := fmt.Sprint("c", i)
		s.Cohorts = append(s.Cohorts, schema.Cohort{Name: name, Where: fmt.Sprint("n >= ", i)})
		all = append(all, name)
	}
	db := open(t, t.TempDir(), s, newClock().options())
	write(t, db, tidal.Put{Kind: tidal.User, ID: "ada", Fields: tidal.Fields{"n": schema.Int(9)}})
	own := func(names ...string) []string { return names }
	eight := own("a", "b", "x1", "x2", "x3", "x4", "x5", "x6")
	for item, c := range map[string]struct {
		own  []string
		want string
	}{
		"none":       {nil, "c0 c1 c2 c3 c4 c5 c6 c7"},
		"two":        {own("x1", "a"), "a c0 c1 c2 c3 c4 c5 x1"},
		"the same":   {own("c9", "c1", "c9"), "c0 c1 c2 c3 c4 c5 c6 c9"},
		"eight":      {eight, "a b x1 x2 x3 x4 x5 x6"},
		"a nobody's": {own("a"), "a"},
	} {
		user := "ada"
		if item == "a nobody's" {
			user = ""
		}
		write(t, db, tidal.Signal{Type: "view", Item: item, User: user, Cohorts: c.own})
		every := append(slices.Clone(all), eight...)
		slices.Sort(every)
		if got := sentBy(t, db, item, every...); got != c.want {
			t.Errorf("%s: %q, want %q", item, got, c.want)
		}
	}
	var in *tidal.InputError
	_, err := db.Signal(ctx, tidal.Signal{Type: "view", Item: "nine", User: "ada", Cohorts: append(eight, "y")})
	if !errors.As(err, &in) || in.Field != "cohorts" {
		t.Errorf("nine of its own: %v", err)
	}
}

// TestARetryIsKnownInWhateverCohortItsUserIs: what was resolved is no part of what a retry is recognised by, and counts
// once.
func TestARetryIsKnownInWhateverCohortItsUserIs(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	db := open(t, dir, cohortSchema(), c.options())
	move := func(country string) {
		write(t, db, tidal.Put{Kind: tidal.User, ID: "ada", Fields: tidal.Fields{"country": schema.String(country)}})
	}
	requests := []tidal.Request{
		{Lane: "phone", Number: 1, Records: []tidal.Record{
			tidal.Signal{Type: "view", Item: "laned", User: "ada"}, tidal.Signal{Type: "view", Item: "laned", User: "eve"},
		}},
		{Records: []tidal.Record{tidal.Signal{Type: "view", Item: "keyed", User: "ada", Key: "k"}}},
	}
	move("de")
	for _, r := range requests {
		if receipt, err := db.Write(ctx, r); err != nil || receipt.Duplicate {
			t.Fatalf("%+v, %v", receipt, err)
		}
	}
	again := func() {
		t.Helper()
		for _, r := range requests {
			if receipt, err := db.Write(ctx, r); err != nil || !receipt.Duplicate {
				t.Errorf("retry: %+v, %v", receipt, err)
			}
		}
		for item, want := range map[string]string{"laned": "elsewhere german", "keyed": "german"} {
			if got := sentBy(t, db, item, namesOf(db.Schema())...); got != want {
				t.Errorf("%s counts for %q, want %q", item, got, want)
			}
		}
	}
	move("at")
	again()
	write(t, db, tidal.Erase{User: "ada"})
	again()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, nil, c.options())
	again()
	other := requests[0]
	other.Records = []tidal.Record{tidal.Signal{Type: "like", Item: "laned", User: "ada"}, other.Records[1]}
	if _, err := db.Write(ctx, other); !errors.Is(err, tidal.ErrKeyReused) {
		t.Errorf("another request under the number: %v", err)
	}
}

// TestAnUndoTakesBackFromTheCohortsThatWereCounted: those the signal was stamped with, wherever the user is now.
func TestAnUndoTakesBackFromTheCohortsThatWereCounted(t *testing.T) {
	db := open(t, t.TempDir(), cohortSchema(), newClock().options())
	user := func(country string) tidal.Record {
		return tidal.Put{Kind: tidal.User, ID: "ada", Fields: tidal.Fields{"country": schema.String(country)}}
	}
	write(t, db, user("de"))
	first := write(t, db, tidal.Signal{Type: "view", Item: "i", User: "ada", Cohorts: []string{"web"}})
	write(t, db, user("fr"))
	write(t, db, tidal.Signal{Type: "view", Item: "i", User: "ada"})
	names := append(namesOf(db.Schema()), "web")
	if got := sentBy(t, db, "i", names...); got != "elsewhere german web" {
		t.Errorf("before: %q", got)
	}
	write(t, db, tidal.Undo{Position: first.Position})
	if got := sentBy(t, db, "i", names...); got != "elsewhere" || total(t, db, "i", "view") != 1 {
		t.Errorf("after: %q, %d in all", got, total(t, db, "i", "view"))
	}
}

// TestCohortsThatAreAddedCountFromThenOn enters them while the database is open.
func TestCohortsThatAreAddedCountFromThenOn(t *testing.T) {
	s := cohortSchema()
	all := s.Cohorts
	s.Cohorts = nil
	db := open(t, t.TempDir(), s, newClock().options())
	write(t, db, tidal.Put{Kind: tidal.User, ID: "ada", Fields: tidal.Fields{"country": schema.String("de")}})
	names := []string{"elsewhere", "german"}
	for i, step := range []struct {
		cohorts int
		want    string
	}{{0, ""}, {2, ""}, {5, "german"}} {
		s.Cohorts = all[:step.cohorts]
		if err := db.Extend(ctx, s); err != nil {
			t.Fatal(err)
		}
		item := fmt.Sprint("item ", i)
		write(t, db, tidal.Signal{Type: "view", Item: item, User: "ada"})
		if got := sentBy(t, db, item, names...); got != step.want {
			t.Errorf("with %d cohorts: %q, want %q", step.cohorts, got, step.want)
		}
	}
}

func TestCellsOfCohortsAreAskedFor(t *testing.T) {
	db := open(t, t.TempDir(), cohortSchema(), newClock().options())
	write(t, db, tidal.Signal{Type: "view", Item: "i", User: "ada", Cohorts: []string{"web"}, Weight: 2})
	cell, err := db.CohortCell(t.Context(), "web", "i", "view", time.Time{})
	if err != nil || cell.Total != 1 || cell.Windows["1h"] != 1 || math.Abs(cell.Scores["1d"]-2) > 1e-6 || cell.Unique != 1 {
		t.Errorf("%+v, %v", cell, err)
	}
	if cell, err := db.CohortCell(t.Context(), "unheard of", "i", "view", time.Time{}); err != nil || cell.Total != 0 {
		t.Errorf("of an unknown cohort: %+v, %v", cell, err)
	}
	for _, x := range [][2]string{{"j", "view"}, {"i", "x"}} {
		if _, err := db.CohortCell(t.Context(), "web", x[0], x[1], time.Time{}); !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("%v: %v", x, err)
		}
	}
	var in *tidal.InputError
	if _, err := db.CohortCell(t.Context(), "", "i", "view", time.Time{}); !errors.As(err, &in) || in.Field != "cohort" {
		t.Errorf("of no cohort: %v", err)
	}
}

// cohortOracle folds users and signals in plain maps. Cohorts are what they mean, in Go.
type cohortOracle struct {
	users  map[string]map[string]any
	counts map[[2]string]int64 // by cohort and item
}

func (o *cohortOracle) in(user string, now time.Time) (names []string) {
	f := o.users[user]
	country, _ := f["country"].(string)
	age, aged := f["age"].(int64)
	joined, hasJoined := f["joined"].(time.Time)
	jazz, _ := f["jazz"].(bool)
	for _, c := range []struct {
		name string
		in   bool
	}{
		{"elsewhere", country != "de"},
		{"fresh", hasJoined && !joined.After(now) && now.Sub(joined) <= 7*24*time.Hour},
		{"german", country == "de" || country == "at"},
		{"jazzy", jazz && !(aged && age < 18)},
		{"young", aged && age < 25 || country == "at"},
	} {
		if c.in {
			names = append(names, c.name)
		}
	}
	return names
}

// TestCohortCellsAreThoseOfASlowFold writes random changes of users, signals, undos and erasures to two databases, one of
// which has hardly any memory for users, and compares all cells of cohorts with the oracle, before and after a restart.
func TestCohortCellsAreThoseOfASlowFold(t *testing.T) {
	s := seed(t)
	for run := range uint64(fewer(3, 1)) {
		rng := rand.New(rand.NewPCG(s+run, 3))
		c := newClock()
		large, small := c.options(), c.options()
		small.UserMemory = 20_000
		large.Retention, small.Retention = 1000*24*time.Hour, 1000*24*time.Hour // or old signals couldn't be undone
		w := &cohortWriter{
			t: t, rng: rng, clock: c, opts: []*tidal.Options{large, small}, dirs: []string{t.TempDir(), t.TempDir()},
			oracle: cohortOracle{users: map[string]map[string]any{}, counts: map[[2]string]int64{}},
		}
		for i := range w.dirs {
			w.dbs = append(w.dbs, open(t, w.dirs[i], cohortSchema(), w.opts[i]))
		}
		for range 600 {
			w.step()
			c.ms.Add(rng.Int64N(2 * time.Hour.Milliseconds()))
		}
		if m := w.dbs[1].Stats().UserMemory; m.Evicted == 0 || m.Warmed == 0 {
			t.Errorf("everybody is in memory: %+v", m)
		}
		w.compare()
		for i, db := range w.dbs {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			w.dbs[i] = open(t, w.dirs[i], nil, w.opts[i])
		}
		w.compare()
		if t.Failed() {
			t.Fatalf("seed %d", s+run)
		}
	}
}

type cohortWriter struct {
	t      *testing.T
	rng    *rand.Rand
	clock  *clock
	opts   []*tidal.Options
	dirs   []string
	dbs    []*tidal.DB
	oracle cohortOracle
	sent   []sentSignal
}

type sentSignal struct {
	at      tidal.Position
	item    string
	cohorts []string
}

func (w *cohortWriter) user() string { return fmt.Sprint("user ", w.rng.IntN(250)) }

// step writes one request to both databases, which then stand at the same positions.
func (w *cohortWriter) step() {
	w.t.Helper()
	var records []tidal.Record
	var then []func(tidal.Position)
	if w.rng.IntN(10) == 0 && len(w.sent) > 0 {
		i := w.rng.IntN(len(w.sent))
		x := w.sent[i]
		w.sent = slices.Delete(w.sent, i, i+1)
		records = append(records, tidal.Undo{Position: x.at})
		w.count(x.item, x.cohorts, -1)
	} else if w.rng.IntN(2) == 0 {
		records = append(records, w.change())
	} else {
		for range 1 + w.rng.IntN(100) {
			x := tidal.Signal{Type: "view", Item: fmt.Sprint("item ", w.rng.IntN(4)), User: w.user()}
			in := w.oracle.in(x.User, w.clock.now())
			if w.rng.IntN(3) == 0 {
				x.Cohorts = []string{"web", "german", "a"}[:1+w.rng.IntN(3)]
				in = append(in, x.Cohorts...)
				slices.Sort(in)
				in = slices.Compact(in)
			}
			records = append(records, x)
			w.count(x.Item, in, 1)
			n := len(records) - 1
			then = append(then, func(first tidal.Position) {
				for range n {
					first.Seq++
				}
				w.sent = append(w.sent, sentSignal{first, x.Item, in})
			})
		}
	}
	var at tidal.Position
	for _, db := range w.dbs {
		at = write(w.t, db, records...).Position
	}
	for _, f := range then {
		f(at)
	}
}

func (w *cohortWriter) count(item string, cohorts []string, by int64) {
	for _, c := range cohorts {
		w.oracle.counts[[2]string{c, item}] += by
	}
}

// change puts, patches or erases a user.
func (w *cohortWriter) change() tidal.Record {
	user := w.user()
	if w.rng.IntN(8) == 0 {
		delete(w.oracle.users, user)
		return tidal.Erase{User: user}
	}
	patch := w.rng.IntN(2) == 0
	known := w.oracle.users[user]
	if known == nil || !patch {
		known = map[string]any{}
		w.oracle.users[user] = known
	}
	fields := tidal.Fields{}
	set := func(name string, plain any, v schema.Value) {
		switch w.rng.IntN(4) {
		case 0:
		case 1:
			fields[name] = schema.Value{}
			delete(known, plainName(name))
		default:
			fields[name], known[plainName(name)] = v, plain
		}
	}
	country := []string{"de", "at", "fr"}[w.rng.IntN(3)]
	set("country", country, schema.String(country))
	age := w.rng.Int64N(40)
	set("age", age, schema.Int(age))
	joined := w.clock.ago(time.Duration(w.rng.Int64N(20*24)-24) * time.Hour)
	set("joined", joined, schema.Time(joined.UnixMilli()))
	tags := [][]string{{"jazz", "rock"}, {"rock"}}[w.rng.IntN(2)]
	set("likes", len(tags) == 2, schema.Tags(tags))
	if patch {
		return tidal.Patch{Kind: tidal.User, ID: user, Fields: fields}
	}
	return tidal.Put{Kind: tidal.User, ID: user, Fields: fields}
}

func plainName(field string) string {
	if field == "likes" {
		return "jazz"
	}
	return field
}

func (w *cohortWriter) compare() {
	w.t.Helper()
	for i, db := range w.dbs {
		for _, cohort := range append(namesOf(db.Schema()), "a", "web") {
			for n := range 4 {
				item := fmt.Sprint("item ", n)
				cell, err := db.CohortCell(w.t.Context(), cohort, item, "view", time.Time{})
				if want := w.oracle.counts[[2]string{cohort, item}]; err != nil || cell.Total != want {
					w.t.Errorf("database %d: %s of %s is %d, %v; want %d", i, item, cohort, cell.Total, err, want)
				}
			}
		}
	}
	if w.dbs[0].DigestCells() != w.dbs[1].DigestCells() {
		w.t.Error("cells differ between the databases")
	}
}
