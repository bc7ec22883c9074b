package replica

import (
	"errors"

	"github.com/tidaldb/tidal/internal/fault"
)

// receiver is a member's side of snapshots: at most one is on its way in. It decides; what it wants done gathers in out.
type receiver struct {
	pace  pace
	out   *snapOut
	phase receivePhase
	// from is who sends it, 0 while nobody is known to hold it any more.
	from     uint64
	at       Instant
	progress SnapProgress
	// since is how many ticks ago it was asked for more, and wait after how many it is again. idle is how many ago
	// anything came.
	since, wait, idle int
	spoilt            int // chunks in a row that couldn't be used
}

type receivePhase uint8

const (
	resting   receivePhase = iota
	beginning              // room is made
	pulling                // a chunk was asked for
	adding                 // one is taken in
	preparing              // all are there
	prepared               // it may be installed
)

// maxSpoilt is how many chunks in a row may be useless before another snapshot is wanted.
const maxSpoilt = 8

// Known is what a replica knows of its own log.
type Known struct {
	// Commit is the last entry known to be committed.
	Commit uint64
	// Has reports whether the entry of an index has a term.
	Has func(index, term uint64) bool
}

// Holds reports whether everything up to an instant is here already: entries up to one that a leader has applied are
// committed, whoever doesn't know it yet.
func (k Known) Holds(at Instant) bool { return at.Index <= k.Commit || k.Has(at.Index, at.Term) }

// offered takes an offer, or not.
func (r *receiver) offered(from uint64, at Instant, k Known) {
	switch {
	case at.Index == 0 || at.Term == 0:
	case k.Holds(at):
		r.out.packet(from, PacketSnapDone, &Snap{Instant: at, Outcome: SnapHeld})
	case r.phase == resting:
		r.begin(from, at)
	case at == r.at:
		r.from, r.idle = from, 0
		if r.phase == pulling {
			r.pull()
		}
	case r.phase >= preparing: // nothing is gained by another
	case r.from == 0 || at.Index > r.at.Index && (from == r.from || r.stalled()):
		// Who sends the present one has it no more, or is gone. An older offer of the same sender is a late one.
		r.abort()
		r.begin(from, at)
	}
}

// stalled reports whether a chunk is overdue.
func (r *receiver) stalled() bool { return r.idle > 4*r.pace.retry }

func (r *receiver) begin(from uint64, at Instant) {
	r.phase, r.from, r.at, r.progress, r.idle, r.spoilt = beginning, from, at, SnapProgress{}, 0, 0
	r.out.work = append(r.out.work, SnapWork{Kind: SnapBegin, Peer: from, Instant: at})
}

// begun goes on when there is room.
func (r *receiver) begun(x *SnapResult) {
	switch {
	case r.phase != beginning || x.Instant != r.at:
	case x.Err != nil:
		r.refuse(x.Err)
	default:
		r.phase = pulling
		r.pull()
	}
}

// pull asks for the next chunk. While what came is made ready, it says that somebody is still there.
func (r *receiver) pull() {
	if r.from == 0 {
		return
	}
	r.since, r.wait = 0, r.pace.retry
	r.out.packet(r.from, PacketSnapPull, &Snap{Instant: r.at, Progress: r.progress})
}

// chunk takes a chunk in, if it's the one that was asked for.
func (r *receiver) chunk(snap *Snap) {
	if r.phase != pulling || snap.Instant != r.at || snap.Progress.Chunks != r.progress.Chunks {
		return
	}
	r.phase, r.idle = adding, 0
	r.out.work = append(r.out.work, SnapWork{Kind: SnapAdd, Peer: r.from, Instant: r.at, Chunk: snap.Chunk})
}

// added goes on when a chunk is taken in, or couldn't be.
func (r *receiver) added(x *SnapResult) {
	if r.phase != adding || x.Instant != r.at {
		return
	}
	r.phase = pulling
	switch {
	case x.Err == nil && x.Last:
		r.phase, r.progress, r.since, r.wait = preparing, x.Progress, 0, r.pace.retry
		r.out.work = append(r.out.work, SnapWork{Kind: SnapPrepare, Peer: r.from, Instant: r.at})
	case x.Err == nil:
		r.progress, r.spoilt = x.Progress, 0
		r.pull()
	case (errors.Is(x.Err, fault.ErrGap) || errors.Is(x.Err, fault.ErrCorrupt)) && r.spoilt < maxSpoilt:
		r.spoilt++ // the tick asks again
	default:
		r.refuse(x.Err)
	}
}

// ready goes on when what came is made ready.
func (r *receiver) ready(x *SnapResult) {
	switch {
	case r.phase != preparing || x.Instant != r.at:
	case x.Err != nil:
		r.refuse(x.Err)
	default:
		r.phase = prepared
	}
}

// gone notes that a sender doesn't hold the snapshot any more. Another one may.
func (r *receiver) gone(from uint64, at Instant) {
	if from == r.from && at == r.at && r.phase < preparing {
		r.from = 0
	}
}

// refuse tells the sender why its snapshot can't be used, and drops it.
func (r *receiver) refuse(err error) {
	if r.from != 0 {
		r.out.packet(r.from, PacketSnapDone, &Snap{Instant: r.at, Outcome: SnapRefused, Reason: err.Error()})
	}
	r.abort()
}

// abort drops what was received.
func (r *receiver) abort() {
	if r.phase != resting {
		r.out.work = append(r.out.work, SnapWork{Kind: SnapAbort, Peer: r.from, Instant: r.at})
	}
	r.phase, r.from, r.at, r.progress = resting, 0, Instant{}, SnapProgress{}
}

// tick lets time pass. leading tells that this replica leads by now.
func (r *receiver) tick(k Known, leading bool) {
	if r.phase == resting {
		return
	}
	r.since++
	r.idle++
	switch {
	case leading:
		r.abort()
	case k.Holds(r.at): // the log came first
		if r.from != 0 {
			r.out.packet(r.from, PacketSnapDone, &Snap{Instant: r.at, Outcome: SnapHeld})
		}
		r.abort()
	case r.phase == pulling && r.idle >= r.pace.quiet:
		r.abort()
	case (r.phase == pulling || r.phase >= preparing) && r.since >= r.wait:
		longer := min(2*r.wait, 8*r.pace.retry)
		r.pull()
		r.wait = longer
	}
}
