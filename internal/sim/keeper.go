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
	strikes    int // failures that weren't excused yet
	report     *NodeReport
}

func newKeeper(w *world, rng *rand.Rand) *keeper {
	k := &keeper{
		rng: rng, report: &w.report, memory: store.NewMemory(), faulty: rng.IntN(3) == 0,
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
	k.report.Faults.Store++
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

// keep makes a checkpoint now and then while the process lives.
func (p *process) keep() {
	if p.w.keeper.mean > 0 {
		p.nextCheckpoint(p.base.Materialiser())
	}
}

func (p *process) nextCheckpoint(m *host.Materialiser) {
	p.materialiser = m
	k := p.w.keeper
	p.w.after(1+k.rng.Int64N(2*k.mean), p.life, func() { p.checkpoint(m) })
}

// checkpoint makes one in steps, between which other things happen.
func (p *process) checkpoint(m *host.Materialiser) {
	k := p.w.keeper
	steps := []func() error{
		func() error { return foldAll(m) },
		func() error { p.w.report.Checkpoints++; return m.Commit() },
		func() error {
			if k.rng.IntN(3) == 0 {
				return nil // the next one flushes both
			}
			return p.flush(m)
		},
	}
	var next func(i int)
	next = func(i int) {
		if i == len(steps) {
			p.nextCheckpoint(m)
			return
		}
		if err := steps[i](); err != nil {
			p.fail(err)
			return
		}
		p.w.after(k.rng.Int64N(5*milli), p.life, func() { next(i + 1) })
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

// flush makes the checkpoint durable, and lets the log go. The ledger looks at it first.
func (p *process) flush(m *host.Materialiser) error {
	if err := m.Flush(); err != nil {
		return err
	}
	below, err := m.Releasable()
	if err != nil {
		return err
	}
	if below <= p.base.Log.FirstIndex() {
		return nil
	}
	if err := p.w.ledger.read(p.base.Log, p.base.Origin()); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	p.w.tell("release", below, 0, "")
	p.w.report.Released++
	p.journal.Release(below)
	return nil
}

// lastCheckpoint is what an orderly close makes, sometimes.
func (p *process) lastCheckpoint() error {
	m := p.materialiser
	if m == nil || p.w.keeper.rng.IntN(2) == 0 {
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
