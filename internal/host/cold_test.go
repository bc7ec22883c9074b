package host_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// mixed draws records about many users: signals, relations, marks, entities, deletes.
func mixed(rng *rand.Rand, users int) []record.Proposed {
	out := make([]record.Proposed, 1+rng.IntN(8))
	for i := range out {
		user, item := fmt.Sprintf("user %04d", rng.IntN(users)), fmt.Sprintf("item %d", rng.IntN(20))
		switch n := rng.IntN(20); {
		case n < 14:
			out[i] = views(user, item, 1)[0]
			out[i].Signal.Creator = fmt.Sprintf("creator %d", rng.IntN(5))
		case n < 16:
			out[i] = record.Proposed{Kind: record.KindRelation, Relation: record.Relation{
				Which: record.HideItem, On: rng.IntN(3) > 0, User: user, Target: item,
			}}
		case n < 18:
			out[i] = record.Proposed{Kind: record.KindMark, Mark: record.Mark{
				Which: record.MarkLiked, On: rng.IntN(3) > 0, User: user, Item: item,
			}}
		case n < 19:
			out[i] = record.Proposed{Kind: record.KindPut, Entity: record.Entity{Kind: id.KindUser, ID: user}}
		default:
			out[i] = record.Proposed{Kind: record.KindErase, Erase: record.Erase{User: user}}
		}
	}
	return out
}

func userMemory(r *host.Replica) (m engine.UserMemory) {
	_ = r.Read(func(e *engine.Engine) error {
		m = e.UserMemory()
		return nil
	})
	return m
}

// unbounded opens what a closed replica left, with everybody in memory.
func unbounded(t *testing.T, opts host.Options) *host.Replica {
	t.Helper()
	opts.UserMemory, opts.ReadOnly = -1, true
	r := mustOpen(t, opts)
	if m := userMemory(r); m.Cold != 0 || m.Budget != 0 {
		t.Fatalf("without a budget: %+v", m)
	}
	return r
}

// userText is all that is known of a user.
func userText(r *host.Replica, user string) (text string, err error) {
	err = r.ReadUser(context.Background(), user, func(e *engine.Engine) error {
		recents, err1 := e.Interactions(user)
		ties, err2 := e.Ties(user, 0, "", 1000)
		_, exists, err3 := e.Entity(id.KindUser, user)
		text = fmt.Sprint(e.Knows(user), e.Generation(id.KindUser, user), recents, ties, exists)
		return errors.Join(err1, err2, err3)
	})
	return text, err
}

// TestUsersBeyondTheBudgetAreReadAsEver writes about many users under a small budget, closes, and compares what was read
// before with what a replica reads in which everybody is in memory.
func TestUsersBeyondTheBudgetAreReadAsEver(t *testing.T) {
	s := seed(t)
	runs := 5
	if testing.Short() {
		runs = 3
	}
	for i := range runs {
		rng := rand.New(rand.NewPCG(s, uint64(i)))
		opts := host.Options{
			FS: pebblevfs.NewMem(), Dir: "db", UserMemory: 1 + rng.Int64N(1<<uint(8+rng.IntN(8))),
			RangeBytes: []int64{0, 2000, 20000}[rng.IntN(3)], FinalBytes: []int64{0, 1, 1 << 40}[rng.IntN(3)],
		}
		users := 20 + rng.IntN(200)
		r := mustOpen(t, opts)
		for n := range 300 {
			if _, err := write0(r, mixed(rng, users)); err != nil {
				t.Fatalf("run %d: %v", i, err)
			}
			if n%100 == 99 {
				mustClose(t, r)
				r = mustOpen(t, opts)
			}
		}
		m := userMemory(r)
		if m.Cold == 0 {
			t.Errorf("run %d: nobody is cold: %+v", i, m)
		}
		compare(t, r, opts, users)
		mustClose(t, r)
	}
}

