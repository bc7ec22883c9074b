package tidal_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
)

// seed returns the seed of the random tests: TIDAL_SEED, or a new one, which is printed.
func seed(t *testing.T) uint64 {
	t.Helper()
	return testseed.Of(t)
}

// TestADatabaseAnswersAsPlainMaps writes random records of every kind, retries and undos among them, with times in any
// order, and compares every answer about entities, users and counts with the oracle, before and after opening again.
func TestADatabaseAnswersAsPlainMaps(t *testing.T) {
	s := seed(t)
	for run := range uint64(4) {
		w := newWriter(t, s+run)
		for step := range 400 {
			switch {
			case step%100 == 99:
				w.reopen()
				w.compare()
			case w.rng.IntN(5) == 0:
				w.undo()
			default:
				w.request()
			}
			w.clock.ms.Add(w.rng.Int64N(90_000))
		}
		w.compare()
		if t.Failed() {
			t.Fatalf("seed %d", s+run)
		}
	}
}

// writer writes at random to a database and to the oracle.
type writer struct {
	t      *testing.T
	rng    *rand.Rand
	dir    string
	clock  *clock
	db     *tidal.DB
	oracle *oracle
	lane   uint64
	given  []tidal.Position
	laned  map[tidal.Position]tidal.Undo // how else an event is named
	opts   *tidal.Options
}

func newWriter(t *testing.T, seed uint64) *writer {
	w := &writer{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), clock: newClock(),
		laned: map[tidal.Position]tidal.Undo{},
	}
	w.opts = w.clock.options()
	w.db = w.open(testSchema())
	w.oracle = newOracle(w.db.Schema())
	return w
}

func (w *writer) open(s *schema.Schema) *tidal.DB {
	w.t.Helper()
	return open(w.t, w.dir, s, w.opts)
}

func (w *writer) reopen() {
	w.t.Helper()
	if err := w.db.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.db = w.open(nil)
}

func (w *writer) one(of ...string) string { return of[w.rng.IntN(len(of))] }
func (w *writer) user() string            { return fmt.Sprint("u", max(0, w.rng.IntN(7)-3)) } // u0 most of all
func (w *writer) creator() string         { return fmt.Sprint("c", w.rng.IntN(3)) }

// item is one of a few, so that things meet, or more often one of many, so that lists of recents fill up.
func (w *writer) item() string {
	if w.rng.IntN(4) > 0 {
		return fmt.Sprint("i", w.rng.IntN(200))
	}
	return fmt.Sprint("i", w.rng.IntN(12))
}

// request writes a few records, sometimes in a lane or under a key, and sometimes twice.
func (w *writer) request() {
	w.t.Helper()
	var r tidal.Request
	for range 1 + w.rng.IntN(5) {
		r.Records = append(r.Records, w.record())
	}
	if s, ok := r.Records[0].(tidal.Signal); ok && w.rng.IntN(2) == 0 {
		s.Key = fmt.Sprint("key-", len(w.oracle.keys))
		r.Records = []tidal.Record{s}
	} else if w.rng.IntN(2) == 0 {
		w.lane++
		r.Lane, r.Number = "lane", w.lane
	}
	receipt, err := w.db.Write(ctx, r)
	if err != nil || receipt.Duplicate || receipt.Count != len(r.Records) ||
		receipt.Forgotten.IsZero() == slices.ContainsFunc(r.Records, erases) {
		w.t.Fatalf("write %+v: %+v, %v", r, receipt, err)
	}
	w.oracle.take(r.Records, receipt.Position, w.clock.now())
	at := receipt.Position
	for i, rec := range r.Records {
		if s, ok := rec.(tidal.Signal); ok {
			w.given = append(w.given, at)
			switch {
			case r.Lane != "":
				w.laned[at] = tidal.Undo{Lane: r.Lane, Number: r.Number, Index: i}
			case s.Key != "":
				w.laned[at] = tidal.Undo{Key: s.Key}
			}
		}
		at.Seq++
	}
	if _, again := w.laned[receipt.Position]; again && w.rng.IntN(3) == 0 {
		if retry, err := w.db.Write(ctx, r); err != nil || !retry.Duplicate || retry.Position != receipt.Position {
			w.t.Fatalf("retry of %+v: %+v, %v", r, retry, err)
		}
	}
}

