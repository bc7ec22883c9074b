package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal/internal/workload"
)

// MemoryOptions tune [Memory].
type MemoryOptions struct {
	Env
	// Cells is how many there are, 10 to 10,485,760, rounded down to whole items of ten types.
	Cells int
	// PerCell is the number of events per cell, spread over 30 days; 0 is 10.
	PerCell int
	Seed    uint64
}

// MemoryResult is what [Memory] measured. The first level repeats the run with one half-life per type.
type MemoryResult struct {
	Arena        int64       `json:"arena_bytes"`
	Total        int64       `json:"total_bytes"`
	RSS          int64       `json:"rss_bytes"`
	BytesPerCell float64     `json:"bytes_per_cell"` // of the total
	Runs         []MemoryRun `json:"runs"`
	Checked                  // of all runs together
	Machine      Machine     `json:"machine"`
}

// MemoryRun is the part for one number of half-lives.
type MemoryRun struct {
	HalfLives    int     `json:"half_lives"` // per type: 6 h, 1 d and 7 d in turn, or all three
	Cells        int     `json:"cells"`
	PerCell      int     `json:"events_per_cell"`
	Arena        int64   `json:"arena_bytes"` // records
	Total        int64   `json:"total_bytes"` // records, ids and indexes; there are no heads yet
	RSS          int64   `json:"rss_bytes"`   // of a process that opened the directory and did nothing else
	BytesPerCell float64 `json:"bytes_per_cell"`
	OpenSeconds  float64 `json:"open_seconds"`
	// Checked is what one more process compared with the signals that were acknowledged.
	Checked
}

// Memory measures what cells of items cost, without users or cohorts: every cell gets the same number of events.
func Memory(ctx context.Context, o MemoryOptions) (*MemoryResult, error) {
	if o.PerCell == 0 {
		o.PerCell = 10
	}
	if o.PerCell < 0 {
		return nil, fmt.Errorf("memory: %d events per cell", o.PerCell)
	}
	w, err := workload.New(workload.Config{Seed: o.Seed, Dist: workload.Uniform, Items: o.Cells / workload.Types})
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	r := &MemoryResult{Machine: ThisMachine()}
	for _, all := range []bool{false, true} {
		err := o.inTemp(func(dir string) error {
			run, err := o.run(ctx, filepath.Join(dir, "tidal"), all, w)
			if err == nil {
				r.Runs = append(r.Runs, *run)
				r.Checked.Add(run.Checked)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("memory: %w", err)
		}
	}
	first := &r.Runs[0]
	r.Arena, r.Total, r.RSS, r.BytesPerCell = first.Arena, first.Total, first.RSS, first.BytesPerCell
	return r, nil
}

func (o *MemoryOptions) run(ctx context.Context, dir string, all bool, w *workload.Workload) (*MemoryRun, error) {
	run := &MemoryRun{HalfLives: 1, Cells: w.Config().Items * workload.Types, PerCell: o.PerCell}
	if all {
		run.HalfLives = 3
	}
	acks := &acknowledged{
		Config: w.Config(), Walk: &walk{PerCell: o.PerCell, End: time.Now().UnixMilli(), Span: 30 * 24 * time.Hour},
	}
	err := load(ctx, dir, all, w, func(write writeEvents) error { return acks.Walk.each(w, write) })
	if err != nil {
		return nil, err
	}
	o.sayf("%d cells with %d half-lives are written; opening them", run.Cells, run.HalfLives)
	p, err := ask[Probe](ctx, &o.Env, "probe", dir)
	if err != nil {
		return nil, err
	}
	run.Arena, run.Total, run.RSS, run.OpenSeconds = p.Arena, p.Total, p.RSS, p.OpenSeconds
	run.BytesPerCell = float64(p.Total) / float64(run.Cells)
	run.Checked, err = o.compare(ctx, dir, acks)
	if p.Cells != run.Cells || run.Checked.Cells != run.Cells {
		run.Different++
	}
	return run, err
}
