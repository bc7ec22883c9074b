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
	// Founder is the member that a new log begins with; its Number is Replica, or 0 for the same without addresses.
	Founder Member
	// Joining says that a new log isn't founded: this replica waits for its group's leader, who knows its number.
	Joining bool
	// ElectionTicks is how many ticks without word from a leader a replica waits before it stands for election;
	// HeartbeatTicks how many pass between a leader's heartbeats.
	ElectionTicks, HeartbeatTicks int
	// MaxUncommitted bounds the bytes of entries that wait for a quorum; beyond it proposals are dropped.
	MaxUncommitted uint64
	// MaxInflight is how many messages with entries may be on their way to one follower; 0 is 64. They hold at most
	// [MaxInflightBytes].
	MaxInflight int
	// Older reads what isn't in memory any more, for followers that lag; nil for none.
	Older Older
	// Life is a value that no other life of this replica has. By it answers to what an earlier life asked are dropped.
	Life [16]byte
	// Restored is what the log held at start; its zero value is a new log.
	Restored Restored
}

// MaxInflightBytes bounds the entries that are on their way to one follower.
const MaxInflightBytes = 16 << 20

// defaultInflight is described with [Config].
const defaultInflight = 64

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
	// Reads answers what [Node.ReadIndex] asked.
	Reads []Read
	// Snapshots are wanted by followers for which the log doesn't reach back any more. Raft sends them nothing until
	// [Node.ReportSnapshot].
	Snapshots []SnapshotWanted
	// NeedCheckpoint says that a follower needs a snapshot and there is none that goes with the log: see
	// [Node.Checkpointed].
	NeedCheckpoint bool
}

// Role is what a replica is in its group at the moment.
type Role struct {
	Leader bool
	// LeaderID is the replica believed to lead, 0 if none is known.
	LeaderID uint64
	Term     uint64
	// Transferring says that it leads and is handing over.
	Transferring bool
}

// Node is one replica's part in consensus. Create it with [New].
type Node struct {
	raw  *raft.RawNode
	id   uint64
	life [16]byte
	tail *tail
	out  []Message // responses to others, released by Persisted
	role Role

	last    uint64    // the log's last entry, written or not
	applied entryName // the last entry applied

	changing changing
}

type entryName struct{ term, index uint64 }

// New returns a node. A new log starts with a configuration of this replica alone.
func New(cfg Config) (*Node, error) {
	t, err := newTail(cfg)
	if err != nil {
		return nil, err
	}
	inflight := cfg.MaxInflight
	if inflight == 0 {
		inflight = defaultInflight
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
		MaxInflightMsgs:           inflight,
		MaxInflightBytes:          MaxInflightBytes,
		CheckQuorum:               true,
		PreVote:                   true,
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
		Logger:                    silent{},
	})
	if err != nil {
		return nil, fmt.Errorf("start consensus: %w", err)
	}
	if t.lastIndex() == 0 && !cfg.Joining {
		if err := raw.Bootstrap([]raft.Peer{{ID: cfg.Replica, Context: cfg.Founder.place()}}); err != nil {
			return nil, fmt.Errorf("start a new group: %w", err)
		}
	}
	n := &Node{raw: raw, id: cfg.Replica, life: cfg.Life, tail: t, last: t.lastIndex()}
	n.applied = entryName{cfg.Restored.AppliedTerm, cfg.Restored.Applied}
	n.observeRole()
	return n, nil
}

// Campaign stands for election now. A group of one need not wait for its timer.
func (n *Node) Campaign() error { return n.raw.Campaign() }

// Tick advances Raft's clock by one tick.
func (n *Node) Tick() {
	n.raw.Tick()
	n.confirm()
}

// Propose appends one batch to the leader's log. It returns [fault.ErrNotLeader] on any other replica and
// [fault.ErrOverloaded] beyond MaxUncommitted; then nothing was appended. The entry is the last one of the next Ready's
// Append. Data belongs to the node from now on.
// Empty data panics: Raft's own entries are the empty ones.
func (n *Node) Propose(data []byte) error {
	if len(data) == 0 {
		panic("consensus: proposal without data")
	}
	if err := n.raw.Propose(data); err != nil {
		return n.refused(err)
	}
	return nil
}

