package tidal_test

import (
	"testing"

	"github.com/tidaldb/tidal"
)

func TestAReceiptSaysWhenItsSignalsWereDurableAndVisible(t *testing.T) {
	db, _ := fresh(t)
	request := tidal.Request{
		Lane: "app", Number: 1, Records: []tidal.Record{tidal.Signal{Type: "view", User: "ada", Item: "i"}},
	}
	first, err := db.Write(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if first.Durable <= 0 || first.Visible < first.Durable {
		t.Errorf("durable after %v and visible after %v: nothing is visible before it is durable", first.Durable,
			first.Visible)
	}
	again, err := db.Write(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Duplicate || again.Durable != 0 || again.Visible != 0 {
		t.Errorf("a duplicate's receipt is %+v; nothing was written for it", again)
	}
}
