package tidal_test

import (
	"errors"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

func TestHealthSaysHowFarTheCheckpointIsBehindAndWhenItIsOver(t *testing.T) {
	db, err := tidal.Open(t.TempDir(), schema.Events(), &tidal.Options{CheckpointBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	before := db.Health()
	if before.Failed != nil || before.Lists != 0 || before.Degradation != "full" {
		t.Errorf("%+v", before)
	}
	if _, err := db.Signal(t.Context(), tidal.Signal{Type: "like", User: "ada", Item: "jazz"}); err != nil {
		t.Fatal(err)
	}
	if h := db.Health(); h.Behind <= before.Behind {
		t.Errorf("a signal later %d bytes are behind, before it %d", h.Behind, before.Behind)
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h := db.Health(); h.Behind != 0 {
		t.Errorf("behind a checkpoint %d bytes are behind", h.Behind)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if h := db.Health(); !errors.Is(h.Failed, tidal.ErrClosed) {
		t.Errorf("%+v", h)
	}
}
