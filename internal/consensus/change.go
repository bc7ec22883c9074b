package consensus

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// ChangeKind says what a change of members does.
type ChangeKind uint8

// The kinds of changes.
const (
	// AddLearner adds a replica that gets the log and doesn't vote.
	AddLearner ChangeKind = iota + 1
	// Promote gives a learner its vote.
	Promote
	// Remove removes a member, learner or voter, for ever: its number isn't given again.
	Remove
	// Readdress changes where a member is reached.
	Readdress
)

func (k ChangeKind) String() string {
	switch k {
	case AddLearner:
		return "add-learner"
	case Promote:
		return "promote"
	case Remove:
		return "remove"
	case Readdress:
		return "readdress"
	}
	return fmt.Sprintf("change(%d)", uint8(k))
}

// Change is one change of members. Of Member, Promote and Remove use the number alone.
type Change struct {
	Kind   ChangeKind
	Member Member
}

// check refuses what can't be made of a configuration.
func (c Change) check(m Members, leader uint64) error {
	at, member := m.Get(c.Member.Number)
	if len(c.Member.Address) > MaxAddress || len(c.Member.URL) > MaxAddress {
		return fault.Refuse("address", "or URL of replica %d has more than %d bytes", c.Member.Number, MaxAddress)
	}
	switch c.Kind {
	case AddLearner:
		if member {
			return fault.Refuse("member", "%d is in the group already", c.Member.Number)
		}
		if c.Member.Number <= m.Highest() {
			return fault.Refuse("member", "%d was removed; numbers are given once, the next is %d",
				c.Member.Number, m.Highest()+1)
		}
		return nil
	case Promote:
		if member && !at.Learner {
			return fault.Refuse("member", "%d votes already", c.Member.Number)
		}
	case Remove:
		if c.Member.Number == leader {
			return fault.Refuse("member", "%d leads; leadership is handed over before it is removed", leader)
		}
		if voters := m.Voters(); len(voters) == 1 && voters[0] == c.Member.Number {
			return fault.Refuse("member", "%d is the only one that votes; a group can't be left without", c.Member.Number)
		}
	case Readdress:
	default:
		return fault.Refuse("change", "is of unknown kind %d", uint8(c.Kind))
	}
	if !member {
		return fault.Refuse("member", "%d is none of the group", c.Member.Number)
	}
	return nil
}

// raft is the change as Raft knows it.
func (c Change) raft() *pb.ConfChange {
	out := &pb.ConfChange{NodeId: new(c.Member.Number)}
	switch c.Kind {
	case AddLearner:
		out.Type, out.Context = pb.ConfChangeAddLearnerNode.Enum(), c.Member.place()
	case Promote:
		out.Type = pb.ConfChangeAddNode.Enum()
	case Remove:
		out.Type = pb.ConfChangeRemoveNode.Enum()
	case Readdress:
		out.Type, out.Context = pb.ConfChangeUpdateNode.Enum(), c.Member.place()
	}
	return out
}

// changing is where the last change of members stands that was proposed here.
type changing struct {
	entryName // the change's entry, later the empty one behind it
	stage     stage
}

type stage uint8

const (
	settled    stage = iota // nothing is under way
	proposed                // the change's entry isn't applied
	made                    // it is, and the empty entry couldn't be proposed yet
	confirming              // the empty entry isn't applied
)

// Change proposes a change of members. It is made once its entry is applied, and for good once [Node.Sure] says so. The
// entry is the last one of the next Ready's Append.
//
// Errors, after which nothing was proposed: [fault.ErrNotLeader] on any replica but the leader, and while leadership is
// being handed over; [fault.ErrChanging] while an earlier change isn't made for good, or the leader hasn't applied its
// term's first entry; a [fault.Input] for a change that the configuration doesn't allow.
func (n *Node) Change(c Change) error {
	role := n.Role()
	if !role.Leader || role.Transferring {
		return fault.ErrNotLeader
	}
	// Raft would silently put an empty entry in the place of a change that it doesn't take: while an earlier one isn't
	// applied, or may lie in front of the term's first entry.
	if n.applied.term != role.Term || n.changing.term == role.Term && n.changing.stage != settled {
		return fault.ErrChanging
	}
	if err := c.check(n.tail.members, n.id); err != nil {
		return err
	}
	if err := n.raw.ProposeConfChange(c.raft()); err != nil {
		return n.refused(err)
	}
	n.changing = changing{entryName{role.Term, n.last + 1}, proposed}
	return nil
}

