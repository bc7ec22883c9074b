package replica_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// TestARefusedRequestLeavesNoTrace writes the same requests with and without wrong ones among them: sequence numbers,
// stamps and bytes are equal.
func TestARefusedRequestLeavesNoTrace(t *testing.T) {
	good := func(r *rig, round int) []*replica.Request {
		return []*replica.Request{
			r.request(signal(0, "ada", fmt.Sprint("a", round))),
			inLane(r.request(signal(1, "bob", "b"), signal(2, "bob", "b")), "p", uint64(round+1)),
			r.request(record.Proposed{Kind: record.KindDelete, Entity: record.Entity{Kind: 1, ID: "b"}}),
			r.request(signal(0, "ada", "b")),
		}
	}
	bad := func(r *rig, round int) []*replica.Request {
		_, hash := r.engine.Schema()
		unknown := undo(origin.At(9999), signal(0, "ada", "a").Signal, 0, hash)
		other := undo(otherOrigin.At(1), signal(0, "ada", "a").Signal, 0, hash)
		stale := r.request(signal(0, "ada", "a"))
		stale.Schema[0]++
		return []*replica.Request{
			r.request(signal(0, "cid", "c"), record.Proposed{Kind: record.KindDelete, Entity: record.Entity{
				Kind: 1,
				ID:   "a0",
			}}, unknown),
			r.request(other), stale,
			inLane(r.request(signal(1, "bob", "other content")), "p", uint64(round+1)),
		}
	}
	clean, mixed := leading(t, nil), leading(t, nil)
	for round := range 5 {
		clean.wall += 10
		mixed.wall += 10
		clean.propose(good(clean, round)...)
		requests := good(mixed, round)
		requests = append(requests, bad(mixed, round)[3])
		for i, b := range bad(mixed, round)[:3] {
			requests = slices.Insert(requests, 2*i%len(requests), b)
		}
		mixed.propose(requests...)
		clean.flush()
		mixed.flush()
		if round%2 == 0 {
			clean.run()
			mixed.run()
		}
	}
	clean.run()
	mixed.run()
	equalLogs(t, clean, mixed)
	refused := 0
	for _, reply := range mixed.replies {
		if reply.Err != nil {
			refused++
		}
	}
	if refused != 5*4 {
		t.Errorf("%d requests are refused, want %d", refused, 5*4)
	}
	if clean.engine.Digest() != mixed.engine.Digest() {
		t.Error("states differ")
	}
}

// TestTheSameInputsGiveTheSameBytes runs a story twice.
func TestTheSameInputsGiveTheSameBytes(t *testing.T) {
	run := func() *rig {
		r := leading(t, nil)
		for i := range 200 {
			r.wall += int64(i % 7)
			req := r.request(signal(uint16(i%3), fmt.Sprint("u", i%11), fmt.Sprint("i", i%13)))
			if i%3 == 0 {
				inLane(req, fmt.Sprint("p", i%5), uint64(i+1))
			}
			r.propose(req)
			if i%4 == 0 {
				r.flush()
			}
			if i%9 == 0 {
				r.run()
			}
		}
		r.flush()
		r.run()
		return r
	}
	a, b := run(), run()
	equalLogs(t, a, b)
	if a.said.String() != b.said.String() {
		t.Error("outputs differ")
	}
	if a.events.String() != b.events.String() {
		t.Error("histories differ")
	}
}

func equalLogs(t *testing.T, a, b *rig) {
	t.Helper()
	x, y := a.batches(), b.batches()
	if len(x) != len(y) {
		t.Fatalf("logs have %d and %d batches", len(x), len(y))
	}
	for i := range x {
		if !bytes.Equal(x[i], y[i]) {
			t.Fatalf("batch %d differs:\n%x\n%x", i, x[i], y[i])
		}
	}
}

