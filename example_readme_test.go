package tidal_test

import (
	"context"
	"fmt"
	"os"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// Example writes three likes and asks what is liked most. The README shows the body of likes.
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
	// jazz-101 2.00
	// bread-7 1.00
}

func likes(ctx context.Context, dir string) error {
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Signals(ctx,
		tidal.Signal{Type: "like", User: "ada", Item: "jazz-101"},
		tidal.Signal{Type: "like", User: "ben", Item: "jazz-101"},
		tidal.Signal{Type: "like", User: "ada", Item: "bread-7"})
	if err != nil {
		return err
	}
	top, err := db.Top(tidal.TopQuery{Type: "like"})
	for _, s := range top {
		fmt.Printf("%s %.2f\n", s.Item, s.Score)
	}
	return err
}
