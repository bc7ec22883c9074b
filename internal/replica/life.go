package replica

import (
	"errors"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/lifecycle"
)

// life marks the transitions of what a core holds. Every method is one branch when nobody listens.
type life struct{ h *lifecycle.Handle }

func newLife(cfg *Config) life {
	if cfg.Before != nil {
		return cfg.Before.life
	}
	return life{lifecycle.NewHandle(cfg.Tracer)}
}

func (l life) received(now Now, r *Request) lifecycle.Ref {
	if !l.h.On() {
		return lifecycle.Ref{}
	}
	ref := l.h.Begin(lifecycle.ClientRequest)
	l.h.Mark(lifecycle.Transition{
		Machine: ref.Machine, Instance: ref.Instance, State: lifecycle.Received, Time: now.Mono,
		Trace: r.Records[0].Trace,
	})
	l.request(now, ref, lifecycle.Validated)
	return ref
}

func (l life) request(now Now, ref lifecycle.Ref, s lifecycle.State) {
	if l.h.On() {
		l.h.Mark(lifecycle.Transition{Machine: ref.Machine, Instance: ref.Instance, State: s, Time: now.Mono})
	}
}

// retried ends a request that was recognised while it was queued.
func (l life) retried(now Now, ref, original lifecycle.Ref) {
	if l.h.On() {
		l.h.Relate(lifecycle.Link{Kind: lifecycle.RetryOf, Time: now.Mono, From: ref, To: original})
		l.h.Mark(lifecycle.Transition{
			Machine: ref.Machine, Instance: ref.Instance, State: lifecycle.Answered,
			Cause: lifecycle.CauseDuplicate, Time: now.Mono,
		})
	}
}

func (l life) ended(now Now, ref lifecycle.Ref, s lifecycle.State, err error) {
	if l.h.On() {
		l.h.Mark(lifecycle.Transition{
			Machine: ref.Machine, Instance: ref.Instance, State: s, Cause: causeOf(err), Time: now.Mono,
		})
	}
}

func causeOf(err error) lifecycle.Cause {
	switch {
	case errors.Is(err, fault.ErrStalled):
		return lifecycle.CauseDisk
	case errors.Is(err, fault.ErrNotLeader):
		return lifecycle.CauseLeadership
	case errors.Is(err, fault.ErrOverloaded):
		return lifecycle.CauseOverload
	case errors.Is(err, fault.ErrClock):
		return lifecycle.CauseClock
	case errors.Is(err, fault.ErrDisk):
		return lifecycle.CauseDisk
	case errors.Is(err, fault.ErrClosed):
		return lifecycle.CauseClosed
	}
	return lifecycle.CauseInput
}

// proposed marks a batch that consensus has taken, and the requests in it.
func (l life) proposed(now Now, p *proposal) {
	if !l.h.On() {
		return
	}
	p.ref = l.h.Begin(lifecycle.Proposal)
	l.proposal(now, p, lifecycle.Start, 0)
	l.proposal(now, p, lifecycle.Accepted, 0)
	for _, w := range p.requests {
		l.request(now, w.ref, lifecycle.Proposed)
		l.h.Relate(lifecycle.Link{Kind: lifecycle.CausedBy, Time: now.Mono, From: p.ref, To: w.ref})
	}
}

func (l life) committed(now Now, p *proposal) {
	l.proposal(now, p, lifecycle.Committed, 0)
	l.proposal(now, p, lifecycle.Done, 0)
}

func (l life) superseded(now Now, p *proposal) {
	l.proposal(now, p, lifecycle.Superseded, lifecycle.CauseLeadership)
}

func (l life) unknown(now Now, p *proposal, cause error) {
	l.proposal(now, p, lifecycle.Unknown, causeOf(cause))
}

func (l life) proposal(now Now, p *proposal, s lifecycle.State, cause lifecycle.Cause) {
	if l.h.On() {
		l.h.Mark(lifecycle.Transition{
			Machine: lifecycle.Proposal, Instance: p.ref.Instance, State: s, Cause: cause, Time: now.Mono,
			Term: p.term, First: p.index, Last: p.index,
		})
	}
}

// Entries are named by their index. A range of one term is one transition.

func (l life) created(now Now, entries []consensus.Entry) { l.entries(now, entries, lifecycle.Created) }

func (l life) stored(now Now, entries []consensus.Entry) { l.entries(now, entries, lifecycle.Stored) }

func (l life) ready(now Now, entries []consensus.Entry) { l.entries(now, entries, lifecycle.Ready) }

func (l life) applied(now Now, e consensus.Entry) {
	l.entries(now, []consensus.Entry{e}, lifecycle.Applied)
}

// replayed marks the log's tail of an earlier life: stored, and not yet applied. It returns the last index. Without a
// hard state there was no such life: the entry that founds the group is created again.
func (l life) replayed(now Now, cfg *Config) (last uint64) {
	r := &cfg.Consensus.Restored
	if r.HardState == (consensus.HardState{}) {
		return 0
	}
	if cfg.Before == nil {
		l.entries(now, r.Tail, lifecycle.Stored)
	}
	return r.Applied + uint64(len(r.Tail))
}

// truncated marks the entries that another leader's take the place of.
func (l life) truncated(now Now, first, last uint64) {
	l.gone(now, lifecycle.Truncated, lifecycle.CauseLeadership, first, last)
}

// replaced marks the entries that a snapshot takes the place of.
func (l life) replaced(now Now, first, last uint64) {
	l.gone(now, lifecycle.Replaced, lifecycle.CauseSnapshot, first, last)
}

func (l life) gone(now Now, s lifecycle.State, cause lifecycle.Cause, first, last uint64) {
	if l.h.On() {
		l.h.Mark(lifecycle.Transition{
			Machine: lifecycle.LogEntry, State: s, Cause: cause, Time: now.Mono, First: first, Last: last,
		})
	}
}

func (l life) entries(now Now, entries []consensus.Entry, s lifecycle.State) {
	if !l.h.On() {
		return
	}
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].Term == entries[0].Term {
			n++
		}
		l.h.Mark(lifecycle.Transition{
			Machine: lifecycle.LogEntry, State: s, Time: now.Mono,
			Term: entries[0].Term, First: entries[0].Index, Last: entries[n-1].Index,
		})
		entries = entries[n:]
	}
}
