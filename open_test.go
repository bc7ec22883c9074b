package tidal_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

func TestADatabaseGoesOnWhereItWasClosed(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	db, err := tidal.Open(dir, testSchema(), c.options())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		write(t, db, tidal.Signal{
			Type: "like", User: fmt.Sprint("u", i%7), Item: fmt.Sprint("i", i%5),
			Time: c.ago(time.Hour),
		})
	}
	digest, cells, stats := db.Digest(), db.DigestCells(), db.Stats()
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatalf("close: %v", err)
	}
	if _, err := db.Signal(ctx, tidal.Signal{Type: "like", Item: "i"}); !errors.Is(err, tidal.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if _, err := db.Cell(t.Context(), "i1", "like", time.Time{}); !errors.Is(err, tidal.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if _, err := db.Top(t.Context(), tidal.TopQuery{Type: "like"}); !errors.Is(err, tidal.ErrClosed) {
		t.Errorf("list after close: %v", err)
	}
	db = open(t, dir, nil, c.options())
	again := db.Stats()
	if db.Digest() != digest || db.DigestCells() != cells || !again.Vector.Equal(stats.Vector) ||
		again.Signals != 100 || again.Items != 5 || again.Users != 7 || !again.Newest.Equal(c.ago(time.Hour)) {
		t.Errorf("opened again: %+v, was %+v", again, stats)
	}
}

// change is the test schema with something done to it.
func change(f func(*schema.Schema)) *schema.Schema {
	s := testSchema()
	f(s)
	return s
}

func TestASchemaGrowsByOpeningWithALargerOne(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	larger := change(func(s *schema.Schema) {
		s.Signals = append(s.Signals, schema.SignalType{Name: "wave", HalfLives: []time.Duration{time.Hour}})
		s.Signals[0].HalfLives = append(s.Signals[0].HalfLives, 30*24*time.Hour)
		s.Items.Fields = append(s.Items.Fields, schema.Field{Name: "mood", Type: schema.TypeKeyword})
	})
	reopen := func(s *schema.Schema, use func(*tidal.DB)) {
		t.Helper()
		db, err := tidal.Open(dir, s, c.options())
		if err != nil {
			t.Fatal(err)
		}
		use(db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var first schema.Hash
	reopen(testSchema(), func(db *tidal.DB) {
		first = db.Schema().Hash()
		if _, err := db.Signal(ctx, tidal.Signal{Type: "wave", Item: "i"}); !errors.Is(err, tidal.ErrInput) {
			t.Errorf("signal of a type to come: %v", err)
		}
		write(t, db, tidal.Signal{Type: "view", Item: "i", User: "u"})
	})
	reopen(larger, func(db *tidal.DB) {
		if s := db.Schema(); s.Version != 2 || s.Parent != first {
			t.Errorf("grown schema is version %d with parent %v", s.Version, s.Parent)
		}
		write(t, db, tidal.Signal{Type: "wave", Item: "i"}, tidal.Signal{Type: "view", Item: "i", User: "u"},
			tidal.Put{Kind: tidal.Item, ID: "i", Fields: tidal.Fields{"mood": schema.String("blue")}})
	})
	// The same program again, an older one, and one that brings no schema: nothing is entered, nothing forgotten.
	for name, s := range map[string]*schema.Schema{"same": larger, "older": testSchema(), "none": nil} {
		reopen(s, func(db *tidal.DB) {
			if v := db.Schema().Version; v != 2 {
				t.Errorf("%s: schema is version %d", name, v)
			}
			cell, err := db.Cell(t.Context(), "i", "view", time.Time{})
			if err != nil || cell.Total != 2 || len(cell.Scores) != 3 {
				t.Errorf("%s: cell is %+v, %v", name, cell, err)
			}
			write(t, db, tidal.Signal{Type: "wave", Item: "i"})
		})
	}
	if v := larger.Version; v != 1 {
		t.Errorf("opening changed the caller's schema to version %d", v)
	}
}

func TestASchemaThatDiffersInMoreIsRefused(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	db, err := tidal.Open(dir, testSchema(), c.options())
	if err != nil {
		t.Fatal(err)
	}
	write(t, db, tidal.Signal{Type: "view", Item: "i"})
	digest := db.Digest()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		s    *schema.Schema
		want error
		text string
	}{
		"another name": {change(func(s *schema.Schema) { s.Name = "other" }), tidal.ErrForeign, `"test"`},
		"meaning": {
			change(func(s *schema.Schema) { s.Signals[0].Meaning = schema.Negative }),
			tidal.ErrSchemaChange, "signals.view.meaning",
		},
		"order of signals": {change(func(s *schema.Schema) {
			s.Signals[0], s.Signals[1] = s.Signals[1],
				s.Signals[0]
		}), tidal.ErrSchemaChange, "signals.view"},
		"half-life gone": {change(func(s *schema.Schema) {
			s.Signals[0].HalfLives = s.Signals[0].HalfLives[:1]
			s.Signals = append(s.Signals, schema.SignalType{Name: "new"})
		}), tidal.ErrSchemaChange, "signals.view.half_lives"},
		"dimensions": {
			change(func(s *schema.Schema) { s.Items.Embeddings[0].Dimensions = 4 }), tidal.ErrSchemaChange,
			"vec",
		},
		"field type": {
			change(func(s *schema.Schema) { s.Items.Fields[0].Type = schema.TypeInt }),
			tidal.ErrSchemaChange, "items.fields.title",
		},
		"invalid": {change(func(s *schema.Schema) { s.Signals[0].Name = "No!" }), tidal.ErrInput, "signals"},
	} {
		_, err := tidal.Open(dir, x.s, c.options())
		if !errors.Is(err, x.want) || !strings.Contains(fmt.Sprint(err), x.text) {
			t.Errorf("%s: %v, want %v naming %q", name, err, x.want, x.text)
		}
	}
	if open(t, dir, testSchema(), c.options()).Digest() != digest {
		t.Error("schemas that were refused changed the database")
	}
}

func TestADirectoryWithoutADatabaseNeedsASchema(t *testing.T) {
	dir := t.TempDir()
	for _, opts := range []*tidal.Options{nil, {ReadOnly: true}} {
		if _, err := tidal.Open(dir, nil, opts); !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("open without a schema: %v", err)
		}
	}
	if _, err := tidal.Open("", testSchema(), nil); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("open without a directory: %v", err)
	}
	db := open(t, dir, testSchema(), nil)
	if _, err := tidal.Open(dir, nil, nil); !errors.Is(err, tidal.ErrLocked) {
		t.Errorf("open twice: %v", err)
	}
	if s := db.Schema(); s.Version != 1 || s.Name != "test" {
		t.Errorf("schema is %s version %d", s.Name, s.Version)
	}
}

func TestAReaderSeesWhatWasDurableAndChangesNothing(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	db := open(t, dir, testSchema(), c.options())
	r := write(t, db, tidal.Signal{Type: "view", Item: "i"})
	opts := c.options()
	opts.ReadOnly = true
	reader := open(t, dir, nil, opts)
	write(t, db, tidal.Signal{Type: "view", Item: "i"})
	if n := total(t, reader, "i", "view"); n != 1 {
		t.Errorf("a reader opened after the first of two signals counts %d", n)
	}
	for name, rec := range map[string]tidal.Record{
		"signal": tidal.Signal{Type: "view", Item: "i"}, "undo": tidal.Undo{Position: r.Position},
	} {
		if _, err := reader.Write(ctx, tidal.Request{Records: []tidal.Record{rec}}); err == nil {
			t.Errorf("a reader wrote a %s", name)
		}
	}
	if n := total(t, db, "i", "view"); n != 2 {
		t.Errorf("beside a reader two signals count %d", n)
	}
}
