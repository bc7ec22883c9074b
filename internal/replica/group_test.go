package replica_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// Raft's numbers of the messages that these tests send.
const (
	msgApp         = 3
	msgAppResp     = 4
	msgVote        = 5
	msgVoteResp    = 6
	msgPreVote     = 17
	msgPreVoteResp = 18
)

// ofThree makes the rig the first of a group of three, whose configuration was applied in an earlier life.
func ofThree(tb failer, cfg *replica.Config) {
	r := consensus.Restored{HardState: consensus.HardState{Term: 1, Commit: 3}, Applied: 3, AppliedTerm: 1}
	for n := uint64(1); n <= 3; n++ {
		// The form of a change, then Raft's own: add (field 2 is 0) a node (field 3).
		e := consensus.Entry{Kind: consensus.Configuration, Term: 1, Index: n, Data: []byte{1, 0x10, 0, 0x18, byte(n)}}
		var err error
		if r.Members, err = r.Members.After(e); err != nil {
			tb.Fatal(err)
		}
	}
	cfg.Consensus.Restored = r
}

// assent answers the core's messages as replica 2 would, as long as it is asked for votes or for entries up to limit.
func (r *rig) assent(limit uint64) {
	r.tb.Helper()
	for busy := true; busy; {
		busy = false
		mail := r.mail
		r.mail = nil
		for _, p := range mail {
			m := p.Raft
			if p.To != 2 {
				continue
			}
			answer := zeroOf(m)
			answer.From, answer.To, answer.Term = new(uint64(2)), new(uint64(1)), new(m.GetTerm())
			switch m.GetType() {
			case msgPreVote:
				setEnum(&answer.Type, msgPreVoteResp)
			case msgVote:
				setEnum(&answer.Type, msgVoteResp)
			case msgApp:
				last := m.GetIndex() + uint64(len(m.GetEntries()))
				if last > limit {
					continue
				}
				setEnum(&answer.Type, msgAppResp)
				answer.Index = new(last)
			default:
				continue
			}
			r.receive(answer)
			busy = true
		}
		for len(r.appends)+len(r.applies) > 0 {
			r.run()
			busy = true
		}
	}
}

// TestALeaderThatComesBackForgetsWhatItsFirstTermLost stamps three batches that stay uncommitted, loses the lead to a
// leader whose log is shorter, and gets it back: the indexes behind the new terms' entries are free again, and whoever
// waited for them learns that nothing was written.
func TestALeaderThatComesBackForgetsWhatItsFirstTermLost(t *testing.T) {
	r := newRig(t, func(cfg *replica.Config) { ofThree(t, cfg) })
	everything := uint64(1 << 40)
	r.check(r.core.Campaign(r.now()))
	r.take()
	r.assent(everything)
	if !r.core.Leading() {
		t.Fatal("a replica with a quorum doesn't lead")
	}
	s := testSchema()
	setup := r.propose(r.request(record.Proposed{
		Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: s.Encode()},
	}))
	r.flush()
	r.assent(everything)
	if r.replies[setup].Err != nil {
		t.Fatal(r.replies[setup].Err)
	}
	const committed = 5 // three members, the term's empty entry, the schema
	var tickets []uint64
	for i := range 4 {
		tickets = append(tickets, r.propose(inLane(r.request(signal(0, "ada", fmt.Sprint("i", i))), "p", uint64(i+1))))
		r.flush()
		r.assent(committed)
	}
	if len(r.open) != 4 {
		t.Fatalf("%d requests wait for a quorum, want 4", len(r.open))
	}
	r.receive(emptyEntryFrom(3, consensus.Entry{Term: 2, Index: committed}, 9))
	r.run()
	r.mail = nil
	r.check(r.core.Campaign(r.now()))
	r.take()
	r.assent(everything)
	if !r.core.Leading() {
		t.Fatal("the replica didn't get the lead back")
	}
	for i, ticket := range tickets {
		reply, ok := r.replies[ticket]
		if !ok || !errors.Is(reply.Err, fault.ErrNotLeader) || errors.Is(reply.Err, fault.ErrUnknown) {
			t.Errorf("request %d is answered with %v (%v)", i, reply, ok)
		}
	}
	for i := range 4 {
		ticket := r.propose(inLane(r.request(signal(0, "ada", fmt.Sprint("i", i))), "p", uint64(i+1)))
		r.flush()
		r.assent(everything)
		if reply := r.replies[ticket]; reply.Err != nil || reply.Receipt.Duplicate ||
			reply.Receipt.First != origin.At(id.Seq(2+i)) {
			t.Errorf("retry of request %d: %+v", i, reply)
		}
	}
	r.legal()
}

// TestARequestIsStampedWithTheCreatorOfItsMoment lets a request wait for the next batch, and another region change its
// item's creator meanwhile.
func TestARequestIsStampedWithTheCreatorOfItsMoment(t *testing.T) {
	r := leading(t, func(c *replica.Config) { c.Consensus.MaxUncommitted = 64 << 20 })
	put := func(creator string) record.Proposed {
		return record.Proposed{Kind: record.KindPut, Entity: record.Entity{
			Kind: id.KindItem, ID: "i",
			Fields: []record.Field{
				{Name: schema.CreatorField, Value: schema.String(creator).Encode()},
			},
		}}
	}
	r.must(r.request(put(strings.Repeat("c", 512))))
	many := func() *replica.Request {
		records := make([]record.Proposed, 1000)
		for i := range records {
			records[i] = signal(0, "ada", "i")
		}
		return r.request(records...)
	}
	r.propose(r.request(signal(0, "ada", "other")))
	r.flush()
	r.propose(many(), many())
	r.flush() // the second doesn't fit behind the first, and the disk has enough to do
	_, hash := r.engine.Schema()
	b := record.NewBuilder()
	r.check(b.Reset(record.Head{Origin: otherOrigin, First: 1, Timestamp: 1, Base: 9000 << 16, Schema: hash, Level: 1}))
	change := put("new")
	r.check(b.AddProposed(&record.Meta{HLC: 9000 << 16}, &change))
	data, err := b.Finish(nil)
	r.check(err)
	_, err = r.engine.Apply(data)
	r.check(err)
	r.run()
	log := r.log()
	var s record.Signal
	r.check(record.DecodeSignal(log[len(log)-1000].Body, &s)) // the second request's first
	if s.Creator != "new" {
		t.Errorf("the creator is %.10q…, want the new one", s.Creator)
	}
}