// compare holds a replica against one that opens the same directory beside it, with everybody in memory. What that one
// lacks is only what wasn't closed.
func compare(t *testing.T, r *host.Replica, opts host.Options, users int) {
	t.Helper()
	texts := make([]string, users+1)
	for n := range texts { // the last one is unknown
		var err error
		if texts[n], err = userText(r, fmt.Sprintf("user %04d", n)); err != nil {
			t.Fatal(err)
		}
	}
	got, cells := digest(r), digestCells(t, r)
	mustClose(t, r)
	whole := unbounded(t, opts)
	defer mustClose(t, whole)
	for n := range texts {
		if want, err := userText(whole, fmt.Sprintf("user %04d", n)); err != nil || want != texts[n] {
			t.Fatalf("user %d is %s, want %s, %v", n, texts[n], want, err)
		}
	}
	if got != digest(whole) || cells != digestCells(t, whole) {
		t.Fatal("digests differ")
	}
}

func digestCells(t *testing.T, r *host.Replica) string {
	t.Helper()
	d, err := r.DigestCells()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// TestUsersStayWithinTheBudget writes without pause about ever new users, and reads some, and looks at what they take.
func TestUsersStayWithinTheBudget(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 1))
	const limit = 256 << 10
	opts := host.Options{FS: pebblevfs.NewMem(), Dir: "db", UserMemory: limit}
	r := mustOpen(t, opts)
	highest := int64(0)
	users := 0
	for n := range 1200 {
		users = max(users, 1+n*4)
		if _, err := write0(r, mixed(rng, users)); err != nil {
			t.Fatal(err)
		}
		if _, err := userText(r, fmt.Sprintf("user %04d", rng.IntN(users))); err != nil {
			t.Fatal(err)
		}
		m := userMemory(r)
		highest = max(highest, m.Bytes+m.QueuedBytes)
	}
	m := userMemory(r)
	t.Logf("%d bytes of %d at most; %+v", highest, limit, m)
	// One request of eight records, and one user who is read, come on top.
	if highest > limit+16<<10 {
		t.Errorf("users took %d bytes, the budget is %d", highest, limit)
	}
	if m.Evicted == 0 || m.Warmed == 0 || m.Cold < m.Resident/2 {
		t.Errorf("nothing had to leave: %+v", m)
	}
	compare(t, r, opts, users)
}

// TestReadersAndWritersMoveUsersAbout lets writers, readers and digests run side by side while users come and go.
func TestReadersAndWritersMoveUsersAbout(t *testing.T) {
	s := seed(t)
	const users = 300
	opts := host.Options{FS: pebblevfs.NewMem(), Dir: "db", UserMemory: 16 << 10, RangeBytes: 8 << 10}
	r := mustOpen(t, opts)
	var writers, readers sync.WaitGroup
	var over atomic.Bool
	for n := range 4 {
		rng := rand.New(rand.NewPCG(s, uint64(n)))
		writers.Go(func() {
			for range 150 {
				if _, err := write0(r, mixed(rng, users)); err != nil {
					t.Errorf("write: %v", err)
					return
				}
			}
		})
		readers.Go(func() {
			rng := rand.New(rand.NewPCG(s, uint64(100+n)))
			for !over.Load() {
				if _, err := userText(r, fmt.Sprintf("user %04d", rng.IntN(users))); err != nil {
					t.Errorf("read: %v", err)
					return
				}
				if rng.IntN(50) > 0 {
					continue
				}
				if _, err := r.Digest(); err != nil {
					t.Errorf("digest: %v", err)
				}
				if _, err := r.ColdEntities("user 0100", 10); err != nil {
					t.Errorf("list: %v", err)
				}
			}
		})
	}
	writers.Wait()
	over.Store(true)
	readers.Wait()
	t.Logf("%+v", userMemory(r))
	compare(t, r, opts, users)
}

// TestAFullBudgetMakesWritersWait and go on once the checkpoint has followed, also when there is no room at all.
func TestAFullBudgetMakesWritersWait(t *testing.T) {
	opts := host.Options{FS: pebblevfs.NewMem(), Dir: "db", UserMemory: 1}
	r := mustOpen(t, opts)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 40 {
				records := views(fmt.Sprintf("user %d", i%7), fmt.Sprintf("item %d", n), 2)
				_, hash := currentSchema(r)
				_, err := r.Write(context.Background(), &replica.Request{
					Records: records, Schema: hash, Content: record.ContentHash(records),
				})
				if err != nil {
					t.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	for n := range 8 {
		if got := total(t, r, fmt.Sprintf("item %d", n)); got != 80 {
			t.Errorf("item %d counts %d times", n, got)
		}
	}
	mustClose(t, r)
}
