package tidal_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/lifecycle"
	"github.com/tidaldb/tidal/schema"
)

func TestARequestCountsOnceUnderItsLane(t *testing.T) {
	db, _ := fresh(t)
	request := func(n uint64, item string) tidal.Request {
		return tidal.Request{Lane: "phone", Number: n, Records: []tidal.Record{
			tidal.Signal{Type: "view", User: "ada", Item: item}, tidal.Signal{Type: "like", User: "ada", Item: item},
		}}
	}
	first, err := db.Write(ctx, request(1, "a"))
	if err != nil || first.Count != 2 || first.Duplicate {
		t.Fatalf("first: %+v, %v", first, err)
	}
	again, err := db.Write(ctx, request(1, "a"))
	if err != nil || !again.Duplicate || again.Position != first.Position || again.Count != 2 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := db.Write(ctx, request(1, "b")); !errors.Is(err, tidal.ErrKeyReused) {
		t.Errorf("with other content: %v", err)
	}
	if _, err := db.Write(ctx, request(100, "c")); err != nil {
		t.Errorf("number 100: %v", err)
	}
	if _, err := db.Write(ctx, request(2, "d")); !errors.Is(err, tidal.ErrRetryTooOld) {
		t.Errorf("number 2 behind number 100: %v", err)
	}
	if n, ok := db.Lane("phone"); !ok || n >= 100 {
		t.Errorf("lane is complete up to %d, %v", n, ok)
	}
	if n := total(t, db, "a", "view"); n != 1 {
		t.Errorf("view counts %d", n)
	}
	if _, ok := db.Lane("tablet"); ok {
		t.Error("a lane that nobody used is known")
	}
}

func TestASignalCountsOnceUnderItsKey(t *testing.T) {
	db, c := fresh(t)
	s := tidal.Signal{Type: "view", Item: "i", Key: "k", Time: c.now()}
	for n := range 3 {
		if r, err := db.Signal(ctx, s); err != nil || r.Duplicate != (n > 0) {
			t.Errorf("time %d: %+v, %v", n, r, err)
		}
	}
	s.Weight = 2
	if _, err := db.Signal(ctx, s); !errors.Is(err, tidal.ErrKeyReused) {
		t.Errorf("with another weight: %v", err)
	}
	if n := total(t, db, "i", "view"); n != 1 {
		t.Errorf("view counts %d", n)
	}
}

func TestUndoTakesASignalBackOnce(t *testing.T) {
	db, c := fresh(t)
	r := write(t, db,
		tidal.Signal{Type: "purchase", User: "ada", Item: "i", Weight: 12.5, Cohorts: []string{"de"}},
		tidal.Signal{Type: "purchase", User: "ben", Item: "i", Weight: 2},
		tidal.Signal{Type: "like", User: "ada", Item: "i"})
	write(t, db, tidal.Undo{Position: r.Position})
	cell, err := db.Cell(t.Context(), "i", "purchase", c.now())
	if err != nil || cell.Total != 1 || cell.Scores["permanent"] != 2 || cell.Windows["all"] != 1 {
		t.Errorf("after the undo of one of two: %+v, %v", cell, err)
	}
	undo := func(p tidal.Position) error {
		_, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{tidal.Undo{Position: p}}})
		return err
	}
	if err := undo(r.Position); !errors.Is(err, tidal.ErrUndone) {
		t.Errorf("second undo: %v", err)
	}
	elsewhere, later := r.Position, r.Position
	elsewhere.Region++
	later.Seq += 100
	for _, p := range []tidal.Position{{}, elsewhere, later, {Seq: 1}, {Seq: 2}, {Seq: r.Position.Seq + 3}} {
		if err := undo(p); !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("undo of %v, which is no signal here: %v", p, err)
		}
	}
	both := tidal.Request{Records: []tidal.Record{
		tidal.Undo{Position: tidal.Position{Seq: r.Position.Seq + 1}},
		tidal.Undo{Position: tidal.Position{Seq: r.Position.Seq + 1}},
	}}
	if _, err := db.Write(ctx, both); !errors.Is(err, tidal.ErrUndone) {
		t.Errorf("twice in one request: %v", err)
	}
	if n := total(t, db, "i", "purchase"); n != 1 {
		t.Errorf("a refused request took something back: %d left", n)
	}
}

func TestDeleteStartsAnItemFromZero(t *testing.T) {
	db, _ := fresh(t)
	put := tidal.Put{Kind: tidal.Item, ID: "i", Fields: tidal.Fields{
		"title": schema.String("t"),
		"vec":   schema.Vector([]float32{1, 2, 3}),
	}}
	write(t, db, put, tidal.Signal{Type: "view", Item: "i", User: "u"}, tidal.Signal{Type: "view", Item: "other"})
	items := func() (all []string) {
		for i := range db.Items(t.Context()) {
			all = append(all, i)
		}
		return all
	}
	if got := fmt.Sprint(items()); got != "[i other]" {
		t.Errorf("items are %s", got)
	}
	write(t, db, tidal.Delete{Kind: tidal.Item, ID: "i"})
	if got := fmt.Sprint(items()); got != "[other]" {
		t.Errorf("after the delete items are %s", got)
	}
	if n := total(t, db, "i", "view"); n != 0 {
		t.Errorf("a deleted item counts %d", n)
	}
	// A put and a signal in the delete's own request belong to the new life.
	write(t, db, tidal.Delete{Kind: tidal.Item, ID: "i"}, put, tidal.Signal{Type: "view", Item: "i", User: "u"})
	if n := total(t, db, "i", "view"); n != 1 {
		t.Errorf("the new item counts %d", n)
	}
}

