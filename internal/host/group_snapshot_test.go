package host_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
)

// forgetful lets a group's logs go right behind their checkpoints.
func forgetful(o *host.Options) {
	o.SegmentBytes, o.Retention, o.RangeBytes = 4096, briefly, -1
}

// letGo makes everybody's checkpoint and waits until the logs begin behind it, as far as files end there.
func (g *group) letGo() {
	g.t.Helper()
	for address, m := range g.members {
		mustCheckpoint(g.t, m)
		g.await("the log of "+address+" goes", func() bool { return host.BaseOf(m).Log.FirstIndex() > 1 })
	}
}

// fill writes requests of a lane through whoever leads.
func (g *group) fill(from, n int) {
	g.t.Helper()
	for i := range n {
		g.write("p", uint64(from+i), fmt.Sprintf("item-%d", (from+i)%40))
	}
}

// recognised sends requests of a lane again, and expects that each is known.
func (g *group) recognised(numbers ...int) {
	g.t.Helper()
	for _, n := range numbers {
		got, err := write(g.t.Context(), g.leader(), "p", uint64(n), fmt.Sprintf("item-%d", n%40), 1)
		if err != nil || !got.Duplicate {
			g.t.Fatalf("a retry of request %d is answered with %+v, %v", n, got, err)
		}
	}
}

// TestANewcomerGetsASnapshotWhereTheLogIsGone: one joins when no log reaches back to the beginning, and then leads.
func TestANewcomerGetsASnapshotWhereTheLogIsGone(t *testing.T) {
	g := newGroup(t)
	g.tune = forgetful
	g.found("a")
	g.start("b", "a")
	g.start("c", "b")
	g.voters(3)
	g.fill(1, 2300) // more than the others have in memory
	g.same()        // nobody lags
	g.letGo()
	g.fill(2301, 20) // some log behind the snapshot
	d := g.start("d", "a")
	g.voters(4)
	g.same()
	if first := host.BaseOf(d).Log.FirstIndex(); first == 1 {
		t.Fatal("the newcomer has the log from its beginning; it wasn't let go")
	}
	g.await("it leads", func() bool {
		err := d.Transfer(t.Context(), 4)
		if err != nil && !errors.Is(err, fault.ErrNotLeader) && !errors.Is(err, fault.ErrNoSuccessor) && !errors.Is(err, fault.ErrUnknown) {
			t.Fatal(err)
		}
		return d.Leading()
	})
	g.recognised(1, 1500, 2300, 2310)
	g.fill(2321, 10)
	g.same()
	// What it holds is durable.
	g.kill("d")
	g.start("d")
	g.same()
}

// TestAMemberThatWasAwayGetsASnapshot: it comes back when the log behind what it has is gone.
func TestAMemberThatWasAwayGetsASnapshot(t *testing.T) {
	for _, memory := range []int64{1, 0}[:fewer(2, 1)] {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			g := newGroup(t)
			g.tune = func(o *host.Options) {
				forgetful(o)
				o.UserMemory = memory
			}
			g.found("a")
			g.start("b", "a")
			g.start("c", "b")
			g.voters(3)
			g.fill(1, 100)
			g.same()
			mustCheckpoint(t, g.members["c"])
			g.kill("c")
			g.fill(101, 2300)
			g.letGo()
			c := g.start("c")
			g.same()
			if first := host.BaseOf(c).Log.FirstIndex(); first < 101 {
				t.Fatalf("its log begins at %d: it got no snapshot", first)
			}
			if got := total(t, c, "item-7"); got != total(t, g.leader(), "item-7") {
				t.Errorf("item-7 was viewed %d times", got)
			}
			if !seen(t, c, "item-7") {
				t.Error("a view doesn't show at its user")
			}
			// A read that waits for what a snapshot brings is answered.
			if err := c.Await(context.Background(), wholeOf(t, host.BaseOf(g.leader())).vector); err != nil {
				t.Error(err)
			}
			g.fill(2401, 10)
			g.same()
		})
	}
}
