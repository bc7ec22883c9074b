package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/tidaldb/tidal/internal/refold"
	"github.com/tidaldb/tidal/internal/workload"
)

// Checked says what a fresh process found when it compared a directory with what had been acknowledged.
type Checked = refold.Result

// acknowledged is what the writing process wrote down, apart from the database: enough to repeat every signal.
type acknowledged struct {
	Config workload.Config `json:"config"`
	// Walk is what [workload.Workload.EachCell] made, if anything.
	Walk *walk `json:"walk,omitempty"`
	// Times are those of the requests that were acknowledged, by connection; each holds Batch signals, but the last of
	// all holds Short fewer.
	Times [][]int64 `json:"times"`
	Batch int       `json:"batch"`
	Short int       `json:"short"`
}

// walk has the arguments of [workload.Workload.EachCell].
type walk struct {
	PerCell int           `json:"per_cell"`
	End     int64         `json:"end"`
	Span    time.Duration `json:"span_ns"`
}

func (x *walk) each(w *workload.Workload, yield func([]workload.Event) error) error {
	return w.EachCell(x.PerCell, loadBatch, x.End, x.Span, yield)
}

// signals counts them.
func (a *acknowledged) signals() int {
	n := -a.Short
	if a.Walk != nil {
		n += a.Config.Items * workload.Types * a.Walk.PerCell
	}
	for _, of := range a.Times {
		n += len(of) * a.Batch
	}
	return n
}

// compare writes down what was acknowledged and lets a fresh process compare.
func (e *Env) compare(ctx context.Context, dir string, acks *acknowledged) (Checked, error) {
	text, err := json.Marshal(acks)
	if err != nil {
		return Checked{}, err
	}
	file := dir + "-acknowledged.json"
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return Checked{}, fmt.Errorf("write down what was acknowledged: %w", err)
	}
	got, err := ask[Checked](ctx, e, "check", dir, file)
	if err == nil && got.Signals != int64(acks.signals()) {
		err = fmt.Errorf("%d signals were acknowledged, %d are there", acks.signals(), got.Signals)
	}
	return got, err
}

// check compares after an ingest.
func (s *ingest) check(ctx context.Context) (Checked, error) {
	acks := acknowledged{Config: s.w.Config(), Batch: Batch}
	for _, c := range s.clients {
		acks.Times = append(acks.Times, c.times)
	}
	return s.compare(ctx, s.dir, &acks)
}

// partSignals is how many signals are compared at a time: about a gigabyte.
const partSignals = 16 << 20

// check is the fresh process's part: it repeats what was acknowledged, and compares.
func check(dir, file string) (Checked, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Checked{}, fmt.Errorf("read what was acknowledged: %w", err)
	}
	var acks acknowledged
	if err := json.Unmarshal(text, &acks); err != nil {
		return Checked{}, fmt.Errorf("read what was acknowledged: %w", err)
	}
	return acks.check(dir)
}

func (a *acknowledged) check(dir string) (Checked, error) {
	w, err := workload.New(a.Config)
	if err != nil {
		return Checked{}, err
	}
	o := refold.Options{Parts: a.signals()/partSignals + 1}
	return refold.Directory(context.Background(), dir, o, func(f *refold.Fold) error { return a.repeat(f, w) })
}

// repeat folds every signal that was acknowledged.
func (a *acknowledged) repeat(f *refold.Fold, w *workload.Workload) error {
	if a.Walk != nil {
		if err := a.Walk.each(w, func(events []workload.Event) error { return addAll(f, w, events) }); err != nil {
			return err
		}
	}
	events := make([]workload.Event, a.Batch)
	for connection, of := range a.Times {
		source := w.Source(connection)
		for i, at := range of {
			n := a.Batch
			if connection == len(a.Times)-1 && i == len(of)-1 {
				n -= a.Short
			}
			source.Next(at, events[:n])
			if err := addAll(f, w, events[:n]); err != nil {
				return err
			}
		}
	}
	return nil
}

func addAll(f *refold.Fold, w *workload.Workload, events []workload.Event) error {
	for i := range events {
		e := &events[i]
		err := f.Add(refold.Event{
			Type: workload.TypeName(e.Type), Item: w.Item(e.Item), User: w.User(e.User), Cohorts: w.Cohorts(e.User), Time: e.Time,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
