package replica

import (
	"slices"

	"github.com/tidaldb/tidal/internal/consensus"
)

// sender is a leader's side of snapshots. It decides; what it wants done gathers in out.
type sender struct {
	pace pace
	out  *snapOut
	all  []*sending // by receiver
	held uint64     // how many were held by who was sent them
}

// pace is how long snapshots wait, in ticks.
type pace struct {
	// retry is when an offer or a pull that wasn't answered is sent again for the first time.
	retry int
	// quiet is after how long nobody is believed to be there any more.
	quiet int
}

// newPace follows from how long it takes to notice that a leader is gone.
func newPace(electionTicks int) pace {
	return pace{retry: max(2, electionTicks/2), quiet: 20 * electionTicks}
}

// snapOut is what snapshots made necessary.
type snapOut struct {
	work    []SnapWork
	send    []Packet
	reports []SnapReport
}

// sending is one snapshot on its way out.
type sending struct {
	to    uint64
	phase sendPhase
	at    Instant // zero until it's opened
	// keep is the first entry that the receiver will need from the log.
	keep  uint64
	match uint64 // the last entry that it is known to hold
	// idle is how many ticks ago it was heard, and since how many ago it was offered.
	idle, since int
	reading     bool
	chunks      uint64
	reason      string // of a refusal
}

type sendPhase uint8

const (
	opening  sendPhase = iota + 1
	offering           // until the receiver asks for the first chunk
	serving            // as long as it asks
	catching           // it's installed; the log behind it stays until the receiver has that, too
	refused            // for a while, lest it's offered and refused without a pause
)

// maxSends bounds how many are on their way; others wait.
const maxSends = 4

// caughtUp is how many entries a member may lag behind and count as one that needs no care: they are in memory.
const caughtUp = 256

