package consensus_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// TestRestoredLogsThatContradictThemselvesAreRefused: what a crash can't have left is damage, and no replica starts
// on it.
func TestRestoredLogsThatContradictThemselvesAreRefused(t *testing.T) {
	entry := func(index, term uint64) consensus.Entry {
		return consensus.Entry{Kind: consensus.Batch, Index: index, Term: term, Data: []byte("x")}
	}
	hard := consensus.HardState{Term: 2, Commit: 1}
	founding := addVoter(1, 1)
	for name, c := range map[string]struct {
		restored consensus.Restored
		want     string
	}{
		"a hole": {
			consensus.Restored{HardState: hard, Tail: []consensus.Entry{founding, entry(3, 1)}},
			"entry 3 of term 1 follows entry 1 of term 1",
		},
		"a tail that starts late": {
			consensus.Restored{HardState: hard, Applied: 1, AppliedTerm: 1, Tail: []consensus.Entry{entry(3, 1)}},
			"entry 3 of term 1 follows entry 1 of term 1",
		},
		"terms that fall": {
			consensus.Restored{HardState: hard, Tail: []consensus.Entry{founding, entry(2, 2), entry(3, 1)}},
			"entry 3 of term 1 follows entry 2 of term 2",
		},
		"a commit beyond the log": {
			consensus.Restored{HardState: consensus.HardState{Term: 1, Commit: 2}, Tail: []consensus.Entry{founding}},
			"commit 2 is outside 0…1",
		},
		"two entries without a hard state": {
			consensus.Restored{Tail: []consensus.Entry{founding, entry(2, 1)}},
			"entries up to 2 without a hard state",
		},
		"a batch where a group is founded": {
			consensus.Restored{Tail: []consensus.Entry{entry(1, 1)}},
			"entries up to 1 without a hard state",
		},
		"a store without a log": {
			consensus.Restored{Applied: 5, AppliedTerm: 1},
			"entries up to 5 without a hard state",
		},
		"a hard state older than the store": {
			consensus.Restored{HardState: consensus.HardState{Term: 1}, Applied: 5, AppliedTerm: 2},
			"applied entry 5 is of term 2, the hard state of term 1",
		},
		"a change of members in an unknown form": {
			consensus.Restored{
				HardState: hard,
				Tail:      []consensus.Entry{{Kind: consensus.Configuration, Index: 1, Term: 1, Data: []byte{9}}},
			},
			"unknown form of configuration change",
		},
	} {
		cfg := config(1)
		cfg.Restored = c.restored
		if _, err := consensus.New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestMembersFollowConfigurationEntries: a replica that replays its log learns its group without asking Raft.
func TestMembersFollowConfigurationEntries(t *testing.T) {
	v2 := func(index uint64, changes ...*raftpb.ConfChangeSingle) consensus.Entry {
		data, err := proto.Marshal(&raftpb.ConfChangeV2{Changes: changes})
		if err != nil {
			t.Fatal(err)
		}
		return consensus.Entry{Kind: consensus.Configuration, Term: 1, Index: index, Data: append([]byte{2}, data...)}
	}
	change := func(kind raftpb.ConfChangeType, node uint64) *raftpb.ConfChangeSingle {
		return &raftpb.ConfChangeSingle{Type: kind.Enum(), NodeId: &node}
	}
	var m consensus.Members
	for _, step := range []struct {
		entry consensus.Entry
		want  []uint64
	}{
		{addVoter(1, 3), []uint64{3}},
		{addVoter(2, 1), []uint64{1, 3}},
		{consensus.Entry{Kind: consensus.Batch, Index: 3, Term: 1, Data: []byte{2, 8, 1}}, []uint64{1, 3}},
		{consensus.Entry{Kind: consensus.Empty, Index: 4, Term: 2}, []uint64{1, 3}},
		{v2(5, change(raftpb.ConfChangeAddLearnerNode, 2)), []uint64{1, 3}},
		{v2(6, change(raftpb.ConfChangeAddNode, 2)), []uint64{1, 2, 3}},
		{v2(7, change(raftpb.ConfChangeRemoveNode, 3)), []uint64{1, 2}},
		{v2(8, change(raftpb.ConfChangeAddNode, 4), change(raftpb.ConfChangeRemoveNode, 1)), []uint64{2, 4}}, // joint
		{v2(9), []uint64{2, 4}}, // leaves the joint configuration
	} {
		before := slices.Clone(m.Voters())
		next, err := m.After(step.entry)
		if err != nil || !slices.Equal(next.Voters(), step.want) {
			t.Fatalf("after entry %d: voters %v, %v; want %v", step.entry.Index, next.Voters(), err, step.want)
		}
		if !slices.Equal(m.Voters(), before) {
			t.Fatalf("entry %d changed the configuration before it", step.entry.Index)
		}
		m = next
	}
	nobody := v2(10, change(raftpb.ConfChangeRemoveNode, 2), change(raftpb.ConfChangeRemoveNode, 4))
	if _, err := m.After(nobody); err == nil {
		t.Error("a group without voters was accepted")
	}
}

// FuzzMembersAfter: bytes from a log are a configuration change or damage, never a panic.
func FuzzMembersAfter(f *testing.F) {
	f.Add(addVoter(1, 2).Data, uint64(1))
	f.Add([]byte{2}, uint64(3))
	f.Add([]byte{1, 0xff}, uint64(3))
	f.Add([]byte{}, uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, index uint64) {
		var m consensus.Members
		m, err := m.After(addVoter(1, 1))
		if err != nil {
			t.Fatal(err)
		}
		next, err := m.After(consensus.Entry{Kind: consensus.Configuration, Term: 1, Index: index, Data: data})
		switch {
		case err != nil && !slices.Equal(next.Voters(), m.Voters()):
			t.Fatalf("refused, but voters are %v", next.Voters())
		case err == nil && len(next.Voters()) == 0:
			t.Fatal("a group without voters")
		case len(data) == 0 && !errors.Is(err, fault.ErrCorrupt):
			t.Fatalf("an entry without data: %v", err)
		}
	})
}

// TestAnEmptyProposalPanics: empty entries are Raft's own; nobody else makes one.
func TestAnEmptyProposalPanics(t *testing.T) {
	n, err := consensus.New(config(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("it didn't")
		}
	}()
	_ = n.Propose(nil)
}
