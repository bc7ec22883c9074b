package sim

import (
	"context"
	"sync"
	"sync/atomic"
)

// NodeTotals are the reports of many runs of one node, added up.
type NodeTotals struct {
	Seeds, Violations   uint64
	Ops, Acked, Refused uint64
	Crashes, Restarts   uint64
	Checkpoints         uint64
	Released            uint64
	Events, Records     uint64
	Simulated           int64 // nanoseconds
	Faults              Faults
}

// Violation is a run that broke a promise.
type Violation struct {
	Seed   uint64
	Err    error
	Report *NodeReport
}

// Nodes runs the seeds from first to last, workers at a time, and adds up what they met. It ends early at the first
// violation, and returns that of the lowest seed among those found; and when ctx ends, with what was run by then.
// each is called after every run, by one goroutine at a time; nil is allowed.
func Nodes(ctx context.Context, first, last uint64, workers int, o NodeOptions, each func(seed uint64)) (
	NodeTotals, *Violation,
) {
	var (
		next  atomic.Uint64
		wg    sync.WaitGroup
		mu    sync.Mutex
		total NodeTotals
		found *Violation
	)
	next.Store(first)
	stop := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return found != nil || ctx.Err() != nil
	}
	for range workers {
		wg.Go(func() {
			var room room
			for !stop() {
				seed := next.Add(1) - 1
				if seed > last {
					return
				}
				r, err := node(seed, o, &room)
				mu.Lock()
				total.add(r)
				if err != nil {
					total.Violations++
					if found == nil || seed < found.Seed {
						found = &Violation{seed, err, r}
					}
				}
				if each != nil {
					each(seed)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return total, found
}

func (t *NodeTotals) add(r *NodeReport) {
	t.Seeds++
	t.Ops += r.Ops
	t.Acked += r.Acked
	t.Refused += r.Refused
	t.Crashes += r.Crashes
	t.Restarts += r.Restarts
	t.Checkpoints += r.Checkpoints
	t.Released += r.Released
	t.Events += uint64(r.Events)
	t.Records += uint64(r.Records)
	t.Simulated += r.Simulated
	t.Faults.Add(r.Faults)
}
