package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
)

// future is a clock that can be put forward, so that logs grow old.
type future struct{ by atomic.Int64 }

func (c *future) now() time.Time { return time.Now().Add(time.Duration(c.by.Load())) }

// forgetful lets a member's log go behind checkpoints that are asked for, once it's old.
func (c *future) forgetful(x *Config) {
	x.Options = tidal.Options{Now: c.now, SegmentBytes: 16 << 10, Retention: 24 * time.Hour, CheckpointBytes: -1}
}

// age puts the clock forward and makes everybody's checkpoint, behind which the logs go.
func (c *future) age(t *testing.T, members ...*Member) {
	t.Helper()
	c.by.Add(int64(3 * 24 * time.Hour))
	for _, m := range members {
		if err := m.DB().Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// many is more entries than a leader has in memory for those that lag.
const many = 2300

// views writes some views by many users of many items, a signal a request, so that each is an entry.
func views(t *testing.T, m *Member, lane string, n int) {
	t.Helper()
	for i := range n {
		_, err := m.DB().Write(t.Context(), tidal.Request{Lane: lane, Number: uint64(i + 1), Records: []tidal.Record{
			tidal.Signal{Type: "view", Item: fmt.Sprint("item ", i*i%97), User: fmt.Sprint("user ", i%31)},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// items puts the items that are viewed.
func items(t *testing.T, m *Member) {
	t.Helper()
	var r tidal.Request
	for i := range 97 {
		r.Records = append(r.Records, tidal.Put{Kind: tidal.Item, ID: fmt.Sprint("item ", i)})
	}
	if _, err := m.DB().Write(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// hot is a list of a member's.
func hot(ctx context.Context, m *Member, user string) ([]string, error) {
	a, err := m.DB().Rank(ctx, &query.Query{Profile: "hot", User: user, Limit: 20})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, x := range a.Items {
		out = append(out, x.Item)
	}
	return out, nil
}

// alike holds two members' states, lists and lanes against each other.
func alike(t *testing.T, a, b *Member, lane string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := errors.Join(a.DB().Latest(ctx), b.DB().Latest(ctx)); err != nil {
		t.Fatal(err)
	}
	if a.DB().Digest() != b.DB().Digest() {
		t.Error("two members have two digests")
	}
	for _, user := range []string{"user 3", "user 30", "nobody"} {
		x, err := hot(ctx, a, user)
		y, yerr := hot(ctx, b, user)
		if err != nil || yerr != nil || len(x) != 20 || fmt.Sprint(x) != fmt.Sprint(y) {
			t.Errorf("lists for %s are\n%v, %v and\n%v, %v", user, x, err, y, yerr)
		}
	}
	x, _ := a.DB().Lane(lane)
	y, _ := b.DB().Lane(lane)
	if x != y || x == 0 {
		t.Errorf("lane %s has come to %d and to %d", lane, x, y)
	}
	if s, u := a.DB().Schema(), b.DB().Schema(); s.Hash() != u.Hash() {
		t.Errorf("schemas differ: %v and %v", s, u)
	}
}

// TestANewMemberOverSocketsGetsASnapshot: it joins over TCP and TLS when no log reaches back to the beginning, and leads.
func TestANewMemberOverSocketsGetsASnapshot(t *testing.T) {
	var clock future
	a := newAuthority(t)
	var members []*Member
	var dir string // of the latest
	start := func(join ...string) *Member {
		dir = t.TempDir()
		c := a.config(dir, join...)
		clock.forgetful(&c)
		m, err := Start(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := m.Close(ended()); err != nil {
				t.Error(err)
			}
		})
		members = append(members, m)
		return m
	}
	first := start()
	if err := first.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	start(first.Address())
	start(first.Address())
	voting(t, first, 3)
	items(t, first)
	views(t, first, "p", many)
	for _, m := range members {
		if err := m.DB().Latest(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	clock.age(t, members...)
	fourth := start(first.Address())
	voting(t, first, 4)
	alike(t, first, fourth, "p")
	beginsLate(t, dir)
	s, err := fourth.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	w.until("the fourth one leads", func() bool {
		err := first.Transfer(t.Context(), s.Number)
		if err != nil && !errors.Is(err, tidal.ErrNotLeader) && !errors.Is(err, tidal.ErrNoSuccessor) && !errors.Is(err, tidal.ErrUnknown) {
			t.Fatal(err)
		}
		return fourth.Leading()
	})
	got, err := fourth.DB().Write(t.Context(), tidal.Request{Lane: "p", Number: many, Records: []tidal.Record{
		tidal.Signal{Type: "view", Item: fmt.Sprint("item ", (many-1)*(many-1)%97), User: fmt.Sprint("user ", (many-1)%31)},
	}})
	if err != nil || !got.Duplicate {
		t.Errorf("a retry at the new leader is answered with %+v, %v", got, err)
	}
	views(t, fourth, "q", 10)
	alike(t, fourth, first, "q")
}

// beginsLate expects that a directory's log doesn't reach back to the beginning: its owner got a snapshot.
func beginsLate(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "wal", "*.seg"))
	if err != nil || len(files) == 0 || strings.HasSuffix(files[0], "-00000000000000000001.seg") {
		t.Errorf("the log in %s is %v, %v", dir, files, err)
	}
}

// voting waits until so many members vote, as one of them sees it.
func voting(t *testing.T, m *Member, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		s, err := m.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		voters := 0
		for _, x := range s.Members {
			if x.Role != Learner {
				voters++
			}
		}
		if voters == n {
			return
		}
		if err := m.DB().Latest(ctx); err != nil { // takes a round trip
			t.Fatal(err)
		}
	}
}

// TestReadersOutliveASnapshot: a member is cut off until the log behind what it has is gone, and gets a snapshot while it's
// read from without a pause. Every read is answered, from before or from after, and never from less than one earlier.
func TestReadersOutliveASnapshot(t *testing.T) {
	var clock future
	f := newFleet(t)
	start := func(address string, join ...string) *Member {
		c := f.config(address, join...)
		c.ElectionTimeout = 3 * time.Second // a leads throughout
		clock.forgetful(&c)
		if address == "c" {
			c.Options.UserMemory = 1 // most users are in the store
		}
		return f.run(c)
	}
	a := start("a")
	b, c := start("b", "a"), start("c", "a")
	f.voters(3)
	items(t, a)
	views(t, a, "p", 200)
	f.same()
	f.net.Isolate("c")
	views(t, a, "q", many)
	if err := b.DB().Latest(t.Context()); err != nil {
		t.Fatal(err)
	}
	clock.age(t, a, b)

	var readers sync.WaitGroup
	quit := make(chan struct{})
	reads := []func(last uint64) (uint64, error){
		func(uint64) (uint64, error) {
			x, err := c.DB().Cell(context.Background(), "item 1", "view", time.Time{})
			if err != nil {
				return 0, err
			}
			return uint64(x.Total), nil
		},
		func(uint64) (uint64, error) {
			list, err := hot(context.Background(), c, "user 3")
			return uint64(len(list)), err
		},
		func(uint64) (uint64, error) { return c.DB().Stats().Signals, nil },
		func(last uint64) (uint64, error) {
			for _, err := range c.DB().Items(context.Background()) {
				if err != nil {
					return 0, err
				}
			}
			return last, nil
		},
	}
	for i, read := range reads {
		readers.Go(func() {
			for last := uint64(0); ; {
				select {
				case <-quit:
					return
				default:
				}
				got, err := read(last)
				if err != nil || got < last {
					t.Errorf("read %d gives %d behind %d, %v", i, got, last, err)
					return
				}
				last = got
			}
		})
	}
	f.net.Rejoin("c")
	f.same()
	close(quit)
	readers.Wait()
	alike(t, a, c, "q")
	beginsLate(t, f.dirs["c"])
}
