package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/pair"
	"github.com/tidaldb/tidal/schema"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testSchema() *schema.Schema {
	return &schema.Schema{Name: "test", Signals: []schema.SignalType{
		{Name: "view", Meaning: schema.Positive, Seen: true, HalfLives: []time.Duration{time.Hour}},
		{Name: "hide", Meaning: schema.HardNegative},
	}}
}

// fleet is some members in one process, on a network that can be cut.
type fleet struct {
	t       *testing.T
	net     *pair.Network
	members map[string]*Member // by address
	dirs    map[string]string
}

func newFleet(t *testing.T) *fleet {
	t.TempDir() // the first one decides when all of them go: behind the members
	net := pair.New(pair.Options{})
	t.Cleanup(func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	return newFleetOn(t, net)
}

// newFleetOn returns a fleet on a network that others may be on.
func newFleetOn(t *testing.T, net *pair.Network) *fleet {
	f := &fleet{t: t, net: net, members: map[string]*Member{}, dirs: map[string]string{}}
	t.Cleanup(func() {
		for address := range f.members {
			f.close(address)
		}
	})
	return f
}

// config is that of the member at an address, whose directory outlives it.
func (f *fleet) config(address string, join ...string) Config {
	if f.dirs[address] == "" {
		f.dirs[address] = f.t.TempDir()
	}
	return Config{
		Dir: f.dirs[address], Schema: testSchema(), Listen: address, URL: "http://" + address, Join: join,
		JoinTimeout: patience,
		// A slow disk, and tests beside it, make members wait for each other.
		ElectionTimeout: 600 * time.Millisecond,
		network: func(o transport.Options) (transport.Transport, error) {
			return f.net.Join(address, pair.Member{Identity: o.Identity, Handler: o.Handler, Admit: o.Admit, Regions: o.Regions, Refused: o.Refused})
		},
	}
}

func (f *fleet) run(c Config) *Member {
	f.t.Helper()
	m, err := Start(c)
	if err != nil {
		f.t.Fatalf("start %s: %v", c.Listen, err)
	}
	f.members[c.Listen] = m
	return m
}

func (f *fleet) start(address string, join ...string) *Member {
	f.t.Helper()
	return f.run(f.config(address, join...))
}

// three returns three members that vote.
func three(t *testing.T) *fleet {
	f := newFleet(t)
	f.start("a")
	f.start("b", "a")
	f.start("c", "a", "b")
	f.voters(3)
	return f
}

func (f *fleet) close(address string) {
	f.t.Helper()
	m := f.members[address]
	delete(f.members, address)
	if err := m.Close(context.Background()); err != nil {
		f.t.Errorf("close %s: %v", address, err)
	}
}

// kill closes a member that has no time to hand over.
func (f *fleet) kill(address string) {
	f.t.Helper()
	m := f.members[address]
	delete(f.members, address)
	if err := m.Close(ended()); err != nil {
		f.t.Errorf("close %s: %v", address, err)
	}
}

// ended returns a context that has ended.
func ended() context.Context {
	ctx, end := context.WithCancel(context.Background())
	end()
	return ctx
}

const patience = time.Minute

func (f *fleet) await(what string, ok func() bool) {
	f.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline.C:
			f.t.Fatalf("in vain waited until %s\n%s", what, f.picture())
		}
	}
}

// voters waits until so many vote and nobody else is there.
func (f *fleet) voters(n int) {
	f.t.Helper()
	f.await(fmt.Sprintf("%d vote", n), func() bool {
		for _, m := range f.members {
			s, err := m.Status(f.t.Context())
			if err != nil || len(s.Members) != n || s.Leader == 0 {
				return false
			}
			for _, x := range s.Members {
				if x.Role == Learner {
					return false
				}
			}
		}
		return true
	})
}

// leader waits for one, and returns its address, too.
func (f *fleet) leader() (address string, m *Member) {
	f.t.Helper()
	f.await("somebody leads", func() bool {
		for address, m = range f.members {
			if m.Leading() {
				return true
			}
		}
		return false
	})
	return address, m
}

// others returns who doesn't lead, in order.
func (f *fleet) others() (out []string) {
	leader, _ := f.leader()
	for address := range f.members {
		if address != leader {
			out = append(out, address)
		}
	}
	slices.Sort(out)
	return out
}

