package ship

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
)

// Two regions hold different batches in one place: a fork. The region that stamped them has two histories; its disk is an older copy, and
// it has stamped anew. It is told, and stamps no more. Nobody can say which of the two is to stand, so whoever knows
// of it neither takes that origin nor gives it, to anybody: a third region isn't drawn into it. Everything else goes on.
//
// Who finds it sends its own mark back, so that the other one finds it as well, and both marks to the region that stamped them.
// They travel with each sign of life, as long as it's so. A core keeps in memory alone what it knows of forks.

// Fork is a fork of the own origin.
type Fork struct {
	// Position is the last event of the batch that was compared, and Region who holds something else there.
	Position id.Position
	Region   id.Region
}

// fork is what is known of one with another region.
type fork struct{ theirs, mine Mark }

// forksInOrder are those with a region, by origin.
func (r *region) forksInOrder() []fork {
	if len(r.forks) == 0 {
		return nil
	}
	out := slices.Collect(maps.Values(r.forks))
	slices.SortFunc(out, func(a, b fork) int { return a.theirs.Origin.Compare(b.theirs.Origin) })
	return out
}

// isForked reports whether an origin has two histories, as far as it's known.
func (c *Core) isForked(o id.Origin) bool {
	for _, r := range c.table {
		if _, ok := r.forks[o]; ok {
			return true
		}
	}
	return false
}

// compare holds what a packet says of batches against what is here. What its sender says of others concerns the own origin, or comes
// from the own group.
func (c *Core) compare(p *Packet) {
	for _, m := range p.Pulse.Marks {
		r := c.region(m.Region)
		hearsay := m.Region != p.From.Region
		if r == nil || r.Removed || hearsay && m.Origin != c.cfg.Origin && p.From.Region != c.cfg.Self.Region {
			continue
		}
		if mine, known := c.against(m); known {
			c.judgeMark(r, p.From, m, mine)
		} else if m.Origin == c.cfg.Origin && hearsay {
			c.lookUp(p.From, m)
		}
	}
}

// judgeMark says what follows from what a region holds in the place of a batch that is here.
func (c *Core) judgeMark(r *region, from Peer, theirs, mine Mark) {
	if mine.contradicts(theirs) {
		c.fork(r, from, theirs, mine)
	} else if f, ok := r.forks[theirs.Origin]; ok && theirs.Last >= f.theirs.Last {
		delete(r.forks, theirs.Origin) // one of the two has the other one's events now
	}
}

// compareItem holds an item of a region against what is here in its place.
func (c *Core) compareItem(r *region, from Peer, it *Item) {
	if it.Range {
		return
	}
	theirs := markOf(r.Number, &Batch{Origin: it.Origin, First: it.First, Last: it.Last, Data: it.Data})
	if mine, known := c.against(theirs); known && mine.contradicts(theirs) && it.check() == nil {
		c.fork(r, from, theirs, mine)
	}
}

// fork notes that a region holds something else than is here, and tells everybody whom it concerns.
func (c *Core) fork(r *region, from Peer, theirs, mine Mark) {
	o := theirs.Origin
	if _, known := r.forks[o]; known || planted.IgnoreMarks || len(r.forks) >= maxOrigins {
		return
	}
	if r.forks == nil {
		r.forks = map[id.Origin]fork{}
	}
	r.forks[o] = fork{theirs, mine}
	c.refuse(r, from, CauseForked, fmt.Sprintf("origin %v has two histories: %v, and here %v; nobody takes it from the other any more",
		o, theirs, mine))
	for _, x := range c.table {
		if s := x.source; s != nil && slices.ContainsFunc(s.queue, func(a *arrived) bool { return a.Origin == o }) {
			c.again(o)
			break
		}
	}
	if o == c.cfg.Origin && c.ownFork == nil {
		c.ownFork = &Fork{Position: theirs.position(), Region: r.Number}
		c.tellForked()
	}
	c.tellOf(r, from, o)
	if c.leading {
		c.assign()
	}
}

// tellOf sends marks at once to who is of a fork, to the region that stamped it, and, if this replica doesn't lead, to who does.
func (c *Core) tellOf(r *region, from Peer, o id.Origin) {
	to := []Peer{from}
	if from.Region != r.Number {
		to = nil // hearsay: who said so knows
	}
	if home := c.region(o.Region); home != nil && home != r && home.leader != 0 {
		to = append(to, Peer{home.Number, home.leader})
	}
	if !c.leading && c.leader != 0 && c.leader != c.cfg.Self.Replica {
		to = append(to, Peer{c.cfg.Self.Region, c.leader})
	}
	for _, p := range to {
		c.send(p, Packet{Kind: PacketNews}, false)
		c.out.Send[len(c.out.Send)-1].Pulse.Marks = c.marksFor(p.Region)
	}
}

