package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/sim/disk"
	"github.com/tidaldb/tidal/internal/store"
)

// keeper has the checkpoint's disk, and decides when a checkpoint is made and what happens to it meanwhile: what a
// goroutine does in package host. It draws by itself, so that a run with checkpoints meets what it met without them.
type keeper struct {
	rng       *rand.Rand
	memory    *store.Memory
	made      bool  // there is a store
	mean      int64 // between checkpoints; 0 for never
	faulty    bool
	retention retention.Policy
	// userMemory is too small for all users in two runs of five.
	userMemory int64
	strikes    int     // failures that weren't excused yet
	failures   *uint64 // counts them
}

func newKeeper(rng *rand.Rand, failures *uint64) *keeper {
	k := &keeper{
		rng: rng, failures: failures, memory: store.NewMemory(), faulty: rng.IntN(3) == 0,
		mean: []int64{0, 200 * milli, 800 * milli, 3 * second}[rng.IntN(4)],
	}
	// The log goes at once, after a while, or never.
	keep := []int64{1, 5000, 0}[rng.IntN(3)]
	k.retention = retention.Policy{Retention: keep, RetryHorizon: min(keep, 1)}
	k.userMemory = []int64{0, 0, 0, 1, 3000}[rng.IntN(5)]
	k.memory.Fault = k.fault
	return k
}

// open is host.OpenStore.
func (k *keeper) open(who store.Identity, make bool) (*store.Store, error) {
	if !k.made && !make {
		return nil, nil
	}
	k.made = true
	return store.OpenMemory(k.memory, who)
}

// fault lets something go wrong in a commit or a flush, seldom: it fails, or the power is cut.
func (k *keeper) fault(what string) error {
	if !k.faulty || k.rng.IntN(60) > 0 {
		return nil
	}
	if k.rng.IntN(2) == 0 {
		panic(disk.ErrPower)
	}
	k.strikes++
	*k.failures++
	return fmt.Errorf("%s: %w", what, fault.ErrDisk)
}

// struck reports whether the store failed since the last time.
func (k *keeper) struck() bool {
	n := k.strikes
	k.strikes = 0
	return n > 0
}

// crash loses what wasn't flushed, or some of it.
func (k *keeper) crash() { k.memory.Crash(k.rng.IntN(k.memory.Unflushed() + 1)) }

// owner is the process that checkpoints are made of.
type owner interface {
	// within does something after a while, if the process still lives.
	within(d int64, do func())
	// fail ends it.
	fail(err error)
	// releases is told that the log goes below an entry, before it does.
	releases(below uint64) error
}

// checkpoints makes those of one process, now and then.
type checkpoints struct {
	*keeper
	owner   owner
	base    *host.Base
	journal *host.Journal
	m       *host.Materialiser // nil in runs without checkpoints
	made    *uint64            // counts those that were committed
	round   int                // counts those that were begun, or given up
	busy    bool               // one is being made
}

// begin makes a checkpoint now and then while the process lives.
func (c *checkpoints) begin() {
	if c.mean > 0 {
		c.m = c.base.Materialiser()
		c.next()
	}
}

func (c *checkpoints) next() {
	c.busy = false
	if c.mean == 0 {
		return
	}
	round := c.round
	c.owner.within(1+c.rng.Int64N(2*c.mean), func() {
		if c.round == round {
			c.make()
		}
	})
}

// want makes one now, since somebody needs it.
func (c *checkpoints) want() {
	if c.busy {
		return
	}
	if c.m == nil {
		c.m = c.base.Materialiser()
	}
	c.make()
}

// stand gives up the one that is being made: the state was exchanged.
func (c *checkpoints) stand() {
	c.round++
	if c.m != nil {
		c.next()
	}
}

// make makes one in steps, between which other things happen.
func (c *checkpoints) make() {
	m := c.m
	c.round++
	c.busy = true
	round := c.round
	steps := []func() error{
		func() error { return foldAll(m) },
		func() error { *c.made++; return m.Commit() },
		func() error {
			if c.rng.IntN(3) == 0 {
				return nil // the next one flushes both
			}
			return c.flush(m)
		},
	}
	var next func(i int)
	next = func(i int) {
		if c.round != round {
			return
		}
		if i == len(steps) {
			c.next()
			return
		}
		if err := steps[i](); err != nil {
			c.owner.fail(err)
			return
		}
		c.owner.within(c.rng.Int64N(5*milli), func() { next(i + 1) })
	}
	next(0)
}

func foldAll(m *host.Materialiser) error {
	for {
		if done, err := m.Fold(); done || err != nil {
			return err
		}
	}
}

// flush makes the checkpoint durable, and lets the log go. The owner looks at it first.
func (c *checkpoints) flush(m *host.Materialiser) error {
	if err := m.Flush(); err != nil {
		return err
	}
	below, more, err := m.Releasable()
	for more && err == nil { // pieces of what regions lack
		below, more, err = m.Releasable()
	}
	if err != nil {
		return err
	}
	if below <= c.base.Log.FirstIndex() {
		return nil
	}
	if err := c.owner.releases(below); err != nil {
		return err
	}
	c.journal.Release(below)
	return nil
}

// last is what an orderly close makes, sometimes.
func (c *checkpoints) last() error {
	m := c.m
	if m == nil || c.rng.IntN(2) == 0 {
		return nil
	}
	err := foldAll(m)
	if err == nil {
		err = m.Commit()
	}
	if err == nil {
		err = m.Flush()
	}
	return err
}
