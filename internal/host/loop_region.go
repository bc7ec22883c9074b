package host

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/ship"
	"github.com/tidaldb/tidal/internal/transport"
)

// What a loop does about other regions: it carries packets between the stepper and the transport, has the log read, tells the
// transport who is there, and those who wait for it that another region has something.

// regional is what a loop has for it.
type regional struct {
	worker   *shipper
	packets  <-chan ship.Packet
	opened   <-chan ship.Peer
	worked   <-chan ship.WorkResult
	table    []engine.Region // as the transport was told
	waiting  []*geoWait
	reported bool // something came that may end waiting
	wild     wildClock
}

// geoWait waits until another region has a position.
type geoWait struct {
	ctx  context.Context
	at   id.Position
	done chan error // has room for one
}

// seenRegions is what shipping said last, and when, of the monotonic clock.
type seenRegions struct {
	ship.Status
	at          int64
	unreachable []string
	lag         time.Duration
	stranded    []string
}

// startRegional connects a loop of a group to other regions.
func (l *loop) startRegional(b *Base) {
	if l.links == nil {
		return
	}
	l.regional.worker = startShipper(b.ShipWork)
	l.regional.packets, l.regional.opened, l.regional.worked = l.links.ships, l.links.opened, l.regional.worker.out
}

// regionEdge fills in what a stepper needs for it.
func (l *loop) regionEdge(e *Edge) {
	if l.links == nil {
		return
	}
	e.Ship = func(p *ship.Packet) { l.links.ship(p) }
	e.ShipWork = func(w ship.Work) { l.regional.worker.add(w) }
	e.ShipEvent = l.links.event
}

// gatherShipped is how many packets of other regions are taken at once, at most.
const gatherShipped = 32

// receiveShipped takes a packet and whatever else has come.
func (l *loop) receiveShipped(p ship.Packet) {
	l.regional.reported = true
	for n := 1; ; n++ {
		l.step.ReceiveShip(&p)
		if n >= gatherShipped {
			return
		}
		select {
		case p = <-l.regional.packets:
		default:
			return
		}
	}
}

// observeRegions tells the transport who is there, and answers who waits for another region.
func (l *loop) observeRegions() {
	if l.links == nil || l.step.Ship() == nil {
		return
	}
	table := l.step.base.Engine.Regions()
	if !sameTable(table, l.regional.table) {
		l.regional.table = table
		l.links.knowRegions(table)
	}
	if len(l.regional.waiting) > 0 && (l.regional.reported || !l.step.Core.Leading()) {
		l.confirm()
	}
	l.regional.reported = false
}

// sameTable reports whether the region table is the very same: the engine makes a new one with each change.
func sameTable(a, b []engine.Region) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// confirm answers those whose position is elsewhere by now, and drops those who don't wait any more. Who lost the lead doesn't
// learn what others have.
func (l *loop) confirm() {
	left := l.regional.waiting[:0]
	for _, w := range l.regional.waiting {
		switch {
		case l.step.Ship().Covered(w.at) > 0:
			w.done <- nil
		case w.ctx.Err() != nil:
		case !l.step.Core.Leading():
			w.done <- &fault.GeoPending{Position: w.at.String()}
		default:
			left = append(left, w)
		}
	}
	clear(l.regional.waiting[len(left):])
	l.regional.waiting = left
}

// tickRegions notes how the regions are, for those who ask.
func (l *loop) tickRegions() {
	ships := l.step.Ship()
	if ships == nil || len(l.regional.table) == 0 && l.regions.Load() == nil && len(ships.Guests()) == 0 {
		return
	}
	seen := &seenRegions{Status: ships.Status(), at: l.mono()}
	for i := range l.regional.table {
		x := &l.regional.table[i]
		if x.Removed || x.Number == l.step.base.identity.Region {
			continue
		}
		s := RegionStatus{Number: x.Number}
		s.heard(&seen.Status, 0)
		if s.missed(l.links.group.Silence) {
			seen.unreachable = append(seen.unreachable, x.Name)
		}
		seen.lag = max(seen.lag, s.WeLack.Time)
		if s.TooFarBehind {
			seen.stranded = append(seen.stranded, x.Name)
		}
	}
	l.saysStranded(l.regions.Swap(seen), seen)
	if x := l.step.Core.Excess(); l.regional.wild.due(x, seen.at) {
		l.links.ahead(x)
	}
	if len(l.regional.waiting) > 0 {
		l.confirm()
	}
}

// geoTimeout is how long another region is waited for if the caller says nothing.
const geoTimeout = 5 * time.Second

// WaitGeo returns once one more region is known to hold a position of this one, durably. At the end of ctx, or after five
// seconds, or when the lead is lost, the error is a *fault.GeoPending: the write stays, and will get there.
func (r *Replica) WaitGeo(ctx context.Context, p id.Position) error {
	if r.loop == nil {
		return errReadOnly
	}
	ctx, cancel := context.WithTimeout(ctx, geoTimeout)
	defer cancel()
	w := &geoWait{ctx: ctx, at: p, done: make(chan error, 1)}
	err := r.loop.do(ctx, func() {
		r.loop.regional.waiting = append(r.loop.regional.waiting, w)
		r.loop.regional.reported = true
	})
	if err == nil {
		select {
		case err = <-w.done:
			return err
		case <-ctx.Done():
			err = ctx.Err()
		case <-r.loop.ended:
			err = r.loop.stopped()
		}
	}
	return fmt.Errorf("%w: %w", &fault.GeoPending{Position: p.String()}, err)
}