// refused says why Raft took no proposal.
func (n *Node) refused(err error) error {
	switch {
	case !errors.Is(err, raft.ErrProposalDropped):
		return fmt.Errorf("propose: %w", err)
	case !n.Role().Leader || n.role.Transferring:
		return fault.ErrNotLeader
	case n.removed():
		return fault.ErrNotLeader
	}
	return fault.ErrOverloaded
}

// removed reports whether this replica was a member and isn't any more.
func (n *Node) removed() bool {
	_, member := n.tail.members.Get(n.id)
	return !member
}

// Step takes a message from another replica. What doesn't concern this one, such as answers of strangers, has no effect.
//
// An error says that this replica's log isn't what it was when it last spoke to its group, or can't be read. It must
// not go on.
func (n *Node) Step(m Message) error {
	if m.GetType() == pb.MsgHeartbeat && m.GetTerm() >= n.Role().Term && m.GetCommit() > n.last {
		return fmt.Errorf("replica %d acknowledged entry %d once, and its log ends at entry %d: the log was lost, or "+
			"replaced by an older copy; start it with an empty directory to join as a new member: %w",
			n.id, m.GetCommit(), n.last, fault.ErrCorrupt)
	}
	if m.GetType() == pb.MsgReadIndex && n.unsure() {
		return nil
	}
	err := n.raw.Step(m)
	if err != nil && !errors.Is(err, raft.ErrStepPeerNotFound) && !errors.Is(err, raft.ErrStepLocalMsg) {
		return fmt.Errorf("step %v of replica %d: %w", m.GetType(), m.GetFrom(), err)
	}
	return n.tail.failed
}

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
			if err := n.reconfigure(e); err != nil {
				return err
			}
		}
	}
	last := a.raw[len(a.raw)-1]
	n.applied = entryName{last.GetTerm(), last.GetIndex()}
	if err := n.respond(a.responses); err != nil {
		return err
	}
	for _, e := range a.raw {
		n.advance(entryName{e.GetTerm(), e.GetIndex()}, e.GetType() != pb.EntryNormal)
	}
	n.confirm()
	n.tail.compact(n.applied.index)
	return n.tail.failed
}

// reconfigure makes a change of members that was committed.
func (n *Node) reconfigure(e *pb.Entry) error {
	change, _, err := decodeChange(e)
	if err != nil {
		return err
	}
	n.tail.members, err = n.tail.members.After(fromRaft([]*pb.Entry{e})[0])
	if err != nil {
		return err
	}
	// Raft keeps its own account, and they are one: of who votes there is one opinion.
	if err := n.raw.ApplyConfChange(change).Equivalent(n.tail.members.state()); err != nil {
		panic(fmt.Sprintf("consensus: entry %d: Raft's members are others: %v", e.GetIndex(), err))
	}
	return nil
}

func (n *Node) respond(responses []*pb.Message) error {
	for _, m := range responses {
		if m.GetTo() != n.id {
			n.out = append(n.out, m)
			continue
		}
		// Whoever was removed meanwhile is a stranger to itself.
		if err := n.raw.Step(m); err != nil && !errors.Is(err, raft.ErrStepPeerNotFound) {
			return fmt.Errorf("step storage response: %w", err)
		}
	}
	return nil
}

// Ready returns the next piece of work, and false when there is none.
func (n *Node) Ready() (Ready, bool) {
	if !n.raw.HasReady() && len(n.out) == 0 && !n.tail.lacking {
		return Ready{}, false
	}
	out := Ready{Messages: n.out, NeedCheckpoint: n.tail.lacking}
	n.out, n.tail.lacking = nil, false
	if !n.raw.HasReady() {
		return out, true
	}
	rd := n.raw.Ready()
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			out.Append = newAppend(m, rd.MustSync)
			if entries := m.GetEntries(); len(entries) > 0 {
				n.last = entries[len(entries)-1].GetIndex()
			}
		case raft.LocalApplyThread:
			out.Apply = &Apply{Entries: fromRaft(m.GetEntries()), raw: m.GetEntries(), responses: m.GetResponses()}
		default:
			if m.GetType() == pb.MsgSnap {
				out.Snapshots = append(out.Snapshots, snapshotWanted(m))
				continue
			}
			out.Messages = append(out.Messages, m)
		}
	}
	out.Reads = n.reads(rd.ReadStates)
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

		Transferring: s.LeadTransferee != raft.None,
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