func (s *sender) find(to uint64) *sending {
	i, ok := slices.BinarySearchFunc(s.all, to, func(x *sending, to uint64) int {
		switch {
		case x.to < to:
			return -1
		case x.to > to:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return s.all[i]
}

// want begins to send a snapshot to a member which lacks the entries up to an index, or something later.
func (s *sender) want(to, index uint64) {
	x := s.find(to)
	switch {
	case x == nil && len(s.all) >= maxSends:
		s.out.reports = append(s.out.reports, SnapReport{To: to}) // Raft asks again
		return
	case x == nil:
		x = &sending{to: to}
		s.all = append(s.all, x)
		slices.SortFunc(s.all, func(a, b *sending) int { return int(int64(a.to - b.to)) })
	case x.phase != catching:
		return // under way
	}
	*x = sending{to: to, phase: opening, keep: index + 1}
	s.out.work = append(s.out.work, SnapWork{Kind: SnapOpen, Peer: to})
}

// opened goes on when an instant is held, or not.
func (s *sender) opened(r *SnapResult) {
	x := s.find(r.Peer)
	switch {
	case x == nil || x.phase == catching || x.phase == refused: // it's over meanwhile
		s.out.work = append(s.out.work, SnapWork{Kind: SnapClose, Peer: r.Peer})
	case r.Err != nil:
		s.end(x, false)
	case x.at == r.Instant && x.phase != opening:
		// Two were asked for, one after the other, and both answers came: the later one is held.
	default:
		x.at, x.phase, x.idle = r.Instant, offering, 0
		s.offer(x)
	}
}

func (s *sender) offer(x *sending) {
	x.since = 0
	s.out.packet(x.to, PacketSnapOffer, &Snap{Instant: x.at})
}

// pulled has a chunk read for a receiver that asks for it.
func (s *sender) pulled(from uint64, snap *Snap) {
	x := s.find(from)
	if x == nil || x.at != snap.Instant || x.phase != offering && x.phase != serving {
		s.out.packet(from, PacketSnapDone, &Snap{Instant: snap.Instant, Outcome: SnapGone})
		if x != nil && (x.phase == offering || x.phase == serving) { // an offer was lost
			s.offer(x)
		}
		return
	}
	x.idle, x.phase = 0, serving
	if !x.reading {
		x.reading = true
		s.out.work = append(s.out.work, SnapWork{Kind: SnapRead, Peer: from, Instant: x.at, Progress: snap.Progress})
	}
}

// read sends a chunk that was read.
func (s *sender) read(r *SnapResult) {
	x := s.find(r.Peer)
	if x == nil || x.at != r.Instant || !x.reading {
		return
	}
	x.reading = false
	if r.Err != nil {
		s.out.packet(x.to, PacketSnapDone, &Snap{Instant: x.at, Outcome: SnapGone, Reason: r.Err.Error()})
		s.end(x, false)
		return
	}
	x.chunks = max(x.chunks, r.Progress.Chunks+1)
	s.out.packet(x.to, PacketSnapChunk, &Snap{Instant: x.at, Progress: r.Progress, Chunk: r.Chunk, Last: r.Last})
}

// done takes a receiver's last word.
func (s *sender) done(from uint64, snap *Snap) {
	x := s.find(from)
	if x == nil || x.at != snap.Instant || x.phase != offering && x.phase != serving {
		return
	}
	x.idle = 0
	s.out.work = append(s.out.work, SnapWork{Kind: SnapClose, Peer: from})
	if snap.Outcome == SnapHeld {
		x.phase = catching
		s.held++
		s.out.reports = append(s.out.reports, SnapReport{To: from, OK: true})
		return
	}
	x.phase, x.reason = refused, snap.Reason
}

// end gives a snapshot up.
func (s *sender) end(x *sending, ok bool) {
	s.forget(x)
	s.out.reports = append(s.out.reports, SnapReport{To: x.to, OK: ok})
}

// forget drops a snapshot and what is held for it.
func (s *sender) forget(x *sending) {
	s.all = slices.DeleteFunc(s.all, func(y *sending) bool { return x == y })
	if x.phase != catching && x.phase != refused {
		s.out.work = append(s.out.work, SnapWork{Kind: SnapClose, Peer: x.to})
	}
}

// stop drops everything: this replica doesn't lead any more.
func (s *sender) stop() {
	for len(s.all) > 0 {
		s.forget(s.all[0])
	}
}

// tick lets time pass for a leader that knows how far its members are.
func (s *sender) tick(st *consensus.Status) {
	for _, x := range slices.Clone(s.all) {
		x.idle++
		x.since++
		i := slices.IndexFunc(st.Peers, func(p consensus.PeerStatus) bool { return p.Number == x.to })
		switch {
		case i < 0: // it was removed
			s.forget(x)
		case x.phase == catching:
			s.catch(x, &st.Peers[i], st.Commit)
		case x.phase != opening && x.idle >= s.pace.quiet:
			s.end(x, false)
		case x.phase == offering && x.since >= s.pace.retry:
			s.offer(x)
		}
	}
}

// catch watches a member that gets what lies behind its snapshot.
func (s *sender) catch(x *sending, p *consensus.PeerStatus, commit uint64) {
	if p.Match > x.match {
		x.match, x.idle = p.Match, 0
	}
	x.keep = max(x.keep, p.Match+1)
	if p.State == "replicate" && p.Match+caughtUp >= commit || x.idle >= s.pace.quiet {
		s.forget(x)
	}
}

// keep is the first entry that somebody who gets a snapshot will need from the log, 0 for none.
func (s *sender) keep() uint64 {
	first := uint64(0)
	for _, x := range s.all {
		if x.phase != refused && (first == 0 || x.keep < first) {
			first = x.keep
		}
	}
	return first
}

func (o *snapOut) packet(to uint64, kind PacketKind, snap *Snap) {
	o.send = append(o.send, Packet{To: to, Kind: kind, Snap: snap})
}
