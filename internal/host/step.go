package host

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/replica"
)

// Edge is where a stepper's outputs go and where its time comes from.
type Edge struct {
	// Now reads the clocks.
	Now func() replica.Now
	// Persist hands an append to the disk, and Reply ends a request.
	Persist func(*consensus.Append)
	Reply   func(replica.Reply)
}

// Stepper does what a core wants done, on its caller's thread: appends go to the disk, entries into the engine, replies
// to who waits. It starts nothing and waits for nothing; package host drives it from a goroutine, package sim from a
// simulated clock.
type Stepper struct {
	// Core is stepped by the caller, who then calls [Stepper.Settle].
	Core *replica.Core

	base   *Base
	edge   Edge
	life   life
	inDisk int  // appends that the disk has not answered
	alone  bool // the group has no other voter
	led    bool
}

// NewStepper returns a stepper with a new core on an opened directory.
func NewStepper(b *Base, edge Edge) (*Stepper, error) {
	s := &Stepper{base: b, edge: edge, life: newLife(b.opts.Tracer), alone: len(b.Restored.Members.Voters()) <= 1}
	core, err := replica.New(replica.Config{
		Origin: b.Origin(),
		Consensus: consensus.Config{
			Replica: b.identity.Replica, ElectionTicks: electionTicks, HeartbeatTicks: heartbeatTicks,
			MaxUncommitted: maxUncommitted, Restored: b.Restored,
		},
		SkewBound:  b.opts.SkewBound.Milliseconds(),
		MaxWaiting: b.opts.MaxWaiting,
		Tracer:     b.opts.Tracer,
	}, b.Engine, edge.Now())
	if err != nil {
		return nil, fmt.Errorf("start replica: %w", err)
	}
	s.Core = core
	return s, nil
}

// Led reports whether the core has begun to stamp, now or earlier.
func (s *Stepper) Led() bool { return s.led }

// InDisk is how many appends the disk has not answered.
func (s *Stepper) InDisk() int { return s.inDisk }

// Settle performs, and makes a group of one elect itself as soon as its log is at rest: there is nobody to wait for.
func (s *Stepper) Settle() error {
	if err := s.Perform(); err != nil || !s.alone || s.led || s.inDisk > 0 {
		return err
	}
	if err := s.Core.Campaign(s.edge.Now()); err != nil {
		return fmt.Errorf("stand for election: %w", err)
	}
	return s.Perform()
}

// Perform does what the core wants done, until it wants nothing more.
func (s *Stepper) Perform() error {
	for {
		out := s.Core.Take()
		for _, a := range out.Persist {
			s.life.queued(s.edge.Now().Mono, a)
			s.inDisk++
			s.edge.Persist(a)
		}
		for _, a := range out.Apply {
			if err := s.apply(a); err != nil {
				return err
			}
		}
		for _, reply := range out.Replies {
			s.edge.Reply(reply)
		}
		s.led = s.led || s.Core.Leading()
		if len(out.Apply) == 0 && len(out.Persist) == 0 {
			return nil
		}
	}
}

// apply applies entries while no reader looks.
func (s *Stepper) apply(a *consensus.Apply) error {
	began := s.edge.Now().Mono
	if err := s.base.apply(a.Entries); err != nil {
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

func (b *Base) apply(entries []consensus.Entry) error {
	defer b.arrivals.ring() // behind the lock
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range entries {
		if e.Kind == consensus.Batch {
			if _, err := b.Engine.Apply(e.Data); err != nil {
				return fmt.Errorf("apply entry %d: %w", e.Index, err)
			}
		}
		b.now(e)
	}
	return nil
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
	for _, reply := range s.Core.Take().Replies {
		s.edge.Reply(reply)
	}
}
