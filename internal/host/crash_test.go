package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
)

// crashes takes copies of a disk as a power loss would leave it, now and then when something is synced.
type crashes struct {
	mem *crashable.FS

	mu     sync.Mutex
	rng    *rand.Rand
	quota  int
	claims []claim
	taken  []crash
}

// crash is a disk after a power loss, and what had been asked for and acknowledged by then.
type crash struct {
	mem    *crashable.FS
	claims []claim
	when   string
}

// observe is called before each operation on the disk.
func (c *crashes) observe(op errorfs.Op) error {
	if op.Kind != errorfs.OpFileSync && op.Kind != errorfs.OpFileSyncData {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.taken) < c.quota && c.rng.IntN(3) == 0 {
		c.take(fmt.Sprintf("before a sync of %s", op.Path))
	}
	return nil
}

// take copies the disk. What isn't synced survives in part, in random blocks.
func (c *crashes) take(when string) {
	percent := []int{0, 20, 50, 100}[c.rng.IntN(4)]
	c.taken = append(c.taken, crash{
		claims: slices.Clone(c.claims), when: fmt.Sprintf("%s, keeping %d%%", when, percent),
		mem: c.mem.CrashClone(pebblevfs.CrashCloneCfg{
			UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(c.rng.Uint64(), 0)),
		}),
	})
}

// claim notes a request before it is written, and returns its place.
func (c *crashes) claim(x claim) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims = append(c.claims, x)
	return len(c.claims) - 1
}

func (c *crashes) ack(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims[i].acked = true
}

// plan draws how many records each request of each writer has.
func (c *crashes) plan() [][]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([][]int, 1+c.rng.IntN(4))
	for w := range out {
		out[w] = make([]int, 1+c.rng.IntN(6))
		for i := range out[w] {
			out[w][i] = 1 + c.rng.IntN(4)
		}
	}
	return out
}

// writers writes from several goroutines, most of them with a lane, and returns when all is answered.
func (c *crashes) writers(t *testing.T, r *host.Replica, round int) {
	var wg sync.WaitGroup
	for w, sizes := range c.plan() {
		producer := fmt.Sprintf("p%d-%d", round, w)
		if w == 3 {
			producer = ""
		}
		wg.Go(func() {
			for i, n := range sizes {
				x := claim{producer: producer, item: fmt.Sprintf("item-%d-%d-%d", round, w, i), n: n}
				if producer != "" {
					x.number = uint64(i + 1)
				}
				place := c.claim(x)
				if _, err := write(context.Background(), r, x.producer, x.number, x.item, x.n); err != nil {
					t.Errorf("write %v: %v", &x, err)
					return
				}
				c.ack(place)
			}
		})
	}
	wg.Wait()
}

// TestACrashLosesNothingAcknowledgedAndCountsNothingTwice writes at random, from several goroutines, and cuts the power
// in the middle. What was acknowledged is on each of the disks that this leaves; a second opening finds the same as the
// first; and when all producers retry all requests, each counts once.
func TestACrashLosesNothingAcknowledgedAndCountsNothingTwice(t *testing.T) {
	s := seed(t)
	runs := 260
	if testing.Short() {
		runs = 20
	}
	opened := 0
	for i := range runs {
		rng := rand.New(rand.NewPCG(s, uint64(i)))
		c := &crashes{mem: crashable.New(), rng: rng, quota: 4}
		opts := host.Options{
			FS: errorfs.Wrap(c.mem, errorfs.InjectorFunc(c.observe)), Dir: "db",
			SegmentBytes: []int64{700, 1500, 4096, 20000}[rng.IntN(4)],
			// Most runs have checkpoints, and let the log go at once behind them.
			RangeBytes: []int64{0, 1, 500, 3000}[rng.IntN(4)], FinalBytes: []int64{0, 1, 1000}[rng.IntN(3)],
		}
		if rng.IntN(2) == 0 {
			opts.Retention = retention.Policy{Retention: 1, RetryHorizon: 1}
		}
		opts.UserMemory = budget(rng)
		r := mustOpen(t, opts)
		c.writers(t, r, 0)
		c.mu.Lock()
		c.take("after all was answered")
		c.mu.Unlock()
		mustClose(t, r)
		for _, x := range c.taken {
			opened++
			recoverFrom(t, rng, x, opts, fmt.Sprintf("run %d, %s", i, x.when))
		}
		if t.Failed() {
			t.Fatalf("run %d", i)
		}
	}
	t.Logf("%d crashed disks were opened", opened)
}

// budget draws how much memory users may take: often so little that hardly anybody stays.
func budget(rng *rand.Rand) int64 { return []int64{0, 1, 500, 3000}[rng.IntN(4)] }

// recoverFrom opens a crashed disk, checks it, and lets it crash again.
func recoverFrom(t *testing.T, rng *rand.Rand, x crash, opts host.Options, when string) {
	t.Helper()
	c := &crashes{mem: x.mem, rng: rng, claims: x.claims}
	opts.FS, opts.UserMemory = x.mem, budget(rng)
	r, err := open(opts)
	if err != nil {
		t.Fatalf("%s: open: %v", when, err)
	}
	verify(t, r, x.claims)
	first := digest(r)
	c.take("again")
	mustClose(t, r)

	// The second crash, and the disk that was closed in order, show the same state.
	for _, fsys := range []*crashable.FS{c.taken[0].mem, x.mem} {
		opts.FS, opts.UserMemory = fsys, budget(rng)
		if r, err = open(opts); err != nil {
			t.Fatalf("%s: open again: %v", when, err)
		}
		if got := digest(r); got != first {
			t.Fatalf("%s: the second opening shows another state", when)
		}
		if fsys != x.mem {
			mustClose(t, r)
		}
	}
	retryAll(t, r, c.claims)
	c.writers(t, r, 1)
	verify(t, r, c.claims)
	mustClose(t, r)
}