// TestARestartAtEveryPrefixGoesOnWithoutReuse crashes after every number of appends, whole and torn, and writes on.
func TestARestartAtEveryPrefixGoesOnWithoutReuse(t *testing.T) {
	const requests = 12
	story := func(r *rig) {
		for i := range requests {
			r.wall += 3
			r.propose(inLane(r.request(signal(0, "ada", fmt.Sprint("i", i))), "p", uint64(i+1)))
			r.flush()
			if i%3 == 2 {
				r.run()
			}
		}
	}
	for steps := 0; ; steps++ {
		for _, torn := range []bool{false, true} {
			r := newRig(t, nil)
			left := steps
			done := func() bool {
				for len(r.appends) > 0 && left > 0 {
					left--
					r.check(r.persist())
					for len(r.applies) > 0 {
						r.check(r.apply())
					}
				}
				return left == 0
			}
			r.prefixStory(done, requests)
			if left > 0 {
				if torn {
					return // all prefixes were seen
				}
				continue
			}
			answered := len(r.replies)
			r.wall -= 5000 // the wall clock may have been set back meanwhile
			r.restart(0, torn)
			r.lead()
			r.wall += 5000
			if s, _ := r.engine.Schema(); s == nil {
				continue
			}
			before := len(r.log())
			story(r)
			r.run()
			records := r.log() // checks sequence numbers and stamps
			if len(records) != 2+requests {
				t.Fatalf("after %d appends (torn %v): log has %d records (%d before the retries), want %d; %d were answered",
					steps, torn, len(records), before, 2+requests, answered)
			}
		}
	}
}

// prefixStory founds, leads and writes, as far as done lets it.
func (r *rig) prefixStory(done func() bool, requests int) {
	if done() {
		return
	}
	r.check(r.core.Campaign(r.now()))
	r.take()
	if done() || !r.core.Leading() {
		return
	}
	s := testSchema()
	r.propose(r.request(
		record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: 1}},
		record.Proposed{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: s.Encode()}},
	))
	r.flush()
	if done() {
		return
	}
	for i := range requests {
		r.wall += 3
		r.propose(inLane(r.request(signal(0, "ada", fmt.Sprint("i", i))), "p", uint64(i+1)))
		r.flush()
		if done() {
			return
		}
	}
}

// TestADeposedLeaderTellsItsRequestsThatNothingWasWritten takes the lead away in the middle of three proposals, whose
// indexes then go to other terms, and gives it back: what is stamped then is answered by its own entry.
func TestADeposedLeaderTellsItsRequestsThatNothingWasWritten(t *testing.T) {
	r := leading(t, func(c *replica.Config) { c.Consensus.MaxUncommitted = 1 << 20 })
	last := r.disk.entries[len(r.disk.entries)-1]
	var tickets []uint64
	for i := range 3 {
		tickets = append(tickets, r.propose(inLane(r.request(signal(0, "ada", "lost")), "p", uint64(i+1))))
		r.flush()
	}
	// Two batches are under way, the third request waits. Another leader's entry takes the place of the first.
	r.receive(emptyEntryFrom(2, last, 9))
	if r.core.Leading() {
		t.Fatal("a leader of a later term didn't depose this one")
	}
	if reply := r.replies[tickets[2]]; !errors.Is(reply.Err, fault.ErrNotLeader) {
		t.Fatalf("the request that waited is answered with %v", reply)
	}
	r.run()
	if reply := r.replies[tickets[0]]; !errors.Is(reply.Err, fault.ErrNotLeader) || errors.Is(reply.Err,
		fault.ErrUnknown) {
		t.Errorf("the superseded request is answered with %v", reply)
	}
	r.lead()
	if reply := r.replies[tickets[1]]; !errors.Is(reply.Err, fault.ErrNotLeader) {
		t.Errorf("the request behind it is answered with %v", reply)
	}
	receipt := r.must(inLane(r.request(signal(0, "ada", "kept")), "p", 1))
	if receipt.Duplicate || receipt.First != origin.At(3) {
		t.Errorf("after the way back a write gets %+v, want position %v", receipt, origin.At(3))
	}
	if len(r.open) != 0 {
		t.Errorf("%d requests were never answered", len(r.open))
	}
	r.log()
}

// emptyEntryFrom is a message by which a leader of another replica puts its first entry behind last.
func emptyEntryFrom(leader uint64, last consensus.Entry, term uint64) consensus.Message {
	m := zeroOf(consensus.Message(nil))
	setEnum(&m.Type, msgApp)
	m.From, m.To, m.Term = new(leader), new(uint64(1)), new(term)
	m.Index, m.LogTerm, m.Commit = new(last.Index), new(last.Term), new(last.Index+1)
	m.Entries = append(m.Entries, elementOf(m.Entries))
	e := m.Entries[0]
	setEnum(&e.Type, 0)
	e.Term, e.Index = new(term), new(last.Index+1)
	return m
}

