package host_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/pair"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
	"github.com/tidaldb/tidal/schema"
)

// group is some members in one process, on a network that can be cut.
type group struct {
	t       *testing.T
	net     *pair.Network
	members map[string]*host.Replica // by address
	disks   map[string]vfs.FS
	tune    func(*host.Options) // changes every member's options, nil for nobody
}

func newGroup(t *testing.T) *group {
	g := &group{
		t: t, net: pair.New(pair.Options{}), members: map[string]*host.Replica{}, disks: map[string]vfs.FS{},
	}
	t.Cleanup(func() {
		for address := range g.members {
			g.close(address)
		}
		if err := g.net.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// options are those of the member at an address, who asks others to join if its directory is new.
func (g *group) options(address string, join ...string) host.Options {
	disk := g.disks[address]
	if disk == nil {
		disk = crashable.New()
		g.disks[address] = disk
	}
	o := host.Options{
		Dir: "db", FS: disk, SegmentBytes: smallSegment,
		Group: &host.Group{
			Listen: address, URL: "http://" + address, Join: join, JoinTimeout: patience,
			// Twice as long as usual, for where other tests take the processors.
			ElectionTicks: 24,
			Network: func(o transport.Options) (transport.Transport, error) {
				return g.net.Join(address, pair.Member{
					Identity: o.Identity, Handler: o.Handler, Admit: o.Admit, Regions: o.Regions,
				})
			},
		},
	}
	if g.tune != nil {
		g.tune(&o)
	}
	return o
}

// start opens a member.
func (g *group) start(address string, join ...string) *host.Replica {
	g.t.Helper()
	r, err := host.Open(context.Background(), g.options(address, join...))
	if err != nil {
		g.t.Fatalf("open %s: %v", address, err)
	}
	g.members[address] = r
	return r
}

// found opens the first member and gives it the test schema.
func (g *group) found(address string) *host.Replica {
	g.t.Helper()
	return g.foundWith(address, g.options(address))
}

func (g *group) foundWith(address string, opts host.Options) *host.Replica {
	g.t.Helper()
	return g.foundBy(address, opts, testSchema())
}

// foundBy opens the first member and gives it a schema.
func (g *group) foundBy(address string, opts host.Options, declared *schema.Schema) *host.Replica {
	g.t.Helper()
	r, err := host.Open(context.Background(), opts)
	if err != nil {
		g.t.Fatalf("open %s: %v", address, err)
	}
	g.members[address] = r
	g.await("somebody leads", r.Leading)
	records := []record.Proposed{
		{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level}},
		{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: declared.Encode()}},
	}
	if _, err := r.Write(g.t.Context(), &replica.Request{Records: records, Content: record.ContentHash(records)}); err != nil {
		g.t.Fatal(err)
	}
	return r
}

// close closes a member in order.
func (g *group) close(address string) {
	g.t.Helper()
	r := g.members[address]
	delete(g.members, address)
	if err := r.Close(); err != nil {
		g.t.Errorf("close %s: %v", address, err)
	}
}

// kill closes a member without letting it hand anything over.
func (g *group) kill(address string) {
	g.t.Helper()
	ended, end := context.WithCancel(context.Background())
	end()
	g.members[address].HandOver(ended)
	g.close(address)
}

// patience is how long a test waits for what is to happen at once.
const patience = time.Minute

// await waits until something holds.
func (g *group) await(what string, ok func() bool) {
	g.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline.C:
			g.t.Fatalf("in vain waited until %s\n%s", what, g.picture())
		}
	}
}

// leader waits for one, and returns it.
func (g *group) leader() (r *host.Replica) {
	g.t.Helper()
	g.await("somebody leads", func() bool {
		for _, m := range g.members {
			if m.Leading() {
				r = m
				return true
			}
		}
		return false
	})
	return r
}

