package host

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/ship"
)

// What a stepper does about other regions, beside the core's work: see [ship.Core]. It is there if Options.Regions is set.

// shipping is what a stepper has for it.
type shipping struct {
	core   *ship.Core
	ticked int // ticks that it has seen
}

// newShipping makes the core that ships, nil if there are no regions.
func (s *Stepper) newShipping() (*shipping, error) {
	b := s.base
	if !b.opts.Regions {
		return nil, nil
	}
	cfg := ship.Config{
		Self:   ship.Peer{Region: b.identity.Region, Replica: b.identity.Replica},
		Origin: b.Origin(), Tenant: b.identity.Tenant, Ticks: b.opts.ShipTicks, Window: b.opts.ShipWindow,
		Keep: b.opts.ShipKeep,
	}
	if _, err := hex.Decode(cfg.Cluster[:], []byte(b.identity.Cluster)); err != nil {
		return nil, fmt.Errorf("cluster %q is not 16 bytes in hex", b.identity.Cluster)
	}
	var seed [8]byte
	if _, err := b.opts.random().Read(seed[:]); err == nil {
		cfg.Seed = binary.LittleEndian.Uint64(seed[:])
	}
	now := s.edge.Now()
	cfg.Seed ^= uint64(now.Wall) ^ uint64(now.Mono)<<32 // also if what is drawn is always the same
	core := ship.New(cfg)
	for i := range s.base.recalled {
		x := &s.base.recalled[i]
		core.Recall(ship.Now(now), ship.Report{Region: x.region, Vector: x.vector, Age: uint64(max(0, now.Wall/1e6-x.at))})
	}
	return &shipping{core: core}, nil
}

// Ship is the core that ships, nil if Options.Regions isn't set. It is stepped by the stepper; others only ask it.
func (s *Stepper) Ship() *ship.Core {
	if s.shipping == nil {
		return nil
	}
	return s.shipping.core
}

// shipAnew goes on with a new core of the group: what was under way is asked for again.
func (s *Stepper) shipAnew() {
	if s.shipping != nil {
		s.shipping.ticked = 0
		s.shipping.core.Lead(ship.Now(s.edge.Now()), false, 0)
	}
}

// ReceiveShip takes a packet from a replica of another region, or about other regions; [Stepper.Settle] is called behind it.
func (s *Stepper) ReceiveShip(p *ship.Packet) {
	if s.shipping != nil && s.fenced == nil {
		s.shipping.core.Receive(ship.Now(s.edge.Now()), p)
	}
}

// Worked takes back what came of a piece of work that [Edge.ShipWork] was given; [Stepper.Settle] is called behind it.
func (s *Stepper) Worked(r ship.WorkResult) {
	if s.shipping != nil {
		s.shipping.core.Done(ship.Now(s.edge.Now()), r)
	}
}

// Connected says that a way to a replica of another region has opened; [Stepper.Settle] is called behind it.
func (s *Stepper) Connected(p ship.Peer) {
	if s.shipping != nil {
		s.shipping.core.Connected(ship.Now(s.edge.Now()), p)
	}
}

// ships hands the core that ships what concerns it, and does what it wants done. It reports whether something was proposed.
func (s *Stepper) ships(out *replica.Output) (proposed bool, err error) {
	x := s.shipping
	if x == nil {
		return false, nil
	}
	now := ship.Now(s.edge.Now())
	outcomes := make([]ship.Outcome, 0, len(out.Foreign))
	for i := range out.Foreign {
		outcomes = append(outcomes, outcomeOf(&out.Foreign[i]))
	}
	s.base.mu.RLock()
	vector, batches := s.base.Engine.Vector(), s.base.shipped
	s.base.shipped = nil
	s.base.mu.RUnlock()
	x.core.Applied(now, vector, batches)
	x.core.Proposed(now, outcomes...)
	x.core.Lead(now, s.Core.Leading() && s.fenced == nil, s.Core.Role().LeaderID)
	for ticks := s.Core.Ticks(); x.ticked < ticks; x.ticked++ {
		x.core.Regions(now, s.regions())
		x.core.Tick(now)
		s.report()
	}
	proposed, err = s.deliver(now)
	if x.core.Heard() {
		s.Core.Heard(replica.Now(now)) // behind what was delivered: it may be that others have more
	}
	return proposed, err
}

// settled is after how long what a silent region said last is firm: nobody sends it anything any more by then.
const settled = 4 * time.Second

