package tidal_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil { t.Fatal(err) }
	ctx := context.Background()
	for i := 0; i < 10; i++ {
		r, err := db.Signal(ctx, tidal.Signal{Type: "like", User: "ada", Item: "jazz"})
		if err != nil { t.Fatal(err) }
		t.Log(r)
	}
	c, err := db.Cell("jazz", "like", time.Time{})
	t.Log(c, err)
	d := db.Digest()
	t.Log(d, db.Stats())
	if err := db.Close(); err != nil { t.Fatal(err) }
	db, err = tidal.Open(dir, nil, nil)
	if err != nil { t.Fatal(err) }
	if db.Digest() != d { t.Error("digest differs") }
	top, err := db.Top(tidal.TopQuery{Type: "like"})
	t.Log(top, err)
	db.Close()
}
