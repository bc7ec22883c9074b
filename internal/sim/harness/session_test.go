package harness_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/sim/harness"
)

// TestASessionGoesOnInAnotherRegion: five preferences are written in one region and read in another one well within the two
// seconds that the original asks for.
func TestASessionGoesOnInAnotherRegion(t *testing.T) {
	c := build(t, harness.Config{Seed: 11})
	s := got(c.OpenSession(usEast, "ann", "evening"))(t)
	for i := range 5 {
		do(t, s.Like(usEast, fmt.Sprintf("song-%d", i)))
	}
	began := c.Elapsed()
	x := got(s.Read(euWest, 2*time.Second))(t)
	if len(x.Signals) != 1 || x.Signals[0].N != 5 {
		t.Errorf("eu-west reads %+v", x.Signals)
	}
	t.Logf("a session's five preferences were visible in another region after %v", c.Elapsed()-began)
	do(t, s.Like(apSouth, "song-9"))
	if x = got(s.Read(usEast, 2*time.Second))(t); x.Signals[0].N != 6 {
		t.Errorf("us-east reads %+v", x.Signals)
	}
	converges(t, c, 5*time.Second)
}

// TestAWriteThatIsSentAgainElsewhereCountsOnce, whether the other region knows it already or not.
func TestAWriteThatIsSentAgainElsewhereCountsOnce(t *testing.T) {
	for _, known := range []bool{true, false} {
		c := build(t, harness.Config{Seed: 12})
		s := got(c.OpenSession(usEast, "ann", "evening"))(t)
		converges(t, c, 5*time.Second)
		var cuts []*harness.NetworkPartition
		if !known {
			cuts = got(c.Isolate(euWest))(t)
		}
		do(t, s.Like(usEast, "song"))
		do(t, c.Advance(time.Second))
		do(t, s.Again(euWest, "song"))
		for _, p := range cuts {
			p.Release()
		}
		converges(t, c, 15*time.Second)
		want := got(c.ReadDecayScore(usEast, "song", "like"))(t)
		if want <= 0.9 || want > 1 {
			t.Errorf("a like that was sent twice counts %v", want)
		}
		for _, r := range three[1:] {
			if s := got(c.ReadDecayScore(r, "song", "like"))(t); s != want {
				t.Errorf("%s reads %v, us-east %v", r, s, want)
			}
		}
	}
}

// TestAReadThatComesTooEarlySaysSo: a region that is cut off can't show what a session has seen elsewhere.
func TestAReadThatComesTooEarlySaysSo(t *testing.T) {
	c := build(t, harness.Config{Seed: 13})
	s := got(c.OpenSession(usEast, "ann", "evening"))(t)
	got(s.Read(apSouth, 2*time.Second))(t)
	cuts := got(c.Isolate(apSouth))(t)
	do(t, s.Like(usEast, "song"))
	if _, err := s.Read(apSouth, time.Second); !errors.Is(err, fault.ErrNotYet) {
		t.Errorf("ap-south, cut off, reads with %v", err)
	}
	for _, p := range cuts {
		p.Release()
	}
	if x := got(s.Read(apSouth, 10*time.Second))(t); x.Signals[0].N != 1 {
		t.Errorf("ap-south reads %+v", x.Signals)
	}
}

// TestWhatIsHiddenInOneRegionIsShownInNone.
func TestWhatIsHiddenInOneRegionIsShownInNone(t *testing.T) {
	c := build(t, harness.Config{Seed: 14})
	for i := range 4 {
		s := harness.Signal{Item: fmt.Sprintf("song-%d", i), Type: "view", Cohorts: []string{"young"}}
		got(c.WriteSignal(usEast, s))(t)
	}
	do(t, c.SetHidden(euWest, "ann", "song-2", true))
	converges(t, c, 5*time.Second)
	for _, r := range three {
		a := got(c.Rank(r, "young", "view", "ann", 10))(t)
		if len(a.Items) != 3 {
			t.Errorf("%s shows %+v", r, a.Items)
		}
		for _, x := range a.Items {
			if x.Item == "song-2" {
				t.Errorf("%s shows what ann has hidden", r)
			}
		}
	}
}
