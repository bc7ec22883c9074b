package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/hidden"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// demoChildName is the hidden command that demo runs in a second process, and kills.
const demoChildName = "demo-child"

// The demo's lists, and the burst of likes that changes them.
const (
	demoList     = 10
	demoRequest  = 64 // signals that share a request while seeding
	demoRisers   = 3  // items that suddenly become popular
	demoRiseFrom = 40 // where in the list the first of them stood
	demoRiseStep = 30
	demoBurst    = 60 // likes for each
	demoHides    = 3  // items that the reader hides
)

// demoReader is whom the lists are for. The likes of the burst are others'.
const demoReader = "reader-200"

// A demoStep is what the child reports on its standard output, one JSON object a line.
type demoStep struct {
	Step    string        `json:"step"` // wrote, seeded, before, burst, shown, hide, after, ready
	Items   int           `json:"items,omitempty"`
	Signals int           `json:"signals,omitempty"` // written so far
	Took    time.Duration `json:"took,omitempty"`
	At      int64         `json:"at,omitempty"` // Unix milliseconds at which the list was read
	List    []topScored   `json:"list,omitempty"`
	Risers  []string      `json:"risers,omitempty"`
	// Median and Slowest are of single writes, from the call until the like was on disk and in the scores.
	Median  time.Duration `json:"median,omitempty"`
	Slowest time.Duration `json:"slowest,omitempty"`
	Digest  string        `json:"digest,omitempty"`
	Wrote   *demoWrite    `json:"wrote,omitempty"`
	// Ops are what the step did, for the checker of what was hidden, by the child's own count of beginnings and ends.
	Ops []hidden.Op `json:"ops,omitempty"`
	// Served is what the child's database counted of hidden items in lists.
	Served uint64 `json:"served,omitempty"`
}

// A demoWrite is a request that was acknowledged, and all that was in it.
type demoWrite struct {
	Number  int            `json:"number"`            // requests are written one after the other
	Clamped bool           `json:"clamped,omitempty"` // times were set back
	Signals []tidal.Signal `json:"signals,omitempty"`
	Puts    []tidal.Put    `json:"puts,omitempty"`
}

func (a *app) demoChildCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{Use: demoChildName, Hidden: true, Args: usageArgs(cobra.NoArgs)}
	c.Flags().StringVar(&dir, "dir", "", "")
	c.RunE = func(c *cobra.Command, _ []string) error {
		db, err := tidal.Open(dir, demoSchema(), nil)
		if err != nil {
			return err
		}
		d := &demoChild{db: db, now: a.now, out: json.NewEncoder(a.stdout)}
		if err := d.run(c.Context()); err != nil {
			return errors.Join(err, db.Close())
		}
		// From here on it waits to be killed. Should the parent die first, its end of the pipe closes.
		_, err = io.Copy(io.Discard, a.stdin)
		return errors.Join(err, db.Close())
	}
	return c
}

// demoChild is what the killed process does.
type demoChild struct {
	db      *tidal.DB
	now     func() time.Time
	out     *json.Encoder
	signals int
	wrote   int // requests
	clock   demoClock
}

// demoClock orders operations, of which one ends before the next begins.
type demoClock int64

// during returns an operation with when it began and ended.
func (c *demoClock) during(op hidden.Op) hidden.Op {
	op.Begin, op.End = int64(*c)+1, int64(*c)+2
	*c += 2
	return op
}

func (d *demoChild) run(ctx context.Context) error {
	began := d.now()
	if err := d.seed(ctx, began); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	// What comes back after the kill comes from both, the checkpoint and the log behind it.
	if err := d.db.Checkpoint(ctx); err != nil {
		return err
	}
	if err := d.out.Encode(demoStep{
		Step: "seeded", Items: demoItems, Signals: d.signals,
		Took: d.now().Sub(began),
	}); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if _, err := d.list(ctx, "before"); err != nil {
		return err
	}
	risers, err := d.risers(ctx)
	if err != nil {
		return err
	}
	if err := d.burst(ctx, risers); err != nil {
		return fmt.Errorf("burst: %w", err)
	}
	shown, err := d.list(ctx, "shown")
	if err != nil {
		return err
	}
	if err := d.hide(ctx, shown.List, risers); err != nil {
		return fmt.Errorf("hide: %w", err)
	}
	after, err := d.list(ctx, "after")
	if err != nil {
		return err
	}
	return d.out.Encode(demoStep{
		Step: "ready", Signals: d.signals, At: after.At, Digest: d.db.Digest().String(), Served: d.db.Stats().HiddenServed,
	})
}

