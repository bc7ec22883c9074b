package consensus

import (
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Kind says what an entry holds. The numbers are Raft's business here and the log's on disk.
type Kind uint8

// The kinds of entries.
const (
	// Batch holds one batch of records, verbatim.
	Batch Kind = iota + 1
	// Empty holds nothing: a leader appends one at the start of its term.
	Empty
	// Configuration holds a change of members.
	Configuration
)

// Entry is one entry of the log. Data must not be changed by anyone.
type Entry struct {
	Kind        Kind
	Term, Index uint64
	Data        []byte
}

// HardState is what a replica must not forget.
type HardState struct {
	Term, Vote, Commit uint64
}

// Message travels to another replica of the group.
type Message = *pb.Message

// Config describes one replica. There are no defaults: [New] refuses what is missing.
type Config struct {
	// Replica is this replica's number in the group, from 1.
	Replica uint64
	// ElectionTicks is how many ticks without word from a leader a replica waits before it stands for election;
	// HeartbeatTicks how many pass between a leader's heartbeats.
	ElectionTicks, HeartbeatTicks int
	// MaxUncommitted bounds the bytes of entries that wait for a quorum; beyond it proposals are dropped.
	MaxUncommitted uint64
	// Restored is what the log held at start; its zero value is a new log.
	Restored Restored
}

// Restored is what a restarted replica knows: what the store's checkpoint says, and what the log holds. It may be what
// a crash left; see settle for the cases that [New] repairs. Anything else that doesn't fit together is an error.
type Restored struct {
	HardState HardState
	// Applied is the last entry that was applied, and its term.
	Applied, AppliedTerm uint64
	// Members is the configuration as of Applied.
	Members Members
	// Tail is every entry behind Applied, contiguous.
	Tail []Entry
}

// Append is a piece of work for the disk: write Entries (an index at or below one written earlier voids what was
// there), then HardState if it is set, and, when Sync is set, make all of it durable, with everything written before.
// Then give it to [Node.Persisted], in the order received.
//
// Without Sync there is at most a higher commit to write, which others know as well, or nothing at all: an answer that
// has to wait for the appends before it. So a follower that learns of a commit doesn't pay for a sync.
type Append struct {
	Entries   []Entry
	HardState *HardState
	Sync      bool
	raw       []*pb.Entry
	responses []*pb.Message
}

// Apply is a piece of work for the state machine: entries in order, each committed and durable here. Then give it
// to [Node.Applied].
type Apply struct {
	Entries   []Entry
	raw       []*pb.Entry
	responses []*pb.Message
}

// Ready is what one event made necessary. Nil parts need nothing.
type Ready struct {
	Append   *Append
	Apply    *Apply
	Messages []Message
}

// Role is what a replica is in its group at the moment.
type Role struct {
	Leader bool
	// LeaderID is the replica believed to lead, 0 if none is known.
	LeaderID uint64
	Term     uint64
}

// Node is one replica's part in consensus. Create it with [New].
type Node struct {
	raw  *raft.RawNode
	tail *tail
	out  []Message // responses to others, released by Persisted
	role Role
}

// New returns a node. A new log starts with a configuration of this replica alone.
func New(cfg Config) (*Node, error) {
	t, err := newTail(cfg.Restored)
	if err != nil {
		return nil, err
	}
	raw, err := raft.NewRawNode(&raft.Config{
		ID:                        cfg.Replica,
		ElectionTick:              cfg.ElectionTicks,
		HeartbeatTick:             cfg.HeartbeatTicks,
		Storage:                   t,
		Applied:                   cfg.Restored.Applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             1 << 20,
		MaxCommittedSizePerReady:  16 << 20,
		MaxUncommittedEntriesSize: cfg.MaxUncommitted,
		MaxInflightMsgs:           64,
		CheckQuorum:               true,
		PreVote:                   true,
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
		Logger:                    silent{},
	})
	if err != nil {
		return nil, fmt.Errorf("start consensus: %w", err)
	}
	if t.lastIndex() == 0 {
		if err := raw.Bootstrap([]raft.Peer{{ID: cfg.Replica}}); err != nil {
			return nil, fmt.Errorf("start a new group: %w", err)
		}
	}
	n := &Node{raw: raw, tail: t}
	n.observeRole()
	return n, nil
}

// Campaign stands for election now. A group of one need not wait for its timer.
func (n *Node) Campaign() error { return n.raw.Campaign() }

// Tick advances Raft's clock by one tick.
func (n *Node) Tick() { n.raw.Tick() }

// Propose appends one batch to the leader's log. It returns [fault.ErrNotLeader] on any other replica and
// [fault.ErrOverloaded] beyond MaxUncommitted; then nothing was appended. The entry is the last one of the next Ready's
// Append. Data belongs to the node from now on.
// Empty data panics: Raft's own entries are the empty ones.
func (n *Node) Propose(data []byte) error {
	if len(data) == 0 {
		panic("consensus: proposal without data")
	}
	err := n.raw.Propose(data)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, raft.ErrProposalDropped):
		return fmt.Errorf("propose: %w", err)
	case !n.Role().Leader:
		return fault.ErrNotLeader
	}
	return fault.ErrOverloaded
}

