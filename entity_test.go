package tidal_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

func TestAPageOfAListIsOrderedAndGoesOnBehindItsLastID(t *testing.T) {
	db, _ := fresh(t)
	write(t, db, tidal.Signal{Type: "view", User: "ada", Item: "seen only"})
	var want []string
	var records []tidal.Record
	for n := range 5000 { // more than one look at the ids
		id := fmt.Sprintf("%x", n*7919%5000)
		want = append(want, id)
		records = append(records, tidal.Put{Kind: tidal.Item, ID: id})
	}
	write(t, db, records...)
	write(t, db, tidal.Delete{Kind: tidal.Item, ID: "0"})
	want = slices.DeleteFunc(want, func(id string) bool { return id == "0" })
	slices.Sort(want)
	for _, limit := range []int{1000, 4999, 10000} {
		var got []string
		for _, e := range listAll(t, db, tidal.Item, limit) {
			got = append(got, e.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %d items from %q to %q", limit, len(got), got[0], got[len(got)-1])
		}
	}
	page, err := db.List(t.Context(), tidal.ListQuery{Kind: tidal.Item})
	if err != nil || len(page) != 100 || page[99].ID != want[99] {
		t.Errorf("a page of no stated length has %d items, %v", len(page), err)
	}
	if page, err := db.List(t.Context(), tidal.ListQuery{Kind: tidal.Item, After: "zzz"}); err != nil || len(page) != 0 {
		t.Errorf("behind the last id: %v, %v", page, err)
	}
}

// TestAListBesideWritersHoldsWhatStays deletes and puts every other item while lists are read: what is never touched is
// in each of them once, in order.
func TestAListBesideWritersHoldsWhatStays(t *testing.T) {
	db, _ := fresh(t)
	var records []tidal.Record
	for n := range 400 {
		records = append(records, tidal.Put{Kind: tidal.Item, ID: fmt.Sprintf("%03d", n)})
	}
	write(t, db, records...)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := range 300 {
			id := fmt.Sprintf("%03d", 2*(n*7%200)+1) // odd ones
			var rec tidal.Record = tidal.Delete{Kind: tidal.Item, ID: id}
			if n%3 == 0 {
				rec = tidal.Put{Kind: tidal.Item, ID: id}
			}
			if _, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{rec}}); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	})
	for {
		stay, last := 0, ""
		for _, e := range listAll(t, db, tidal.Item, 30) {
			if e.ID <= last {
				t.Errorf("%s stands behind %s", e.ID, last)
			}
			if last = e.ID; (e.ID[2]-'0')%2 == 0 {
				stay++
			}
		}
		if stay != 200 {
			t.Errorf("a list holds %d of 200 items that nobody touched", stay)
		}
		select {
		case <-done:
			wg.Wait()
			return
		default:
		}
	}
}

func TestAnEntityExistsFromItsPutToItsDelete(t *testing.T) {
	db, c := fresh(t)
	write(t, db, tidal.Signal{Type: "view", Item: "i"})
	missing := func(when string) {
		t.Helper()
		if _, err := db.Entity(t.Context(), tidal.Item, "i"); !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("%s: %v", when, err)
		}
	}
	missing("with signals alone")
	write(t, db, tidal.Put{Kind: tidal.Item, ID: "i"})
	if e, err := db.Entity(t.Context(), tidal.Item, "i"); err != nil || e.Fields != nil || !e.Touched.Equal(c.now()) {
		t.Errorf("put without fields: %+v, %v", e, err)
	}
	c.ms.Add(1000)
	write(t, db, tidal.Patch{Kind: tidal.Item, ID: "i", Fields: tidal.Fields{"title": schema.String("t")}})
	e, err := db.Entity(t.Context(), tidal.Item, "i")
	if err != nil || !maps.Equal(e.Fields, tidal.Fields{"title": schema.String("t")}) || !e.Touched.Equal(c.now()) {
		t.Errorf("patched: %+v, %v", e, err)
	}
	if _, err := db.Entity(t.Context(), tidal.Creator, "i"); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("a creator of the same id: %v", err)
	}
	write(t, db, tidal.Delete{Kind: tidal.Item, ID: "i"})
	missing("deleted")
}