// voters waits until so many vote.
func (g *group) voters(n int) {
	g.t.Helper()
	g.await(fmt.Sprintf("%d vote", n), func() bool {
		for _, m := range g.members {
			s, err := m.Status(g.t.Context())
			if err != nil {
				return false
			}
			voters := 0
			for _, x := range s.Members {
				if !x.Learner {
					voters++
				}
			}
			if voters != n {
				return false
			}
		}
		return true
	})
}

// three returns a group of three that vote.
func three(t *testing.T) *group {
	g := newGroup(t)
	g.found("a")
	g.start("b", "a")
	g.start("c", "b") // who asks the leader
	g.voters(3)
	return g
}

// write writes a view through whoever leads, and again under its lane until somebody takes it.
func (g *group) write(lane string, number uint64, item string) {
	g.t.Helper()
	g.await("a write is taken", func() bool {
		ctx, cancel := context.WithTimeout(g.t.Context(), patience/3)
		defer cancel()
		_, err := write(ctx, g.leader(), lane, number, item, 1)
		if err != nil && !errors.Is(err, fault.ErrNotLeader) && !errors.Is(err, fault.ErrUnknown) && !errors.Is(err, fault.ErrClosed) {
			g.t.Fatalf("write %s: %v", item, err)
		}
		return err == nil
	})
}

// same waits until all members have the same state.
func (g *group) same() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	var first string
	for address, m := range g.members {
		g.await(address+" is up to date", func() bool {
			err := m.Latest(ctx)
			if err != nil && !errors.Is(err, fault.ErrNotLeader) {
				g.t.Fatalf("latest at %s: %v\n%s", address, err, g.picture())
			}
			return err == nil
		})
		switch d := fmt.Sprint(digest(m)); {
		case first == "":
			first = d
		case first != d:
			g.t.Errorf("%s has digest %s, another member %s", address, d, first)
		}
	}
}

// picture is how every member sees the group.
func (g *group) picture() (out string) {
	for address, m := range g.members {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		s, err := m.Status(ctx)
		cancel()
		out += fmt.Sprintf("%s: number %d leader %d leading %v term %d commit %d applied %d last %d failed %v %v\n", address,
			s.Number, s.Leader, s.Leading, s.Term, s.Commit, s.Applied, s.Last, s.Failed, err)
		for _, x := range s.Members {
			out += fmt.Sprintf("    %+v\n", x)
		}
	}
	return out
}

func TestThreeMembersShareWhatIsWritten(t *testing.T) {
	g := three(t)
	for i := range 20 {
		g.write("p", uint64(i+1), fmt.Sprint("item ", i))
	}
	g.same()
	for address, m := range g.members {
		if got := total(t, m, "item 7"); got != 1 {
			t.Errorf("at %s item 7 counts %d times", address, got)
		}
	}
}

func TestAFollowerSaysWhoLeads(t *testing.T) {
	g := three(t)
	for at, m := range g.members {
		g.await(at+" says who leads", func() bool {
			leader := g.leader()
			number, address, url := leader.Leader()
			if m == leader {
				return true
			}
			_, err := write(t.Context(), m, "", 0, "x", 1)
			if err == nil || g.leader() != leader {
				return false // leadership moved meanwhile
			}
			var e *fault.NotLeader
			if !errors.As(err, &e) {
				t.Fatalf("a follower says %v", err)
			}
			return e.Leader == number && e.URL == url && e.Address == address
		})
	}
}

func TestAKilledLeaderIsReplaced(t *testing.T) {
	g := three(t)
	g.write("p", 1, "before")
	dead := g.leader()
	for address, m := range g.members {
		if m == dead {
			g.kill(address)
			g.write("p", 2, "behind")
			g.write("p", 1, "before") // a retry
			g.start(address)
			break
		}
	}
	g.write("p", 3, "last")
	g.same()
	for address, m := range g.members {
		for _, item := range []string{"before", "behind", "last"} {
			if got := total(t, m, item); got != 1 {
				t.Errorf("at %s %s counts %d times", address, item, got)
			}
		}
	}
}