// Step takes a message from another replica.
func (n *Node) Step(m Message) error { return n.raw.Step(m) }

// Persisted says that an append is durable, or, without Sync, that it is written, and that every one before it was
// handed back.
func (n *Node) Persisted(a *Append) error {
	if len(a.raw) > 0 {
		n.tail.append(a.raw)
	}
	if a.HardState != nil {
		n.tail.hard = *a.HardState
	}
	return n.respond(a.responses)
}

// Applied says that the entries of a were applied.
func (n *Node) Applied(a *Apply) error {
	for _, e := range a.raw {
		if e.GetType() != pb.EntryNormal {
			change, err := decodeChange(e)
			if err != nil {
				return err
			}
			n.tail.conf = n.raw.ApplyConfChange(change)
		}
	}
	if err := n.respond(a.responses); err != nil {
		return err
	}
	n.tail.compact(a.raw[len(a.raw)-1].GetIndex())
	return nil
}

func (n *Node) respond(responses []*pb.Message) error {
	for _, m := range responses {
		if m.GetTo() != n.raw.BasicStatus().ID {
			n.out = append(n.out, m)
			continue
		}
		if err := n.raw.Step(m); err != nil {
			return fmt.Errorf("step storage response: %w", err)
		}
	}
	return nil
}

// Ready returns the next piece of work, and false when there is none.
func (n *Node) Ready() (Ready, bool) {
	if !n.raw.HasReady() && len(n.out) == 0 {
		return Ready{}, false
	}
	out := Ready{Messages: n.out}
	n.out = nil
	if !n.raw.HasReady() {
		return out, true
	}
	rd := n.raw.Ready()
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			out.Append = newAppend(m, rd.MustSync)
		case raft.LocalApplyThread:
			out.Apply = &Apply{Entries: fromRaft(m.GetEntries()), raw: m.GetEntries(), responses: m.GetResponses()}
		default:
			out.Messages = append(out.Messages, m)
		}
	}
	if rd.SoftState != nil || !raft.IsEmptyHardState(rd.HardState) {
		n.observeRole()
	}
	return out, true
}

// Role returns what this replica is now.
func (n *Node) Role() Role {
	n.observeRole()
	return n.role
}

func (n *Node) observeRole() {
	s := n.raw.BasicStatus()
	n.role = Role{
		Leader:   s.RaftState == raft.StateLeader,
		LeaderID: s.Lead,
		Term:     s.HardState.GetTerm(),
	}
}

func newAppend(m *pb.Message, mustSync bool) *Append {
	a := &Append{
		Entries:   fromRaft(m.GetEntries()),
		Sync:      mustSync,
		raw:       m.GetEntries(),
		responses: m.GetResponses(),
	}
	if m.Term != nil || m.Vote != nil || m.Commit != nil {
		a.HardState = &HardState{Term: m.GetTerm(), Vote: m.GetVote(), Commit: m.GetCommit()}
	}
	return a
}
