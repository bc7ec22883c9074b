package tidal_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// A list for a user, an item that they hide, and the list again.
func ExampleDB_Rank() {
	dir, err := os.MkdirTemp("", "tidal")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	db, err := tidal.Open(dir, schema.Events(), &tidal.Options{Now: func() time.Time { return now }})
	if err != nil {
		panic(err)
	}
	defer db.Close() //nolint:errcheck // an example
	ctx := context.Background()
	var records []tidal.Record
	for _, x := range [][2]string{{"blue-train", "jazz"}, {"kind-of-blue", "jazz"}, {"giant-steps", "jazz"}, {"requiem", "classical"}} {
		records = append(records, tidal.Put{Kind: tidal.Item, ID: x[0], Fields: tidal.Fields{
			"category": schema.String(x[1]), "published": schema.Time(now.Add(-48 * time.Hour).UnixMilli()),
		}})
	}
	for _, x := range [][2]string{
		{"ben", "blue-train"},
		{"ben", "kind-of-blue"},
		{"ben", "giant-steps"},
		{"cem", "kind-of-blue"},
		{"cem", "giant-steps"},
		{"dee", "giant-steps"},
		{"dee", "requiem"},
		{"ada", "blue-train"},
	} {
		records = append(records, tidal.Signal{Type: "like", User: x[0], Item: x[1]})
	}
	if _, err := db.Write(ctx, tidal.Request{Records: records}); err != nil {
		panic(err)
	}
	q, err := query.Parse(`RANK items FOR USER "ada" USING for_you FILTER category = "jazz" AND NOT liked EXPLORE 0 LIMIT 10`)
	if err != nil {
		panic(err)
	}
	show := func() {
		a, err := db.Rank(ctx, q)
		if err != nil {
			panic(err)
		}
		for i, x := range a.Items {
			fmt.Printf("%d. %s\n", i+1, x.Item)
		}
	}
	show()
	if _, err := db.Signal(ctx, tidal.Signal{Type: "hide", User: "ada", Item: "kind-of-blue"}); err != nil {
		panic(err)
	}
	show()
	// Output:
	// 1. kind-of-blue
	// 2. giant-steps
	// 1. giant-steps
}
