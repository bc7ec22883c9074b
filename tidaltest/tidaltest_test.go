package tidaltest_test

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
	"github.com/tidaldb/tidal/tidaltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestScoresFollowTheClock(t *testing.T) {
	s := schema.Events()
	db := tidaltest.New(t, s)
	_, like, _ := s.Signal("like")
	half := like.HalfLives[0]
	db.Must(tidal.Signal{Type: "like", User: "ada", Item: "jazz-101"})
	db.Clock.Advance(half)
	cell, err := db.Cell(t.Context(), "jazz-101", "like", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if got := cell.Scores[schema.FormatDuration(half)]; got < 0.499 || got > 0.501 {
		t.Errorf("a like has the score %v after one half-life, want 0.5", got)
	}
}

func TestWhatWasHiddenIsHiddenAfterARestart(t *testing.T) {
	db := tidaltest.New(t, nil)
	for _, item := range []string{"a", "b"} {
		db.Must(tidal.Put{Kind: tidal.Item, ID: item})
	}
	db.Must(tidal.Relate{User: "ada", What: tidal.Hides, Target: "a"})
	before := db.Digest()
	db.Restart()
	if db.Digest() != before {
		t.Error("the digest is another one after the restart")
	}
	answer, err := db.Rank(t.Context(), &query.Query{User: "ada", Profile: "new"})
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Items) != 1 || answer.Items[0].Item != "b" {
		t.Errorf("the list is %+v, want b alone", answer.Items)
	}
}

func TestTheTestFailsWithItsWrites(t *testing.T) {
	db := tidaltest.Open(t, nil, &tidal.Options{MaxWaiting: 1})
	if _, err := db.Signal(t.Context(), tidal.Signal{Type: "no such type", Item: "i"}); !errors.Is(err, tidal.ErrInput) {
		t.Errorf("a signal of an unknown type ends with %v", err)
	}
	fake := &failing{TB: t}
	broken := tidaltest.New(fake, nil)
	func() {
		defer func() { _ = recover() }() // where a real test would end
		broken.Must(tidal.Signal{Type: "no such type", Item: "i"})
	}()
	if !fake.failed {
		t.Error("Must went on after a refused write")
	}
}

// failing is a test that notes that it failed.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Fatalf(string, ...any) {
	f.failed = true
	panic("ended")
}
