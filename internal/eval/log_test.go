package eval_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/eval"
	"github.com/tidaldb/tidal/schema"
)

// clock is a wall clock that tests move.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(1_700_000_000_000)
	return c
}

func (c *clock) now() time.Time { return time.UnixMilli(c.ms.Load()) }

// catalogue is shop with entities.
func catalogue() *schema.Schema {
	s := shop()
	s.Items.Fields = []schema.Field{{Name: "creator", Type: schema.TypeKeyword}, {Name: "tags", Type: schema.TypeTags}}
	s.Items.Embeddings = []schema.Embedding{{Name: "content", Dimensions: 2}}
	s.Users.Fields = []schema.Field{{Name: "language", Type: schema.TypeKeyword}}
	return s
}

// make writes requests into a new directory, each a second after the one before, and closes it.
func makeDir(t testing.TB, c *clock, s *schema.Schema, requests ...tidal.Request) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	db, err := tidal.Open(dir, s, &tidal.Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range requests {
		c.ms.Add(1000)
		if _, err := db.Write(context.Background(), r); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func one(records ...tidal.Record) tidal.Request { return tidal.Request{Records: records} }

// picture prints the events of a log, seconds counted from start.
func picture(l *eval.Log, start time.Time) string {
	var b strings.Builder
	name := func(all []string, n uint32) string {
		if n == eval.Nobody {
			return "-"
		}
		return all[n]
	}
	for _, e := range l.Events {
		fmt.Fprintf(&b, "%v %s %s %s %s %g %v\n", time.UnixMilli(e.Time).Sub(start).Seconds(), l.Schema.Signals[e.Type].Name,
			name(l.Users, e.User), l.Items[e.Item], name(l.Creators, e.Creator), e.Weight, e.Cohorts)
	}
	return b.String()
}

// A log is read as what stands in the end: without what was undone, and without what came before a delete or an erase;
// ordered by time, at one time by the producer's numbers, whichever way requests overtook each other.
func TestReadingALogSkipsWhatWasTakenBack(t *testing.T) {
	c := newClock()
	start := c.now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	like := func(user, item string, seconds int) tidal.Signal {
		return tidal.Signal{Type: "like", User: user, Item: item, Time: at(seconds)}
	}
	keyed := like("ada", "b", -50)
	keyed.Key = "k"
	nobody := tidal.Signal{
		Type: "view", Item: "a", Weight: 2.5, Time: at(-70), Creator: "cy", Cohorts: []string{"us", "new"},
	}
	dir := makeDir(t, c, catalogue(),
		one(tidal.Put{Kind: tidal.Item, ID: "a", Fields: tidal.Fields{"creator": schema.String("miles")}}),
		one(tidal.Put{Kind: tidal.User, ID: "bob", Fields: tidal.Fields{"language": schema.String("en")}}),
		one(like("ada", "a", -10), like("bob", "a", -20)),
		one(keyed),
		one(tidal.Undo{Key: "k"}),
		one(nobody),
		one(like("bob", "gone", -60), like("ada", "gone", -40)),
		one(tidal.Erase{User: "bob"}, tidal.Delete{Kind: tidal.Item, ID: "gone"}),
		one(like("ada", "gone", -5), like("bob", "b", -4)),
		tidal.Request{Lane: "l", Number: 2, Records: []tidal.Record{like("eve", "third", -30), like("eve", "fourth", -30)}},
		tidal.Request{Lane: "l", Number: 1, Records: []tidal.Record{like("eve", "first", -30), like("eve", "second", -30)}},
		one(tidal.SetMark{User: "ada", Item: "a", Mark: schema.Saved}, tidal.Relate{User: "eve", What: tidal.Follows, Target: "cy"}),
		one(tidal.Relate{User: "ada", What: tidal.Hides, Target: "b"}),
	)
	l, err := eval.ReadLog(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := `-70 view - a cy 2.5 [new us]
-30 like eve first - 1 []
-30 like eve second - 1 []
-30 like eve third - 1 []
-30 like eve fourth - 1 []
-10 like ada a miles 1 []
-5 like ada gone - 1 []
-4 like bob b - 1 []
`
	if got := picture(l, start); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if len(l.Acts) != 3 || l.Acts[0].User != "ada" || l.Acts[0].Item != "a" || l.Acts[1].User != "eve" ||
		l.Acts[1].Item != "" || l.Acts[2].Item != "b" {
		t.Errorf("%+v", l.Acts)
	}
	var entities []string
	for _, e := range l.Entities {
		entities = append(entities, e.Kind.String()+" "+e.ID)
	}
	if !slices.Equal(entities, []string{"item a"}) || l.From != 1 {
		t.Errorf("entities %v, from %d", entities, l.From)
	}
}

// A database that let go of old parts of its log is evaluated on what is left, and says from where on.
func TestALogWithoutItsBeginningSaysSo(t *testing.T) {
	c := newClock()
	dir := filepath.Join(t.TempDir(), "db")
	db, err := tidal.Open(dir, shop(), &tidal.Options{Now: c.now, SegmentBytes: 1, Retention: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	write := func(user, item string) {
		t.Helper()
		c.ms.Add(1000)
		if _, err := db.Signal(t.Context(), tidal.Signal{Type: "like", User: user, Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	write("ada", "old")
	c.ms.Add((72 * time.Hour).Milliseconds())
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	write("ada", "a")
	write("bob", "b")
	write("ada", "b")
	write("bob", "a")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := eval.Run(t.Context(), eval.Options{Dir: dir, Now: c.now, Split: "leave-last-out"})
	if err != nil {
		t.Fatal(err)
	}
	if r.LogFrom <= 1 || r.Events < 4 || r.Events > 5 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "older events were let go") {
		t.Errorf("%+v", r)
	}
}

func TestADirectoryWithoutEnoughEventsIsRefused(t *testing.T) {
	c := newClock()
	dir := makeDir(t, c, shop(), one(tidal.Signal{Type: "like", User: "ada", Item: "a"}))
	if _, err := eval.Run(t.Context(), eval.Options{Dir: dir, Now: c.now}); err == nil || !strings.Contains(err.Error(), "nobody can be tested") {
		t.Errorf("%v", err)
	}
	if _, err := eval.Run(t.Context(), eval.Options{Dir: filepath.Join(t.TempDir(), "none"), Now: c.now}); err == nil {
		t.Error("a directory that isn't there was read")
	}
	for _, o := range []eval.Options{
		{K: []int{0}}, {K: []int{501}}, {Split: "random"}, {Positive: []string{"stars"}}, {Positive: []string{"like>"}},
	} {
		o.Dir, o.Now = dir, c.now
		if _, err := eval.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "refused: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// inFiles reports whether any file below a directory holds a text.
func inFiles(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		bytes, err := os.ReadFile(path)
		found = found || strings.Contains(string(bytes), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
