package tidal_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// A list is read page by page: each begins behind the last id of the one before.
func ExampleDB_List() {
	db, done := scratch()
	defer done()
	var records []tidal.Record
	for _, name := range []string{"miles", "ella", "nina"} {
		records = append(records, tidal.Put{Kind: tidal.Creator, ID: name, Fields: tidal.Fields{
			"verified": schema.Bool(name != "nina"),
		}})
	}
	if _, err := db.Write(context.Background(), tidal.Request{Records: records}); err != nil {
		fmt.Println(err)
		return
	}
	q := tidal.ListQuery{Kind: tidal.Creator, Limit: 2}
	for {
		page, err := db.List(ctx, q)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, e := range page {
			fmt.Println(e.ID, e.Fields["verified"])
		}
		if len(page) < q.Limit {
			break
		}
		fmt.Println("–")
		q.After = page[len(page)-1].ID
	}
	// Output:
	// ella true
	// miles true
	// –
	// nina false
}

// What is known of a user is there until they are erased.
func ExampleDB_User() {
	db, done := scratch()
	defer done()
	_, err := db.Write(context.Background(), tidal.Request{Records: []tidal.Record{
		tidal.Signal{Type: "like", User: "ada", Item: "jazz-101"},
		tidal.Signal{Type: "hide", User: "ada", Item: "polka-7"},
		tidal.Relate{User: "ada", What: tidal.Follows, Target: "miles"},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ada, err := db.User(ctx, tidal.UserQuery{ID: "ada"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, x := range ada.Recents {
		fmt.Println(x.Type, x.Item)
	}
	for _, t := range ada.Ties {
		fmt.Println(t.Kind, t.ID, t.Relations, t.Marks)
	}

	receipt, err := db.Write(context.Background(), tidal.Request{Records: []tidal.Record{tidal.Erase{User: "ada"}}})
	fmt.Println("forgotten by the log:", !receipt.Forgotten.IsZero(), err)
	_, err = db.User(ctx, tidal.UserQuery{ID: "ada"})
	fmt.Println(errors.Is(err, tidal.ErrNotFound))
	// Output:
	// hide polka-7
	// like jazz-101
	// item jazz-101 [] [liked]
	// item polka-7 [hides] []
	// creator miles [follows] []
	// forgotten by the log: true <nil>
	// true
}

// A catalogue of any size is loaded under a lane. The second call finds everything there.
func ExampleDB_Load() {
	db, done := scratch()
	defer done()
	catalogue := func(yield func(tidal.Record, error) bool) {
		for n := range 3000 {
			put := tidal.Put{Kind: tidal.Item, ID: fmt.Sprintf("item-%04d", n), Fields: tidal.Fields{
				"price": schema.Float(float64(n)),
			}}
			if !yield(put, nil) {
				return
			}
		}
	}
	for range 2 {
		written, already, err := db.Load(context.Background(), "catalogue-2026-11", catalogue)
		fmt.Println(written, already, err)
	}
	last, err := db.Entity(ctx, tidal.Item, "item-2999")
	fmt.Println(last.Fields["price"], err)
	// Output:
	// 3000 0 <nil>
	// 0 3000 <nil>
	// 2999.0 <nil>
}

// An event can be undone by the key that it was sent under, without its position at hand.
func ExampleUndo_key() {
	db, done := scratch()
	defer done()
	ctx := context.Background()
	_, err := db.Signal(ctx, tidal.Signal{Type: "purchase", User: "ada", Item: "record-1", Key: "order-4711"})
	fmt.Println(err)
	for range 2 {
		_, err = db.Write(ctx, tidal.Request{Records: []tidal.Record{tidal.Undo{Key: "order-4711"}}})
		fmt.Println(err == nil, errors.Is(err, tidal.ErrUndone))
	}
	// Output:
	// <nil>
	// true false
	// false true
}
