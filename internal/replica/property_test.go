package replica_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"pgregory.net/rapid"
)

// wish is one request of a client, which sends it again until it is answered.
type wish struct {
	item     string // its own, so that the log tells which request a record is of
	producer string
	number   uint64
	key      string
	count    int
	tickets  []uint64
	acked    bool
	first    id.Position
}

func (w *wish) retriable() bool { return w.producer != "" || w.key != "" }

// crowd is a set of clients at a rig.
type crowd struct {
	*rig
	t      *rapid.T
	wishes []*wish
	lanes  map[string]uint64
}

// TestWhateverHappensEachRequestCountsOnce interleaves new requests, retries, steps of the disk and of the state
// machine, clock moves and crashes at random. At the end the clients retry all that may be retried, and each request
// with a lane or a key stands in the log once, each other one at most once, the acknowledged ones where their receipts
// say.
func TestWhateverHappensEachRequestCountsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &crowd{t: t, lanes: map[string]uint64{}}
		c.rig = leading(t, func(cfg *replica.Config) {
			cfg.MaxWaiting = rapid.IntRange(3, 40).Draw(t, "max waiting")
			cfg.Consensus.MaxUncommitted = rapid.Uint64Range(200, 4000).Draw(t, "max uncommitted")
		})
		c.quiet = true
		for range rapid.IntRange(20, 200).Draw(t, "steps") {
			c.step()
		}
		c.settle()
		c.verify()
	})
}

func (c *crowd) step() {
	switch n := rapid.IntRange(0, 99).Draw(c.t, "step"); {
	case n < 30:
		c.send(c.fresh())
	case n < 45:
		if len(c.wishes) > 0 {
			if w := rapid.SampledFrom(c.wishes).Draw(c.t, "retry"); w.retriable() && c.inWindow(w) {
				c.send(w)
			}
		}
	case n < 60:
		c.flush()
	case n < 77:
		if err := c.persist(); err != nil && !errors.Is(err, errIdle) {
			c.t.Fatal(err)
		}
	case n < 94:
		if err := c.apply(); err != nil && !errors.Is(err, errIdle) {
			c.t.Fatal(err)
		}
	case n < 97:
		c.wall += rapid.Int64Range(-3000, 3000).Draw(c.t, "clock")
	default:
		c.restart(rapid.IntRange(0, len(c.appends)).Draw(c.t, "kept"), rapid.Bool().Draw(c.t, "torn"))
		c.lead()
	}
	c.learn()
}

func (c *crowd) fresh() *wish {
	w := &wish{item: fmt.Sprint("item", len(c.wishes)), count: rapid.IntRange(1, 3).Draw(c.t, "records")}
	switch n := rapid.IntRange(0, 5).Draw(c.t, "kind"); n {
	case 0, 1, 2:
		w.producer = fmt.Sprint("p", n)
		c.lanes[w.producer]++
		w.number = c.lanes[w.producer]
	case 3:
		w.key, w.count = w.item, 1
	}
	c.wishes = append(c.wishes, w)
	return w
}

// inWindow reports whether the request may still be the first of its number to come.
func (c *crowd) inWindow(w *wish) bool { return w.producer == "" || c.lanes[w.producer] < w.number+60 }

func (c *crowd) send(w *wish) {
	var records []record.Proposed
	for i := range w.count {
		p := signal(uint16(i%2), "ada", w.item)
		p.Key = w.key
		records = append(records, p)
	}
	w.tickets = append(w.tickets, c.propose(inLane(c.request(records...), w.producer, w.number)))
	c.learn()
}

// learn reads the answers.
func (c *crowd) learn() {
	for _, w := range c.wishes {
		for _, ticket := range w.tickets {
			reply, ok := c.replies[ticket]
			if !ok {
				continue
			}
			delete(c.replies, ticket)
			switch {
			case reply.Err != nil:
				if !errors.Is(reply.Err, fault.ErrOverloaded) && !errors.Is(reply.Err, fault.ErrClock) {
					c.t.Fatalf("request for %s: %v", w.item, reply.Err)
				}
			case w.acked && (reply.Receipt.First != w.first || !w.retriable()):
				c.t.Fatalf("request for %s was written at %v, and now at %v", w.item, w.first, reply.Receipt.First)
			case reply.Receipt.Count != w.count:
				c.t.Fatalf("request for %s has %d records, not %d", w.item, reply.Receipt.Count, w.count)
			default:
				w.acked, w.first = true, reply.Receipt.First
			}
		}
	}
}

// settle lets the clock catch up and retries until every request that may be is acknowledged.
func (c *crowd) settle() {
	c.run()
	c.wall += 1_000_000
	for _, w := range c.wishes {
		for range 3 {
			if w.acked || !w.retriable() || !c.inWindow(w) {
				break
			}
			c.send(w)
			c.flush()
			c.run()
			c.learn()
		}
	}
	c.flush()
	c.run()
	c.learn()
	c.legal()
	if len(c.open) > 0 {
		c.t.Fatalf("%d requests were never answered", len(c.open))
	}
}

func (c *crowd) verify() {
	found := map[string][]id.Seq{}
	for _, rec := range c.log() {
		if rec.Kind != record.KindSignal {
			continue
		}
		var s record.Signal
		if err := record.DecodeSignal(rec.Body, &s); err != nil {
			c.t.Fatal(err)
		}
		found[s.Item] = append(found[s.Item], rec.Seq)
	}
	for _, w := range c.wishes {
		seqs := found[w.item]
		switch {
		case len(seqs) == 0 && !w.acked && !(w.retriable() && c.inWindow(w)):
			continue
		case len(seqs) != w.count:
			c.t.Fatalf("%s stands in the log %d times, want %d (acknowledged: %v)", w.item, len(seqs), w.count, w.acked)
		case w.acked && seqs[0] != w.first.Seq:
			c.t.Fatalf("%s stands at %d, its receipt says %v", w.item, seqs[0], w.first)
		}
	}
	signals := uint64(0)
	for _, seqs := range found {
		signals += uint64(len(seqs))
	}
	if got := c.engine.Counters().Signals; got != signals {
		c.t.Fatalf("the engine counted %d signals, the log has %d", got, signals)
	}
}
