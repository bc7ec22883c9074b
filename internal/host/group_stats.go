package host

import (
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/replica"
)

// GroupStats are what a member has seen and done of its group and of other regions, since it was opened unless said
// otherwise. What a leader alone knows is as of when this member led last.
type GroupStats struct {
	// Incarnation is the group's: it rises when the group begins anew, after a recovery or a restore.
	Incarnation uint32
	// Forked is why the group takes no writes though this member leads it, an error that is fault.ErrForked: other regions have
	// events of this region that it doesn't have itself. nil otherwise, and on a member that doesn't lead.
	Forked error
	// Listening says that this member leads, and waits for what other regions have before it takes writes.
	Listening bool
	// Pending are events that this group has stamped and is to take back: copies of requests that were accepted in another region
	// as well, and events that were undone there. Undos are undone events that were not taken back yet, by any region. Lost are
	// those of Pending that the log doesn't hold any more: they go on being counted.
	Pending, Undos, Lost int
	// AheadStamps is how often a stamp of another region or member came that lay further ahead of this clock than the schema's
	// bound and than any before, and MostAhead by how much one lay beyond the bound at most.
	AheadStamps uint64
	MostAhead   time.Duration
	// Stalls is how often this member's disk was overdue while it led, and DroppedProposals how often Raft took no proposal, so
	// that it was refused or made again.
	Stalls, DroppedProposals uint64
	// SnapshotsSent are snapshots that other members hold by now, and SnapshotsInstalled took the place of this member's state.
	SnapshotsSent, SnapshotsInstalled uint64
	// CopiesLent are copies that were begun to be given to new regions, and CopiesPulled is 1 if this member's directory was begun
	// with one.
	CopiesLent, CopiesPulled uint64
	// LentBytes were given of copies, and PulledBytes came of them, those of attempts that failed among them.
	LentBytes, PulledBytes uint64
}

// seenGroup is what the core said at the last tick, for those who ask.
type seenGroup struct {
	forked                     error
	listening                  bool
	lost                       int
	excess                     replica.ClockExcess
	stalls, dropped            uint64
	snapshotsSent, snapshotsIn uint64
}

// tickGroup notes how the core is.
func (l *loop) tickGroup() {
	if l.links == nil {
		return
	}
	s := l.step.Core.Status()
	x := &seenGroup{
		listening: s.Listening, lost: s.Lost, excess: s.Excess, stalls: s.Stalls, dropped: s.Dropped,
	}
	if s.Status.Role.Leader {
		x.forked = s.Behind
	}
	x.snapshotsSent, x.snapshotsIn = l.step.courier.Counts()
	l.standing.Store(x)
}

// GroupStats returns it, as of the last tick of the clock. Of a replica that is in no group, only what the engine knows.
func (r *Replica) GroupStats() GroupStats {
	out := GroupStats{Incarnation: uint32(r.base.identity.Incarnation)}
	_ = r.Read(func(e *engine.Engine) error {
		out.Pending, out.Undos = e.TakeBacks()
		return nil
	})
	if r.links == nil || r.loop == nil {
		return out
	}
	if x := r.loop.standing.Load(); x != nil {
		out.Forked, out.Listening, out.Lost = x.forked, x.listening, x.lost
		out.AheadStamps, out.MostAhead = x.excess.Times, time.Duration(x.excess.Largest)*time.Millisecond
		out.Stalls, out.DroppedProposals = x.stalls, x.dropped
		out.SnapshotsSent, out.SnapshotsInstalled = x.snapshotsSent, x.snapshotsIn
	}
	out.CopiesLent, out.CopiesPulled = r.lends.count(), r.links.pulled.Load()
	out.LentBytes, out.PulledBytes = r.lends.given.Load(), r.links.drawn.Load()
	return out
}

// Forked is why this member's group takes no writes though it leads, as of the last tick: see [GroupStats].
func (r *Replica) Forked() error {
	if r.loop == nil {
		return nil
	}
	if x := r.loop.standing.Load(); x != nil {
		return x.forked
	}
	return nil
}
