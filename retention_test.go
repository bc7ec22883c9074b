package tidal_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
)

// TestAnUndoIsRecognisedAfterItsEventLeftTheLog takes an event back that is nearly as old as the log is kept, and asks
// again when the event's part of the log is gone: the undo counts once, and a new one is refused.
func TestAnUndoIsRecognisedAfterItsEventLeftTheLog(t *testing.T) {
	c := newClock()
	opts := c.options()
	opts.SegmentBytes = 1 // a file for each batch
	opts.Retention = 7 * 24 * time.Hour
	db := open(t, t.TempDir(), testSchema(), opts)
	view := tidal.Signal{Type: "view", Item: "a", User: "ada"}
	first, second := write(t, db, view), write(t, db, view)

	c.ms.Add((6*24*time.Hour + 20*time.Hour).Milliseconds())
	undo := tidal.Request{Lane: "app", Number: 1, Records: []tidal.Record{tidal.Undo{Position: first.Position}}}
	undone, err := db.Write(ctx, undo)
	if err != nil {
		t.Fatal(err)
	}
	c.ms.Add((10 * time.Hour).Milliseconds())
	if err := db.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	write(t, db, view) // behind its answer the log goes,
	write(t, db, view) // which was done when the next one is written

	if _, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{tidal.Undo{Position: second.Position}}}); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("undo of an event whose log is gone: %v", err)
	}
	again, err := db.Write(ctx, undo)
	if err != nil || !again.Duplicate || again.Position != undone.Position || again.Count != 1 {
		t.Errorf("retry of the undo: %+v, %v; it was accepted as %+v", again, err, undone)
	}
	undo.Records = []tidal.Record{tidal.Undo{Position: second.Position}}
	if _, err := db.Write(ctx, undo); !errors.Is(err, tidal.ErrKeyReused) {
		t.Errorf("the same number for another undo: %v", err)
	}
	undo.Number = 2
	if _, err := db.Write(ctx, undo); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("a new number for an event whose log is gone: %v", err)
	}
	if got := total(t, db, "a", "view"); got != 3 {
		t.Errorf("%d views are counted, of four one was undone", got)
	}
}
