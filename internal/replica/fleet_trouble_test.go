package replica_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/cryptotest"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/replica"
)

// TestALeaderWhoseDiskHangsLeadsNoLonger stalls a leader's disk for 1,000 ticks, in every phase of its clock, with and
// without others in reach. What waited is told within the watchdog's patience and two election timeouts, and never that
// all is well; with others in reach one of them leads by then, and without the leader knows that it doesn't.
func TestALeaderWhoseDiskHangsLeadsNoLonger(t *testing.T) {
	fenced := 0
	for phase := range 25 {
		for _, alone := range []bool{false, true} {
			cryptotest.SetGlobalRandom(t, uint64(phase))
			f := founded(t, 3, func(c *replica.Config) { c.StallTicks = 12 })
			r := f.rigs[0]
			for range phase {
				f.tick(f.rigs...)
				f.run()
			}
			f.held[1] = true
			ticket := r.propose(inLane(r.request(signal(0, "ada", "a")), "p", 1))
			r.flush()
			f.run()
			f.cut[2], f.cut[3] = alone, alone
			for tick := range 1000 {
				f.tick(f.rigs...)
				f.run()
				if tick == 12+20 {
					f.mustHaveGivenUp(t, ticket, alone)
				}
			}
			if r.fenced != nil {
				fenced++
			}
			f.held = map[uint64]bool{}
			f.run()
			if reply := r.replies[ticket]; !errors.Is(reply.Err, fault.ErrUnknown) {
				t.Errorf("phase %d: the disk answers at last, and so does the request: %v", phase, reply.Err)
			}
		}
	}
	if fenced < 20 {
		t.Errorf("%d leaders fell silent: too few to mean anything", fenced)
	}
}

func (f *fleet) mustHaveGivenUp(t *testing.T, ticket uint64, alone bool) {
	t.Helper()
	r := f.rigs[0]
	if s := r.core.Status(); s.Leader && !s.Fenced || s.Leading {
		t.Errorf("a leader whose disk hangs goes on (others cut off: %v):\n%s", alone, f)
	}
	if other := f.leader(); !alone && other == nil {
		t.Errorf("nobody else leads:\n%s", f)
	}
	if reply, ok := r.replies[ticket]; !ok || !errors.Is(reply.Err, fault.ErrUnknown) {
		t.Errorf("what waited is answered with %v, %v", reply.Err, ok)
	}
}

// TestAFencedReplicaIsSilent: it answers every request at once, and nothing of what its disk or others say moves it.
func TestAFencedReplicaIsSilent(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	f := founded(t, 3, nil)
	r := f.rigs[0]
	f.held[1] = true
	r.propose(inLane(r.request(signal(0, "ada", "a")), "p", 1))
	r.flush()
	for range 60 {
		f.tick(f.rigs...)
		f.run()
	}
	if r.fenced == nil || !errors.Is(r.fenced, fault.ErrStalled) {
		t.Fatalf("it is fenced with %v:\n%s", r.fenced, f)
	}
	before := r.core.Status()
	ticket := r.propose(r.request(signal(0, "ada", "b")))
	r.core.ReadIndex(r.now(), 7)
	r.core.Change(r.now(), 8, consensus.Change{Kind: consensus.AddLearner})
	r.core.Transfer(r.now(), 0)
	r.check(r.core.Receive(r.now(), f.rigs[1].heartbeat(1)))
	r.take()
	for len(r.appends) > 0 {
		r.check(r.persist())
	}
	r.core.Tick(r.now())
	r.take()
	if err := r.replies[ticket].Err; !errors.Is(err, fault.ErrNotLeader) || !errors.Is(err, fault.ErrStalled) {
		t.Errorf("a request is answered with %v", err)
	}
	if err := r.reads[7].Err; !errors.Is(err, fault.ErrNotLeader) {
		t.Errorf("a read is answered with %v", err)
	}
	if err := r.changes[8].Err; !errors.Is(err, fault.ErrNotLeader) {
		t.Errorf("a change is answered with %v", err)
	}
	if after := r.core.Status(); after.Term != before.Term || after.Commit != before.Commit || after.Applied != before.Applied {
		t.Errorf("it moved from %+v to %+v", before, after)
	}
	if len(r.mail)+len(r.applies) > 0 {
		t.Errorf("it sends %d packets and applies %d times", len(r.mail), len(r.applies))
	}
	if !r.core.Retire(r.now()) {
		t.Error("it has something to hand over")
	}
}

// heartbeat is what a leader says when nothing happens.
func (r *rig) heartbeat(to uint64) replica.Packet {
	m := zeroOf(replica.Packet{}.Raft)
	setEnum(&m.Type, 8)
	from := r.cfg.Consensus.Replica
	m.From, m.To, m.Term = &from, &to, new(r.core.Status().Term)
	return replica.Packet{To: to, From: from, Kind: replica.PacketRaft, Raft: m}
}

// TestStrangersAreCountedAndNotHeard: packets for others, in another's name, or of members that were removed.
func TestStrangersAreCountedAndNotHeard(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	f := founded(t, 3, nil)
	lead, r := f.rigs[0], f.rigs[1]
	lead.core.Change(lead.now(), 1, consensus.Change{Kind: consensus.Remove, Member: consensus.Member{Number: 3}})
	lead.take()
	f.run()
	if x, ok := lead.changes[1]; !ok || x.Err != nil {
		t.Fatalf("removal: %+v, %v", x, ok)
	}
	forOther, forged, removed := lead.heartbeat(3), lead.heartbeat(2), f.rigs[2].heartbeat(2)
	forged.From = 4
	own := r.heartbeat(2)
	for i, p := range []replica.Packet{forOther, forged, removed, own} {
		p.Raft.Term = new(uint64(99))
		r.check(r.core.Receive(r.now(), p))
		r.take()
		if s := r.core.Status(); s.Strays != uint64(i+1) || s.Term == 99 {
			t.Errorf("packet %d: %d strays, term %d", i, s.Strays, s.Term)
		}
	}
	r.check(r.core.Receive(r.now(), lead.heartbeat(2)))
	if s := r.core.Status(); s.Strays != 4 {
		t.Errorf("the leader is a stray: %d", s.Strays)
	}
}

// TestWhatWaitsForAQuorumIsBounded: while nobody else answers, batches are stamped up to a bound; what comes then waits and
// shares one.
func TestWhatWaitsForAQuorumIsBounded(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	f := founded(t, 3, func(c *replica.Config) { c.MaxStamped = 3 })
	r := f.rigs[0]
	first := r.core.Status().Last
	f.cut[2], f.cut[3] = true, true
	for i := range 10 {
		r.propose(inLane(r.request(signal(0, "ada", fmt.Sprint("i", i))), "p", uint64(i+1)))
		r.flush()
		f.run()
	}
	if last := r.core.Status().Last; last != first+3 {
		t.Errorf("%d batches wait for a quorum, want 3", last-first)
	}
	f.cut = map[uint64]bool{}
	f.tick(f.rigs...)
	f.tick(f.rigs...)
	f.run()
	if last := r.core.Status().Last; last != first+4 || len(r.open) > 0 {
		t.Errorf("ten requests are in %d batches, and %d have no answer", last-first, len(r.open))
	}
}