// seed writes the items and a month of signals, in requests of many records.
func (d *demoChild) seed(ctx context.Context, now time.Time) error {
	var records []tidal.Record
	for _, it := range demoCatalogue() {
		records = append(records, tidal.Put{Kind: tidal.Item, ID: it.id, Fields: tidal.Fields{
			"title": schema.String(it.title), "category": schema.String(it.category),
		}})
	}
	history := demoHistory(now)
	d.signals += len(history)
	for request := range slices.Chunk(append(records, history...), demoRequest) {
		if err := d.write(ctx, request); err != nil {
			return err
		}
	}
	return nil
}

// write sends a request, and reports what was acknowledged.
func (d *demoChild) write(ctx context.Context, records []tidal.Record) error {
	d.wrote++
	receipt, err := d.db.Write(ctx, tidal.Request{Lane: "demo", Number: uint64(d.wrote), Records: records})
	if err != nil {
		return err
	}
	w := demoWrite{Number: d.wrote, Clamped: receipt.Clamped > 0}
	for _, r := range records {
		switch x := r.(type) {
		case tidal.Signal:
			w.Signals = append(w.Signals, x)
		case tidal.Put:
			w.Puts = append(w.Puts, x)
		}
	}
	if err := d.out.Encode(demoStep{Step: "wrote", Wrote: &w}); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// list asks for the reader's list and reports it.
func (d *demoChild) list(ctx context.Context, step string) (demoStep, error) {
	at := floorMilli(d.now())
	list, err := demoAsk(ctx, d.db, demoQuery(at), &d.clock)
	if err != nil {
		return demoStep{}, err
	}
	s := demoStep{Step: step, At: at.UnixMilli(), List: list.scored, Ops: []hidden.Op{list.op}}
	if err := d.out.Encode(s); err != nil {
		return s, fmt.Errorf("report: %w", err)
	}
	return s, nil
}

// demoAnswer is a list that the reader was shown.
type demoAnswer struct {
	scored []topScored
	op     hidden.Op
}

func demoAsk(ctx context.Context, db *tidal.DB, q *query.Query, clock *demoClock) (demoAnswer, error) {
	got, err := db.Rank(ctx, q)
	if err != nil {
		return demoAnswer{}, err
	}
	var a demoAnswer
	for i := range got.Items {
		a.scored = append(a.scored, topScored{got.Items[i].Item, got.Items[i].Score})
	}
	a.op = clock.during(hidden.Op{Op: hidden.List, User: demoReader, Items: ids(a.scored)})
	return a, nil
}

// demoQuery asks for the list that the demo is about. Nothing in it is left to chance, so that it can be asked again.
func demoQuery(at time.Time) *query.Query {
	return query.Rank("for_you").For(demoReader).At(at).Seed(demoSeed).Explore(0).Limit(demoList).Query()
}

// hide has the reader hide the first items of a list, but for those that have risen.
func (d *demoChild) hide(ctx context.Context, list []topScored, risers []string) error {
	s := demoStep{Step: "hide"}
	for _, it := range list {
		if len(s.Ops) == demoHides || slices.Contains(risers, it.Item) {
			continue
		}
		hide := tidal.Signal{Type: "hide", User: demoReader, Item: it.Item, Time: floorMilli(d.now())}
		if err := d.write(ctx, []tidal.Record{hide}); err != nil {
			return err
		}
		d.signals++
		s.Ops = append(s.Ops, d.clock.during(hidden.Op{Op: hidden.Hide, User: demoReader, Which: "hide", Target: it.Item}))
	}
	if err := d.out.Encode(s); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// risers returns a few items that are liked less than many others.
func (d *demoChild) risers(ctx context.Context) (items []string, err error) {
	list, err := d.db.Top(ctx, tidal.TopQuery{Type: "like", Limit: demoRiseFrom + demoRisers*demoRiseStep})
	if err != nil {
		return nil, fmt.Errorf("top: %w", err)
	}
	for n := range demoRisers {
		if at := demoRiseFrom + n*demoRiseStep; at < len(list) {
			items = append(items, list[at].Item)
		}
	}
	if len(items) == 0 {
		return nil, errors.New("too few items are liked to have anything rise")
	}
	return items, nil
}

// burst likes a few items, one write at a time, as a running application would.
func (d *demoChild) burst(ctx context.Context, risers []string) error {
	s := demoStep{Step: "burst", Risers: risers}
	var took []time.Duration
	for n := range demoBurst {
		for _, item := range s.Risers {
			began := d.now()
			like := tidal.Signal{Type: "like", User: demoUser(n), Item: item, Time: floorMilli(began)}
			if err := d.write(ctx, []tidal.Record{like}); err != nil {
				return err
			}
			took = append(took, d.now().Sub(began))
		}
	}
	d.signals += len(took)
	slices.Sort(took)
	s.Signals, s.Median, s.Slowest = len(took), took[len(took)/2], took[len(took)-1]
	if err := d.out.Encode(s); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