func (w *writer) record() tidal.Record {
	switch w.rng.IntN(12) {
	case 0:
		return tidal.Put{Kind: tidal.Item, ID: w.item(), Fields: w.fields()}
	case 1, 2:
		return tidal.Patch{Kind: tidal.Item, ID: w.item(), Fields: w.fields()}
	case 3:
		fields := tidal.Fields{"language": schema.String(w.one("de", "en"))}
		if w.rng.IntN(2) == 0 {
			return tidal.Put{Kind: tidal.User, ID: w.user(), Fields: fields}
		}
		return tidal.Patch{Kind: tidal.Creator, ID: w.creator(), Fields: tidal.Fields{"verified": schema.Bool(true)}}
	case 4:
		switch w.rng.IntN(24) { // rarely, or no list of recents would ever be full
		case 0:
			return tidal.Erase{User: w.user()}
		case 1:
			return tidal.Delete{Kind: tidal.Creator, ID: w.creator()}
		case 2, 3, 4:
			return tidal.Delete{Kind: tidal.Item, ID: w.item()}
		}
		return tidal.Put{Kind: tidal.Creator, ID: w.creator()}
	case 5:
		if w.rng.IntN(2) == 0 {
			return tidal.Relate{User: w.user(), What: tidal.Hides, Target: w.item(), Off: w.rng.IntN(2) == 0}
		}
		what := []tidal.Relation{tidal.Mutes, tidal.Blocks, tidal.Follows}[w.rng.IntN(3)]
		return tidal.Relate{User: w.user(), What: what, Target: w.creator(), Off: w.rng.IntN(3) == 0}
	case 6:
		if w.rng.IntN(2) == 0 {
			return tidal.Collect{
				User: w.user(), Collection: w.one("later", "gifts"), Item: w.item(), Off: w.rng.IntN(3) == 0,
			}
		}
		mark := []schema.Mark{schema.Liked, schema.Saved, schema.InProgress}[w.rng.IntN(3)]
		return tidal.SetMark{User: w.user(), Item: w.item(), Mark: mark, Off: w.rng.IntN(2) == 0}
	}
	s := tidal.Signal{
		Type: w.one("view", "like", "unlike", "save", "skip", "hide", "start", "complete", "purchase"), Item: w.item(),
		Weight: float64(1 + w.rng.IntN(9)), Time: w.when(),
	}
	if w.rng.IntN(8) > 0 {
		s.User = w.user()
	}
	return s
}

// when is now, a little ahead, or late by up to 400 days.
func (w *writer) when() time.Time {
	switch w.rng.IntN(4) {
	case 0:
		return w.clock.now()
	case 1:
		return w.clock.now().Add(time.Duration(w.rng.IntN(5000)) * time.Millisecond)
	}
	return w.clock.ago(time.Duration(w.rng.Int64N(400*24*3600)) * time.Second)
}

func (w *writer) fields() tidal.Fields {
	all := []struct {
		name  string
		value schema.Value
	}{
		{"title", schema.String(w.one("a", "b", ""))},
		{"creator", schema.String(w.creator())},
		{"price", schema.Float(w.rng.Float64())},
		{"tags", schema.Tags([]string{"x", w.one("y", "z")})},
		{"vec", schema.Vector([]float32{w.rng.Float32(), 2, 3})},
	}
	out := tidal.Fields{}
	for _, f := range all {
		switch w.rng.IntN(4) {
		case 0:
			out[f.name] = schema.Value{}
		case 1:
			out[f.name] = f.value
		}
	}
	return out
}

// undo takes an event back, by one of its names, whether or not that was done before.
func (w *writer) undo() {
	w.t.Helper()
	if len(w.given) == 0 {
		return
	}
	at := w.given[w.rng.IntN(len(w.given))]
	u, named := w.laned[at]
	if !named || w.rng.IntN(2) == 0 {
		u = tidal.Undo{Position: at}
	}
	_, err := w.db.Write(ctx, tidal.Request{Records: []tidal.Record{u}})
	if fresh := w.oracle.undo(at); fresh && err != nil || !fresh && !errors.Is(err, tidal.ErrUndone) {
		w.t.Fatalf("undo %+v, not undone before: %v: %v", u, fresh, err)
	}
}

