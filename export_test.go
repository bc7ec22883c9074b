package tidal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
)

// since is a query for everything from a time long ago.
func since() tidal.ExportQuery { return tidal.ExportQuery{From: time.UnixMilli(0)} }

// exported collects an export that must not fail.
func exported(t testing.TB, db *tidal.DB, q tidal.ExportQuery) (out []tidal.Exported) {
	t.Helper()
	for x, err := range db.Export(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// exportError is the error that an export ends with.
func exportError(db *tidal.DB, q tidal.ExportQuery) (err error) {
	for _, e := range db.Export(ctx, q) {
		err = e
	}
	return err
}

func TestAnExportThatCantBeAskedIsRefused(t *testing.T) {
	db, c := fresh(t)
	other, _ := fresh(t)
	write(t, db, tidal.Signal{Type: "view", Item: "a", User: "ada"})
	write(t, other, tidal.Signal{Type: "view", Item: "a", User: "ada"})
	cursor, foreign := exported(t, db, since())[0].Cursor, exported(t, other, since())[0].Cursor
	for name, x := range map[string]struct {
		q     tidal.ExportQuery
		field string
	}{
		"no bound":       {tidal.ExportQuery{Types: []string{"view"}}, "from"},
		"an empty span":  {tidal.ExportQuery{From: c.now(), To: c.now()}, "to"},
		"unknown type":   {tidal.ExportQuery{From: c.now(), Types: []string{"view", "veiw"}}, "types"},
		"negative limit": {tidal.ExportQuery{From: c.now(), Limit: -1}, "limit"},
		"bad name":       {tidal.ExportQuery{From: c.now(), Name: "../x"}, "name"},
		"bad cursor":     {tidal.ExportQuery{From: c.now(), Cursor: cursor[:len(cursor)-1]}, "cursor"},
		"foreign cursor": {tidal.ExportQuery{From: c.now(), Cursor: foreign}, "cursor"},
	} {
		var in *tidal.InputError
		if err := exportError(db, x.q); !errors.As(err, &in) || in.Field != x.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if pins, err := db.Exports(ctx); err != nil || len(pins) != 0 {
		t.Errorf("what was refused left %v, %v", pins, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range db.Export(ended, since()) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	}
}

// What is erased, or undone, while an export goes on isn't given behind the answer to that, though it was read before.
func TestWhatIsErasedWhileAnExportGoesOnIsNotGiven(t *testing.T) {
	db, _ := fresh(t)
	var records []tidal.Record
	for i := range 100 {
		records = append(records, tidal.Signal{Type: "view", Item: fmt.Sprint(i), User: []string{"ada", "bob"}[i%2]})
	}
	first := write(t, db, records...).Position
	var items []string
	for x, err := range db.Export(ctx, since()) {
		if err != nil {
			t.Fatal(err)
		}
		if items = append(items, x.Item); x.Item == "9" {
			undone := first
			undone.Seq += 10 // of ada
			write(t, db, tidal.Erase{User: "bob"})
			write(t, db, tidal.Undo{Position: undone})
			write(t, db, tidal.Signal{Type: "view", Item: "later", User: "bob"})
		}
	}
	want := "0 1 2 3 4 5 6 7 8 9 12 14"
	if got := strings.Join(items, " "); !strings.HasPrefix(got, want) || len(items) != 10+44 {
		t.Errorf("%d items: %s", len(items), got)
	}
	all := exported(t, db, since())
	if n := len(all); n != 50 || all[n-1].Item != "later" {
		t.Errorf("then %d events", n)
	}
}

// An export that its reader leaves says where, and goes on from there.
func TestAnExportThatIsLeftGoesOn(t *testing.T) {
	db, _ := fresh(t)
	for i := range 5 {
		write(t, db, tidal.Signal{Type: "view", Item: fmt.Sprint(i), User: "ada"})
	}
	var s tidal.ExportSummary
	q := since()
	q.Summary = &s
	for x := range db.Export(ctx, q) {
		if x.Item == "2" {
			break
		}
	}
	if s.Whole || s.Events != 3 {
		t.Errorf("summary: %+v", s)
	}
	q.Cursor = s.Cursor
	if rest := exported(t, db, q); len(rest) != 2 || rest[0].Item != "3" || !s.Whole {
		t.Errorf("the rest is %v, %+v", rest, s)
	}
	q.Cursor = s.Cursor
	if none := exported(t, db, q); len(none) != 0 {
		t.Errorf("behind the end stand %v", none)
	}
	write(t, db, tidal.Signal{Type: "view", Item: "new", User: "ada"})
	if next := exported(t, db, q); len(next) != 1 || next[0].Item != "new" {
		t.Errorf("what came later is %v", next)
	}
}

// keep opens a database whose log goes after a day, a file for each batch.
func keep(t *testing.T, c *clock, dir string, limits tidal.ExportLimits) *tidal.DB {
	t.Helper()
	opts := c.options()
	opts.SegmentBytes, opts.Retention, opts.CheckpointBytes, opts.Exports = 1, 24*time.Hour, -1, limits
	return open(t, dir, testSchema(), opts)
}

// age lets two days pass and all of the log go that may.
func age(t *testing.T, c *clock, db *tidal.DB) {
	t.Helper()
	c.ms.Add((48 * time.Hour).Milliseconds())
	if err := db.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	write(t, db, tidal.Signal{Type: "view", Item: "late", User: "eve"}) // behind its answer the log goes,
	write(t, db, tidal.Signal{Type: "view", Item: "late", User: "eve"}) // which was done when the next is written
}

func views(t *testing.T, db *tidal.DB, n int) {
	t.Helper()
	for i := range n {
		write(t, db, tidal.Signal{Type: "view", Item: fmt.Sprint(i), User: "ada"})
	}
}

func TestANamedExportKeepsWhatItNeeds(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	db := keep(t, c, dir, tidal.ExportLimits{StaleAfter: time.Hour})
	views(t, db, 6)
	q := since()
	q.Name, q.Limit = "learner", 3
	got := exported(t, db, q)
	if again := exported(t, db, q); len(again) != 3 || again[0].Item != got[0].Item {
		t.Errorf("without being advanced it gave %v", again)
	}
	if err := db.AdvanceExport(ctx, "learner", got[2].Cursor); err != nil {
		t.Fatal(err)
	}
	if err := db.AdvanceExport(ctx, "learner", got[0].Cursor); err != nil { // late, and without effect
		t.Fatal(err)
	}
	age(t, c, db)
	if all := exported(t, db, since()); len(all) != 5 || all[0].Item != "3" {
		t.Errorf("the log has %v", all)
	}
	list, err := db.Exports(ctx)
	if err != nil || len(list) != 1 {
		t.Fatalf("exports: %v, %v", list, err)
	}
	x := list[0]
	if x.Name != "learner" || !x.Stale || x.Gone || x.Err != nil || x.LagBytes < 300 || !x.Oldest.Before(c.ago(47*time.Hour)) {
		t.Errorf("export: %+v", x)
	}
	s := db.Stats().Exports
	if s.Named != 1 || len(s.Stale) != 1 || s.HeldBytes < 100 || s.Alarm || s.GivenUpBytes != 0 {
		t.Errorf("stats: %+v", s)
	}

	// It survives the process, and goes when it's told to.
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = keep(t, c, dir, tidal.ExportLimits{})
	q.Limit = 0
	if rest := exported(t, db, q); len(rest) != 5 || rest[0].Item != "3" {
		t.Errorf("the rest is %v", rest)
	}
	if err := db.DropExport(ctx, "learner"); err != nil {
		t.Fatal(err)
	}
	if err := db.DropExport(ctx, "learner"); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("dropped twice: %v", err)
	}
	if err := db.AdvanceExport(ctx, "learner", x.Cursor); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("advanced though dropped: %v", err)
	}
	age(t, c, db)
	var summary tidal.ExportSummary
	q = since()
	q.Summary = &summary
	if all := exported(t, db, q); len(all) == 0 || all[0].Item != "late" || !summary.Missing || summary.LogBegins.IsZero() {
		t.Errorf("the log has %v, %+v", all, summary)
	}
	begins := summary.LogBegins
	q.From = begins.Add(3 * time.Second) // times may lie up to 2 s ahead
	if exported(t, db, q); summary.Missing {
		t.Error("the log reaches back far enough, and says that something is missing")
	}
	q.From, q.Cursor = time.UnixMilli(0), x.Cursor
	var gone *tidal.GoneError
	if err := exportError(db, q); !errors.As(err, &gone) || !gone.Begins.Equal(begins) {
		t.Errorf("behind a cursor that the log doesn't reach: %v", err)
	}
}

func TestNamedExportsHoldNoMoreThanTheyMay(t *testing.T) {
	c := newClock()
	db := keep(t, c, t.TempDir(), tidal.ExportLimits{AlarmBytes: 400, MaxBytes: 900})
	views(t, db, 20)
	q := since()
	q.Name = "asleep"
	exported(t, db, q)
	age(t, c, db)
	s := db.Stats().Exports
	if !s.Alarm || s.HeldBytes > 900 || s.HeldBytes < 500 || s.GivenUpBytes == 0 || len(s.Stale) != 0 {
		t.Errorf("stats: %+v", s)
	}
	list, err := db.Exports(ctx)
	if err != nil || len(list) != 1 || !list[0].Gone {
		t.Errorf("exports: %+v, %v", list, err)
	}
	var gone *tidal.GoneError
	if err := exportError(db, q); !errors.As(err, &gone) {
		t.Errorf("an export that the log wasn't kept for: %v", err)
	}
	c.ms.Add((8 * 24 * time.Hour).Milliseconds())
	if s := db.Stats().Exports; len(s.Stale) != 1 || s.Stale[0] != "asleep" {
		t.Errorf("after eight days: %+v", s)
	}
}

// A file that can't be read holds everything, and says so; it is never taken for no export.
func TestADamagedExportHoldsTheLog(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	db := keep(t, c, dir, tidal.ExportLimits{})
	views(t, db, 4)
	q := since()
	q.Name, q.Limit = "learner", 4
	got := exported(t, db, q)
	if err := db.AdvanceExport(ctx, "learner", got[3].Cursor); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "exports", "learner.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 4
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	age(t, c, db)
	if all := exported(t, db, since()); len(all) != 6 {
		t.Errorf("the log has %d events", len(all))
	}
	var damage *tidal.CorruptError
	if err := exportError(db, q); !errors.As(err, &damage) || damage.File != path {
		t.Errorf("exporting: %v", err)
	}
	if err := db.AdvanceExport(ctx, "learner", got[3].Cursor); !errors.Is(err, tidal.ErrCorrupt) {
		t.Errorf("advancing: %v", err)
	}
	list, err := db.Exports(ctx)
	if err != nil || len(list) != 1 || !errors.Is(list[0].Err, tidal.ErrCorrupt) || !list[0].Stale {
		t.Errorf("exports: %+v, %v", list, err)
	}
	if err := db.DropExport(ctx, "learner"); err != nil {
		t.Error(err)
	}
}

// A reader beside the writer makes named exports, and the writer keeps the log for them.
func TestAReaderBesideTheWriterNamesExports(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	db := keep(t, c, dir, tidal.ExportLimits{})
	views(t, db, 4)
	reader := open(t, dir, nil, &tidal.Options{ReadOnly: true, Now: c.now})
	views(t, db, 1) // which the reader doesn't see
	q := since()
	q.Name = "beside"
	got := exported(t, reader, q)
	if len(got) != 4 {
		t.Fatalf("the reader has %v", got)
	}
	if err := reader.AdvanceExport(ctx, "beside", got[1].Cursor); err != nil {
		t.Fatal(err)
	}
	age(t, c, db)
	if all := exported(t, db, since()); len(all) != 5 || all[0].Item != "2" {
		t.Errorf("the log has %v", all)
	}
	if err := db.AdvanceExport(ctx, "beside", exported(t, db, q)[2].Cursor); err != nil {
		t.Fatal(err)
	}
	if err := reader.AdvanceExport(ctx, "beside", got[2].Cursor); err != nil { // the writer went further
		t.Fatal(err)
	}
}

func TestAnExportedEventAsJSON(t *testing.T) {
	x := tidal.Exported{
		Kind: "signal", Position: tidal.Position{Region: 1, Shard: 2, Incarnation: 3, Seq: 4},
		Time: time.UnixMilli(1_700_000_000_120), Type: "like", User: "a\"\\\x01ü", Item: "i\xff", Creator: "c", Weight: 0.5,
		Cohorts: []string{"x", "y"}, Key: "k", Session: "s1", Number: 9, Undone: true,
		Trace:  tidal.TraceID{0xab},
		Cursor: "CUR",
		Ref: &tidal.FeedRef{
			Feed: 0xbeef, Place: 2, Item: "i\xff", Slot: "fresh", Propensity: 0.25, Profile: "for_you", Version: 3,
			Time: time.UnixMilli(1_700_000_000_000),
		},
	}
	const want = `{"kind":"signal","position":"1:2.3:4","time":"2023-11-14T22:13:20.120Z","type":"like","user":"a\"\\\u0001ü",` +
		`"item_base64":"af8=","creator":"c","weight":0.5,"cohorts":["x","y"],"key":"k","session":"s1","seq":9,` +
		`"trace":"ab000000000000000000000000000000","feed":"000000000000beef","place":2,"slot":"fresh","propensity":0.25,` +
		`"profile":"for_you","profile_version":3,"list_time":"2023-11-14T22:13:20.000Z","undone":true,"cursor":"CUR"}`
	if got := string(x.AppendJSON(nil)); got != want {
		t.Errorf("it is\n%s, want\n%s", got, want)
	}
	bare := tidal.Exported{
		Kind: "signal", Time: time.UnixMilli(1 << 51), Type: "view", Item: "i", Weight: 1, Lane: "app", Number: 2, RawRef: []byte("my"),
	}
	const wantBare = `{"kind":"signal","position":"0:0:0","time_ms":2251799813685248,"type":"view","item":"i","weight":1,` +
		`"lane":"app","seq":2,"ref":"bXk=","ref_unverified":true}`
	if got := string(bare.AppendJSON(nil)); got != wantBare {
		t.Errorf("it is\n%s, want\n%s", got, wantBare)
	}
}

func TestWhatASessionSaysAsJSON(t *testing.T) {
	note := tidal.Exported{
		Kind: "annotation", Position: tidal.Position{Seq: 4}, Time: time.UnixMilli(1_700_000_000_120), Type: "mood", User: "ada",
		Text: "tired", Session: "s1", Number: 2, Cursor: "CUR",
	}
	const wantNote = `{"kind":"annotation","position":"0:0:4","time":"2023-11-14T22:13:20.120Z","type":"mood","user":"ada",` +
		`"text":"tired","session":"s1","seq":2,"cursor":"CUR"}`
	if got := string(note.AppendJSON(nil)); got != wantNote {
		t.Errorf("it is\n%s, want\n%s", got, wantNote)
	}
	search := note
	search.Kind, search.Type, search.Text, search.Results = "search", "", "slow jazz", []string{"i1", "i2"}
	const wantSearch = `{"kind":"search","position":"0:0:4","time":"2023-11-14T22:13:20.120Z","user":"ada","text":"slow jazz",` +
		`"results":["i1","i2"],"session":"s1","seq":2,"cursor":"CUR"}`
	if got := string(search.AppendJSON(nil)); got != wantSearch {
		t.Errorf("it is\n%s, want\n%s", got, wantSearch)
	}
}

func FuzzExportedJSON(f *testing.F) {
	x := tidal.Exported{Kind: "signal", Type: "view", Item: "i", Ref: &tidal.FeedRef{Profile: "hot"}}
	f.Add(x.AppendJSON(nil))
	f.Add([]byte(`{"position":"0:0:1","trace":"00","feed":"zz"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var x, y tidal.Exported
		if x.UnmarshalJSON(data) != nil {
			return
		}
		line := x.AppendJSON(nil)
		if err := y.UnmarshalJSON(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if again := y.AppendJSON(nil); string(again) != string(line) {
			t.Errorf("%s\nbecame %s", line, again)
		}
	})
}
