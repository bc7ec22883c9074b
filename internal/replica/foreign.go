package replica

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// What a leader does for other regions' events: it proposes their batches to its own group, byte for byte, so that all
// replicas of the group apply one log. See docs/decisions/0046-foreign-batches-through-the-own-log.md.

// MaxForeignBytes bounds what a core holds of other origins, waiting and under way, in bytes.
const MaxForeignBytes = 16 << 20

// MaxForeign is the longest batch or range entry that is taken: as much as an entry of the log holds.
const MaxForeign = 8 << 20

// How much of it shares one append with the own batch that waits, so that neither keeps the other from the disk.
const (
	foreignShare = 1 << 20 // bytes; one entry may have more
	foreignMost  = 512     // entries
)

// Foreign is a batch of another origin, verbatim, or the entry of a compacted range that takes the place of batches.
type Foreign struct {
	// Ticket is the driver's name for it; the reply carries it.
	Ticket uint64
	// Data must never change again.
	Data []byte
	// Batch is Data as it was opened, if it's a batch that was verified to its end ([record.Batch.Verify]), or is of a newer program. nil
	// has the core do so.
	Batch *record.Batch
}

// ForeignReply ends a [Foreign]: every one gets exactly one.
type ForeignReply struct {
	Ticket uint64
	// Result says what became of it. Applied and Parked: it is in the group's log, and was applied here or waits here for
	// a schema version. Duplicate: all of it is here, or on its way through the log, and it wasn't proposed. Gap: events
	// before it are missing; a range is in the log in vain then, if it came behind batches that turned out to wait.
	Result engine.Result
	// Err is [fault.ErrNotLeader] and [fault.ErrOverloaded], after which nothing was written, and [fault.ErrUnknown], after
	// which it may have been. Of what is wrong nothing was written: [fault.ErrCorrupt], [fault.ErrFormatTooNew],
	// [fault.ErrInput] for one that is too long, [fault.ErrForked] for other content than is held, [fault.ErrOverlap] for a
	// range of which a part is here.
	Err error
}

// foreigns are the entries of other origins that wait or are under way.
type foreigns struct {
	queue  []*incoming // not proposed yet, in the order given
	flight []*incoming // proposed and not applied, in order of index
	// ends is the last number of each origin among them: what comes next is held against that.
	ends  map[id.Origin]id.Seq
	bytes int
	held  bool // consensus takes no more until something is applied
}

type incoming struct {
	*Foreign
	entryName
	result engine.Result // where it belongs; Outcome is set at the end
}

// ProposeForeign takes a batch or range of another origin. The reply comes in [Output.Foreign], now or later. The driver
// calls [Core.Flush] behind the last one at hand, so that they share an append.
//
// Those of one origin are to be given in order, without waiting for replies in between.
func (c *Core) ProposeForeign(now Now, f *Foreign) {
	c.now = now
	in := &incoming{Foreign: f}
	switch {
	case c.fenced != nil || c.stalled:
		c.endForeign(in, fmt.Errorf("%w: %w", fault.ErrNotLeader, fault.ErrStalled))
		return
	case !c.leading:
		c.endForeign(in, c.notLeader())
		return
	case len(f.Data) > MaxForeign:
		c.endForeign(in, fault.Refuse("data", "has %d bytes; an entry of another region has at most %d", len(f.Data), MaxForeign))
		return
	case len(f.Data) > c.Room():
		c.endForeign(in, fault.ErrOverloaded)
		return
	}
	var err error
	in.result, err = c.offered(f)
	if o := in.result.Outcome; err != nil || o != engine.Applied && o != engine.Parked {
		c.endForeign(in, err)
		return
	}
	c.foreign.queue = append(c.foreign.queue, in)
	c.foreign.ends[in.result.Origin] = in.result.Last
	c.foreign.bytes += len(f.Data)
}

// Room is how many bytes [Core.ProposeForeign] takes now; 0 on a replica that doesn't lead.
func (c *Core) Room() int {
	if !c.leading || c.stalled || c.fenced != nil {
		return 0
	}
	return max(0, MaxForeignBytes-c.foreign.bytes)
}

