package sim

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// A region whose disk was taken back while it reaches nobody stamps other events under numbers that others hold. Nothing can prevent
// that, so it must be found out (decision 47): every two regions that hold different events know it once they meet, no log holds
// a part of each history, and the region that stamped both stamps no more. A run in which it happens ends with that: what clients
// were told then isn't true everywhere any more, and nobody promises that it is.

// schism is an origin that may get two histories.
type schism struct {
	of     *fleet
	origin id.Origin
	from   id.Seq // the first number that others hold and the region doesn't
	// second is what it stamped from there on, and claims what others were seen to hold of that before.
	second []stamped
	claims map[id.Seq][]byte
	sides  map[*fleet]side // of those whose logs reach there
	// writes is how often something is yet to be written there, and tickets how often it was.
	writes  uint64
	tickets uint64
	until   int64 // by then all know
}

// side is a history.
type side uint8

const (
	firstHistory side = iota + 1
	secondHistory
)

// schismTicket is what the tickets of what is written there begin at; nobody waits for them.
const schismTicket = 1 << 62

// knowPatience is how long it may take until two regions know that they differ, once nothing is wrong any more.
const knowPatience = 30 * second

// mayFork reports whether a region whose disk was just taken back, and that can't find that out, is left alone all the same. A log that
// is kept for a second can't be compared.
func (g *globe) mayFork(f *fleet) bool {
	return !g.forgets && g.books.schism == nil && g.othersHoldMoreAnywhere(f)
}

// leaveAlone lets a region stamp what it may. Its leader takes back copies; what else is written there has no meaning.
func (g *globe) leaveAlone(f *fleet, n uint64) {
	s := &schism{
		of: f, origin: f.origin, from: g.books.held(f).Get(f.origin) + 1, claims: map[id.Seq][]byte{}, sides: map[*fleet]side{},
		writes: 1 + n%6,
	}
	for _, other := range g.regions {
		if other != f && g.books.held(other).Get(s.origin) >= s.from {
			s.sides[other] = firstHistory
		}
	}
	g.books.schism = s
	f.tell(nil, "left alone", uint64(s.from), 0, "")
	g.scribble(s)
}

// scribble writes something now and then.
func (g *globe) scribble(s *schism) {
	f := s.of
	f.after(between(f.machines[0].rng, 20*milli, 200*milli), func() {
		if g.books.schism != s || s.writes == 0 {
			return
		}
		if p := f.machines[0].process; p != nil && !p.stopping {
			if st := p.step.Core.Status(); st.Leading && !st.Listening && st.Behind == nil {
				s.writes--
				s.write(p)
			}
		}
		g.scribble(s)
	})
}

// write writes who the region's members are, once more.
func (s *schism) write(p *resident) {
	records := []record.Proposed{endpoints(s.of, []consensus.Member{{Number: 1, Address: p.m.address()}})}
	s.tickets++
	current, hash := p.base.Engine.Schema()
	req := &replica.Request{
		Ticket: schismTicket + s.tickets, Records: records, Schema: hash, Content: record.ContentHash(records),
	}
	if replica.Check(req, current) != nil {
		return // its table is of before it was in there
	}
	p.enter()
	p.step.Core.Propose(p.m.clock(), req)
	if err := p.step.Flush(p.m.clock()); err != nil {
		p.fail(err)
		return
	}
	p.settle()
}

// stamp takes in what the region has stamped anew.
func (s *schism) stamp(first, last id.Seq, data []byte) error {
	if n := len(s.second); n > 0 && first <= s.second[n-1].last { // after a restart
		if !s.holds(first, last, data) {
			return fmt.Errorf("batch at %v isn't the one that was stamped there anew", s.origin.At(first))
		}
		return nil
	}
	if claim, ok := s.claims[first]; ok && !bytes.Equal(claim, data) {
		return fmt.Errorf("%v is another batch in another region", s.origin.At(first))
	}
	s.second = append(s.second, stamped{first: first, last: last, data: data})
	s.sides[s.of] = secondHistory
	return nil
}

// holds reports whether a batch is of the second history.
func (s *schism) holds(first, last id.Seq, data []byte) bool {
	return slices.ContainsFunc(s.second, func(x stamped) bool {
		return x.first == first && x.last == last && bytes.Equal(x.data, data)
	})
}

// take says which history a batch is of that a region's log holds. A log mustn't hold some of each.
func (s *schism) take(f *fleet, x *record.Batch, data []byte, follows bool, wrong error) error {
	first, last := x.Header.First, x.Header.Last
	of := firstHistory
	if wrong != nil || s.holds(first, last, data) {
		of = secondHistory
		if n := len(s.second); n == 0 || first > s.second[n-1].last {
			s.claims[first] = data // nobody looked yet at who stamped it
		} else if !s.holds(first, last, data) {
			return wrong
		}
	}
	if !follows {
		return nil // it's without effect
	}
	if had := s.sides[f]; had != 0 && had != of {
		return fmt.Errorf("%s holds a part of each of two histories of %v: %v follows what is of the other one", f.province.name,
			s.origin, s.origin.At(first))
	}
	s.sides[f] = of
	return nil
}

// schismed ends a run's clients' work once there are two histories.
func (g *globe) schismed() {
	s := g.books.schism
	if s == nil || len(s.second) == 0 || s.until != 0 {
		return
	}
	f := s.of
	g.frozen, g.closing = true, true
	g.report.Faults.Regions.Forked++
	f.tell(nil, "two histories", uint64(s.from), 0, "")
	pause := between(f.machines[0].rng, 0, 4*second)
	s.until = g.now + pause + knowPatience
	f.after(pause, func() {
		g.settings.latency = min(g.settings.latency, milli)
		g.sea.heal()
		for _, f := range g.regions {
			f.network.heal()
			f.calm()
		}
		g.awaitKnown()
	})
}

// awaitKnown ends the run once all know who should.
func (g *globe) awaitKnown() {
	s := g.books.schism
	s.of.after(50*milli, func() {
		why := s.unknown(g)
		switch {
		case why == "":
			g.ended = true
			for _, f := range g.regions {
				for _, m := range f.machines {
					if m.process != nil {
						m.process.leave(false)
						m.process = nil
					}
				}
			}
		case g.now > s.until:
			s.of.breaks(fmt.Errorf("%v has two histories from %d on, and %s", s.origin, s.from, why))
		default:
			g.awaitKnown()
		}
	})
}

// unknown says who doesn't know what he should; empty if all do.
func (s *schism) unknown(g *globe) string {
	for _, a := range g.regions {
		for _, b := range g.regions {
			if x, y := s.sides[a], s.sides[b]; x != 0 && y != 0 && x != y && !a.knowsFork(b, s.origin) {
				return fmt.Sprintf("%s doesn't know that %s holds the other one", a.province.name, b.province.name)
			}
		}
	}
	if m := s.of.leader(); m == nil || !errors.Is(m.process.step.Core.Status().Behind, fault.ErrForked) {
		return s.of.province.name + " would go on stamping"
	}
	return ""
}

// knowsFork reports whether a region's leader knows that another one holds other events of an origin.
func (f *fleet) knowsFork(other *fleet, o id.Origin) bool {
	m := f.leader()
	if m == nil {
		return false
	}
	for _, r := range m.process.step.Ship().Status().Regions {
		if r.Number == other.province.number {
			return slices.ContainsFunc(r.Forked, func(p id.Position) bool { return p.Origin() == o })
		}
	}
	return false
}
