package replica_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

const listenTicks = 8

func listens(c *replica.Config) { c.ListenTicks = listenTicks }

// regionsOf is a request that fills the region table.
func (r *rig) regionsOf(numbers ...id.Region) *replica.Request {
	var out []record.Proposed
	for _, n := range numbers {
		out = append(out, record.Proposed{Kind: record.KindRegion, Region: record.RegionInfo{Number: n, Name: string('a' + rune(n))}})
	}
	return r.request(out...)
}

// restarted is a rig whose region isn't alone, after a crash: it leads, and a request waits.
func restarted(t *testing.T) (r *rig, ticket uint64) {
	t.Helper()
	r = leading(t, listens) // without others nothing is waited for
	r.must(r.request(record.Proposed{Kind: record.KindHome, Home: record.Home{Number: origin.Region}}))
	r.must(r.regionsOf(origin.Region, otherOrigin.Region))
	r.must(r.request(signal(0, "ada", "alpha"))) // nor in the process that told of them
	r.restart(0, false)
	r.lead()
	ticket = r.propose(r.request(signal(0, "ada", "beta")))
	r.flush()
	r.run()
	return r, ticket
}

func (r *rig) tick() {
	r.tb.Helper()
	r.core.Tick(r.now())
	r.take()
	r.flush()
	r.run()
}

func TestALeaderThatWasStartedListensBeforeItStamps(t *testing.T) {
	r, ticket := restarted(t)
	if _, ok := r.replies[ticket]; ok || !r.core.Status().Listening || r.core.Ripe() {
		t.Fatalf("it stamps before it has heard of anybody: %+v", r.core.Status())
	}
	// What others stamped is taken.
	there := leading(t, func(c *replica.Config) { c.Origin = otherOrigin })
	given := r.offer(there.shipped()[0])
	r.flush()
	r.run()
	if x, ok := r.became[given]; !ok || x.Err != nil || x.Result.Outcome != engine.Applied {
		t.Errorf("what another region stamped becomes %+v", x)
	}
	r.core.Heard(r.now())
	r.flush()
	r.run()
	if x, ok := r.replies[ticket]; !ok || x.Err != nil || r.core.Status().Listening {
		t.Errorf("once all have spoken the request ends with %+v, %v", x, ok)
	}
}

func TestWhoHearsNobodyStampsAfterAMoment(t *testing.T) {
	r, ticket := restarted(t)
	for range listenTicks - 1 {
		r.tick()
	}
	if _, ok := r.replies[ticket]; ok {
		t.Errorf("it stamps too early")
	}
	r.tick()
	if x, ok := r.replies[ticket]; !ok || x.Err != nil {
		t.Errorf("after %d ticks the request ends with %+v, %v", listenTicks, x, ok)
	}
}

func TestWhoHearsOfItsOwnEventsWhileItListensStampsNothing(t *testing.T) {
	r, ticket := restarted(t)
	end := len(r.log())
	r.core.Ahead(r.now(), origin.At(id.Seq(end+1)))
	r.core.Heard(r.now())
	r.flush()
	r.run()
	for range listenTicks {
		r.tick()
	}
	if x := r.replies[ticket]; x.Err == nil || len(r.log()) != end {
		t.Errorf("the request ends with %+v, and the log with event %d, not %d", x, len(r.log()), end)
	}
}

func TestWhoTakesOverInARunningGroupStampsAtOnce(t *testing.T) {
	f := founded(t, 3, listens)
	r := f.leader()
	for _, req := range []*replica.Request{
		r.request(record.Proposed{Kind: record.KindHome, Home: record.Home{Number: origin.Region}}),
		r.regionsOf(origin.Region, otherOrigin.Region),
	} {
		r.propose(req)
		r.flush()
		f.run()
	}
	for range listenTicks {
		f.tick(f.rigs...)
		f.run()
	}
	f.cut[r.cfg.Consensus.Replica] = true
	next := f.elect()
	if next == nil || next == r {
		t.Fatal("nobody takes over")
	}
	ticket := next.propose(next.request(signal(0, "ada", "beta")))
	next.flush()
	f.run()
	if x, ok := next.replies[ticket]; !ok || x.Err != nil {
		t.Errorf("the request ends with %+v, %v", x, ok)
	}
}
