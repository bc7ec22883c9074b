package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/workload"
)

// RecoverOptions tune [Recover].
type RecoverOptions struct {
	Env
	// Cells is how many items' cells there are, one event each, 10 to 10,485,760; it is rounded down to whole items.
	Cells int
	// Events come behind them: drawn by Zipf's law, with a user and two cohorts.
	Events int
	Seed   uint64
}

// RecoverResult is what [Recover] measured.
type RecoverResult struct {
	OpenSeconds float64 `json:"open_seconds"`
	Cells       int     `json:"cells"`  // asked for
	Events      int     `json:"events"` // behind them
	// Replayed is how many signals were applied from the log behind the checkpoint, Applied how many the state held then.
	Replayed int   `json:"replayed"`
	Applied  int   `json:"signals"`
	LogBytes int64 `json:"log_bytes"`
	RSS      int64 `json:"rss_bytes"`
	// Checked is what one more process compared with the signals that were acknowledged.
	Checked
	Machine Machine `json:"machine"`
}

// Recover measures how long it takes to open a database that holds cells in its checkpoint and events in the log behind
// it, as after a crash: a fresh process, until everything that was acknowledged is visible.
// The files come from the page cache.
func Recover(ctx context.Context, o RecoverOptions) (*RecoverResult, error) {
	if o.Events < 0 {
		return nil, fmt.Errorf("recover: %d events; there can't be fewer than none", o.Events)
	}
	w, err := workload.New(workload.Config{
		Seed: o.Seed, Dist: workload.Zipf, Items: o.Cells / workload.Types, Users: o.Cells / workload.Types, Cohorts: 2,
	})
	if err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	r := &RecoverResult{Cells: w.Config().Items * workload.Types, Events: o.Events, Machine: ThisMachine()}
	err = o.inTemp(func(dir string) error {
		dir = filepath.Join(dir, "tidal")
		acks := &acknowledged{
			Config: w.Config(), Batch: loadBatch, Walk: &walk{PerCell: 1, End: time.Now().UnixMilli(), Span: 24 * time.Hour},
		}
		err := load(ctx, dir, false, w, func(write writeEvents) error { return acks.Walk.each(w, write) })
		if err != nil {
			return err
		}
		if err := o.behind(ctx, dir, acks); err != nil {
			return err
		}
		o.sayf("%d cells and %d events are written; opening them", r.Cells, r.Events)
		p, err := ask[Probe](ctx, &o.Env, "probe", dir)
		if err != nil {
			return err
		}
		r.OpenSeconds, r.Applied, r.LogBytes, r.RSS = p.OpenSeconds, int(p.Signals), p.LogBytes, p.RSS
		r.Replayed = int(p.Replayed)
		r.Checked, err = o.compare(ctx, dir, acks)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	return r, nil
}

// behind has the events written behind the checkpoint, by another process. It leaves the checkpoint alone.
func (o *RecoverOptions) behind(ctx context.Context, dir string, acks *acknowledged) error {
	if o.Events == 0 {
		return nil
	}
	text, err := json.Marshal(acks.Config)
	if err != nil {
		return err
	}
	times, err := ask[[]int64](ctx, &o.Env, "events", dir, string(text), strconv.Itoa(o.Events))
	if err != nil {
		return err
	}
	acks.Times, acks.Short = [][]int64{times}, len(times)*loadBatch-o.Events
	return nil
}

// writeBehind is that process: it writes so many events, and returns when each request was made.
func writeBehind(dir, config string, left int) (times []int64, err error) {
	var c workload.Config
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return nil, err
	}
	w, err := workload.New(c)
	if err != nil {
		return nil, err
	}
	db, err := tidal.Open(dir, nil, &tidal.Options{CheckpointBytes: -1})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	l := &loader{ctx: ctx, db: db, w: w, free: make(chan []tidal.Record, loaders), failed: make(chan error, loaders)}
	source := w.Source(0)
	events := make([]workload.Event, loadBatch)
	err = l.run(func(write writeEvents) error {
		for ; left > 0; left -= len(events) {
			events = events[:min(left, loadBatch)]
			times = append(times, time.Now().UnixMilli())
			source.Next(times[len(times)-1], events)
			if err := write(events); err != nil {
				return err
			}
		}
		return nil
	})
	return times, errors.Join(err, db.Close())
}

// errDifferent is what [Verdict] wraps.
var errDifferent = errors.New("what was opened differs from what was acknowledged")

// Verdict returns an error for a benchmark whose database isn't what was acknowledged: its figures count for nothing.
func Verdict(different int) error {
	if different == 0 {
		return nil
	}
	return fmt.Errorf("%d differences: %w", different, errDifferent)
}
