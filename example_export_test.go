package tidal_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
)

// What users did with what they were shown, for a program that learns: each event with the list that led to it. A cursor goes
// on behind any event, today or next week.
func ExampleDB_Export() {
	db, done := scratch()
	defer done()
	ctx := context.Background()
	began := time.Now().Add(-time.Minute)
	_, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{
		tidal.Put{Kind: tidal.Item, ID: "jazz-101"}, tidal.Put{Kind: tidal.Item, ID: "jazz-102"},
	}})
	if err != nil {
		panic(err)
	}
	list, err := db.Rank(ctx, query.Rank("new").For("ada").Query())
	if err != nil {
		panic(err)
	}
	for i, what := range []string{"like", "skip"} {
		_, err := db.Signal(ctx, tidal.Signal{Type: what, User: "ada", Item: list.Items[i].Item, Ref: list.Ref(i)})
		if err != nil {
			panic(err)
		}
	}
	var cursor string
	for event, err := range db.Export(ctx, tidal.ExportQuery{From: began, User: "ada"}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(event.Type, event.Ref.Feed == list.Feed, event.Ref.Place, event.Ref.Profile)
		cursor = event.Cursor
	}
	for event, err := range db.Export(ctx, tidal.ExportQuery{From: began, User: "ada", Cursor: cursor}) {
		fmt.Println("since then:", event.Type, err)
	}
	// Output:
	// like true 1 new
	// skip true 2 new
}
