package tidal_test

import (
	"context"
	"fmt"
	"os"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// Example writes items and what two readers did with them, and asks what one of them should be shown. The README shows the
// body of likes.
func Example() {
	dir, err := os.MkdirTemp("", "tidal-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := likes(context.Background(), dir); err != nil {
		fmt.Println(err)
	}
	// Output:
	// jazz-102
}

func likes(ctx context.Context, dir string) error {
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	jazz, bread := tidal.Fields{"category": schema.String("jazz")}, tidal.Fields{"category": schema.String("bread")}
	_, err = db.Write(ctx, tidal.Request{Records: []tidal.Record{
		tidal.Put{Kind: tidal.Item, ID: "jazz-101", Fields: jazz},
		tidal.Put{Kind: tidal.Item, ID: "jazz-102", Fields: jazz},
		tidal.Put{Kind: tidal.Item, ID: "jazz-103", Fields: jazz},
		tidal.Put{Kind: tidal.Item, ID: "bread-7", Fields: bread},
		tidal.Signal{Type: "like", User: "ada", Item: "jazz-101"},
		tidal.Signal{Type: "like", User: "ben", Item: "jazz-101"},
		tidal.Signal{Type: "like", User: "ben", Item: "jazz-102"},
		tidal.Signal{Type: "hide", User: "ada", Item: "jazz-103"},
	}})
	if err != nil {
		return err
	}
	q, err := query.Parse(`RANK items FOR USER "ada" FILTER category = "jazz" AND NOT liked LIMIT 10`)
	if err != nil {
		return err
	}
	list, err := db.Rank(ctx, q)
	if err != nil {
		return err
	}
	for _, x := range list.Items {
		fmt.Println(x.Item)
	}
	return nil
}