// The Raft library has one door, and this isn't it: its types are named through the values that hold them.
func zeroOf[T any](*T) *T                   { return new(T) }
func elementOf[T any](_ []*T) *T            { return new(T) }
func setEnum[T ~int32](to **T, value int32) { *to = new(T(value)) }

// TestAWildForeignClockDoesNotDragTheOwnAlong overrides a register that was stamped far ahead: above it, and yet under
// the own clock.
func TestAWildForeignClockDoesNotDragTheOwnAlong(t *testing.T) {
	r := leading(t, nil)
	_, hash := r.engine.Schema()
	b := record.NewBuilder()
	r.check(b.Reset(record.Head{
		Origin: otherOrigin, First: 1, Timestamp: 1, Base: 900000 << 16, Schema: hash, Level: 1,
	}))
	hide := record.Relation{Which: record.HideItem, On: true, User: "ada", Target: "i"}
	r.check(b.AddProposed(&record.Meta{HLC: 900000 << 16}, &record.Proposed{Kind: record.KindRelation, Relation: hide}))
	data, err := b.Finish(nil)
	r.check(err)
	res, err := r.engine.Apply(data)
	r.check(err)
	if res.Outcome != engine.Applied {
		t.Fatalf("foreign batch is %v", res.Outcome)
	}
	hide.On = false
	r.must(r.request(record.Proposed{Kind: record.KindRelation, Relation: hide}))
	pair, err := r.engine.Relation("ada", byte(record.HideItem), "i")
	r.check(err)
	if pair.Holds() {
		t.Error("an unhide doesn't override a hide that a wild clock stamped")
	}
	log := r.log()
	if last := log[len(log)-1].Meta; last.HLC.Millis() > r.wall+r.cfg.SkewBound || last.Stamp == 0 {
		t.Errorf("the unhide has stamp %v over clock %v", last.Stamp, last.HLC)
	}
	r.wall += 10
	r.must(r.request(signal(0, "ada", "i")))
	log = r.log()
	if ms := log[len(log)-1].Meta.HLC.Millis(); ms > r.wall+r.cfg.SkewBound {
		t.Errorf("the clock is at %d ms, the wall clock at %d", ms, r.wall)
	}
}

// TestABatchHoldsWhatFitsWithItsCreators writes requests that grow when the leader fills in long creators: what doesn't
// fit behind others goes into the next batch, and what fits nowhere is refused.
func TestABatchHoldsWhatFitsWithItsCreators(t *testing.T) {
	r := leading(t, func(c *replica.Config) { c.Consensus.MaxUncommitted = 64 << 20 })
	creator := schema.String(strings.Repeat("c", 512))
	put := record.Proposed{Kind: record.KindPut, Entity: record.Entity{
		Kind: id.KindItem, ID: "i",
		Fields: []record.Field{
			{Name: schema.CreatorField, Value: creator.Encode()},
		},
	}}
	r.must(r.request(put))
	many := func(n int) *replica.Request {
		records := make([]record.Proposed, n)
		for i := range records {
			records[i] = signal(0, "ada", "i")
		}
		return r.request(records...)
	}
	before := len(r.batches())
	tickets := []uint64{
		r.propose(many(1000)), r.propose(many(800)), r.propose(many(4000)), r.propose(many(1)),
		r.propose(inLane(many(500), "p", 1)), r.propose(inLane(many(500), "p", 1)),
	}
	r.flush()
	r.run()
	r.log()
	next := id.Seq(4)
	for i, n := range []int{1000, 800, 0, 1, 500, 500} {
		reply := r.replies[tickets[i]]
		switch {
		case n == 0:
			var in *fault.Input
			if !errors.As(reply.Err, &in) || in.Field != "records" {
				t.Errorf("a request that fits nowhere: %v", reply.Err)
			}
			continue
		case i == 5:
			next -= id.Seq(n)
		}
		if reply.Err != nil || reply.Receipt.First != origin.At(next) || reply.Receipt.Duplicate != (i == 5) {
			t.Errorf("request %d: %+v, want position %d", i, reply, next)
		}
		next += id.Seq(n)
	}
	if n := len(r.batches()) - before; n != 2 {
		t.Errorf("requests went into %d batches, want 2", n)
	}
	cell := 0
	for rec := range r.engine.Records {
		if rec.Kind == algebra.KindCreatorCell {
			cell++
		}
	}
	if cell != 1 {
		t.Errorf("%d cells of creators, want 1", cell)
	}
}
