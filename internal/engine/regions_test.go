package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

func region(r record.RegionInfo) written {
	return plain(record.Proposed{Kind: record.KindRegion, Region: r})
}

func homeIs(n id.Region) written {
	return plain(record.Proposed{Kind: record.KindHome, Home: record.Home{Number: n}})
}

// TestTheRegionTableIsWhatWasWrittenLast: registers of several regions, written by several, rule by stamp, and roles follow.
func TestTheRegionTableIsWhatWasWrittenLast(t *testing.T) {
	e, own, far, _ := start(t)
	own.level, far.level = 3, 3
	if len(e.Regions()) != 0 || e.Home() != 0 || e.Role() != engine.RoleActive {
		t.Errorf("a new database has regions %v, home %d, role %v", e.Regions(), e.Home(), e.Role())
	}
	if role := engine.New(engine.Config{}).Role(); role != engine.RoleHome || !role.Writes() {
		t.Errorf("the first region is %v", role)
	}
	ends := record.Endpoints{Number: 2, Members: []record.Endpoint{{Replica: 1, Address: "a:1", URL: "http://a"}, {Replica: 4}}}
	far.clock += 1000
	late := far.batch(region(record.RegionInfo{Number: 1, Name: "late", Follower: true}), homeIs(2),
		plain(record.Proposed{Kind: record.KindEndpoints, Endpoints: ends}))
	apply(t, e, late, engine.Applied)
	apply(t, e, own.batch(region(record.RegionInfo{Number: 1, Name: "early"}), homeIs(1)), engine.Applied)
	want := "[{Number:1 Name:late Follower:true Removed:false Successor:0 Home:false Endpoints:[]} " +
		"{Number:2 Name: Follower:false Removed:false Successor:0 Home:true " +
		"Endpoints:[{Replica:1 Address:a:1 URL:http://a} {Replica:4 Address: URL:}]}]"
	if got := fmt.Sprintf("%+v", e.Regions()); got != want {
		t.Errorf("regions are\n%s, want\n%s", got, want)
	}
	if e.Home() != 2 || e.Role() != engine.RoleFollower || e.Role().Writes() {
		t.Errorf("home is %d, own role %v", e.Home(), e.Role())
	}
	own.clock += 5000
	apply(t, e, own.batch(homeIs(1)), engine.Applied)
	if e.Role() != engine.RoleHome {
		t.Errorf("promoted, it is %v", e.Role())
	}
	removed := record.RegionInfo{Number: 1, Name: "late", Removed: true, Successor: 2}
	apply(t, e, own.batch(region(removed)), engine.Applied)
	if r, ok := e.Region(1); !ok || !r.Removed || e.Role() != engine.RoleRemoved || e.Role().Writes() || e.AnswersFor(home) {
		t.Errorf("removed, it is %v: %+v", e.Role(), r)
	}
	if _, ok := e.Region(7); ok {
		t.Error("there is a region 7")
	}
	circle := record.RegionInfo{Number: 2, Name: "there", Removed: true, Successor: 1}
	apply(t, e, own.batch(region(circle)), engine.Applied)
	if e.AnswersFor(home) || e.AnswersFor(there) {
		t.Error("successors that go round in a circle answer")
	}
}

// TestAnOfferSaysWhatApplyDoes, and changes nothing.
func TestAnOfferSaysWhatApplyDoes(t *testing.T) {
	e, own, far, farther := start(t)
	one, two, three := far.batch(plain(signal(view, "u", "i"))), far.batch(plain(signal(view, "u", "i"))),
		far.batch(plain(signal(view, "u", "i")))
	farther.schema = grown(testSchema(), "other").Hash()
	waits := farther.batch(plain(signal(view, "u", "i")))
	mine := own.batch(plain(signal(view, "u", "i")))
	range12 := compacted(t, e, 0, one, two).AppendEntry(nil)
	range23 := compacted(t, e, 0, two, three).AppendEntry(nil)
	offer := func(data []byte, want engine.Outcome, cause error) {
		t.Helper()
		unchanged(t, e, func() {
			if got, err := e.Offer(data); got != want || !errors.Is(err, cause) {
				t.Errorf("offered: %v, %v; want %v, %v", got, err, want, cause)
			}
		})
	}
	offer(one, engine.Applied, nil)
	offer(two, engine.Gap, nil)
	offer(range12, engine.Applied, nil)
	offer(range23, engine.Gap, nil)
	offer(waits, engine.Parked, nil)
	offer(mine, 0, fault.ErrForked)
	offer([]byte("TDRG"), 0, fault.ErrCorrupt)
	offer([]byte("nothing"), 0, fault.ErrCorrupt)
	if res, err := e.ApplyEntry(one); err != nil || res.Outcome != engine.Applied {
		t.Fatalf("%+v, %v", res, err)
	}
	offer(one, engine.Duplicate, nil)
	offer(range12, 0, fault.ErrOverlap)
	if res, err := e.ApplyEntry(range23); err != nil || res.Outcome != engine.Applied || e.Received(there) != 3 {
		t.Fatalf("%+v, %v", res, err)
	}
	offer(range12, engine.Duplicate, nil)
	offer(three, engine.Duplicate, nil)
	if engine.IsRange(one) || !engine.IsRange(range12) {
		t.Error("a batch and a range are taken for each other")
	}
}

// TestAWildClockStallsNobody: batches of another region that were stamped far in the future apply like others, and what
// they wrote can be overridden.
func TestAWildClockStallsNobody(t *testing.T) {
	e, own, far, _ := start(t)
	far.clock = hlc.Make(1<<47, 9)
	apply(t, e, far.batch(plain(signal(like, "u", "i")), at(1<<47, signal(view, "u", "i"))), engine.Applied)
	apply(t, e, far.batch(plain(signal(view, "u", "i"))), engine.Applied)
	if n := cell(t, e, "i", "view").Total(); n != 2 {
		t.Errorf("2 signals count as %d", n)
	}
	if e.Highest() != far.clock || e.HighestOwn() >= hlc.Make(1<<46, 0) {
		t.Errorf("the highest stamp is %v, the own %v", e.Highest(), e.HighestOwn())
	}
	unlikes := plain(signal(unlike, "u", "i"))
	unlikes.stamp = e.RegisterStamp(&unlikes.Proposed) + 1
	apply(t, e, own.batch(unlikes), engine.Applied)
	if m, err := e.Marks("u", "i"); err != nil || m.Liked.On {
		t.Errorf("liked still: %+v, %v", m, err)
	}
}
