package host_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// smallLog is for members with little in their logs.
func smallLog(o *host.Options) { o.SegmentBytes = 1 << 16 }

// foundHome founds a database in which regions 1, 7 and 8 are about to begin.
func (g *group) foundHome(address string) *host.Replica {
	g.t.Helper()
	r := g.found(address)
	for number, name := range map[id.Region]string{0: "home", 1: "one", 7: "seven", 8: "eight"} {
		records := []record.Proposed{{Kind: record.KindRegion, Region: record.RegionInfo{Number: number, Name: name}}}
		if _, err := r.Write(g.t.Context(), &replica.Request{Records: records, Content: record.ContentHash(records)}); err != nil {
			g.t.Fatal(err)
		}
	}
	g.settled(r, 1)
	return r
}

// settled waits until the leader has entered where so many members of its region are, which it does by itself: what is copied
// then is what a test has written.
func (g *group) settled(r *host.Replica, members int) {
	g.t.Helper()
	g.await("it's in the table where the members are", func() (is bool) {
		_ = r.Read(func(e *engine.Engine) error {
			home, ok := e.Region(0)
			is = ok && len(home.Endpoints) == members
			return nil
		})
		return is
	})
}

// isCopy fails unless what is in a member's directory, which nobody has open, is the state of a replica.
func (g *group) isCopy(address string, of *host.Replica) {
	g.t.Helper()
	b, err := host.OpenBase(host.Options{FS: g.disks[address], Dir: "db", ReadOnly: true})
	if err != nil {
		g.t.Fatal(err)
	}
	got, err := b.Digest()
	if v, want := b.Engine.Vector(), vectorOf(of); err != nil || got != digest(of) || !v.Equal(want) {
		g.t.Errorf("the copy is of %v with digest %v (%v), and the source of %v with %v", v, got, err, want, digest(of))
	}
	if err := b.Close(); err != nil {
		g.t.Error(err)
	}
}

// vectorOf is what a replica has applied.
func vectorOf(r *host.Replica) (v id.VersionVector) {
	_ = r.Read(func(e *engine.Engine) error {
		v = e.Vector()
		return nil
	})
	return v
}

// TestAnEmptyRegionBeginsWithAnotherOnesState copies a database while it is written to. What the new region's first member opens
// is what the source had at some instant of the copy, it stamps under its own region from 1, and it leads a group of one.
func TestAnEmptyRegionBeginsWithAnotherOnesState(t *testing.T) {
	g := newGroup(t)
	g.tune = smallLog
	a := g.foundHome("a")
	fill(t, a, 1, 200)
	before := vectorOf(a)
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := uint64(1); ctx.Err() == nil; n++ {
			if _, err := write0(a, views("ada", "under load", 1)); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	})
	err := host.Begin(t.Context(), g.options("b"), 7, a, "a")
	stop()
	writing.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if s := a.GroupStats(); s.CopiesLent != 1 || s.LentBytes < 1000 {
		t.Errorf("it lent %d copies of %d bytes", s.CopiesLent, s.LentBytes)
	}
	after := vectorOf(a)
	b := g.start("b")
	g.await("the new region leads itself", b.Leading)
	if got := vectorOf(b); !got.Includes(before) || !after.Includes(got) {
		t.Errorf("it begins with %v, and the source had %v before and %v behind", got, before, after)
	}
	if got, want := b.Origin(), (id.Origin{Region: 7}); got != want {
		t.Errorf("it stamps as %v, want %v", got, want)
	}
	receipt, err := write0(b, views("bob", "its own", 1))
	// It may have said by itself where it is, before.
	if err != nil || receipt.First.Origin() != (id.Origin{Region: 7}) || receipt.First.Seq > 3 {
		t.Errorf("its first write is %v, %v", receipt.First, err)
	}
	s, err := b.Status(t.Context())
	if err != nil || len(s.Members) != 1 || s.Members[0].Number != 1 || s.Members[0].Address != "b" {
		t.Errorf("its group is %+v, %v", s, err)
	}
	g.close("b")
	b = g.start("b")
	g.await("it leads again", b.Leading)
	if !vectorOf(b).Includes(before) {
		t.Error("it lost something by being started again")
	}
}

