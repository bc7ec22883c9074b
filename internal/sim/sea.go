package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/ship"
)

// sea carries packets between regions, whichever machines they are for.
type sea struct {
	g       *globe
	rng     *rand.Rand
	lanes   []passage // from × to
	latency int64     // at most, mostly
}

// passage carries what one region sends to another one.
type passage struct {
	from, to *fleet
	cut      int   // reasons for which nothing goes through
	loss     int   // of a thousand packets
	twice    int   // of a thousand packets
	slow     int64 // added to each packet's time, at most
	carries  int   // packets on their way
	last     int64 // when the last one arrives
}

// maxAfloat bounds what is on its way in a passage: as a peer's queue does, it loses what is beyond.
const maxAfloat = 256

func newSea(g *globe, rng *rand.Rand) sea {
	s := sea{g: g, rng: rng, latency: []int64{2 * milli, 20 * milli, 90 * milli}[rng.IntN(3)]}
	for _, from := range g.regions {
		for _, to := range g.regions {
			s.lanes = append(s.lanes, passage{from: from, to: to})
		}
	}
	return s
}

func (s *sea) passage(from, to int) *passage { return &s.lanes[from*len(s.g.regions)+to] }

// ship takes a packet from a process for a machine of another region.
func (p *resident) ship(packet *ship.Packet) {
	f := p.m.f
	g := f.province.globe
	s := &g.sea
	g.report.Packets++
	to := g.region(packet.To.Region)
	if to == f {
		p.tellMate(packet)
		return
	}
	if to == nil {
		g.report.Lost++
		return
	}
	x := s.passage(f.province.place, to.province.place)
	if x.cut > 0 || x.carries >= maxAfloat || x.loss > 0 && s.rng.IntN(1000) < x.loss {
		g.report.Lost++
		return
	}
	b := packet.Append(nil)
	g.report.Regions.Shipped += uint64(len(b))
	s.carry(x, packet.To, b)
	if x.twice > 0 && s.rng.IntN(1000) < x.twice {
		s.carry(x, packet.To, b)
	}
}

func (s *sea) carry(x *passage, to ship.Peer, b []byte) {
	g := s.g
	at := g.now + between(s.rng, s.latency/4, s.latency)
	if x.slow > 0 {
		at += s.rng.Int64N(x.slow)
	}
	if g.settings.ordered && x.twice == 0 {
		at = max(at, x.last)
		x.last = at
	}
	x.carries++
	g.regions[0].jobs.enter(at, work{kind: toCall, do: func() { s.land(x, to, b) }})
}

// tellMate sends a packet about other regions to another machine of the own one.
func (p *resident) tellMate(packet *ship.Packet) {
	f := p.m.f
	m := f.member(packet.To.Replica)
	if m == nil || m == p.m || f.network.wire(p.m.place, m.place).cut > 0 {
		f.report.Lost++
		return
	}
	number, b := packet.To.Replica, packet.Append(nil)
	f.after(between(f.network.rng, leastLatency, f.settings.latency), func() { m.takeShipped(number, b) })
}

// takeShipped gives a packet to the machine's process, if it's the one that it was sent to.
func (m *machine) takeShipped(number uint64, b []byte) {
	f := m.f
	p := m.process
	if p == nil || m.number != number || p.step.Received() {
		f.report.Lost++
		return
	}
	packet, err := ship.DecodePacket(b)
	if err != nil {
		f.breaks(fmt.Errorf("%s: packet about regions: %w", m.name, err))
		return
	}
	p.enter()
	p.step.ReceiveShip(&packet)
	p.settle()
}

// land gives a packet to the process that runs where it was sent to, if there is one.
func (s *sea) land(x *passage, to ship.Peer, b []byte) {
	g := s.g
	x.carries--
	m := x.to.member(to.Replica)
	if m == nil || x.cut > 0 {
		g.report.Lost++
		return
	}
	m.takeShipped(to.Replica, b)
}

// heal makes the sea as good as it ever is.
func (s *sea) heal() {
	s.latency = min(s.latency, 5*milli)
	for i := range s.lanes {
		x := &s.lanes[i]
		x.cut, x.loss, x.twice, x.slow = 0, 0, 0, 0
	}
}

// around are the passages between a set of regions and the others.
func (s *sea) around(set uint64) (out []*passage) {
	for i := range s.lanes {
		x := &s.lanes[i]
		if set>>x.from.province.place&1 != set>>x.to.province.place&1 {
			out = append(out, x)
		}
	}
	return out
}

// close cuts passages for a while.
func (s *sea) close(list []*passage, time int64) {
	for _, x := range list {
		x.cut++
	}
	s.g.regions[0].after(time, func() {
		for _, x := range list {
			x.cut = max(0, x.cut-1)
		}
	})
}

// weather lets packets be lost, repeated and late everywhere.
func (s *sea) weather(loss int, time int64) {
	for i := range s.lanes {
		x := &s.lanes[i]
		x.loss, x.twice, x.slow = loss, loss/2, 200*milli
	}
	s.g.regions[0].after(time, func() {
		for i := range s.lanes {
			x := &s.lanes[i]
			x.loss, x.twice, x.slow = 0, 0, 0
		}
	})
}

// fetch takes a piece of work on the log for other regions. It's done after a while, one behind another, as by a goroutine of
// its own.
func (p *resident) fetch(w ship.Work) {
	p.errandsAt = append(p.errandsAt, w)
	if len(p.errandsAt) == 1 {
		p.within(between(p.m.rng, 0, 2*milli), p.fetched)
	}
}

func (p *resident) fetched() {
	w := p.errandsAt[0]
	p.errandsAt = p.errandsAt[1:]
	p.enter()
	r := p.base.ShipWork(w)
	if len(w.Before) > 0 && r.Err == nil {
		p.m.f.report.Regions.Apart++
	}
	if len(p.errandsAt) > 0 {
		p.within(between(p.m.rng, 0, 2*milli), p.fetched)
	}
	p.step.Worked(r)
	p.settle()
}

// ships is where a process gives packets for other regions, nil where there are none.
func (p *resident) ships() func(*ship.Packet) {
	if p.m.f.province == nil {
		return nil
	}
	return p.ship
}

// shipEvent tells of what was refused between regions.
func (p *resident) shipEvent(e *ship.Event) {
	p.m.f.tell(p.m, "refused at sea", uint64(e.Peer.Region), e.Count, e.Cause.String()+": "+e.Text)
}