// foreignRipe reports whether something waits that consensus would take.
func (c *Core) foreignRipe() bool { return len(c.foreign.queue) > 0 && !c.foreign.held }

// proposeForeign hands consensus what may share the next append. What it doesn't take goes on waiting.
func (c *Core) proposeForeign() error {
	f := &c.foreign
	size, n := 0, 0
	for n < len(f.queue) && n < foreignMost && !f.held {
		in := f.queue[n]
		if size += len(in.Data); n > 0 && size > foreignShare {
			break
		}
		switch err := c.node.Propose(in.Data); {
		case err == nil:
			n++
			// All that was ready was taken, so it's the next entry of the log.
			in.entryName = entryName{c.term, c.created.index + uint64(n)}
			f.flight = append(f.flight, in)
		case errors.Is(err, fault.ErrOverloaded), errors.Is(err, fault.ErrNotLeader):
			c.counts.dropped++
			f.held = true // until something is applied, or leadership is lost
		default:
			return err
		}
	}
	f.queue = f.queue[n:]
	return nil
}

// settleForeign answers what was applied with an entry, or lost its index to another term's.
func (c *Core) settleForeign(at entryName) {
	f := &c.foreign
	f.held = false
	for len(f.flight) > 0 && f.flight[0].index <= at.index {
		in := f.flight[0]
		f.flight = f.flight[1:]
		c.release(in)
		if in.entryName != at {
			c.endForeign(in, fmt.Errorf("another leader's entry took its place: %w", fault.ErrNotLeader))
			continue
		}
		in.result.Outcome = c.became(&in.result)
		c.endForeign(in, nil)
	}
}

// became says what came of an entry that was applied. A range isn't taken behind batches that wait.
func (c *Core) became(r *engine.Result) engine.Outcome {
	switch {
	case c.engine.Vector().Get(r.Origin) >= r.Last:
		return engine.Applied
	case c.engine.Received(r.Origin) >= r.Last:
		return engine.Parked
	}
	return engine.Gap
}

// dropForeign ends what wasn't proposed.
func (c *Core) dropForeign(err error) {
	for _, in := range c.foreign.queue {
		c.release(in)
		c.endForeign(in, err)
	}
	c.foreign.queue = nil
}

// supersedeForeign ends what was proposed and has lost its place, and unknownForeign what has an outcome that nobody
// knows here.
func (c *Core) supersedeForeign() {
	c.endFlight(fmt.Errorf("another leader's entry took its place: %w", fault.ErrNotLeader))
}

func (c *Core) unknownForeign(cause error) { c.endFlight(doubtful(cause)) }

func (c *Core) endFlight(err error) {
	for _, in := range c.foreign.flight {
		c.release(in)
		c.endForeign(in, err)
	}
	c.foreign.flight = nil
}

// release takes an entry out of what is held.
func (c *Core) release(in *incoming) {
	f := &c.foreign
	f.bytes -= len(in.Data)
	if r := &in.result; f.ends[r.Origin] == r.Last {
		delete(f.ends, r.Origin)
	}
}

func (c *Core) endForeign(in *incoming, err error) {
	if err != nil {
		in.result.Outcome = 0
	}
	c.out.Foreign = append(c.out.Foreign, ForeignReply{Ticket: in.Ticket, Result: in.result, Err: err})
}

// sameInFlight refuses a batch that differs from the one under way in its place. Of one that a range covers, and of ranges,
// nobody can tell.
func (f *foreigns) sameInFlight(r *engine.Result, data []byte) error {
	if engine.IsRange(data) {
		return nil
	}
	for _, list := range [][]*incoming{f.flight, f.queue} {
		for _, in := range list {
			x := &in.result
			if x.Origin == r.Origin && x.First == r.First && x.Last == r.Last && !engine.IsRange(in.Data) &&
				!bytes.Equal(in.Data, data) {
				return fmt.Errorf("batch %v…%d differs from the one under way: %w", r.Origin.At(r.First), r.Last, fault.ErrForked)
			}
		}
	}
	return nil
}