// TestACopyForAnEmptyRegionIsTheSource compares digests with nothing written meanwhile.
func TestACopyForAnEmptyRegionIsTheSource(t *testing.T) {
	g := newGroup(t)
	g.tune = smallLog
	a := g.foundHome("a")
	fill(t, a, 3, 300)
	if err := host.Begin(t.Context(), g.options("b"), 1, a, "nobody", "a"); err != nil {
		t.Fatal(err)
	}
	g.isCopy("b", a)
}

// TestWhoCannotBeginIsTold asks for the copy of another database, and of the own region.
func TestWhoCannotBeginIsTold(t *testing.T) {
	g := newGroup(t)
	g.tune = smallLog
	a := g.foundHome("a")
	other := newGroup(t).found("x")
	if err := host.Begin(t.Context(), g.options("b"), 1, other, "a"); !errors.Is(err, fault.ErrForeign) {
		t.Errorf("a copy of another database: %v", err)
	}
	if err := host.Begin(t.Context(), g.options("b"), 0, a, "a"); !errors.Is(err, fault.ErrInput) {
		t.Errorf("a copy of the own region: %v", err)
	}
	// Of region 5 it may hear yet, so that is asked for until there's no patience left.
	opts := g.options("b")
	opts.Group.JoinTimeout = time.Millisecond
	if err := host.Begin(t.Context(), opts, 5, a, "a"); !errors.Is(err, fault.ErrOverloaded) ||
		!strings.Contains(err.Error(), "hasn't heard of region 5") {
		t.Errorf("a copy for a region that isn't in the table: %v", err)
	}
	if err := host.Begin(t.Context(), g.options("b"), 1, a); !errors.Is(err, fault.ErrInput) {
		t.Errorf("a copy of nobody: %v", err)
	}
	if err := host.Begin(t.Context(), g.options("b"), 1, a, "a"); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestACrashWhileARegionBeginsLeavesNothingOrAll cuts the power before operations of a newcomer's disk that sync, rename or
// remove. What is left opens as the whole copy, or has no identity, and the next attempt fills it.
func TestACrashWhileARegionBeginsLeavesNothingOrAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 0))
	g := newGroup(t)
	g.tune = smallLog
	a := g.foundHome("a")
	fill(t, a, 4, 60)
	if err := a.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := digest(a)
	mem := crashable.New()
	var disks []*crashable.FS
	take := func() {
		disks = append(disks, mem.CrashClone(pebblevfs.CrashCloneCfg{
			UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rand.New(rand.NewPCG(rng.Uint64(), 0)),
		}))
	}
	opts := g.options("b")
	opts.SegmentBytes = 4096
	opts.FS = errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpRename, errorfs.OpRemove, errorfs.OpRemoveAll, errorfs.OpFileSync, errorfs.OpFileSyncData:
			if !strings.Contains(op.Path, "store/") || rng.IntN(8) == 0 {
				take()
			}
		}
		return nil
	}))
	if err := host.Begin(t.Context(), opts, 7, a, "a"); err != nil {
		t.Fatal(err)
	}
	take()
	whole := 0
	for i, disk := range disks {
		what := fmt.Sprintf("crash %d of %d", i, len(disks))
		reader, err := host.OpenBase(host.Options{FS: disk, Dir: "db", ReadOnly: true})
		if err == nil {
			err = reader.Close()
		}
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			t.Fatalf("%s: a reader is told %v", what, err)
		}
		b, err := host.OpenBase(host.Options{FS: disk, Dir: "db", MustExist: true})
		if errors.Is(err, fault.ErrNotFound) {
			opts := opts
			opts.FS, opts.Group = disk, g.options("b").Group
			if err := host.Begin(t.Context(), opts, 7, a, "a"); err != nil {
				t.Fatalf("%s: begin again: %v", what, err)
			}
			b, err = host.OpenBase(host.Options{FS: disk, Dir: "db", MustExist: true})
		} else if err == nil {
			whole++
		}
		if err != nil {
			t.Fatalf("%s: open: %v", what, err)
		}
		if got, err := b.Digest(); err != nil || got != want || b.Origin() != (id.Origin{Region: 7}) {
			t.Fatalf("%s: it is %v of digest %v (%v), want %v", what, b.Origin(), got, err, want)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if whole < 2 || whole > len(disks)-2 {
		t.Errorf("of %d disks, %d have the copy", len(disks), whole)
	}
}