// tellForked says that the own origin has two histories. Who doesn't lead has told its leader, and says so when it leads itself.
func (c *Core) tellForked() {
	if c.leading && c.ownFork != nil {
		c.out.Forked = append(c.out.Forked, *c.ownFork)
	}
}

// lookUp has the log asked for what is there in the place of a batch of the own origin, of which somebody tells.
func (c *Core) lookUp(from Peer, m Mark) {
	end := min(m.Last, c.vector.Get(m.Origin))
	if c.marks.proving || end < m.First || c.marks.proved == m {
		return
	}
	c.marks.proving, c.marks.proved = true, m
	m.Last = end
	c.out.Work = append(c.out.Work, Work{Kind: WorkMarks, Peer: from, Marks: []Mark{m}})
}

// unproven are the marks that a subscriber brings of its own batches.
func unproven(p *Packet) map[id.Origin]Mark {
	out := map[id.Origin]Mark{}
	for _, m := range p.Pulse.Marks {
		if m.Region == p.From.Region && m.Last > out[m.Origin].Last {
			out[m.Origin] = m
		}
	}
	return out
}

// toProve keeps those of a subscriber's marks to which what is here doesn't reach yet. All others were compared, if it's in memory.
func (c *Core) toProve(s *subscriber, p *Packet) {
	for _, m := range p.Pulse.Marks {
		if m.Region == p.From.Region && c.vector.Get(m.Origin) < m.First && s.unproven[m.Origin].Last < m.Last {
			s.unproven[m.Origin] = m
		}
	}
}

// undecided reports whether a subscriber's batch is to be compared before anything of its origin goes there: what is here reaches
// into its place.
func (c *Core) undecided(s *subscriber, o id.Origin) bool {
	m, ok := s.unproven[o]
	return ok && c.vector.Get(o) >= m.First
}

// prove compares what a subscriber's origins end with, as far as what is here reaches there, and has the log read where it must.
func (c *Core) prove(s *subscriber) {
	if len(s.unproven) == 0 || s.proving {
		return
	}
	var read []Mark
	for o, end := range c.vector.All {
		if !c.undecided(s, o) {
			continue
		}
		m := s.unproven[o]
		if mine, known := c.against(m); known {
			c.proved(s, m, mine)
			continue
		}
		m.Last = min(m.Last, end)
		read = append(read, m)
	}
	if len(read) > 0 && c.reads < maxReads {
		s.proving = true
		c.reads++
		c.out.Work = append(c.out.Work, Work{Kind: WorkMarks, Peer: s.peer, Session: s.session, Marks: read})
	}
}

// proved ends the comparison of a subscriber's batch.
func (c *Core) proved(s *subscriber, m, mine Mark) {
	delete(s.unproven, m.Origin)
	if r := c.region(s.peer.Region); r != nil {
		c.judgeMark(r, s.peer, m, mine)
	}
}

// lookedUp takes what the log has of some batches.
func (c *Core) lookedUp(w *WorkResult) {
	switch {
	case w.Peer == c.cfg.Self:
		c.marked(w)
		return
	case w.Session == 0:
		c.marks.proving = false
		m := c.marks.proved
		if mine, ok := found(w.Found, w.Marks[0]); ok {
			mine.Region = c.cfg.Self.Region
			if r := c.region(m.Region); r != nil {
				c.judgeMark(r, w.Peer, m, mine)
			}
		}
		return
	}
	c.reads--
	if s := c.subscriber(w.Peer); s != nil && s.session == w.Session {
		s.proving = false
		for _, q := range w.Marks {
			m, ok := s.unproven[q.Origin]
			if !ok {
				continue
			}
			delete(s.unproven, q.Origin) // what isn't there any more nobody can compare
			if mine, ok := found(w.Found, q); ok {
				mine.Region = c.cfg.Self.Region
				c.proved(s, m, mine)
			}
		}
	}
	c.pump()
}

// gives reports whether an origin is given to a subscriber: it has been compared, and has one history.
func (c *Core) gives(s *subscriber, o id.Origin) bool {
	if !c.isForked(o) {
		return !c.undecided(s, o)
	}
	if !s.gone[o] {
		s.gone[o] = true
		s.beat = c.tick
		c.send(s.peer, Packet{Kind: PacketData, Session: s.session, Number: s.number, Gone: []id.Origin{o}}, false)
	}
	return false
}

// proves reports whether somebody's batch of the own origin is being compared.
func (c *Core) proves() bool {
	return c.marks.proving || slices.ContainsFunc(c.subscribers, func(s *subscriber) bool { return c.undecided(s, c.cfg.Origin) })
}
