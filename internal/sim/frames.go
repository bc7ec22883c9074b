package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/pair"
)

// maxFrame bounds a frame, as package host does for real members.
const maxFrame = 32 << 20

// clockwork lets a network without goroutines live by the run's list of what is to be done.
type clockwork struct{ f *fleet }

// After implements pair.Scheduler.
func (c clockwork) After(d time.Duration, do func()) { c.f.after(int64(d), do) }

// carriesFrames makes the network one of transports, which know frames and addresses alone. The wires say how it is.
func (n *network) carriesFrames(o pair.Options) {
	o.Scheduler = clockwork{n.f}
	n.frames = pair.New(o)
	n.pave()
}

// join gives a machine an end of the network, at the address of its directory.
func (n *network) join(m *machine, x pair.Member) (transport.Transport, error) {
	n.pave() // the address may be a new one
	return n.frames.Join(m.address(), x)
}

// pave tells the network of transports, if it's one, how the wires are now. What is on its way stays as it is.
func (n *network) pave() {
	if n.frames == nil {
		return
	}
	for i := range n.wires {
		w := &n.wires[i]
		n.frames.SetWay(w.from.address(), w.to.address(), n.way(w))
	}
}

// way is what a wire is to a network of transports.
func (n *network) way(w *wire) pair.Way {
	way := pair.Way{
		Delay: time.Duration(leastLatency), Jitter: time.Duration(max(0, n.f.settings.latency-leastLatency) + w.slow),
		Loss: float64(w.loss) / 1000, Duplicate: float64(w.twice) / 1000, Cut: w.cut > 0,
	}
	if !n.f.settings.ordered || w.twice > 0 {
		way.Reorder = 1
	}
	return way
}

// line is a process's end of a network of transports: package host's links, step by step.
type line struct {
	p       *resident
	end     transport.Transport
	members []consensus.Member // as the transport was told
	highest uint64             // the highest number that was ever given, as far as it's known here
}

// connect gives a process its end, in a run whose packets travel as bytes.
func (p *resident) connect() error {
	n := &p.m.f.network
	if n.frames == nil {
		return nil
	}
	l := &line{p: p}
	var err error
	l.end, err = n.join(p.m, pair.Member{Identity: l.identity, Handler: l, Admit: l.admit})
	if err != nil {
		return err
	}
	p.line = l
	return nil
}

// disconnect closes the end of a process that is gone. What it had sent and hadn't arrived is lost with it.
func (p *resident) disconnect() {
	l, f := p.line, p.m.f
	if l == nil {
		return
	}
	p.line = nil
	for _, s := range l.end.Stats() {
		f.report.Lost += leftOver(&s)
	}
	if err := l.end.Close(); err != nil {
		f.breaks(fmt.Errorf("%s: close the transport: %w", p.m.name, err))
	}
}

// leftOver counts the frames that a transport took for a peer and that don't arrive once it forgets it.
func leftOver(s *transport.PeerStats) uint64 {
	return s.Urgent.DroppedLost + s.Bulk.DroppedLost + uint64(s.Urgent.QueuedFrames) + uint64(s.Bulk.QueuedFrames)
}

func (l *line) identity() transport.Identity {
	return transport.Identity{Cluster: l.p.m.f.cluster, Replica: l.p.m.number}
}

// admit refuses who was removed, as real members do.
func (l *line) admit(who transport.Identity) error {
	if who.Replica > l.highest || slices.ContainsFunc(l.members, func(x consensus.Member) bool { return x.Number == who.Replica }) {
		return nil
	}
	return fmt.Errorf("replica %d was removed from its group: %w", who.Replica, fault.ErrRemoved)
}

// know tells the transport where the others are, as far as the core knows.
func (l *line) know() {
	now := l.p.step.Core.Members()
	list := now.List()
	if len(list) == 0 || slices.Equal(list, l.members) {
		return // nobody is known before the first entry; whoever sends it is answered
	}
	var gone []uint64
	for _, x := range l.members {
		if _, has := now.Get(x.Number); !has {
			gone = append(gone, x.Number)
		}
	}
	for _, s := range l.end.Stats() {
		if slices.Contains(gone, s.Number) {
			l.p.m.f.report.Lost += leftOver(&s)
			l.end.RemovePeer(s.Number)
		}
	}
	for _, x := range list {
		if x.Number != l.p.m.number && x.Address != "" && !slices.Contains(l.members, x) {
			l.end.SetPeer(x.Number, x.Address)
		}
	}
	l.members, l.highest = list, now.Highest()
}

// send gives a packet to the transport, which may refuse it: Raft and those who send snapshots send again.
func (l *line) send(packet *replica.Packet) {
	f := l.p.m.f
	give := l.end.Send
	if packet.Kind == replica.PacketSnapChunk {
		give = l.end.SendBulk
	}
	err := give(packet.To, packet.Append(nil))
	switch {
	case err == nil:
		f.report.Frames++
	case errors.Is(err, transport.ErrFrame):
		f.breaks(fmt.Errorf("%s: packet to %d: %w", l.p.m.name, packet.To, err))
	default:
		f.report.Lost++ // a full queue, nobody there, or nobody known
	}
}

// Receive implements transport.Handler. The process takes the packet in a step of its own, for a power cut within that
// mustn't end a step of the network.
func (l *line) Receive(from uint64, frame []byte) {
	f := l.p.m.f
	packet, err := replica.DecodePacket(frame)
	if err == nil && packet.From != from {
		err = fmt.Errorf("it says that it's from %d", packet.From)
	}
	if err != nil {
		f.breaks(fmt.Errorf("%s: packet from %d: %w", l.p.m.name, from, err))
		return
	}
	f.jobs.enter(f.now, work{kind: toReceive, of: l.p, packet: packet})
}

// Answer implements transport.Handler. Who joins is brought by the operator; the network is asked nothing.
func (l *line) Answer(context.Context, uint64, []byte) ([]byte, error) {
	return nil, errors.New("a simulated member answers no questions")
}