// ship gives a packet to the transport. What isn't taken is lost, and mended by whoever misses it.
//
// All of it is urgent: to a member of another region nothing else travels, and what comes late because it had another way
// would be asked for again.
func (n *links) ship(p *ship.Packet) {
	who := n.who.Load()
	to := p.To.Replica
	if p.To.Region != who.Region {
		to = transport.Far(uint16(p.To.Region), p.To.Replica)
	}
	_ = n.tr.Send(to, p.Append(n.frame(frameShip)))
}

// shipped takes a packet about shipping, which says whom it is from.
func (n *links) shipped(from uint64, body []byte) {
	p, err := ship.DecodePacket(body)
	if err != nil || n.peer(from) != p.From {
		n.dropped.Add(1)
		return
	}
	_ = p.Check() // here, so that the loop needn't; what is wrong it finds again, and says so
	select {
	case n.ships <- p:
	case <-n.quit:
	}
}

// peer is whom a number of the transport means.
func (n *links) peer(number uint64) ship.Peer {
	region, replica, far := transport.Near(number)
	if !far {
		return ship.Peer{Region: n.who.Load().Region, Replica: replica}
	}
	return ship.Peer{Region: id.Region(region), Replica: replica}
}

// connected passes on that the way to a member of another region has opened. If too many have, they are found anyway.
func (n *links) connected(number uint64) {
	if _, _, far := transport.Near(number); !far || n.who.Load() == nil {
		return
	}
	select {
	case n.opened <- n.peer(number):
	default:
	}
}

// event logs what was refused of another region.
func (n *links) event(e *ship.Event) {
	if n.group.Log == nil {
		return
	}
	n.group.Log.Warn("refused from another region", slog.Uint64("region", uint64(e.Peer.Region)),
		slog.Uint64("replica", e.Peer.Replica), slog.String("cause", e.Cause.String()), slog.String("why", e.Text),
		slog.Uint64("count", e.Count))
}

// wildClock is what was said of stamps that other regions made too far ahead.
type wildClock struct {
	times uint64
	at    int64 // of the monotonic clock
}

// wildAgain is after how long it's said again, if there are further ones.
const wildAgain = 10 * time.Minute

// due reports whether it is to be said now.
func (w *wildClock) due(x replica.ClockExcess, mono int64) bool {
	if x.Times == w.times || w.times != 0 && time.Duration(mono-w.at) < wildAgain {
		return false
	}
	w.times, w.at = x.Times, mono
	return true
}

// ahead logs that a clock elsewhere is wrong. What it stamped is taken all the same: else its stream would stand still.
func (n *links) ahead(x replica.ClockExcess) {
	if n.group.Log == nil {
		return
	}
	n.group.Log.Warn("another region's clock is ahead, or was: its stamps are taken, and this clock follows by its bound at most",
		slog.Duration("beyond_the_bound", time.Duration(x.Largest)*time.Millisecond), slog.Uint64("times", x.Times))
}

// knowRegions tells the transport where members of other regions are, and forgets those of regions that are no more.
func (n *links) knowRegions(table []engine.Region) {
	own := n.who.Load().Region
	here, gone, known := map[uint64]string{}, map[id.Region]bool{}, map[id.Region]bool{}
	for _, x := range table {
		known[x.Number] = true
		if x.Removed {
			gone[x.Number] = true
		}
		if x.Number == own || x.Removed {
			continue
		}
		for _, m := range x.Endpoints {
			if m.Address != "" {
				here[transport.Far(uint16(x.Number), m.Replica)] = m.Address
			}
		}
	}
	n.gone.Store(&gone)
	n.mu.Lock()
	defer n.mu.Unlock()
	for number, address := range here {
		n.knowFar(number, address)
	}
	for number := range n.far {
		// Of a region that isn't in the table, which is yet to be learned, it's as that one said.
		if region, _, _ := transport.Near(number); known[id.Region(region)] && here[number] == "" {
			delete(n.far, number)
			n.tr.RemovePeer(number)
		}
	}
}

// knowFar tells the transport where a member of another region is. The caller holds mu.
func (n *links) knowFar(number uint64, address string) {
	if n.far[number] != address {
		n.far[number] = address
		n.tr.SetPeer(number, address)
		n.connected(number) // or will be: it's worth a try
	}
}

// moved tells the transport where members of another region are, as one of them said itself: the table will say so later.
func (n *links) moved(region id.Region, members []RegionMember) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range members {
		number := transport.Far(uint16(region), m.Number)
		if m.Address != "" && (n.far[number] != "" || len(n.far) < maxMembers) {
			n.knowFar(number, m.Address)
		}
	}
}