// flaky is a transport whose questions fail at random, before they are asked or behind their answer.
type flaky struct {
	transport.Transport
	fails func(n int) (before, after bool)
	asked atomic.Int64
}

func (f *flaky) Ask(ctx context.Context, address string, request []byte) ([]byte, error) {
	before, after := f.fails(int(f.asked.Add(1)))
	if before {
		return nil, errors.New("the connection broke before the question")
	}
	b, err := f.Transport.Ask(ctx, address, request)
	if after {
		return nil, errors.New("the connection broke behind the answer")
	}
	return b, err
}

// begins fills the directory of region 7's first member at b, over a flaky network.
func (g *group) begins(of *host.Replica, fails func(int) (bool, bool), from ...string) (*flaky, error) {
	opts := g.options("b")
	opts.Group.JoinTimeout = 3 * time.Second // for which somebody who gives nothing any more is asked
	over := &flaky{fails: fails}
	network := opts.Group.Network
	opts.Group.Network = func(o transport.Options) (_ transport.Transport, err error) {
		over.Transport, err = network(o)
		return over, err
	}
	return over, host.Begin(g.t.Context(), opts, 7, of, from...)
}

// TestACopyGoesOnWhereTheConnectionBroke lets questions and answers be lost, of a copy that has many pieces. It's one copy to the
// end.
func TestACopyGoesOnWhereTheConnectionBroke(t *testing.T) {
	g := newGroup(t)
	g.tune = smallLog
	a := g.foundHome("a")
	fill(t, a, 5, 300)
	host.Pieces(a, 1024)
	over, err := g.begins(a, func(n int) (bool, bool) { return n == 3 || n == 8, n == 5 || n == 6 || n == 12 }, "a")
	if err != nil {
		t.Fatal(err)
	}
	g.isCopy("b", a)
	if n := over.asked.Load(); n < 15 || host.Lent(a) != 1 {
		t.Errorf("%d questions, %d copies", n, host.Lent(a))
	}
}

// TestACopyBeginsAnewAtAnotherMember closes the member that gives a copy in the midst of it.
func TestACopyBeginsAnewAtAnotherMember(t *testing.T) {
	g := newGroup(t)
	g.tune = smallLog
	a := g.foundHome("a")
	fill(t, a, 6, 300)
	c := g.start("c", "a")
	g.settled(a, 2)
	g.await("the other member has all of it", func() bool { return vectorOf(c).Equal(vectorOf(a)) })
	host.Pieces(c, 1024)
	host.Pieces(a, 1024)
	_, err := g.begins(a, func(n int) (bool, bool) {
		if n == 6 {
			g.close("c")
		}
		return false, false
	}, "c", "a")
	if err != nil {
		t.Fatal(err)
	}
	g.isCopy("b", a)
	if host.Lent(a) != 1 {
		t.Errorf("%d copies of the other one", host.Lent(a))
	}
}

// TestOneCopyAtATime lets a second region ask while a first one is given a copy: it's told to wait, and both have theirs.
func TestOneCopyAtATime(t *testing.T) {
	g := newGroup(t)
	g.tune = smallLog
	a := g.foundHome("a")
	fill(t, a, 7, 300)
	host.Pieces(a, 1024)
	var second sync.WaitGroup
	_, err := g.begins(a, func(n int) (bool, bool) {
		if n == 3 {
			second.Go(func() {
				if err := host.Begin(t.Context(), g.options("c"), 8, a, "a"); err != nil {
					t.Errorf("the second region: %v", err)
				}
			})
		}
		return false, false
	}, "a")
	if err != nil {
		t.Errorf("the first region: %v", err)
	}
	second.Wait()
	g.isCopy("b", a)
	g.isCopy("c", a)
	if host.Lent(a) != 2 {
		t.Errorf("%d copies", host.Lent(a))
	}
}
