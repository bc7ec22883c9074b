package tidal_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

// clock is a wall clock that tests set.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time                { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) options() *tidal.Options       { return &tidal.Options{Now: c.now, SegmentBytes: 1 << 18} }
func (c *clock) ago(d time.Duration) time.Time { return c.now().Add(-d) }

// testSchema is the events schema with a vector for items.
func testSchema() *schema.Schema {
	s := schema.Events()
	s.Name = "test"
	s.Items.Embeddings = []schema.Embedding{{Name: "vec", Dimensions: 3}}
	return s
}

func open(t testing.TB, dir string, s *schema.Schema, opts *tidal.Options) *tidal.DB {
	t.Helper()
	db, err := tidal.Open(dir, s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := db.Stats().HiddenServed; n != 0 {
			t.Errorf("%d hidden items came to the last look at a list", n)
		}
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// fresh is a new database with the test schema and a clock of its own.
func fresh(t testing.TB) (*tidal.DB, *clock) {
	t.Helper()
	c := newClock()
	return open(t, t.TempDir(), testSchema(), c.options()), c
}

func write(t testing.TB, db *tidal.DB, records ...tidal.Record) tidal.Receipt {
	t.Helper()
	r, err := db.Write(ctx, tidal.Request{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func total(t testing.TB, db *tidal.DB, item, kind string) int64 {
	t.Helper()
	c, err := db.Cell(t.Context(), item, kind, time.Time{})
	if err != nil && !errors.Is(err, tidal.ErrNotFound) {
		t.Fatal(err)
	}
	return c.Total
}

// fewer is how often something is tried: less often with -short, as the race detector runs, under which everything takes ten times
// as long.
func fewer(often, short int) int {
	if testing.Short() {
		return short
	}
	return often
}
