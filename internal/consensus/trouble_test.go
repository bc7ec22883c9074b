package consensus_test

import (
	"errors"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
)

// trio is three replicas that do what they have to do at once.
type trio struct {
	*storm
	t *testing.T
}

func newTrio(t *testing.T) *trio {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 1) // Raft draws its election timeouts there
	s, err := newStorm(1)
	if err != nil {
		t.Fatal(err)
	}
	x := &trio{s, t}
	x.must(s.replicas[0].Campaign())
	x.must(s.calm())
	return x
}

func (x *trio) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *trio) propose(data string) {
	x.t.Helper()
	x.must(x.replicas[0].Propose([]byte(data)))
	x.must(x.calm())
}

// TestALogThatWasLostIsNoticed: a replica that comes back with an older log than it acknowledged says so as soon as its leader
// speaks, instead of taking part with promises that it doesn't remember.
func TestALogThatWasLostIsNoticed(t *testing.T) {
	x := newTrio(t)
	before := x.replicas[1].disk
	x.propose("alpha")
	x.replicas[1].disk = before
	x.must(x.replicas[1].restart(before.base.Applied))
	x.replicas[0].Tick()
	err := x.calm()
	if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "replica 2 acknowledged entry 5 once") {
		t.Fatalf("the leader speaks, and replica 2 says %v", err)
	}
}

// TestAFailureToReadTheLogForAFollowerStopsTheLeader: Raft knows no such failure; it must not be taken for entries that
// were let go.
func TestAFailureToReadTheLogForAFollowerStopsTheLeader(t *testing.T) {
	x := newTrio(t)
	x.gone[3] = true // it hears nothing
	x.propose("alpha")
	x.propose("beta")
	for _, r := range x.replicas[:2] { // they have nothing in memory afterwards
		x.must(r.restart(r.Status().Applied))
	}
	x.must(x.replicas[0].Campaign())
	x.must(x.calm())
	broken := errors.New("the disk is broken")
	for _, r := range x.replicas {
		r.disk.broken = broken
	}
	delete(x.gone, 3)
	var err error
	for range 3 {
		for _, r := range x.replicas {
			r.Tick()
		}
		if err = x.calm(); err != nil {
			break
		}
	}
	if !errors.Is(err, broken) {
		t.Fatalf("a follower needs what can't be read, and the leader says %v", err)
	}
}

// TestChangesAreChecked: what the configuration doesn't allow is refused before it is proposed.
func TestChangesAreChecked(t *testing.T) {
	x := newTrio(t)
	long := strings.Repeat("h", consensus.MaxAddress+1)
	for _, c := range []struct {
		change consensus.Change
		want   string
	}{
		{consensus.Change{Kind: consensus.AddLearner, Member: consensus.Member{Number: 3}}, "3 is in the group already"},
		{consensus.Change{Kind: consensus.AddLearner, Member: consensus.Member{Number: 0}}, "0 was removed"},
		{consensus.Change{Kind: consensus.AddLearner, Member: consensus.Member{Number: 4, Address: long}}, "more than 255"},
		{consensus.Change{Kind: consensus.Readdress, Member: consensus.Member{Number: 3, URL: long}}, "more than 255"},
		{consensus.Change{Kind: consensus.Readdress, Member: consensus.Member{Number: 9}}, "9 is none of the group"},
		{consensus.Change{Kind: consensus.Promote, Member: consensus.Member{Number: 2}}, "2 votes already"},
		{consensus.Change{Kind: consensus.Promote, Member: consensus.Member{Number: 9}}, "9 is none of the group"},
		{consensus.Change{Kind: consensus.Remove, Member: consensus.Member{Number: 1}}, "1 leads"},
		{consensus.Change{Kind: consensus.Remove, Member: consensus.Member{Number: 9}}, "9 is none of the group"},
		{consensus.Change{Kind: 9, Member: consensus.Member{Number: 2}}, "unknown kind"},
	} {
		err := x.replicas[0].Change(c.change)
		if !errors.Is(err, fault.ErrInput) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v of %d: %v, want %q", c.change.Kind, c.change.Member.Number, err, c.want)
		}
	}
	if s := x.replicas[0].Status(); s.Last != s.Applied {
		t.Errorf("something was proposed: the log ends at %d, applied is %d", s.Last, s.Applied)
	}
}

// TestASlowFollowerTakesABoundedShareOfMemory: of what a follower doesn't answer for, a leader sends so many messages and so
// many bytes, however much there is.
func TestASlowFollowerTakesABoundedShareOfMemory(t *testing.T) {
	for _, size := range []int{10, 1 << 20} {
		x := newTrio(t)
		lead := x.replicas[0]
		messages, bytes := 0, 0
		for range 200 {
			x.must(lead.Propose(make([]byte, size)))
			lead.Tick() // heartbeats move what is stuck
			for rounds := 0; rounds < 5; rounds++ {
				for _, r := range x.replicas[:2] {
					x.must(x.take(r))
					for len(r.appends) > 0 {
						x.must(r.persist())
					}
					for len(r.applies) > 0 {
						x.must(x.apply(r))
					}
				}
				mail := x.mail
				x.mail = nil
				for _, m := range mail {
					if m.GetTo() != 3 {
						x.must(x.step1(m))
						continue
					}
					if n := len(m.GetEntries()); n > 0 {
						messages++
						for _, e := range m.GetEntries() {
							bytes += len(e.GetData())
						}
					}
				}
			}
		}
		if s := lead.Status(); s.Commit != s.Last || s.Last < 200 {
			t.Fatalf("the others committed %d of %d", s.Commit, s.Last)
		}
		if messages > 64 || bytes > consensus.MaxInflightBytes+1<<20 {
			t.Errorf("entries of %d bytes: %d messages with %d bytes are on their way to a follower that doesn't answer", size,
				messages, bytes)
		}
		if messages < 15 {
			t.Errorf("only %d messages", messages)
		}
	}
}
