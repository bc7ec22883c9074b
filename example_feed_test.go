package tidal_test

import (
	"context"
	"fmt"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
)

// A feed, page by page. What is hidden between two pages isn't on the second one, and nothing is on both.
func ExampleAnswer_Cursor() {
	db, done := scratch()
	defer done()
	ctx := context.Background()
	for n := range 7 {
		item := fmt.Sprintf("song-%d", n)
		records := []tidal.Record{tidal.Put{Kind: tidal.Item, ID: item}}
		for fan := range 7 - n {
			records = append(records, tidal.Signal{Type: "like", User: fmt.Sprint("fan ", fan), Item: item})
		}
		if _, err := db.Write(ctx, tidal.Request{Records: records}); err != nil {
			panic(err)
		}
	}
	q := query.Rank("top").For("ada").Explore(0).Limit(3).Query()
	for {
		page, err := db.Rank(ctx, q)
		if err != nil {
			panic(err)
		}
		for i, x := range page.Items {
			fmt.Printf("%d. %s\n", i+1, x.Item)
		}
		fmt.Println("--")
		if q.Cursor = page.Cursor(); q.Cursor == "" {
			return
		}
		if _, err := db.Signal(ctx, tidal.Signal{Type: "hide", User: "ada", Item: "song-4"}); err != nil {
			panic(err)
		}
	}
	// Output:
	// 1. song-0
	// 2. song-1
	// 3. song-2
	// --
	// 1. song-3
	// 2. song-5
	// 3. song-6
	// --
}

// Why an item stands where it does: the steps of its score, which add up to it.
func ExampleRankedItem() {
	db, done := scratch()
	defer done()
	ctx := context.Background()
	_, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{
		tidal.Put{Kind: tidal.Item, ID: "jazz-101"},
		tidal.Signal{Type: "like", User: "ben", Item: "jazz-101"},
		tidal.Signal{Type: "like", User: "cem", Item: "jazz-101"},
	}})
	if err != nil {
		panic(err)
	}
	list, err := db.Rank(ctx, query.Rank("most").Signal("like").Explain().Query())
	if err != nil {
		panic(err)
	}
	item, sum := list.Items[0], 0.0
	for _, term := range item.Terms {
		fmt.Printf("%+.0f  %s\n", term.Delta, term.Name)
		sum += term.Delta
	}
	fmt.Println(item.Item, item.Score, sum == item.Score)
	// Output:
	// +2  count
	// jazz-101 2 true
}

// A click that echoes the reference of its list's item: the log knows from which list it came, and from which place.
func ExampleAnswer_Ref() {
	db, done := scratch()
	defer done()
	ctx := context.Background()
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
	ref := list.Ref(1) // goes to the client with the item, and comes back
	_, err = db.Signal(ctx, tidal.Signal{Type: "view", User: "ada", Item: list.Items[1].Item, Ref: ref})
	fmt.Println(err)
	said, err := db.Ref(ref)
	fmt.Println(said.Item == list.Items[1].Item, said.Feed == list.Feed, said.Place, said.Profile, said.Propensity, err)
	// Output:
	// <nil>
	// true true 2 new 1 <nil>
}
