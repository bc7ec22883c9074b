package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/schema"
)

func TestEverythingThereIsToCall(t *testing.T) {
	s := serve(t, schema.Events())
	c := connect(t, client.Options{Addr: s.addr})
	ctx := t.Context()
	must := func(_ client.Receipt, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Do(ctx,
		client.Put{Kind: client.Item, ID: "jazz-101", Fields: client.Fields{
			"creator": "ella", "category": "jazz", "tags": []string{"swing", "live"}, "price": 2.5, "duration": 200,
		}},
		client.Put{Kind: client.Item, ID: "\xff\x00", Fields: client.Fields{"category": "noise"}},
		client.Put{Kind: client.Item, ID: "blues-7", Fields: client.Fields{"category": "blues"}},
		client.Patch{Kind: client.Item, ID: "jazz-101", Fields: client.Fields{"price": nil}},
	))
	must(c.Signals(ctx, client.Signal{Type: "like", User: "ada", Item: "jazz-101"}, client.Signal{Type: "view", User: "ada", Item: "\xff\x00"}))
	must(c.Do(ctx, client.Relate{User: "ada", What: client.Follows, Target: "ella"},
		client.SetMark{User: "ada", Item: "blues-7", Mark: client.Saved},
		client.Collect{User: "ada", Collection: "later", Item: "blues-7"}))

	e, err := c.Get(ctx, client.Item, "jazz-101")
	if err != nil || e.Fields["category"] != "jazz" || e.Fields["price"] != nil || e.Fields["duration"] != int64(200) {
		t.Errorf("%+v, %v", e, err)
	}
	var ids []string
	for e, err := range c.Entities(ctx, client.Item) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	if !slices.Equal(ids, []string{"blues-7", "jazz-101", "\xff\x00"}) {
		t.Errorf("items are %q", ids)
	}
	page, next, err := c.List(ctx, client.Item, "blues-7", 1)
	if err != nil || len(page) != 1 || page[0].ID != "jazz-101" || next != "jazz-101" {
		t.Errorf("%v, %q, %v", page, next, err)
	}
	u, err := c.User(ctx, "ada", "", 0)
	if err != nil || len(u.Recents) != 2 || len(u.Ties) < 2 {
		t.Errorf("%+v, %v", u, err)
	}
	if got, err := c.Collections(ctx, "ada"); err != nil || len(got) != 1 || got[0] != (client.Collection{Name: "later", Items: 1}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, _, err := c.Collection(ctx, "ada", "later", "", 0); err != nil || len(got) != 1 || got[0].Item != "blues-7" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := c.Suggest(ctx, "tags", "s", 0); err != nil || len(got) != 1 || got[0] != (client.Suggestion{Value: "swing", Items: 1}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := c.Cell(ctx, client.CellQuery{Item: "jazz-101", Type: "like"}); err != nil || got.Total != 1 || got.Windows["24h"] != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := c.Top(ctx, client.TopQuery{Type: "like"}); err != nil || len(got) != 1 || got[0].Item != "jazz-101" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := c.Schema(ctx); err != nil || got.Name == "" || len(got.Signals) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := c.Profiles(ctx); err != nil || len(got) == 0 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := c.Stats(ctx); err != nil || got.Signals != 2 || got.HiddenServed != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A list has what the client wrote just before, and never what the user has hidden.
func TestListsFollowWrites(t *testing.T) {
	s := serve(t, schema.Events())
	c := connect(t, client.Options{Addr: s.addr})
	ctx := t.Context()
	for n := range 30 {
		if _, err := c.Do(ctx, client.Put{Kind: client.Item, ID: fmt.Sprint("item-", n), Fields: client.Fields{"category": "jazz"}},
			client.Signal{Type: "like", User: fmt.Sprint("u", n%3), Item: fmt.Sprint("item-", n)}); err != nil {
			t.Fatal(err)
		}
	}
	q := client.Query{User: "ada", Profile: "for_you", Limit: 5, WithCursor: true}
	a, err := c.Rank(ctx, q)
	if err != nil || len(a.Items) != 5 || a.Cursor == "" || len(a.Items[0].Ref) == 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	hidden := a.Items[0].Item
	if _, err := c.Signal(ctx, client.Signal{Type: "hide", User: "ada", Item: hidden, Ref: a.Items[0].Ref}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for q.Cursor = a.Cursor; q.Cursor != ""; {
		if a, err = c.Rank(ctx, q); err != nil {
			t.Fatal(err)
		}
		for _, it := range a.Items {
			if seen[it.Item] || it.Item == hidden {
				t.Errorf("%s is there again", it.Item)
			}
			seen[it.Item] = true
		}
		q.Cursor = a.Cursor
	}
	plan, a, err := c.Explain(ctx, client.Query{Text: `RANK items FOR USER "ada" USING for_you LIMIT 3`})
	if err != nil || plan == "" || len(a.Items) == 0 || len(a.Items[0].Terms) == 0 {
		t.Errorf("%q, %+v, %v", plan, a, err)
	}
}

// Errors of the client are those of the database.
func TestErrorsMeanTheSameAsInTheDatabase(t *testing.T) {
	s := serve(t, schema.Events())
	c := connect(t, client.Options{Addr: s.addr})
	ctx := t.Context()
	_, err := c.Signals(ctx, client.Signal{Type: "like", Item: "a"}, client.Signal{Type: "like", Item: "b", Weight: -1})
	var in *tidal.InputError
	if !errors.Is(err, tidal.ErrInput) || !errors.As(err, &in) || in.Record != 1 || in.Field != "weight" || in.Reason == "" {
		t.Errorf("%v, %+v", err, in)
	}
	_, want := s.db.Signal(ctx, tidal.Signal{Type: "like", Item: "b", Weight: -1})
	var local *tidal.InputError
	if !errors.As(want, &local) || in == nil || local.Reason != in.Reason {
		t.Errorf("the database says %v, the client %v", want, err)
	}
	if _, err := c.Get(ctx, client.Item, "nothing"); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := c.Rank(ctx, client.Query{Text: "RANK nonsense"}); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("%v", err)
	}
	ok := client.Signal{Type: "like", Item: "a", Key: "k"}
	for n, item := range []string{"a", "a", "b"} {
		ok.Item = item
		r, err := c.Signal(ctx, ok)
		if n < 2 && (err != nil || r.Duplicate != (n == 1) || r.Number != 0) || n == 2 && !errors.Is(err, tidal.ErrKeyReused) {
			t.Errorf("signal %d with the key: %+v, %v", n, r, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Rank(gone, client.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got := s.total(t, "a", "like"); got != 1 {
		t.Errorf("a counts %d times", got)
	}
}

// Who keeps the numbers of writes counts each once, whichever process sends it; who leaves them to the client gets
// such as nobody has used.
func TestALaneThatIsTakenUpAgain(t *testing.T) {
	s := serve(t, schema.Events())
	ctx := t.Context()
	write := func(c *client.Client, number uint64, item string) client.Receipt {
		t.Helper()
		r, err := c.Write(ctx, client.Request{Number: number, Records: []client.Record{client.Signal{Type: "like", Item: item}}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := connect(t, client.Options{Addr: s.addr, Lane: "importer"})
	for n := range uint64(3) {
		write(first, n+1, fmt.Sprint("kept-", n+1))
	}
	second := connect(t, client.Options{Addr: s.addr, Lane: "importer"})
	if name, n, err := second.Lane(ctx); err != nil || name != "importer" || n != 3 {
		t.Errorf("lane %q is at %d, %v", name, n, err)
	}
	if r := write(second, 3, "kept-3"); !r.Duplicate {
		t.Errorf("%+v", r)
	}
	write(second, 4, "kept-4")
	third := connect(t, client.Options{Addr: s.addr, Lane: "importer"})
	if r := write(third, 0, "new"); r.Duplicate || r.Number != 4+64+1 {
		t.Errorf("%+v", r)
	}
	_, err := third.Write(ctx, client.Request{Number: 69, Records: []client.Record{client.Signal{Type: "like", Item: "other"}}})
	if !errors.Is(err, client.ErrKeyReused) {
		t.Errorf("%v", err)
	}
	for n := range 4 {
		if got := s.total(t, fmt.Sprint("kept-", n+1), "like"); got != 1 {
			t.Errorf("write %d counts %d times", n+1, got)
		}
	}
}

func TestAStreamTellsWhatBecameOfEachSignal(t *testing.T) {
	s := serve(t, schema.Events())
	c := connect(t, client.Options{Addr: s.addr})
	ctx := t.Context()
	var batches []client.Batch
	st, err := c.Stream(ctx, client.StreamOptions{Batch: 10, Done: func(b client.Batch) { batches = append(batches, b) }})
	if err != nil {
		t.Fatal(err)
	}
	send := func(from, to int, of string) {
		for n := from; n < to; n++ {
			if _, err := st.Send(ctx, client.Signal{Type: of, Item: fmt.Sprint("i", n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(0, 25, "like")
	if err := st.Flush(ctx); err != nil || len(batches) < 3 {
		t.Fatalf("%d batches, %v", len(batches), err)
	}
	send(25, 27, "like")
	send(27, 28, "nonsense")
	if err := st.Flush(ctx); !errors.Is(err, client.ErrInput) {
		t.Errorf("%v", err)
	}
	if _, err := st.Send(ctx, client.Signal{Type: "like", Item: "late"}); !errors.Is(err, client.ErrInput) {
		t.Errorf("%v", err)
	}
	if err := st.Close(); !errors.Is(err, client.ErrInput) {
		t.Errorf("%v", err)
	}
	next := int64(0)
	for _, b := range batches {
		if b.First != next {
			t.Errorf("a batch begins at %d behind %d", b.First, next)
		}
		next += int64(len(b.Signals))
		for _, x := range b.Signals {
			want := int64(1)
			if b.Err != nil {
				want = 0
			}
			if got := s.total(t, x.Item, "like"); got != want {
				t.Errorf("%s counts %d times, its batch says %v", x.Item, got, b.Err)
			}
		}
	}
	if next != 28 {
		t.Errorf("%d signals were told of", next)
	}
}

// A lone signal doesn't wait for company longer than it has to.
func TestAStreamLingers(t *testing.T) {
	s := serve(t, schema.Events())
	c := connect(t, client.Options{Addr: s.addr})
	done := make(chan client.Batch, 1)
	st, err := c.Stream(t.Context(), client.StreamOptions{Linger: time.Millisecond, Done: func(b client.Batch) { done <- b }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Send(t.Context(), client.Signal{Type: "like", Item: "lone"}); err != nil {
		t.Fatal(err)
	}
	if b := <-done; b.Err != nil || b.Receipt.Count != 1 {
		t.Errorf("%+v", b)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	if _, err := st.Send(t.Context(), client.Signal{Type: "like", Item: "late"}); err == nil {
		t.Error("a closed stream takes signals")
	}
	for _, o := range []client.StreamOptions{{Batch: -1}, {Batch: 10_001}, {InFlight: 65}, {Linger: -1}} {
		if _, err := c.Stream(t.Context(), o); !errors.Is(err, client.ErrInput) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
