package ship

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// A vector says how many events of an origin somebody holds, and not which: a region that was started on an older copy of its disk may
// stamp other events under numbers that others hold already. So who says what it has says as well, of each origin, by what bytes
// that ends. What comes of a difference is in fork.go, and why so in docs/decisions/0047-receivers-ask-for-what-they-lack.md.

// Mark names a batch by its place and its bytes.
type Mark struct {
	// Region holds it.
	Region      id.Region
	Origin      id.Origin
	First, Last id.Seq
	// Sum is [record.Sum] of the whole batch, as it is in the log.
	Sum uint64
}

// markOf is the mark of a batch that a region holds.
func markOf(holder id.Region, b *Batch) Mark {
	return Mark{Region: holder, Origin: b.Origin, First: b.First, Last: b.Last, Sum: record.Sum(b.Data)}
}

// String prints "1:0:5…8 (0123456789abcdef) in region 2".
func (m Mark) String() string {
	return fmt.Sprintf("%v…%d (%016x) in region %d", m.Origin.At(m.First), m.Last, m.Sum, m.Region)
}

// position is that of its last event.
func (m Mark) position() id.Position { return m.Origin.At(m.Last) }

// holds reports whether an event is in the batch.
func (m Mark) holds(seq id.Seq) bool { return m.First <= seq && seq <= m.Last }

// contradicts reports whether two batches have an event's number in common, and aren't the same.
func (m Mark) contradicts(n Mark) bool {
	return m.Origin == n.Origin && m.First <= n.Last && n.First <= m.Last && (m.First != n.First || m.Last != n.Last || m.Sum != n.Sum)
}

// marks are what a core knows of how its own origins' batches end.
type marks struct {
	last map[id.Origin]Mark
	// looked says up to where an origin had come when the log was asked for its last batch in vain: it came as a range, or was let go.
	looked  map[id.Origin]id.Seq
	reading bool
	// proving says that the log is asked about what somebody says of others' batches of the own origin, and proved is what it was asked last.
	proving bool
	proved  Mark
}

// keep notes a mark of what is here.
func (c *Core) keep(m Mark) {
	if m.Last >= c.marks.last[m.Origin].Last {
		c.marks.last[m.Origin] = m
	}
}

// mark is that of the batch that an origin ends with here, as far as it's known without a look at the log.
func (c *Core) mark(o id.Origin, end id.Seq) (Mark, bool) {
	if m, ok := c.marks.last[o]; ok && m.Last == end {
		return m, true
	}
	if b, ok := c.hot.holding(o, end); ok && b.Last == end {
		m := markOf(c.cfg.Self.Region, &b)
		c.keep(m)
		return m, true
	}
	return Mark{}, false
}

// unmarked are the origins of which the log is to be asked for the last batch.
func (c *Core) unmarked() (out []Mark) {
	for o, end := range c.vector.All {
		if _, ok := c.mark(o, end); !ok && c.marks.looked[o] != end && len(out) < maxOrigins {
			out = append(out, Mark{Region: c.cfg.Self.Region, Origin: o, Last: end})
		}
	}
	return out
}

// readMarks has the log asked for the last batches of some origins.
func (c *Core) readMarks(of []Mark) {
	if c.marks.reading || len(of) == 0 {
		return
	}
	c.marks.reading = true
	c.out.Work = append(c.out.Work, Work{Kind: WorkMarks, Peer: c.cfg.Self, Marks: of})
}

// marked takes what the log has of the last batches, and asks again for what wasn't asked for before that was known.
func (c *Core) marked(w *WorkResult) {
	c.marks.reading = false
	for _, m := range w.Marks {
		c.marks.looked[m.Origin] = m.Last
	}
	for _, m := range w.Found {
		m.Region = c.cfg.Self.Region
		c.keep(m)
	}
	for _, r := range c.table {
		if s := r.source; s != nil && s.unasked && s.state != waiting {
			c.ask(r)
		}
	}
}

// marksFor are those that travel to somebody: of what ends here, and of what is known of forks that concern it.
func (c *Core) marksFor(to id.Region) (out []Mark) {
	for o, end := range c.vector.All {
		if m, ok := c.mark(o, end); ok && len(out) < maxOrigins {
			out = append(out, m)
		}
	}
	for _, r := range c.table {
		for _, f := range r.forksInOrder() {
			if len(out) >= maxEnds-1 {
				return out
			}
			home := to == f.theirs.Origin.Region || to == c.cfg.Self.Region
			if home && to != r.Number {
				out = append(out, f.theirs)
			}
			if (home || to == r.Number) && c.marks.last[f.mine.Origin] != f.mine {
				out = append(out, f.mine)
			}
		}
	}
	return out
}

// doMarks reads, for work of kind [WorkMarks], the batches that hold the last event of each mark. What isn't there as a batch, or can't
// be read, isn't found: nothing is known of it.
func doMarks(log Log, w Work) WorkResult {
	r := WorkResult{Work: w}
	for _, m := range w.Marks {
		batches, err := log.Read(m.Origin, m.Last-1, 1)
		if err != nil || len(batches) == 0 {
			if !errors.Is(err, fault.ErrGone) {
				r.Err = errors.Join(r.Err, err)
			}
			continue
		}
		h, err := record.DecodeHeader(batches[0])
		if err != nil {
			r.Err = errors.Join(r.Err, err)
			continue
		}
		found := markOf(0, &Batch{Origin: m.Origin, First: h.First, Last: h.Last, Data: batches[0]})
		if found.holds(m.Last) {
			r.Found = append(r.Found, found)
		}
	}
	return r
}

// saysEnd reports whether a packet says by what batch an origin ends at its sender, or that it doesn't know: it asks for what follows,
// which it doesn't before it has looked into its log.
func (p *Packet) saysEnd(o id.Origin) bool {
	return p.Kind == PacketSubscribe && p.Subscribe.After.Get(o) != math.MaxUint64 ||
		slices.ContainsFunc(p.Pulse.Marks, func(m Mark) bool { return m.Region == p.From.Region && m.Origin == o })
}

// against holds a mark of somebody's against what is here in its place. known is false if there is no batch there that is at hand.
func (c *Core) against(m Mark) (mine Mark, known bool) {
	end := min(m.Last, c.vector.Get(m.Origin))
	if end < m.First {
		return Mark{}, false
	}
	if mine = c.marks.last[m.Origin]; mine.holds(end) {
		return mine, true
	}
	if b, ok := c.hot.holding(m.Origin, end); ok {
		return markOf(c.cfg.Self.Region, &b), true
	}
	return Mark{}, false
}

// found is the mark in a result that lies in the place of another one.
func found(list []Mark, m Mark) (Mark, bool) {
	i := slices.IndexFunc(list, func(x Mark) bool { return x.Origin == m.Origin && x.First <= m.Last && m.First <= x.Last })
	if i < 0 {
		return Mark{}, false
	}
	return list[i], true
}
