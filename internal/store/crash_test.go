package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// crashes clones a disk as a power loss would leave it, before random operations on it and more often before syncs.
type crashes struct {
	mem *crashable.FS

	mu      sync.Mutex
	rng     *rand.Rand
	quota   int
	durable uint64 // what was known to be durable when the operation began
	newest  uint64 // what may have been
	taken   []crash
}

type crash struct {
	mem             *crashable.FS
	durable, newest uint64
	when            string
}

func (c *crashes) observe(op errorfs.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead || len(c.taken) >= c.quota {
		return nil
	}
	odds := 30
	switch op.Kind {
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpRename, errorfs.OpRemoveAll:
		odds = 4
	}
	if c.rng.IntN(odds) == 0 {
		c.taken = append(c.taken, crash{
			mem: c.mem.CrashClone(pebblevfs.CrashCloneCfg{
				UnsyncedDataPercent: []int{0, 50, 100}[c.rng.IntN(3)], RNG: rand.New(rand.NewPCG(c.rng.Uint64(), 0)),
			}),
			durable: c.durable, newest: c.newest,
			when: fmt.Sprintf("before operation %d on %s", op.Kind, op.Path),
		})
	}
	return nil
}

func (c *crashes) set(durable, newest uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.durable, c.newest = max(c.durable, durable), newest
}

// TestACrashLeavesTheStoreAtOneCommit takes the disk away at any operation: when it is opened again, records and meta
// are those of one commit, not older than what Flush had answered. A seed repeats the history and the odds; which of
// Pebble's background operations come in between differs from run to run.
func TestACrashLeavesTheStoreAtOneCommit(t *testing.T) {
	var found, behind, ahead int
	for _, seed := range seeds(t, 24) {
		rng := rand.New(rand.NewPCG(seed, 8))
		mem := crashable.New()
		c := &crashes{mem: mem, rng: rand.New(rand.NewPCG(seed, 9)), quota: 12}
		d := pebbleDisk(errorfs.Wrap(mem, errorfs.InjectorFunc(c.observe)))
		s := d.mustOpen(t)
		history := [][]string{nil}
		now := newModel()
		for at := uint64(1); at <= 30; at++ {
			b := store.NewBatch(metaAt(at))
			for _, e := range events(rng, rng.IntN(60)) {
				e.add(b)
				now.apply(t, e)
			}
			changeLocals(rng, b, now)
			if rng.IntN(6) == 0 { // larger than a memtable
				now.locals["big"] = string(bytes.Repeat([]byte{byte(at)}, 100<<10))
				b.SetLocal([]byte("big"), []byte(now.locals["big"]))
			}
			history = append(history, now.lines())
			c.set(0, at)
			mustCommit(t, s, b)
			switch rng.IntN(6) {
			case 0:
				mustFlush(t, s)
				c.set(at, at)
			case 1:
				if err := s.Compact(); err != nil {
					t.Fatal(err)
				}
			case 2:
				send(t, s, s)
				c.set(at, at)
			case 3:
				mustFlush(t, s)
				c.set(at, at)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = d.mustOpen(t)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, x := range c.taken {
			found++
			s, err := pebbleDisk(x.mem).open()
			if err != nil {
				t.Fatalf("open after a crash %s: %v\n%s", x.when, err, replay(t, seed))
			}
			at := s.Meta().Applied
			if at < x.durable || at > x.newest || !sameMeta(s.Meta(), metaIf(at)) {
				t.Fatalf("after a crash %s the store is at %d, durable was %d, newest %d\n%s",
					x.when, at, x.durable, x.newest, replay(t, seed))
			}
			if at > x.durable {
				ahead++
			} else if at < x.newest {
				behind++
			}
			if d := difference(contents(t, s), history[at]); d != "" {
				t.Fatalf("after a crash %s the store at %d %s\n%s", x.when, at, d, replay(t, seed))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d crashes: %d lost commits, %d kept more than was flushed", found, behind, ahead)
	if found < 20 || behind == 0 || ahead == 0 {
		t.Error("too tame to mean anything")
	}
}

// TestAMemoryDiskKeepsAPrefixOfItsCommits is the same for the disk in memory, which crashes where it is told.
func TestAMemoryDiskKeepsAPrefixOfItsCommits(t *testing.T) {
	for _, seed := range seeds(t, 24) {
		rng := rand.New(rand.NewPCG(seed, 10))
		m := store.NewMemory()
		s, err := store.OpenMemory(m, whose)
		if err != nil {
			t.Fatal(err)
		}
		history := [][]string{nil}
		now := newModel()
		var flushed uint64
		at := uint64(1)
		for ; at <= 40; at++ {
			b := store.NewBatch(metaAt(at))
			for _, e := range events(rng, rng.IntN(20)) {
				e.add(b)
				now.apply(t, e)
			}
			history = append(history, now.lines())
			mustCommit(t, s, b)
			if rng.IntN(30) == 0 {
				mustFlush(t, s)
				flushed = at
			}
		}
		last := at - 1
		if last-flushed <= 10 && m.Unflushed() != int(last-flushed) {
			t.Errorf("%d commits could be lost, want %d", m.Unflushed(), last-flushed)
		}
		could := uint64(m.Unflushed())
		keep := rng.IntN(int(could) + 1)
		m.Crash(keep)
		if err := s.Commit(store.NewBatch(metaAt(100))); err == nil {
			t.Error("a store went on after its disk crashed")
		}
		if s, err = store.OpenMemory(m, whose); err != nil {
			t.Fatal(err)
		}
		got := s.Meta().Applied
		if got != last-could+uint64(keep) || got < flushed {
			t.Fatalf("at %d after a crash that kept %d of %d; flushed %d\n%s", got, keep, could, flushed, replay(t, seed))
		}
		if d := difference(contents(t, s), history[got]); d != "" {
			t.Fatalf("store at %d %s\n%s", got, d, replay(t, seed))
		}
	}
}
