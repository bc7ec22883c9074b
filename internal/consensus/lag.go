package consensus

import (
	"encoding/binary"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// What followers that lag need beyond the log: snapshots, and word that something was lost on its way.

// SnapshotWanted says that a follower needs a snapshot of the entry Index of term Term, or of a later one.
type SnapshotWanted struct {
	To          uint64
	Index, Term uint64
	// Message is Raft's own, with the configuration at that entry; it has no data and isn't sent.
	Message Message
}

func snapshotWanted(m *pb.Message) SnapshotWanted {
	meta := m.GetSnapshot().GetMetadata()
	return SnapshotWanted{To: m.GetTo(), Index: meta.GetIndex(), Term: meta.GetTerm(), Message: m}
}

// Checkpointed tells of a checkpoint of which a snapshot can be served: the one after the entry index of a term, with
// the configuration there. The latest one counts.
func (n *Node) Checkpointed(index, term uint64, m Members) {
	n.tail.checkpoint = &pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		ConfState: m.state(), Index: new(index), Term: new(term),
	}}
}

// ReportSnapshot says what became of a snapshot that was wanted: the follower has installed it, or it failed and may
// be wanted again.
func (n *Node) ReportSnapshot(to uint64, ok bool) {
	status := raft.SnapshotFailure
	if ok {
		status = raft.SnapshotFinish
	}
	n.raw.ReportSnapshot(to, status)
}

// ReportUnreachable says that a message to a member was lost. Raft then finds out carefully where the member is.
func (n *Node) ReportUnreachable(to uint64) { n.raw.ReportUnreachable(to) }

// Transfer hands leadership to a voter, as soon as that has the whole log; meanwhile proposals are refused. It is given
// up after an election timeout. A follower passes the wish on to the leader it knows; all of it may be lost.
func (n *Node) Transfer(to uint64) { n.raw.TransferLeader(to) }

// Read answers a [Node.ReadIndex].
type Read struct {
	Ticket uint64
	// Index is an entry: whoever has applied it sees everything that anybody had acknowledged when it was asked.
	Index uint64
}

// ReadIndex asks for an entry that is at or behind everything committed by now, anywhere. The leader answers when a
// quorum still follows it, in [Ready.Reads]. The question or its answer may be lost; then ask again.
func (n *Node) ReadIndex(ticket uint64) {
	if n.unsure() {
		return
	}
	n.raw.ReadIndex(binary.LittleEndian.AppendUint64(n.life[:len(n.life):len(n.life)], ticket))
}

// unsure reports whether this replica leads and hasn't applied an entry of its term: it may not know yet all that was
// acknowledged before. Raft holds such questions back by itself, but not where the leader is the only one that votes.
func (n *Node) unsure() bool {
	role := n.Role()
	return role.Leader && n.applied.term != role.Term
}

// reads are the answers to what this life of the replica asked.
func (n *Node) reads(states []raft.ReadState) []Read {
	var out []Read
	for _, s := range states {
		if b := s.RequestCtx; len(b) == len(n.life)+8 && [16]byte(b) == n.life {
			out = append(out, Read{Ticket: binary.LittleEndian.Uint64(b[len(n.life):]), Index: s.Index})
		}
	}
	return out
}

// Status is what a replica knows of its group.
type Status struct {
	Role
	// Commit, Applied and Last are entries: the last one known to be committed, the last applied, the last in the log.
	Commit, Applied, Last uint64
	// Members is the configuration as of Applied.
	Members Members
	// Peers says of each other member how far it is, on the leader alone, in order of numbers.
	Peers []PeerStatus
}

// PeerStatus is what a leader knows of another member.
type PeerStatus struct {
	Number uint64
	// Match is the last entry known to be on its disk, Next the next one to be sent.
	Match, Next uint64
	// State is how it is served: "probe" until it is known where its log ends, "replicate", "snapshot".
	State string
	// Active says that it was heard of within the last election timeout.
	Active bool
}

// Members is the configuration as of the last applied entry.
func (n *Node) Members() Members { return n.tail.members }

// Status returns what is known here.
func (n *Node) Status() Status {
	s := Status{
		Role: n.Role(), Commit: n.raw.BasicStatus().HardState.GetCommit(), Applied: n.applied.index, Last: n.last,
		Members: n.tail.members,
	}
	if s.Leader {
		s.Peers = n.peers()
	}
	return s
}

func (n *Node) peers() []PeerStatus {
	var out []PeerStatus
	n.raw.WithProgress(func(number uint64, _ raft.ProgressType, p tracker.Progress) {
		if number != n.id {
			out = append(out, PeerStatus{
				Number: number, Match: p.Match, Next: p.Next, State: stateName(p.State), Active: p.RecentActive,
			})
		}
	})
	return out // Raft visits members in order of their numbers
}

func stateName(s tracker.StateType) string {
	switch s {
	case tracker.StateReplicate:
		return "replicate"
	case tracker.StateSnapshot:
		return "snapshot"
	case tracker.StateProbe:
	}
	return "probe"
}
