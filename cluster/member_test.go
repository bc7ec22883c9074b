package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

func TestThreeMembersHoldOneDatabase(t *testing.T) {
	f := three(t)
	for i := range 30 {
		f.write(view("p", uint64(i+1), fmt.Sprint("item ", i%3)))
	}
	f.same()
	f.counts("item 1", 10)
	for address, m := range f.members {
		if got := m.DB().Schema(); got == nil || got.Name != "test" {
			t.Errorf("%s has schema %v", address, got)
		}
	}
}

// Everybody who was told that something is written, and asks for the latest anywhere, sees it.
func TestLatestAtAnyMember(t *testing.T) {
	f := three(t)
	for i := range 20 {
		f.write(view("", 0, "x"))
		for address, m := range f.members {
			if err := m.DB().Latest(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := f.count(address, "x"); got < uint64(i+1) {
				t.Fatalf("behind write %d %s counts %d", i+1, address, got)
			}
		}
	}
}

func TestAFollowerSaysWhereToWrite(t *testing.T) {
	f := three(t)
	for _, address := range []string{"a", "b", "c"} {
		f.await(address+" says who leads", func() bool {
			leader, _ := f.leader()
			if leader == address {
				return true
			}
			_, err := f.members[address].DB().Signal(t.Context(), tidal.Signal{Type: "view", Item: "x"})
			var e *tidal.NotLeaderError
			if now, _ := f.leader(); err == nil || now != leader {
				return false // leadership moved meanwhile
			}
			if !errors.As(err, &e) || !errors.Is(err, tidal.ErrNotLeader) {
				t.Fatalf("%s says %v; %s leads", address, err, leader)
			}
			return e.URL == "http://"+leader
		})
	}
}

// A token of the leader is waited for at a follower.
func TestATokenIsGoodEverywhere(t *testing.T) {
	f := three(t)
	r := f.write(view("p", 1, "x"))
	token := r.Token()
	for _, address := range f.others() {
		if err := f.members[address].DB().Wait(t.Context(), token); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if got := f.count(address, "x"); got != 1 {
			t.Errorf("behind the token %s counts %d", address, got)
		}
	}
}

func TestAKilledLeaderLosesNothing(t *testing.T) {
	f := three(t)
	for i := range uint64(6) {
		f.write(view("p", i+1, "x"))
		address, _ := f.leader()
		f.kill(address)
		f.write(view("p", i+1, "x")) // again, elsewhere
		f.start(address)
	}
	f.same()
	f.counts("x", 6)
}

func TestClosingALeaderHandsOver(t *testing.T) {
	f := three(t)
	before, m := f.leader()
	status, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.close(before)
	for address, m := range f.members {
		f.await(address+" takes another one for the leader", func() bool {
			n, _ := m.Leader()
			return n != 0 && n != status.Number
		})
	}
	f.write(view("p", 1, "x"))
}

func TestTransferTo(t *testing.T) {
	f := three(t)
	for _, address := range append(f.others(), "a", "b", "c") {
		status, err := f.members[address].Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Anybody can be asked.
		f.transfer(f.members["b"], status.Number)
		f.await(address+" leads", func() bool { return f.members[address].Leading() })
	}
	err := f.again("it's known who is a member", func() error { return f.members["b"].Transfer(t.Context(), 99) })
	if !errors.Is(err, tidal.ErrInput) {
		t.Errorf("to nobody: %v", err)
	}
}

func TestAllMembersStartAgain(t *testing.T) {
	f := three(t)
	f.write(view("p", 1, "x"))
	for _, address := range []string{"a", "b", "c"} {
		f.kill(address)
	}
	for _, address := range []string{"c", "b", "a"} {
		f.start(address)
	}
	f.write(view("p", 1, "x"))
	f.write(view("p", 2, "x"))
	f.same()
	f.counts("x", 2)
}

func TestWithoutAMajorityNothingIsWritten(t *testing.T) {
	f := three(t)
	f.write(view("p", 1, "x"))
	address, m := f.leader()
	f.net.Isolate(address)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := m.DB().Write(ctx, view("p", 2, "x"))
	if !errors.Is(err, tidal.ErrUnknown) && !errors.Is(err, tidal.ErrNotLeader) {
		t.Fatalf("cut off, the leader says %v", err)
	}
	if err := m.DB().Latest(ctx); !errors.Is(err, tidal.ErrNotLeader) {
		t.Errorf("cut off, the latest is %v", err)
	}
	f.net.Rejoin(address)
	f.write(view("p", 2, "x"))
	f.same()
	f.counts("x", 2)
}

// A member may bring a schema that knows more: it's entered when that member leads.
func TestASchemaThatAddsIsEnteredByTheLeader(t *testing.T) {
	f := three(t)
	address := f.others()[0]
	f.close(address)
	c := f.config(address)
	c.Schema.Signals = append(c.Schema.Signals, schema.SignalType{Name: "like", Meaning: schema.Positive})
	m := f.run(c)
	if err := m.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := m.DB().Schema().Signal("like"); ok && !m.Leading() {
		t.Fatal("a follower has entered a schema")
	}
	status, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.await("it leads", func() bool { return m.Transfer(t.Context(), status.Number) == nil && m.Leading() })
	f.await("all have the schema", func() bool {
		for _, m := range f.members {
			if _, _, ok := m.DB().Schema().Signal("like"); !ok {
				return false
			}
		}
		return true
	})
}

// A session goes on at the next leader, and what ended at one has ended at all.
func TestSessionsMoveWithLeadership(t *testing.T) {
	f := three(t)
	_, m := f.leader()
	s, err := m.DB().StartSession(t.Context(), tidal.SessionStart{ID: "s", User: "u"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), 1, tidal.Signal{Type: "view", Item: "x"}); err != nil {
		t.Fatal(err)
	}
	status, _ := m.Status(t.Context())
	f.transfer(m, 0)
	_, next := f.leader()
	other, err := next.DB().Session(t.Context(), "u", "s")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := other.Write(t.Context(), 1, tidal.Signal{Type: "view", Item: "x"}); err != nil || !r.Duplicate {
		t.Errorf("again: %+v, %v", r, err)
	}
	if _, err := other.Write(t.Context(), 2, tidal.Signal{Type: "view", Item: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.transfer(next, status.Number)
	err = f.again("the first leader leads again", func() error {
		_, err := s.Write(t.Context(), 3, tidal.Signal{Type: "view", Item: "x"})
		return err
	})
	if !errors.Is(err, tidal.ErrSessionClosed) {
		t.Errorf("the first leader's handle writes in a session that ended elsewhere: %v", err)
	}
	f.same()
	f.counts("x", 2)
}

func TestReportsOfLeadershipComeInOrder(t *testing.T) {
	f := newFleet(t)
	said := make(chan bool, 100)
	c := f.config("a")
	c.Leads = func(leading bool) { said <- leading }
	a := f.run(c)
	f.start("b", "a")
	f.voters(2)
	for range 3 {
		f.transfer(a, 2)
		f.transfer(a, 1)
	}
	for i := range 7 {
		if got := <-said; got != (i%2 == 0) {
			t.Fatalf("report %d says %v", i, got)
		}
	}
}

func TestConfigurationsThatWontDo(t *testing.T) {
	dir := t.TempDir()
	for name, x := range map[string]struct {
		config Config
		says   string
	}{
		"no directory":    {Config{Listen: "127.0.0.1:0"}, "dir"},
		"no address":      {Config{Dir: dir}, "listen"},
		"half an address": {Config{Dir: dir, Listen: "127.0.0.1", Schema: testSchema()}, "no address such as"},
		"itself":          {Config{Dir: dir, Listen: "127.0.0.1:7", Join: []string{"127.0.0.1:7"}}, "leave it out to found"},
		"stall":           {Config{Dir: dir, Listen: "127.0.0.1:0", ElectionTimeout: time.Second, StallTimeout: time.Millisecond}, "less than"},
		"read only":       {Config{Dir: dir, Listen: "127.0.0.1:0", Options: tidal.Options{ReadOnly: true}}, "read_only"},
	} {
		_, err := Start(x.config)
		if !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
