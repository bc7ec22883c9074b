package harness_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/sim/harness"
)

func idShard(n int) id.Shard { return id.Shard(n) }

// songs are signals about some items.
func songs(n, items int) []harness.Signal {
	out := make([]harness.Signal, n)
	for i := range out {
		out[i] = harness.Signal{
			Item: fmt.Sprintf("song-%d", i%items), Type: []string{"view", "like"}[i%2], User: fmt.Sprintf("user-%d", i%7),
			Weight: float64(1+i%5) / 2,
		}
	}
	return out
}

// TestScoresAreTheSameAfterAThousandSignals: the original asks for six decimals; here they are the same to the bit.
func TestScoresAreTheSameAfterAThousandSignals(t *testing.T) {
	c := build(t, harness.Config{Seed: 2})
	got(c.WriteSignals(usEast, songs(1000, 20)))(t)
	converges(t, c, 5*time.Second)
	for i := range 20 {
		item := fmt.Sprintf("song-%d", i)
		for _, typeName := range []string{"view", "like"} {
			want := got(c.ReadDecayScore(usEast, item, typeName))(t)
			if (want == 0) == (i%2 == 0) == (typeName == "view") {
				t.Errorf("%s has the score %v of %s", item, want, typeName)
			}
			for _, r := range three[1:] {
				if s := got(c.ReadDecayScore(r, item, typeName))(t); s != want {
					t.Errorf("%s of %s is %v in us-east and %v in %s", typeName, item, want, s, r)
				}
			}
		}
	}
}

// TestLagIsNothingAfterFiveHundredBatches: each signal waits for the one before, so each is a batch of its own.
func TestLagIsNothingAfterFiveHundredBatches(t *testing.T) {
	c := build(t, harness.Config{Seed: 3})
	do(t, c.Advance(time.Second)) // until all have subscribed
	cuts := got(c.Isolate(euWest))(t)
	for _, s := range songs(500, 10) {
		got(c.WriteSignal(usEast, s))(t)
	}
	if lag := got(c.Lag(euWest))(t); lag < 500 {
		t.Fatalf("eu-west, cut off, lacks %d events", lag)
	}
	do(t, c.Advance(30*time.Millisecond))
	if lag := got(c.Lag(apSouth))(t); lag > 0 {
		t.Errorf("ap-south lacks %d events", lag)
	}
	for _, p := range cuts {
		p.Release()
	}
	took := converges(t, c, 5*time.Second)
	if lag := got(c.Lag(euWest))(t); lag != 0 {
		t.Errorf("eu-west lacks %d events %v after the heal", lag, took)
	}
}

// TestADamagedBatchIsRefused: one flipped bit, and nothing of it is applied; what is right is asked for again.
func TestADamagedBatchIsRefused(t *testing.T) {
	c := build(t, harness.Config{Seed: 4})
	got(c.WriteSignals(usEast, songs(50, 5)))(t)
	converges(t, c, 5*time.Second)
	before := got(c.ReadDecayScore(euWest, "song-0", "view"))(t)
	damaged := c.Damage(usEast, euWest)
	got(c.WriteSignals(usEast, songs(50, 5)))(t)
	do(t, c.Advance(time.Second))
	if damaged.Count() == 0 {
		t.Fatal("no batch was damaged")
	}
	after := got(c.ReadDecayScore(euWest, "song-0", "view"))(t)
	if after > before {
		t.Errorf("eu-west has %v, it had %v before a damaged batch came", after, before)
	}
	damaged.Release()
	converges(t, c, 120*time.Second)
	if here, there := got(c.ReadDecayScore(usEast, "song-0", "view"))(t), got(c.ReadDecayScore(euWest, "song-0", "view"))(t); here != there || there <= before {
		t.Errorf("song-0 has %v in us-east and %v in eu-west, before it had %v", here, there, before)
	}
}

// TestAFollowerRegionTakesNoWrites, and says where to go instead.
func TestAFollowerRegionTakesNoWrites(t *testing.T) {
	c := build(t, harness.Config{Seed: 5, Followers: []string{euWest}})
	var refused *fault.ReadOnly
	_, err := c.WriteSignal(euWest, harness.Signal{Item: "song", Type: "view"})
	if !errors.Is(err, fault.ErrReadOnly) || !errors.As(err, &refused) {
		t.Fatalf("a write to a follower region ends with %v", err)
	}
	got(c.WriteSignal(usEast, harness.Signal{Item: "song", Type: "view"}))(t)
	converges(t, c, 5*time.Second)
	if s := got(c.ReadDecayScore(euWest, "song", "view"))(t); s <= 0 {
		t.Errorf("a follower region reads %v", s)
	}
}

// TestReadsGoOnWhenTheLeaderStops, and shipping goes on when it is back.
func TestReadsGoOnWhenTheLeaderStops(t *testing.T) {
	c := build(t, harness.Config{Seed: 6})
	got(c.WriteSignals(usEast, songs(100, 4)))(t)
	converges(t, c, 5*time.Second)
	back, err := c.Stop(usEast, 0)
	do(t, err)
	do(t, c.Advance(8*time.Second))
	a := got(c.Rank(euWest, "", "view", "", 10))(t)
	if s := got(c.ReadDecayScore(euWest, "song-0", "view"))(t); s <= 0 {
		t.Errorf("eu-west reads %v", s)
	}
	if len(a.Unreachable) != 1 || a.Unreachable[0] != usEast {
		t.Errorf("eu-west says that %v can't be reached", a.Unreachable)
	}
	got(c.WriteSignals(euWest, songs(100, 4)))(t)
	do(t, back())
	got(c.WriteSignals(usEast, songs(50, 4)))(t)
	converges(t, c, 15*time.Second)
}
