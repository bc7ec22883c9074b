package host

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/ship"
)

// Edge is where a stepper's outputs go and where its time comes from.
type Edge struct {
	// Now reads the clocks.
	Now func() replica.Now
	// Persist hands an append to the disk, and Reply ends a request.
	Persist func(*consensus.Append)
	Reply   func(replica.Reply)
	// Send sends a packet to another replica, without waiting; it may be lost. Read ends a question for the index, and
	// Changed a change of members. Where they are nil nobody is there.
	Send    func(replica.Packet)
	Read    func(replica.ReadReply)
	Changed func(replica.ChangeReply)
	// Foreign ends what [replica.Core.ProposeForeign] took; nil where nothing ships.
	Foreign func(replica.ForeignReply)
	// Ship sends a packet to a replica of another region, or, if it is news, of the own one, without waiting; it may be lost.
	// ShipEvent is told what people may want to know of that. Where they are nil nobody is there.
	Ship      func(*ship.Packet)
	ShipEvent func(*ship.Event)
	// ShipWork hands out work on the log, which [Base.ShipWork] does, several at a time; [Stepper.Worked] takes it back. nil does
	// it at once.
	ShipWork func(ship.Work)
	// Recall hands out events to be read back from the log, which [Base.Recall] does; [Stepper.Recalled] takes them back. nil
	// does it at once.
	Recall func([]id.Position)
	// Snapshot hands out work on snapshots, which [Snapshots.Do] does, one after the other; [Stepper.Snapped] takes it back. nil
	// does it at once.
	Snapshot func(replica.SnapWork)
}

// Ticks are Raft's times, in ticks of its clock.
type Ticks struct {
	// Election ticks go by without word from a leader before a replica stands for election, about; Heartbeat ticks are
	// between a leader's signs of life. 0 is 10 and 2.
	Election, Heartbeat int
	// After Stall ticks without an answer from its disk a leader hands over, if somebody else votes; 0 is never.
	Stall int
}

func (t *Ticks) complete() {
	if t.Election == 0 {
		t.Election = electionTicks
	}
	if t.Heartbeat == 0 {
		t.Heartbeat = heartbeatTicks
	}
}

// Stepper does what a core wants done, on its caller's thread: appends go to the disk, entries into the engine, replies
// to who waits. It starts nothing and waits for nothing; package host drives it from a goroutine, package sim from a
// simulated clock.
type Stepper struct {
	// Core is stepped by the caller, who then calls [Stepper.Settle].
	Core *replica.Core

	base     *Base
	edge     Edge
	life     life
	courier  *replica.Courier
	shipping *shipping // nil without regions
	ticked   int       // ticks that the courier has seen
	told     uint64    // the last checkpoint that the core was told of
	inDisk   int       // appends that the disk has not answered
	led      bool
	fenced   error
}

// NewStepper returns a stepper with a new core on an opened directory.
func NewStepper(b *Base, edge Edge) (*Stepper, error) {
	s := &Stepper{base: b, edge: edge, life: newLife(b.opts.Tracer)}
	ticks := b.opts.Ticks
	ticks.complete()
	b.Snapshots() // made here, where nobody else asks for it
	s.courier = replica.NewCourier(b.identity.Replica, ticks.Election)
	var err error
	s.Core, err = s.newCore(nil)
	if err != nil {
		return nil, err
	}
	if s.shipping, err = s.newShipping(); err != nil {
		return nil, err
	}
	return s, nil
}

// newCore returns a core on what the directory holds. before is the one whose place it takes, nil for none.
func (s *Stepper) newCore(before *replica.Core) (*replica.Core, error) {
	b := s.base
	ticks := b.opts.Ticks
	ticks.complete()
	listen := 0
	if b.opts.Regions {
		listen = listenTimeouts * ticks.Election
	}
	core, err := replica.New(replica.Config{
		Origin: b.Origin(),
		Consensus: consensus.Config{
			Replica: b.identity.Replica, ElectionTicks: ticks.Election, HeartbeatTicks: ticks.Heartbeat,
			Founder: b.opts.Founder, Joining: b.opts.Joining || b.identity.Joined, Older: older{b.Log, b.identity.Begins},
			MaxUncommitted: maxUncommitted, Restored: b.Restored,
		},
		StallTicks: ticks.Stall,
		Complete:   s.complete, ListenTicks: listen,
		SkewBound:  b.opts.SkewBound.Milliseconds(),
		MaxWaiting: b.opts.MaxWaiting,
		Tracer:     b.opts.Tracer,
		Before:     before,
	}, b.Engine, s.edge.Now())
	if err != nil {
		return nil, fmt.Errorf("start replica: %w", err)
	}
	return core, nil
}

// Led reports whether the core has begun to stamp, now or earlier.
func (s *Stepper) Led() bool { return s.led }

// InDisk is how many appends the disk has not answered.
func (s *Stepper) InDisk() int { return s.inDisk }

// Fenced is why the core has fallen silent, nil if it hasn't: its disk was overdue while it led. Once the disk answers it
// is to be started anew from there.
func (s *Stepper) Fenced() error { return s.fenced }

// Settle performs, and makes a group of one elect itself as soon as its log is at rest: there is nobody to wait for.
func (s *Stepper) Settle() error {
	if err := s.Perform(); err != nil || s.led || s.inDisk > 0 || !s.alone() {
		return err
	}
	if err := s.Core.Campaign(s.edge.Now()); err != nil {
		return fmt.Errorf("stand for election: %w", err)
	}
	return s.Perform()
}