func TestEraseForgetsAUserAndKeepsTheCounts(t *testing.T) {
	db, c := fresh(t)
	write(t, db, tidal.Put{Kind: tidal.User, ID: "ada", Fields: tidal.Fields{"language": schema.String("de")}},
		tidal.Signal{Type: "like", User: "ada", Item: "i", Creator: "cleo"}, tidal.Signal{
			Type: "like", User: "ben",
			Item: "i",
		},
		tidal.Relate{User: "ada", What: tidal.Mutes, Target: "cleo"}, tidal.SetMark{
			User: "ada", Item: "i",
			Mark: schema.Saved,
		})
	cells := db.Stats().Cells
	write(t, db, tidal.Erase{User: "ada"})
	if got := db.Stats().Cells; got != cells-1 { // ada's weight of cleo
		t.Errorf("%d cells, before the erase %d", got, cells)
	}
	if n := total(t, db, "i", "like"); n != 2 {
		t.Errorf("two likes count %d", n)
	}
	cell, err := db.Cell(t.Context(), "i", "like", c.now())
	if err != nil || cell.Windows["1h"] != 2 {
		t.Errorf("cell is %+v, %v", cell, err)
	}
}

// TestConcurrentWritersAndReadersAgree runs writers of every kind and readers side by side, under the race detector
// when that is on, and checks the sums.
func TestConcurrentWritersAndReadersAgree(t *testing.T) {
	var events lifecycle.Recorder
	dir := t.TempDir()
	db, err := tidal.Open(dir, testSchema(), &tidal.Options{SegmentBytes: 1 << 16, Tracer: &events})
	if err != nil {
		t.Fatal(err)
	}
	const writers, requests = 8, 60
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range requests {
				item := fmt.Sprint("i", n%10)
				r := tidal.Request{Lane: fmt.Sprint("p", w), Number: uint64(n + 1), Records: []tidal.Record{
					tidal.Signal{Type: "view", User: fmt.Sprint("u", w), Item: item, Cohorts: []string{"x"}},
					tidal.Put{Kind: tidal.Item, ID: item, Fields: tidal.Fields{"creator": schema.String("c")}},
					tidal.SetMark{User: fmt.Sprint("u", w), Item: item, Mark: schema.Saved, Off: n%2 == 0},
				}}
				for range 1 + n%2 { // every other request twice
					if _, err := db.Write(ctx, r); err != nil {
						t.Errorf("write: %v", err)
					}
				}
			}
		})
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				top, err := db.Top(t.Context(), tidal.TopQuery{Type: "view"})
				if err != nil {
					t.Errorf("top: %v", err)
				}
				for i := 1; i < len(top); i++ {
					if top[i].Score > top[i-1].Score {
						t.Errorf("%v is above %v", top[i-1], top[i])
					}
				}
				_ = total(t, db, "i1", "view")
				_, _ = db.Digest(), db.Stats()
				_, _ = db.Lane("p1")
			}
		})
	}
	wg.Wait()
	close(done)
	readers.Wait()
	for i := range 10 {
		if n := total(t, db, fmt.Sprint("i", i), "view"); n != writers*requests/10 {
			t.Errorf("item %d counts %d, want %d", i, n, writers*requests/10)
		}
	}
	digest := db.Digest()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := events.Check(); err != nil {
		t.Errorf("illegal history: %v", err)
	}
	if left := events.Open(); len(left) != 0 {
		t.Errorf("still open after close: %v", left)
	}
	if open(t, dir, nil, nil).Digest() != digest {
		t.Error("opened again, the state is another")
	}
}

// TestEventsAheadOfTheClockAreBroughtBack writes events at times of all sorts.
func TestEventsAheadOfTheClockAreBroughtBack(t *testing.T) {
	db, c := fresh(t)
	r := write(t, db,
		tidal.Signal{Type: "view", Item: "a", Time: c.now().Add(2 * time.Second)},
		tidal.Signal{Type: "view", Item: "b", Time: c.now().Add(2*time.Second + time.Millisecond)},
		tidal.Signal{Type: "view", Item: "c", Time: c.now().Add(1000 * time.Hour)},
		tidal.Signal{Type: "view", Item: "d", Time: time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC)})
	if r.Clamped != 2 {
		t.Errorf("%d events are clamped, want 2", r.Clamped)
	}
	if s := db.Stats(); s.Clamped != 2 || !s.Newest.Equal(c.now().Add(2*time.Second)) {
		t.Errorf("stats are %+v", s)
	}
	cell, err := db.Cell(t.Context(), "d", "view", time.Date(1950, 1, 1, 0, 30, 0, 0, time.UTC))
	if err != nil || cell.Windows["1h"] != 1 {
		t.Errorf("an event of 1950 reads as %+v, %v", cell, err)
	}
}