// compare asks for everything that the oracle knows, in pages of a random length.
func (w *writer) compare() {
	w.t.Helper()
	limit := 1 + w.rng.IntN(7)
	for _, kind := range []tidal.EntityKind{tidal.Item, tidal.User, tidal.Creator} {
		want := w.oracle.list(kind)
		if got := listAll(w.t, w.db, kind, limit); !same(got, want) {
			w.t.Errorf("%vs are\n%v\nwant\n%v", kind, got, want)
		}
		for i := range want {
			if got, err := w.db.Entity(w.t.Context(), kind, want[i].ID); err != nil || !same([]tidal.Entity{got}, want[i:i+1]) {
				w.t.Errorf("%v is %+v, %v; want %+v", kind, got, err, want[i])
			}
		}
	}
	for i := range 4 {
		w.compareUser(fmt.Sprint("u", i), limit)
	}
	for i := range 200 {
		item := fmt.Sprint("i", i)
		for _, kind := range w.oracle.schema.Signals {
			cell, err := w.db.Cell(w.t.Context(), item, kind.Name, w.clock.now())
			if err != nil && !errors.Is(err, tidal.ErrNotFound) {
				w.t.Fatal(err)
			}
			want := oracleCount{}
			if c := w.oracle.counts[[2]string{item, kind.Name}]; c != nil {
				want = *c
			}
			if cell.Total != want.total || kind.Permanent && cell.Scores["permanent"] != want.sum {
				w.t.Errorf("%s of %s: %+v, want %+v", kind.Name, item, cell, want)
			}
		}
	}
}

func (w *writer) compareUser(user string, limit int) {
	w.t.Helper()
	recents, ties := w.oracle.recents(user), w.oracle.ties(user)
	q := tidal.UserQuery{ID: user, Limit: limit}
	var got []tidal.Tie
	for {
		state, err := w.db.User(w.t.Context(), q)
		if errors.Is(err, tidal.ErrNotFound) && len(recents)+len(ties) == 0 {
			return
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if !reflect.DeepEqual(state.Recents, recents) {
			w.t.Errorf("recents of %s are\n%v\nwant\n%v", user, state.Recents, recents)
		}
		want := tidal.Entity{Kind: tidal.User, ID: user}
		if e := w.oracle.entities[named{tidal.User, user}]; e != nil {
			want.Fields, want.Touched = e.fields, e.touched
		}
		if !same([]tidal.Entity{state.Entity}, []tidal.Entity{want}) {
			w.t.Errorf("%s is %+v, want %+v", user, state.Entity, want)
		}
		got = append(got, state.Ties...)
		if len(state.Ties) < limit {
			break
		}
		q.After = state.Ties[limit-1]
	}
	if !reflect.DeepEqual(got, ties) {
		w.t.Errorf("ties of %s are\n%v\nwant\n%v", user, got, ties)
	}
	w.compareCollections(user, limit)
}

func (w *writer) compareCollections(user string, limit int) {
	w.t.Helper()
	var want []tidal.Collection
	for _, name := range []string{"gifts", "later"} {
		items := w.oracle.collection(user, name)
		if len(items) > 0 {
			want = append(want, tidal.Collection{Name: name, Items: len(items)})
		}
		if got := itemsOf(listCollection(w.t, w.db, user, name, limit)); !slices.Equal(got, items) {
			w.t.Errorf("collection %s of %s is\n%v\nwant\n%v", name, user, got, items)
		}
	}
	if got, err := w.db.Collections(w.t.Context(), user); err != nil || !slices.Equal(got, want) {
		w.t.Errorf("collections of %s are %v, %v; want %v", user, got, err, want)
	}
}

// listAll reads all pages.
func listAll(t *testing.T, db *tidal.DB, kind tidal.EntityKind, limit int) []tidal.Entity {
	t.Helper()
	var all []tidal.Entity
	q := tidal.ListQuery{Kind: kind, Limit: limit}
	for {
		page, err := db.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
		q.After = page[limit-1].ID
	}
}

func same(a, b []tidal.Entity) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x.Kind != y.Kind || x.ID != y.ID || !x.Touched.Equal(y.Touched) || !maps.Equal(x.Fields, y.Fields) {
			return false
		}
	}
	return true
}

func erases(r tidal.Record) bool {
	_, yes := r.(tidal.Erase)
	return yes
}