// alone reports whether this replica is the only one that votes. A replica that joins a group isn't of it at first.
func (s *Stepper) alone() bool {
	voters := s.Core.Members().Voters()
	if len(voters) == 0 {
		return !s.base.opts.Joining && !s.base.identity.Joined
	}
	return len(voters) == 1 && voters[0] == s.base.identity.Replica
}

// Receive takes a packet from another replica; [Stepper.Settle] is called behind it. An error means that this replica
// can't go on.
func (s *Stepper) Receive(p replica.Packet) error { return s.Core.Receive(s.edge.Now(), p) }

// Perform does what the core wants done, until it wants nothing more.
func (s *Stepper) Perform() error {
	for {
		if s.Core.Ripe() {
			if err := s.Flush(s.edge.Now()); err != nil {
				return err
			}
		}
		out := s.Core.Take()
		for _, a := range out.Persist {
			s.life.queued(s.edge.Now().Mono, a)
			s.inDisk++
			s.edge.Persist(a)
		}
		s.send(&out)
		for _, a := range out.Apply {
			if err := s.apply(a); err != nil {
				return err
			}
		}
		s.answer(&out)
		s.led = s.led || s.Core.Leading()
		s.fenced = out.Fenced
		told, err := s.carry(&out)
		if err == nil {
			err = s.recall(out.Originals)
		}
		if err != nil {
			return err
		}
		proposed, err := s.ships(&out)
		if err != nil {
			return err
		}
		if len(out.Apply) == 0 && len(out.Persist) == 0 && !told && !proposed && !s.Core.Ripe() {
			return nil
		}
	}
}

// send gives out packets. They go before anything is applied: others wait for them, and what must be durable first
// isn't among them.
func (s *Stepper) send(out *replica.Output) {
	if s.edge.Send == nil {
		return
	}
	for _, p := range out.Send {
		s.edge.Send(p)
	}
}

// answer ends what was asked.
func (s *Stepper) answer(out *replica.Output) {
	for _, reply := range out.Replies {
		s.edge.Reply(reply)
	}
	if s.edge.Read != nil {
		for _, reply := range out.Reads {
			s.edge.Read(reply)
		}
	}
	if s.edge.Changed != nil {
		for _, reply := range out.Changes {
			s.edge.Changed(reply)
		}
	}
	if s.edge.Foreign != nil {
		for _, reply := range out.Foreign {
			s.edge.Foreign(reply)
		}
	}
}

// recall has events read back that are to be taken back.
func (s *Stepper) recall(list []id.Position) error {
	switch {
	case len(list) == 0:
		return nil
	case s.edge.Recall != nil:
		s.edge.Recall(list)
		return nil
	}
	originals, err := s.base.Recall(list)
	s.Recalled(originals)
	return err
}

// Recalled takes back what [Edge.Recall] was given, or a part of it; [Stepper.Settle] is called behind it.
func (s *Stepper) Recalled(list []replica.Original) { s.Core.Originals(s.edge.Now(), list) }

// apply applies entries while no reader looks.
func (s *Stepper) apply(a *consensus.Apply) error {
	began := s.edge.Now().Mono
	if err := s.base.apply(a.Entries, s.Core.Opened); err != nil {
		return err
	}
	now := s.edge.Now()
	s.life.applied(began, now.Mono, a)
	s.base.mu.RLock()
	defer s.base.mu.RUnlock()
	return s.Core.Applied(now, a)
}

// Flush is the core's. As all steps that look at the engine, it's taken while nobody moves users about in there.
func (s *Stepper) Flush(now replica.Now) error {
	s.base.mu.RLock()
	defer s.base.mu.RUnlock()
	return s.Core.Flush(now)
}

// apply applies entries. opened knows which of them hold batches that are open already.
func (b *Base) apply(entries []consensus.Entry, opened func(*consensus.Entry) (*record.Batch, bool)) error {
	defer b.arrivals.ring() // behind the lock
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		if e.Kind == consensus.Batch {
			res, err := b.applyBatch(e, opened)
			if err != nil {
				return fmt.Errorf("apply entry %d: %w", e.Index, err)
			}
			b.noteShipped(&res, e.Data)
		}
		if err := b.now(*e); err != nil {
			return fmt.Errorf("apply entry %d: %w", e.Index, err)
		}
	}
	b.streams.shown(b.Engine.Vector())
	return nil
}

func (b *Base) applyBatch(e *consensus.Entry, opened func(*consensus.Entry) (*record.Batch, bool)) (engine.Result, error) {
	if batch, ok := opened(e); ok {
		return b.Engine.ApplyBatch(batch)
	}
	return b.Engine.ApplyEntry(e.Data)
}

// Persisted takes back a group of appends in the order in which they were handed out. Their failure is the answer.
func (s *Stepper) Persisted(group []Written) error {
	for _, w := range group {
		s.life.written(w) // all of them, also those behind a failure
	}
	for _, w := range group {
		s.inDisk--
		if w.Err != nil {
			return w.Err
		}
		if err := s.persisted(w.Append); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stepper) persisted(a *consensus.Append) error {
	s.base.mu.RLock()
	defer s.base.mu.RUnlock()
	return s.Core.Persisted(s.edge.Now(), a)
}

// Stop ends every open request.
func (s *Stepper) Stop(cause error) {
	s.Core.Stop(s.edge.Now(), cause)
	out := s.Core.Take()
	s.answer(&out)
}
