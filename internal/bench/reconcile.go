package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/ship"
	"github.com/tidaldb/tidal/internal/workload"
)

// ReconcileOptions tune [Reconcile].
type ReconcileOptions struct {
	Env
	// PerSide is how many signals each of two regions takes while they are cut off from each other, 1 to 10,000,000.
	PerSide int
	// Users says whether signals have one.
	Users bool
	// Items and Known are how many items and users there are, 1 to 1,048,576; 0 is 1,000,000.
	Items, Known int
	// Runs is how often it's measured, each time with databases of its own; 0 is 1. The figures are of the run with the median
	// time.
	Runs int
	Seed uint64
}

// ReconcileResult is what [Reconcile] measured.
type ReconcileResult struct {
	// Millis is the time from when the regions can reach each other again until both have applied everything.
	Millis float64 `json:"ms"`
	// CPU is the processor time of this process in it, of both regions together; 0 where the system doesn't say. On a machine
	// that does other things, too, it says more than Millis.
	CPU float64 `json:"cpu_ms"`
	// Bytes is what they sent each other in that time, both ways, in frames.
	Bytes int64 `json:"bytes"`
	// Mode is how most of it went: as batches or as ranges.
	Mode string `json:"mode"`
	// WithUsers says that each signal has a user. DigestsEqual that both regions' states are the same, byte for byte.
	WithUsers    bool `json:"with_users"`
	DigestsEqual bool `json:"digests_equal"`

	PerSide int       `json:"per_side"`
	Runs    []float64 `json:"runs_ms"`
	// WriteSeconds is how long it took to write what was reconciled, on both sides together.
	WriteSeconds float64 `json:"write_seconds"`
	Items        int     `json:"items"`
	Known        int     `json:"users_known"`
	Durability   string  `json:"durability"`
	Machine      Machine `json:"machine"`
}

// Reconcile has two regions write while they are cut off from each other, and measures how long they take to agree once they
// aren't.
func Reconcile(ctx context.Context, o ReconcileOptions) (*ReconcileResult, error) {
	standard := func(n *int, std int) {
		if *n == 0 {
			*n = std
		}
	}
	standard(&o.Items, 1_000_000)
	standard(&o.Known, 1_000_000)
	standard(&o.Runs, 1)
	if o.PerSide < 1 || o.PerSide > 10_000_000 || o.Runs < 1 {
		return nil, fmt.Errorf("reconcile: %d signals a side, %d runs", o.PerSide, o.Runs)
	}
	var all []*ReconcileResult
	for range o.Runs {
		err := o.inTemp(func(dir string) error {
			r, err := o.run(ctx, dir)
			all = append(all, r)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reconcile: %w", err)
		}
	}
	times := make([]float64, len(all))
	for i, r := range all {
		times[i] = r.Millis
	}
	r := all[medianOf(times)]
	r.Runs = times
	for _, x := range all {
		r.DigestsEqual = r.DigestsEqual && x.DigestsEqual
	}
	return r, nil
}

// medianOf is which of some numbers is in the middle; of an even count it's the lower one.
func medianOf(all []float64) int {
	for i, x := range all {
		below, same := 0, 0
		for k, y := range all {
			switch {
			case y < x:
				below++
			case y == x && k < i:
				same++
			}
		}
		if below+same == (len(all)-1)/2 {
			return i
		}
	}
	return 0
}

func (o *ReconcileOptions) run(ctx context.Context, dir string) (*ReconcileResult, error) {
	w, err := workload.New(workload.Config{Seed: o.Seed, Dist: workload.Zipf, Items: o.Items, Users: o.Known})
	if err != nil {
		return nil, err
	}
	regions, err := openTwoRegions(ctx, dir, workload.Schema(false), -1)
	if err != nil {
		return nil, err
	}
	defer func() {
		if regions != nil {
			_ = regions.close() // the error that led here is the one to report
		}
	}()
	regions.cut()
	began := time.Now()
	var both sync.WaitGroup
	var failed [2]error
	for i, db := range regions.db {
		both.Go(func() { failed[i] = o.fill(ctx, db, w, i) })
	}
	both.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		return nil, err
	}
	wrote := time.Since(began)
	before, _ := processorTime()
	began = time.Now()
	regions.heal()
	if err := regions.agree(ctx, patience+time.Duration(o.PerSide)*time.Millisecond); err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, _ := processorTime()
	r := &ReconcileResult{
		Millis: millis(took), CPU: millis(after - before), WithUsers: o.Users, PerSide: o.PerSide, WriteSeconds: round2(wrote.Seconds()), Items: o.Items,
		Known: o.Known, Machine: ThisMachine(), DigestsEqual: regions.db[0].Digest() == regions.db[1].Digest(),
		Durability: "synced in its own region before a batch counts as applied there",
	}
	if err := regions.sent(r); err != nil {
		return nil, err
	}
	err = regions.close()
	regions = nil
	return r, err
}

// reconcileLoaders is how many requests are under way at once while a side is filled.
const reconcileLoaders = 16

// fill writes a side's signals, in requests of 64.
func (o *ReconcileOptions) fill(ctx context.Context, db *tidal.DB, w *workload.Workload, side int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var writers sync.WaitGroup
	for k := range reconcileLoaders {
		n := o.PerSide/reconcileLoaders + min(1, max(0, o.PerSide%reconcileLoaders-k))
		writers.Go(func() {
			source := w.Source(side*reconcileLoaders + k)
			var records []tidal.Record
			for events := make([]workload.Event, Batch); n > 0 && ctx.Err() == nil; n -= len(events) {
				events = events[:min(n, Batch)]
				source.Next(time.Now().UnixMilli(), events)
				records = asRecords(w, events, records)
				if !o.Users {
					for i, r := range records {
						s := r.(tidal.Signal)
						s.User = ""
						records[i] = s
					}
				}
				if _, err := db.Write(ctx, tidal.Request{Records: records}); err != nil {
					cancel(err)
				}
			}
		})
	}
	writers.Wait()
	return context.Cause(ctx)
}

// sent counts what the regions sent each other, and says how most of it went.
func (r *twoRegions) sent(out *ReconcileResult) error {
	var batches, ranges int
	for _, g := range r.gates {
		g.mu.Lock()
		frames := g.frames
		out.Bytes += g.bytes
		g.keep = false
		g.mu.Unlock()
		for _, frame := range frames {
			// In front of the packet stand the frame's kind and the group's incarnation.
			_, k := binary.Uvarint(frame[1:])
			p, err := ship.DecodePacket(frame[1+max(k, 0):])
			if err != nil {
				continue // a frame of another kind
			}
			for i := range p.Items {
				if p.Items[i].Range {
					ranges += len(p.Items[i].Data)
				} else {
					batches += len(p.Items[i].Data)
				}
			}
		}
	}
	switch {
	case batches+ranges == 0:
		return errors.New("the regions agree and have sent nothing")
	case ranges > batches:
		out.Mode = "ranges"
	default:
		out.Mode = "batches"
	}
	return nil
}
