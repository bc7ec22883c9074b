package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/replica"
)

// network carries packets between machines.
type network struct {
	f     *fleet
	rng   *rand.Rand
	wires []wire // from × to
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
	if f.settings.codec {
		again, err := replica.DecodePacket(packet.Append(nil))
		if err != nil {
			f.breaks(fmt.Errorf("packet to %d doesn't come back from its bytes: %w", packet.To, err))
			return
		}
		packet = again
	}
	n.carry(w, packet)
	if w.twice > 0 && n.rng.IntN(1000) < w.twice {
		n.carry(w, packet)
	}
}

func (n *network) carry(w *wire, packet replica.Packet) {
	f := n.f
	at := f.now + between(n.rng, 30*micro, f.settings.latency)
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
	if p == nil || p.step.Received() || m.number != w.packet.To || w.wire.cut > 0 {
		f.report.Lost++
		return
	}
	p.enter()
	if err := p.step.Receive(w.packet); err != nil {
		p.fail(fmt.Errorf("packet from %d: %w", w.packet.From, err))
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
}
