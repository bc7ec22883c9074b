package consensus_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/consensus"
)

func TestAloneLeavesOneMember(t *testing.T) {
	m, index := founded(t)
	add := func(self consensus.Member) []consensus.Entry {
		t.Helper()
		entries, err := consensus.Alone(m, self, index, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			index++
			if e.Index != index || e.Kind != consensus.Configuration {
				t.Fatalf("entry %d is %+v", index, e)
			}
			if m, err = m.After(e); err != nil {
				t.Fatal(err)
			}
		}
		return entries
	}
	for n := range uint64(4) {
		self := consensus.Member{Number: n + 2, Address: "a:1"}
		add(self)
		if got := m.List(); len(got) != 1 || got[0] != self {
			t.Fatalf("left are %+v, not %+v alone", got, self)
		}
	}
	if got := add(consensus.Member{Number: 5}); len(got) != 0 {
		t.Errorf("who is alone takes %d entries more", len(got))
	}
	if _, err := consensus.Alone(m, consensus.Member{Number: 3}, index, 1); err == nil {
		t.Error("a number was given twice")
	}
}

// founded is a new group, and its log's last entry.
func founded(t *testing.T) (consensus.Members, uint64) {
	t.Helper()
	n, err := consensus.New(consensus.Config{
		Replica: 1, Founder: consensus.Member{Number: 1, Address: "a:1"}, ElectionTicks: 10, HeartbeatTicks: 2, MaxUncommitted: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		rd, ok := n.Ready()
		if !ok {
			t.Fatal("nothing was founded")
		}
		if rd.Append == nil || len(rd.Append.Entries) == 0 {
			continue
		}
		e := rd.Append.Entries[0]
		m, err := consensus.Members{}.After(e)
		if err != nil {
			t.Fatal(err)
		}
		return m, e.Index
	}
}