// report tells who lets the log go what other regions hold.
func (s *Stepper) report() {
	var list []Reported
	for w := range s.shipping.core.Words {
		list = append(list, Reported{Region: w.Region, Vector: w.Vector, Age: w.Age, Firm: w.Silent && w.Age >= settled})
	}
	s.base.RegionsReport(list)
	if s.shipping.core.CaughtUp() {
		s.base.caughtUp.Store(true)
	}
}

// deliver does what the core that ships wants done, until it wants nothing more.
func (s *Stepper) deliver(now ship.Now) (proposed bool, err error) {
	for {
		out := s.shipping.core.Take(s.Core.Room())
		if s.edge.Ship != nil && s.fenced == nil {
			for i := range out.Send {
				s.edge.Ship(&out.Send[i])
			}
		}
		for i := range out.Events {
			if s.edge.ShipEvent != nil {
				s.edge.ShipEvent(&out.Events[i])
			}
		}
		for _, p := range out.Ahead {
			s.Core.Ahead(replica.Now(now), p)
		}
		for _, f := range out.Forked {
			s.Core.Forked(replica.Now(now), f.Position, f.Region)
		}
		if len(out.Propose) > 0 {
			s.proposeForeign(replica.Now(now), out.Propose)
			proposed = true
		}
		if len(out.Work) == 0 {
			return proposed, nil
		}
		for _, w := range out.Work {
			if s.edge.ShipWork != nil {
				s.edge.ShipWork(w)
				continue
			}
			s.shipping.core.Done(now, s.base.ShipWork(w))
		}
	}
}

func (s *Stepper) proposeForeign(now replica.Now, list []ship.Proposal) {
	s.base.mu.RLock()
	defer s.base.mu.RUnlock()
	for _, p := range list {
		s.Core.ProposeForeign(now, &replica.Foreign{Ticket: p.Ticket, Data: p.Data, Batch: p.Batch})
	}
}

// outcomeOf says what became of a proposal.
func outcomeOf(r *replica.ForeignReply) ship.Outcome {
	x := ship.Outcome{Ticket: r.Ticket, Err: r.Err, What: ship.Broken}
	switch {
	case r.Err == nil && r.Result.Outcome == engine.Gap:
		x.What = ship.Missing
	case r.Err == nil:
		x.What = ship.Taken
	case errors.Is(r.Err, fault.ErrNotLeader), errors.Is(r.Err, fault.ErrUnknown), errors.Is(r.Err, fault.ErrClosed):
		x.What = ship.Lost
	case errors.Is(r.Err, fault.ErrOverloaded):
		x.What = ship.Full
	case errors.Is(r.Err, fault.ErrOverlap):
		x.What = ship.Overlapping
	case errors.Is(r.Err, fault.ErrForked):
		x.What = ship.Forked
	}
	return x
}

// noteShipped keeps a batch that was applied for those who subscribe. It is called under the lock.
func (b *Base) noteShipped(res *engine.Result, data []byte) {
	if b.opts.Regions && res.Outcome == engine.Applied && !engine.IsRange(data) {
		b.shipped = append(b.shipped, ship.Batch{Origin: res.Origin, First: res.First, Last: res.Last, Data: data})
	}
}

// regions is the region table as shipping sees it. Who is in the own region, its members say.
func (s *Stepper) regions() []ship.Region {
	b := s.base
	b.mu.RLock()
	table := b.Engine.Regions()
	b.mu.RUnlock()
	if len(table) == 0 {
		return nil
	}
	out := make([]ship.Region, 0, len(table))
	for i := range table {
		x := ship.Region{Number: table[i].Number, Name: table[i].Name, Removed: table[i].Removed}
		if x.Number == b.identity.Region {
			for _, m := range s.Core.Members().List() {
				x.Replicas = append(x.Replicas, m.Number)
			}
		} else {
			for _, m := range table[i].Endpoints {
				x.Replicas = append(x.Replicas, m.Replica)
			}
		}
		out = append(out, x)
	}
	return out
}

// listenTimeouts is how many election timeouts a leader that was just started waits for other regions' word before it stamps:
// a second, in which a packet that is lost on the way is asked for once more.
const listenTimeouts = 4

// complete reports whether everything is here that another region has of an origin. Where there are none it is.
func (s *Stepper) complete(o id.Origin) bool { return s.shipping == nil || s.shipping.core.Complete(o) }
