package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

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
	// Replayed: the whole log was replayed. It always is as long as there is no store to begin from.
	Replayed bool  `json:"replayed"`
	Signals  int   `json:"signals"` // replayed
	LogBytes int64 `json:"log_bytes"`
	RSS      int64 `json:"rss_bytes"`
	// Different counts the differences between what was acknowledged and what was opened: of the number of signals.
	Different int     `json:"different"`
	Machine   Machine `json:"machine"`
}

// Recover measures how long it takes to open a database that was written without a pause: a fresh process, until
// everything that was acknowledged is visible. The files come from the page cache.
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
	r := &RecoverResult{Cells: w.Config().Items * workload.Types, Events: o.Events, Replayed: true, Machine: ThisMachine()}
	err = o.inTemp(func(dir string) error {
		dir = filepath.Join(dir, "tidal")
		if err := load(ctx, dir, false, w, func(write writeEvents) error { return o.fill(w, write) }); err != nil {
			return err
		}
		o.sayf("%d cells and %d events are written; opening them", r.Cells, r.Events)
		p, err := ask[Probe](ctx, &o.Env, "probe", dir)
		r.OpenSeconds, r.Signals, r.LogBytes, r.RSS = p.OpenSeconds, int(p.Signals), p.LogBytes, p.RSS
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	if r.Signals != r.Cells+r.Events {
		r.Different = 1
	}
	return r, nil
}

func (o *RecoverOptions) fill(w *workload.Workload, write writeEvents) error {
	now := time.Now().UnixMilli()
	if err := w.EachCell(1, loadBatch, now, 24*time.Hour, write); err != nil {
		return err
	}
	source := w.Source(0)
	events := make([]workload.Event, loadBatch)
	for left := o.Events; left > 0; left -= len(events) {
		events = events[:min(left, loadBatch)]
		source.Next(time.Now().UnixMilli(), events)
		if err := write(events); err != nil {
			return err
		}
	}
	return nil
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