// confirm appends an empty entry behind a change that was made. Replicas learn that the change is committed with it, and
// so it is on a quorum of the new members' disks once that entry is. Otherwise a crash could make them forget, and count on the
// vote of somebody who was removed and is gone: the one that is left of a group of two would wait for ever.
func (n *Node) confirm() {
	if n.changing.stage != made {
		return
	}
	role := n.Role()
	if !role.Leader || n.changing.term != role.Term {
		return
	}
	if n.raw.Propose(nil) == nil { // else it is handing over, and this is tried again at the next tick
		n.changing = changing{entryName{role.Term, n.last + 1}, confirming}
	}
}

// advance notes what of a change of members was applied.
func (n *Node) advance(e entryName, configuration bool) {
	switch c := &n.changing; {
	case c.stage == proposed && configuration && e == c.entryName:
		c.stage = made
	case c.stage == confirming && e == c.entryName:
		c.stage = settled
	}
}

// Sure reports whether this replica leads and a quorum of the members knows its configuration for good, whatever is yet to
// come.
func (n *Node) Sure() bool {
	role := n.Role()
	return role.Leader && n.applied.term == role.Term &&
		(n.changing.term != role.Term || n.changing.stage == settled || n.changing.stage == proposed)
}

// Changing reports whether this replica leads, and a change of members that it proposed isn't made for good yet.
func (n *Node) Changing() bool {
	role := n.Role()
	return role.Leader && n.changing.term == role.Term && n.changing.stage != settled
}

// placeVersion is the version of a place's encoding.
const placeVersion = 1

// place is where a member is, as a change carries it; nil for nowhere.
func (m Member) place() []byte {
	if m.Address == "" && m.URL == "" {
		return nil
	}
	return appendText(appendText([]byte{placeVersion}, m.Address), m.URL)
}

func decodePlace(b []byte) (*Member, error) {
	if len(b) == 0 {
		return &Member{}, nil
	}
	r := reader{rest: b}
	if v := r.byte(); v != placeVersion {
		return nil, fmt.Errorf("place of version %d: %w", v, fault.ErrFormatTooNew)
	}
	m := &Member{Address: r.text(MaxAddress), URL: r.text(MaxAddress)}
	r.end()
	return m, r.err
}

// decodeChange reads the change in a configuration entry, and where its member is if the change says so.
func decodeChange(e *pb.Entry) (pb.ConfChangeI, *Member, error) {
	if e.GetType() == pb.EntryConfChange {
		v1 := &pb.ConfChange{}
		if err := proto.Unmarshal(e.GetData(), v1); err != nil {
			return nil, nil, fault.Damaged("", 0, "entry %d: configuration change: %v", e.GetIndex(), err)
		}
		if t := v1.GetType(); t == pb.ConfChangeAddNode && len(v1.GetContext()) == 0 || t == pb.ConfChangeRemoveNode {
			return v1, nil, nil // a learner that is promoted stays where it is
		}
		where, err := decodePlace(v1.GetContext())
		if err != nil {
			return nil, nil, fmt.Errorf("entry %d: configuration change: %w", e.GetIndex(), err)
		}
		return v1, where, nil
	}
	v2 := &pb.ConfChangeV2{}
	if err := proto.Unmarshal(e.GetData(), v2); err != nil {
		return nil, nil, fault.Damaged("", 0, "entry %d: configuration change: %v", e.GetIndex(), err)
	}
	if _, known := pb.ConfChangeTransition_name[int32(v2.GetTransition())]; !known {
		return nil, nil, fault.Damaged("", 0, "entry %d: configuration change: unknown transition %d",
			e.GetIndex(), v2.GetTransition())
	}
	return v2, nil, nil
}
