package consensus

import (
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Alone returns the entries behind an index that make a replica the only member of its group: a new one, or one that there is.
// Nobody voted for them. They are for a group that has lost its majority for good, or was restored from a copy; whoever writes
// them sees to it that the former group isn't heard any more.
func Alone(m Members, self Member, index, term uint64) ([]Entry, error) {
	var changes []Change
	at, member := m.Get(self.Number)
	if !member {
		changes = append(changes, Change{AddLearner, self})
	}
	if !member || at.Learner {
		changes = append(changes, Change{Promote, self})
	}
	for _, other := range m.List() {
		if other.Number != self.Number {
			changes = append(changes, Change{Remove, other})
		}
	}
	out := make([]Entry, 0, len(changes))
	for _, c := range changes {
		if err := c.check(m, 0); err != nil {
			return nil, fmt.Errorf("leave replica %d alone: %w", self.Number, err)
		}
		data, err := proto.Marshal(c.raft())
		if err != nil {
			return nil, fmt.Errorf("encode change: %w", err)
		}
		index++
		e := fromRaft([]*pb.Entry{{
			Type: pb.EntryConfChange.Enum(), Term: new(term), Index: new(index), Data: data,
		}})[0]
		if m, err = m.After(e); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// Founded returns the configuration of a group that one member founds, without an entry that says so: that of a log which
// begins behind the state of another group.
func Founded(self Member) (Members, error) {
	c := Change{AddLearner, self}
	if err := c.check(Members{}, 0); err != nil {
		return Members{}, fmt.Errorf("found a group: %w", err)
	}
	m := Members{}.with(&pb.ConfState{Voters: []uint64{self.Number}}, nil, nil)
	m.put(self)
	return m, nil
}
