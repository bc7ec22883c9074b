package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/transport/pair"
)

// network carries packets between machines: as they are, or, in some runs, as frames of transports.
type network struct {
	f      *fleet
	rng    *rand.Rand
	wires  []wire        // from × to
	frames *pair.Network // nil where packets travel as they are
}

// wire carries what one machine sends to another one.
type wire struct {
	from, to *machine
	cut      int   // reasons for which nothing goes through
	loss     int   // of a thousand packets
	twice    int   // of a thousand packets
	slow     int64 // added to each packet's time, at most
	carries  int   // packets on their way
	last     int64 // when the last one arrives
}

// maxCarried bounds what is on its way in a wire: as a peer's queue does, it loses what is beyond.
const maxCarried = 512

// leastLatency is how long a packet travels at least.
const leastLatency = 30 * micro

func newNetwork(f *fleet, rng *rand.Rand) network {
	n := network{f: f, rng: rng}
	for _, from := range f.machines {
		for _, to := range f.machines {
			n.wires = append(n.wires, wire{from: from, to: to})
		}
	}
	return n
}

func (n *network) wire(from, to int) *wire { return &n.wires[from*len(n.f.machines)+to] }

// send takes a packet from a process.
func (p *resident) send(packet replica.Packet) {
	f := p.m.f
	n := &f.network
	f.report.Packets++
	if p.line != nil {
		p.line.send(&packet)
		return
	}
	to := f.member(packet.To)
	if to == nil || to == p.m {
		f.report.Lost++ // of somebody who was removed, or whom nobody knows yet
		return
	}
	w := n.wire(p.m.place, to.place)
	if w.cut > 0 || w.carries >= maxCarried || w.loss > 0 && n.rng.IntN(1000) < w.loss {
		f.report.Lost++
		return
	}
	n.carry(w, packet)
	if w.twice > 0 && n.rng.IntN(1000) < w.twice {
		n.carry(w, packet)
	}
}

func (n *network) carry(w *wire, packet replica.Packet) {
	f := n.f
	at := f.now + between(n.rng, leastLatency, f.settings.latency)
	if w.slow > 0 {
		at += n.rng.Int64N(w.slow)
	}
	if f.settings.ordered && w.twice == 0 {
		at = max(at, w.last)
		w.last = at
	}
	w.carries++
	f.jobs.enter(at, work{kind: toDeliver, packet: packet, wire: w})
}

// arrive gives a packet to the process that runs where it was sent to, if there is one and it's the same member.
func (f *fleet) arrive(w *work) {
	w.wire.carries--
	m := w.wire.to
	p := m.process
	if p == nil || m.number != w.packet.To || w.wire.cut > 0 {
		f.report.Lost++
		return
	}
	p.receive(w.packet)
}

// receive takes a packet that has arrived.
func (p *resident) receive(packet replica.Packet) {
	if p.step.Received() {
		p.m.f.report.Lost++
		return
	}
	p.enter()
	if err := p.step.Receive(packet); err != nil {
		p.fail(fmt.Errorf("packet from %d: %w", packet.From, err))
		return
	}
	p.settle()
}

// heal makes the network as good as it ever is.
func (n *network) heal() {
	for i := range n.wires {
		w := &n.wires[i]
		w.cut, w.loss, w.twice, w.slow = 0, 0, 0, 0
	}
	n.pave()
}