func TestRelationsAndMarksReadBack(t *testing.T) {
	db, c := fresh(t)
	at := c.ago(time.Hour)
	write(t, db,
		tidal.Relate{User: "ada", What: tidal.Follows, Target: "cleo"},
		tidal.Relate{User: "ada", What: tidal.Mutes, Target: "cleo"},
		tidal.Relate{User: "ada", What: tidal.Blocks, Target: "dora"},
		tidal.Relate{User: "ada", What: tidal.Hides, Target: "i2"},
		tidal.Relate{User: "ada", What: tidal.Follows, Target: "emil"},
		tidal.Relate{User: "ada", What: tidal.Follows, Target: "emil", Off: true},
		tidal.Signal{Type: "hide", User: "ada", Item: "i3"},
		tidal.Signal{Type: "like", User: "ada", Item: "i1"},
		tidal.Signal{Type: "view", User: "ada", Item: "i1", Time: at},
		tidal.Signal{Type: "view", User: "ada", Item: "i1", Time: at.Add(-time.Hour)},
		tidal.SetMark{User: "ada", Item: "i1", Mark: schema.Saved},
		tidal.SetMark{User: "ada", Item: "i4", Mark: schema.Liked},
		tidal.SetMark{User: "ada", Item: "i4", Mark: schema.Liked, Off: true},
	)
	state, err := db.User(t.Context(), tidal.UserQuery{ID: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tie := range state.Ties {
		got = append(got, fmt.Sprintf("%v %s %v %v %v", tie.Kind, tie.ID, tie.Relations, tie.Marks, tie.Seen.Equal(at)))
	}
	want := []string{
		"item i1 [] [liked saved] true", "item i2 [hides] [] false", "item i3 [hides] [] false",
		"creator cleo [mutes follows] [] false", "creator dora [blocks] [] false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("ties are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r := state.Recents; len(r) != 2 || r[0].Type != "like" || r[1].Type != "hide" ||
		state.Fields != nil || state.ID != "ada" {
		t.Errorf("state is %+v", state)
	}
	receipt := write(t, db, tidal.Erase{User: "ada"})
	if _, err := db.User(t.Context(), tidal.UserQuery{ID: "ada"}); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("erased: %v", err)
	}
	if receipt.Position.IsZero() || receipt.Forgotten.IsZero() {
		t.Errorf("the receipt of an erase is %+v: it has a position, and names a day", receipt)
	}
}

// TestUniqueUsersAreEstimated counts users who come back, under a type that declares it and one that doesn't; an undo
// takes none back.
func TestUniqueUsersAreEstimated(t *testing.T) {
	db, _ := fresh(t)
	var records []tidal.Record
	const users, rounds = 2000, 3
	for n := range users * rounds {
		s := tidal.Signal{Type: "view", User: fmt.Sprint("user-", n%users), Item: "i"}
		records = append(records, s)
		s.Type = "click"
		records = append(records, s)
	}
	r := write(t, db, records...)
	unique := func(kind string) float64 {
		cell, err := db.Cell(t.Context(), "i", kind, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return float64(cell.Unique)
	}
	if got := unique("view"); math.Abs(got-users) > 0.06*users {
		t.Errorf("%d users are estimated as %v", users, got)
	}
	if got := unique("click"); got != 0 {
		t.Errorf("a type without unique users says %v", got)
	}
	before := unique("view")
	write(t, db, tidal.Undo{Position: r.Position})
	if got := unique("view"); got != before {
		t.Errorf("after an undo %v, before %v", got, before)
	}
}

// TestTheOrderOfArrivalChangesNoCell writes the same events in order, reversed and shuffled by time, some of them years
// late, and demands one digest of the cells.
func TestTheOrderOfArrivalChangesNoCell(t *testing.T) {
	c := newClock()
	var events []tidal.Record
	for n := range 600 {
		late := time.Duration(n) * 37 * time.Minute
		if n%50 == 0 {
			late += 3 * 365 * 24 * time.Hour
		}
		events = append(events, tidal.Signal{
			Type: []string{"view", "like", "purchase"}[n%3], User: fmt.Sprint("u", n%11), Item: fmt.Sprint("i", n%5),
			Weight: float64(1 + n%4), Time: c.ago(late), Cohorts: []string{"de"}, Creator: fmt.Sprint("c", n%2),
		})
	}
	backwards := slices.Clone(events)
	slices.Reverse(backwards)
	strided := make([]tidal.Record, 0, len(events))
	for n := range events {
		strided = append(strided, events[n*7%len(events)])
	}
	var want tidal.Digest
	for name, order := range map[string][]tidal.Record{"in order": events, "backwards": backwards, "strided": strided} {
		db := open(t, t.TempDir(), testSchema(), c.options())
		for part := range slices.Chunk(order, 97) {
			write(t, db, part...)
		}
		if want == (tidal.Digest{}) {
			want = db.DigestCells()
		}
		if got := db.DigestCells(); got != want {
			t.Errorf("%s the cells are others", name)
		}
	}
}

func TestAnUndoNamesItsEventInOneWay(t *testing.T) {
	db, c := fresh(t)
	if _, err := db.Signal(ctx, tidal.Signal{Type: "view", Item: "i", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	laned := tidal.Request{Lane: "phone", Number: 1, Records: []tidal.Record{
		tidal.Put{Kind: tidal.Item, ID: "i"}, tidal.Signal{Type: "view", Item: "i"}, tidal.Signal{Type: "view", Item: "i"},
	}}
	receipt, err := db.Write(ctx, laned)
	if err != nil {
		t.Fatal(err)
	}
	undo := func(u tidal.Undo) error {
		_, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{u}})
		return err
	}
	for name, u := range map[string]tidal.Undo{
		"key":    {Key: "k", Position: receipt.Position},
		"lane":   {Lane: "phone", Number: 1, Position: receipt.Position},
		"number": {Number: 1},
		"index":  {Lane: "phone", Number: 1, Index: -1},
	} {
		var in *tidal.InputError
		if err := undo(u); !errors.As(err, &in) || in.Field != name || in.Record != 0 {
			t.Errorf("%+v: %v", u, err)
		}
	}
	var in *tidal.InputError
	if err := undo(tidal.Undo{Key: "k", Lane: "phone", Number: 1}); !errors.As(err, &in) || in.Field != "key" {
		t.Errorf("key and lane: %v", err)
	}
	if err := undo(tidal.Undo{Lane: "phone"}); !errors.As(err, &in) || in.Field != "number" {
		t.Errorf("lane without number: %v", err)
	}
	for _, u := range []tidal.Undo{
		{Key: "l"},
		{Lane: "tablet", Number: 1},
		{Lane: "phone", Number: 2},
		{Lane: "phone", Number: 1, Index: 3},
		{Lane: "phone", Number: 1}, // a put
		{},
	} {
		if err := undo(u); !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("%+v: %v", u, err)
		}
	}
	for _, u := range []tidal.Undo{{Key: "k"}, {Lane: "phone", Number: 1, Index: 2}} {
		if err := undo(u); err != nil {
			t.Errorf("%+v: %v", u, err)
		}
		if err := undo(u); !errors.Is(err, tidal.ErrUndone) {
			t.Errorf("%+v again: %v", u, err)
		}
	}
	if n := total(t, db, "i", "view"); n != 1 {
		t.Errorf("of three views two were undone, and %d counts", n)
	}
	// A day later neither name is known any more; the position is.
	c.ms.Add(25 * time.Hour.Milliseconds())
	write(t, db, tidal.Put{Kind: tidal.Item, ID: "j"})
	for _, u := range []tidal.Undo{{Key: "k"}, {Lane: "phone", Number: 1, Index: 1}} {
		if err := undo(u); !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("a day later %+v: %v", u, err)
		}
	}
	receipt.Position.Seq++
	if err := undo(tidal.Undo{Position: receipt.Position}); err != nil {
		t.Errorf("a day later by position: %v", err)
	}
}

func TestBadQueriesAreRefused(t *testing.T) {
	db, _ := fresh(t)
	for name, read := range map[string]func() error{
		"kind":  func() error { _, err := db.List(t.Context(), tidal.ListQuery{}); return err },
		"limit": func() error { _, err := db.List(t.Context(), tidal.ListQuery{Kind: tidal.Item, Limit: -1}); return err },
	} {
		var in *tidal.InputError
		if err := read(); !errors.As(err, &in) || in.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i, read := range []func() error{
		func() error {
			_, err := db.List(t.Context(), tidal.ListQuery{Kind: tidal.Item, Limit: 10001})
			return err
		},
		func() error { _, err := db.List(t.Context(), tidal.ListQuery{Kind: 4}); return err },
		func() error { _, err := db.Entity(t.Context(), 0, "i"); return err },
		func() error { _, err := db.User(t.Context(), tidal.UserQuery{ID: "u", Limit: 10001}); return err },
		func() error { _, _, err := db.Load(ctx, "", nil); return err },
	} {
		if err := read(); !errors.Is(err, tidal.ErrInput) {
			t.Errorf("read %d: %v", i, err)
		}
	}
	for i, read := range []func() error{
		func() error { _, err := db.Entity(t.Context(), tidal.Item, ""); return err },
		func() error { _, err := db.User(t.Context(), tidal.UserQuery{ID: "nobody"}); return err },
		func() error { _, err := db.User(t.Context(), tidal.UserQuery{}); return err },
	} {
		if err := read(); !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("read %d: %v", i, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for i, read := range []func() error{
		func() error { _, err := db.Entity(t.Context(), tidal.Item, "i"); return err },
		func() error { _, err := db.List(t.Context(), tidal.ListQuery{Kind: tidal.Item}); return err },
		func() error { _, err := db.User(t.Context(), tidal.UserQuery{ID: "u"}); return err },
		func() error { return db.Extend(ctx, testSchema()) },
	} {
		if err := read(); !errors.Is(err, tidal.ErrClosed) {
			t.Errorf("closed, read %d: %v", i, err)
		}
	}
}

// TestASchemaGrowsUnderWriters extends the schema of an open database while others write to it.
func TestASchemaGrowsUnderWriters(t *testing.T) {
	db, c := fresh(t)
	var wg sync.WaitGroup
	const writers, each = 4, 50
	for w := range writers {
		wg.Go(func() {
			for range each {
				if _, err := db.Signal(ctx, tidal.Signal{Type: "view", User: fmt.Sprint("u", w), Item: "i"}); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	for n := range 5 {
		grown := db.Schema().Clone()
		grown.Signals = append(grown.Signals, schema.SignalType{Name: fmt.Sprint("type", n)})
		grown.Items.Fields = append(grown.Items.Fields, schema.Field{Name: fmt.Sprint("field", n), Type: schema.TypeInt})
		if err := db.Extend(ctx, grown); err != nil {
			t.Errorf("extend: %v", err)
		}
	}
	wg.Wait()
	write(t, db, tidal.Signal{Type: "type4", Item: "i"},
		tidal.Put{Kind: tidal.Item, ID: "i", Fields: tidal.Fields{"field4": schema.Int(7)}})
	if n := total(t, db, "i", "view"); n != writers*each || db.Schema().Version != 6 {
		t.Errorf("%d views, schema version %d", n, db.Schema().Version)
	}
	later := db.Schema().Clone()
	later.Signals[0].HalfLives = append(later.Signals[0].HalfLives, 30*24*time.Hour)
	later.Signals[2].Windows = append(slices.Clone(later.Signals[2].Windows), schema.Window1h)[:1]
	if err := db.Extend(ctx, later); !errors.Is(err, tidal.ErrSchemaChange) ||
		!strings.Contains(err.Error(), "signals.like.windows") {
		t.Errorf("a window gone: %v", err)
	}
	later.Signals[2] = db.Schema().Clone().Signals[2]
	if err := db.Extend(ctx, later); err != nil {
		t.Errorf("a half-life more: %v", err)
	}
	if err := db.Extend(ctx, testSchema()); err != nil || db.Schema().Version != 7 {
		t.Errorf("an older schema, which adds nothing: %v, version %d", err, db.Schema().Version)
	}
	cell, err := db.Cell(t.Context(), "i", "view", c.now())
	if err != nil || len(cell.Scores) != 3 || cell.Scores["30d"] != 0 {
		t.Errorf("a half-life that was added counts from then on: %+v, %v", cell, err)
	}
	if err := db.Extend(ctx, change(func(s *schema.Schema) { s.Name = "other" })); !errors.Is(err, tidal.ErrForeign) {
		t.Errorf("a schema of another name: %v", err)
	}
}
