package tidal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// scratch opens a database in a directory of its own; done removes it.
func scratch() (db *tidal.DB, done func()) {
	dir, err := os.MkdirTemp("", "tidal-example-")
	if err != nil {
		panic(err)
	}
	if db, err = tidal.Open(dir, schema.Events(), nil); err != nil {
		panic(err)
	}
	return db, func() {
		if err := errors.Join(db.Close(), os.RemoveAll(dir)); err != nil {
			panic(err)
		}
	}
}

// A database is a directory. What was written is there when it is opened again, with the schema it was made with.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "tidal-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = db.Signal(ctx, tidal.Signal{Type: "view", User: "ada", Item: "jazz-101"})
	fmt.Println(err, db.Close())

	db, err = tidal.Open(dir, nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	cell, err := db.Cell(ctx, "jazz-101", "view", time.Time{})
	fmt.Println(cell.Total, cell.Windows["1h"], err)
	// Output:
	// <nil> <nil>
	// 1 1 <nil>
}

// A request that carries a lane and a number counts once, however often it is sent.
func ExampleDB_Write_retry() {
	db, done := scratch()
	defer done()
	ctx := context.Background()
	request := tidal.Request{Lane: "phone-7", Number: 1, Records: []tidal.Record{
		tidal.Signal{Type: "view", User: "ada", Item: "jazz-101"},
		tidal.Signal{Type: "like", User: "ada", Item: "jazz-101"},
	}}
	for range 2 {
		receipt, err := db.Write(ctx, request)
		fmt.Println(receipt.Position, receipt.Count, receipt.Duplicate, err)
	}
	request.Records = request.Records[:1]
	_, err := db.Write(ctx, request)
	fmt.Println(errors.Is(err, tidal.ErrKeyReused))
	// Output:
	// 0:0:4 2 false <nil>
	// 0:0:4 2 true <nil>
	// true
}

// A signal's counts and scores can be taken back by its position, once.
func ExampleUndo() {
	db, done := scratch()
	defer done()
	ctx := context.Background()
	receipt, err := db.Signal(ctx, tidal.Signal{Type: "purchase", User: "ada", Item: "record-1", Weight: 25})
	if err != nil {
		fmt.Println(err)
		return
	}
	undo := tidal.Request{Records: []tidal.Record{tidal.Undo{Position: receipt.Position}}}
	for range 2 {
		_, err = db.Write(ctx, undo)
		cell, _ := db.Cell(ctx, "record-1", "purchase", time.Time{})
		fmt.Println(cell.Total, cell.Scores["permanent"], errors.Is(err, tidal.ErrUndone))
	}
	// Output:
	// 0 0 false
	// 0 0 true
}

// What an item is made of is put beside what is counted for it. Signals take the item's creator from there.
func ExamplePut() {
	db, done := scratch()
	defer done()
	ctx := context.Background()
	_, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{
		tidal.Put{Kind: tidal.Item, ID: "jazz-101", Fields: tidal.Fields{
			"title":   schema.String("Jazz in one hour"),
			"creator": schema.String("miles"),
			"tags":    schema.Tags([]string{"jazz", "intro"}),
		}},
		tidal.Signal{Type: "view", User: "ada", Item: "jazz-101"},
	}})
	fmt.Println(err)

	var refused *tidal.InputError
	_, err = db.Write(ctx, tidal.Request{Records: []tidal.Record{
		tidal.Put{Kind: tidal.Item, ID: "jazz-101", Fields: tidal.Fields{"titel": schema.String("?")}},
	}})
	if errors.As(err, &refused) {
		fmt.Println(refused.Record, refused.Field)
	}
	// Output:
	// <nil>
	// 0 fields.titel
}
