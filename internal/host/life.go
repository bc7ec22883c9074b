package host

import (
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/lifecycle"
)

// life marks what the driver's own work goes through: appends, syncs and applies. The disk reports its times with
// its answers, so that the tracer is called from the loop alone.
type life struct {
	h       *lifecycle.Handle
	appends map[*consensus.Append]lifecycle.Ref
	flushes map[uint64]lifecycle.Ref
}

func newLife(t lifecycle.Tracer) life {
	l := life{h: lifecycle.NewHandle(t)}
	if l.h.On() {
		l.appends = map[*consensus.Append]lifecycle.Ref{}
		l.flushes = map[uint64]lifecycle.Ref{}
	}
	return l
}

// queued marks an append that was given to the disk.
func (l life) queued(now int64, a *consensus.Append) {
	if !l.h.On() || len(a.Entries) == 0 {
		return
	}
	ref := l.h.Begin(lifecycle.Append)
	l.appends[a] = ref
	l.append(now, ref, a, lifecycle.Start)
	l.append(now, ref, a, lifecycle.Pending)
}

// written marks what the disk did with an append, and with the sync that served it.
func (l life) written(w Written) {
	if !l.h.On() || len(w.Entries) == 0 {
		return
	}
	ref := l.appends[w.Append]
	delete(l.appends, w.Append)
	l.append(w.writing, ref, w.Append, lifecycle.Writing)
	if w.Err != nil && w.flush == 0 {
		l.failed(w.written, ref)
		return
	}
	l.append(w.written, ref, w.Append, lifecycle.Written)
	l.h.Relate(lifecycle.Link{Kind: lifecycle.ServedBy, Time: w.synced, From: ref, To: l.flush(w)})
	if w.Err != nil {
		l.failed(w.synced, ref)
		return
	}
	l.append(w.synced, ref, w.Append, lifecycle.Durable)
}

// flush returns the instance of the sync that served an append; the first append that it served marks it.
func (l life) flush(w Written) lifecycle.Ref {
	if ref, ok := l.flushes[w.flush]; ok {
		return ref
	}
	clear(l.flushes) // answers come in order: earlier syncs serve nobody any more
	ref := l.h.Begin(lifecycle.Fsync)
	l.flushes[w.flush] = ref
	l.mark(w.writing, ref, lifecycle.Queued, 0)
	l.mark(w.syncing, ref, lifecycle.Running, 0)
	if w.Err != nil {
		l.failed(w.synced, ref)
	} else {
		l.mark(w.synced, ref, lifecycle.Done, 0)
	}
	return ref
}

// applied marks a call that applied entries.
func (l life) applied(began, ended int64, a *consensus.Apply) {
	if !l.h.On() {
		return
	}
	ref := l.h.Begin(lifecycle.Apply)
	for _, step := range []struct {
		state lifecycle.State
		time  int64
	}{{lifecycle.Queued, began}, {lifecycle.Running, began}, {lifecycle.Done, ended}} {
		l.h.Mark(lifecycle.Transition{
			Machine: ref.Machine, Instance: ref.Instance, State: step.state, Time: step.time,
			First: a.Entries[0].Index, Last: a.Entries[len(a.Entries)-1].Index,
		})
	}
}

func (l life) append(now int64, ref lifecycle.Ref, a *consensus.Append, s lifecycle.State) {
	last := a.Entries[len(a.Entries)-1]
	l.h.Mark(lifecycle.Transition{
		Machine: ref.Machine, Instance: ref.Instance, State: s, Time: now,
		Term: last.Term, First: a.Entries[0].Index, Last: last.Index,
	})
}

func (l life) failed(now int64, ref lifecycle.Ref) {
	l.mark(now, ref, lifecycle.Failed, lifecycle.CauseDisk)
}

func (l life) mark(now int64, ref lifecycle.Ref, s lifecycle.State, cause lifecycle.Cause) {
	l.h.Mark(lifecycle.Transition{Machine: ref.Machine, Instance: ref.Instance, State: s, Cause: cause, Time: now})
}