// write writes a request through whoever leads until somebody has taken it.
func (f *fleet) write(r tidal.Request) (receipt tidal.Receipt) {
	f.t.Helper()
	f.await("a write is taken", func() bool {
		_, m := f.leader()
		// Long, since the machine may stand still; a leader that has lost the others says so earlier.
		ctx, cancel := context.WithTimeout(f.t.Context(), patience/3)
		defer cancel()
		var err error
		receipt, err = m.DB().Write(ctx, r)
		if err != nil && !errors.Is(err, tidal.ErrNotLeader) && !errors.Is(err, tidal.ErrUnknown) && !errors.Is(err, tidal.ErrClosed) {
			f.t.Fatalf("write: %v", err)
		}
		return err == nil
	})
	return receipt
}

// again calls f until it gives no error that comes and goes while members elect or change, and returns what it gives then.
func (f *fleet) again(what string, do func() error) (err error) {
	f.t.Helper()
	f.await(what, func() bool {
		err = do()
		return !errors.Is(err, tidal.ErrNotLeader) && !errors.Is(err, tidal.ErrUnknown) && !errors.Is(err, tidal.ErrChanging) &&
			!errors.Is(err, tidal.ErrNoSuccessor)
	})
	return err
}

// remove has a member take one out, with patience.
func (f *fleet) remove(m *Member, number uint64) {
	f.t.Helper()
	err := f.again("a member is removed", func() error { return m.Remove(f.t.Context(), number) })
	if err != nil && !errors.Is(err, tidal.ErrRemoved) { // it's itself, and has gone before the answer
		f.t.Fatalf("remove %d: %v", number, err)
	}
}

// transfer has a member make another one lead, with patience.
func (f *fleet) transfer(m *Member, number uint64) {
	f.t.Helper()
	if err := f.again("leadership moves", func() error { return m.Transfer(f.t.Context(), number) }); err != nil {
		f.t.Fatalf("transfer to %d: %v", number, err)
	}
}

// refused starts members that must not start, with ever more time, until one is refused for a reason. Who is asked may be slow, so that
// the first ones end for want of an answer, or go on.
func refused(t *testing.T, c Config, because func(error) bool) {
	t.Helper()
	var err error
	for c.JoinTimeout = 300 * time.Millisecond; c.JoinTimeout < patience; c.JoinTimeout *= 5 {
		var m *Member
		if m, err = Start(c); err == nil {
			_ = m.Close(ended())
		}
		if because(err) {
			return
		}
	}
	t.Errorf("it starts, or is refused for another reason: %v", err)
}

// says is a reason that is put so.
func says(text string) func(error) bool {
	return func(err error) bool { return err != nil && strings.Contains(err.Error(), text) }
}

func view(lane string, number uint64, item string) tidal.Request {
	return tidal.Request{Lane: lane, Number: number, Records: []tidal.Record{tidal.Signal{Type: "view", Item: item, User: "u"}}}
}

// same waits until all members are up to date, and holds their digests against each other.
func (f *fleet) same() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	var first tidal.Digest
	for address, m := range f.members {
		if err := m.Ready(ctx); err != nil {
			f.t.Fatalf("%s isn't ready: %v\n%s", address, err, f.picture())
		}
		d := m.DB().Digest()
		if first == (tidal.Digest{}) {
			first = d
		}
		if d != first {
			f.t.Errorf("%s has digest %v, another member %v", address, d, first)
		}
	}
}

// count is how often an item was viewed, as a member sees it.
func (f *fleet) count(address, item string) uint64 {
	f.t.Helper()
	c, err := f.members[address].DB().Cell(f.t.Context(), item, "view", time.Time{})
	if errors.Is(err, tidal.ErrNotFound) {
		return 0
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return uint64(max(0, c.Total))
}

// counts holds how often an item was viewed at every member.
func (f *fleet) counts(item string, want uint64) {
	f.t.Helper()
	for address := range f.members {
		if got := f.count(address, item); got != want {
			f.t.Errorf("at %s %s counts %d times, want %d", address, item, got, want)
		}
	}
}

// picture is how every member sees the group.
func (f *fleet) picture() (out string) {
	for address, m := range f.members {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		s, err := m.Status(ctx)
		cancel()
		out += fmt.Sprintf("%s: number %d leader %d leading %v term %d committed %d applied %d last %d failed %v %v\n", address,
			s.Number, s.Leader, s.Leading, s.Term, s.Committed, s.Applied, s.Last, s.Failed, err)
		for _, x := range s.Members {
			out += fmt.Sprintf("    %+v\n", x)
		}
	}
	return out
}
