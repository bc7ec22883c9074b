package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/sim"
)

// simChildName is the hidden command that runs a part of the seeds of a group in a process of its own: Raft draws from
// the process's source of randomness, which the simulator replaces, so there is one run at a time in each.
const simChildName = "sim-child"

// simLine is what a child reports of one seed, one JSON object a line.
type simLine struct {
	Seed   uint64            `json:"seed"`
	Totals sim.ClusterTotals `json:"totals"`
	Broken string            `json:"broken,omitempty"`
}

// simOutcome is what some seeds of a group came to.
type simOutcome struct {
	total  sim.ClusterTotals
	seed   uint64 // the lowest known that broke a promise, 0 for none
	broken string
}

// add takes in what a seed came to.
func (s *simOutcome) add(l simLine) {
	s.total.Add(l.Totals)
	if l.Broken == "" {
		return
	}
	s.total.Violations++
	if s.seed == 0 || l.Seed < s.seed {
		s.seed, s.broken = l.Seed, l.Broken
	}
}

func (o *simOptions) cluster() sim.ClusterOptions {
	return sim.ClusterOptions{Nodes: o.nodes, Regions: o.regions, Seconds: o.seconds, Story: o.story}
}

// runSeeds runs each every-th seed from first to last in this process, until one breaks a promise.
func runSeeds(ctx context.Context, first, last, every uint64, o sim.ClusterOptions, each func(simLine) error) error {
	// Runs are short and leave much behind, but little of it lives: collecting seldom makes them faster.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	var room sim.Room
	for seed := first; seed <= last && ctx.Err() == nil; seed += every {
		r, err := room.Cluster(seed, o)
		l := simLine{Seed: seed}
		l.Totals.Count(r)
		if err != nil {
			l.Broken = err.Error()
		}
		if err := each(l); err != nil || l.Broken != "" {
			return err
		}
	}
	return nil
}

func (a *app) simChildCommand() *cobra.Command {
	var o simOptions
	var first, last, every uint64
	c := &cobra.Command{Use: simChildName, Hidden: true, Args: usageArgs(cobra.NoArgs)}
	f := c.Flags()
	f.IntVar(&o.nodes, "nodes", 3, "")
	f.IntVar(&o.regions, "regions", 0, "")
	f.IntVar(&o.seconds, "seconds", 20, "")
	f.Uint64Var(&first, "first", 1, "")
	f.Uint64Var(&last, "last", 1, "")
	f.Uint64Var(&every, "every", 1, "")
	c.RunE = func(c *cobra.Command, _ []string) error {
		out := json.NewEncoder(a.stdout)
		// Should the parent die, nobody reads this any more, and the next line ends the child.
		return runSeeds(c.Context(), first, last, every, o.cluster(), func(l simLine) error { return out.Encode(l) })
	}
	return c
}

// simCluster runs seeds of a group, some processes at a time.
func (a *app) simCluster(c *cobra.Command, first, last uint64, o simOptions) error {
	ctx := c.Context()
	if o.story {
		return a.simClusterStory(first, o)
	}
	began := a.now()
	var out simOutcome
	var err error
	o.workers = int(min(uint64(o.workers), last-first+1))
	if o.workers == 1 {
		err = runSeeds(ctx, first, last, 1, o.cluster(), func(l simLine) error { out.add(l); return nil })
	} else {
		err = a.simChildren(ctx, first, last, o, &out)
	}
	if err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	if out.seed == 0 && ctx.Err() != nil {
		return fmt.Errorf("sim: %w after %d seeds without a violation", ctx.Err(), out.total.Seeds)
	}
	r := clusterResult(out.total, a.now().Sub(began).Seconds(), o)
	if out.seed != 0 {
		a.explain(ctx, r, out, o)
	}
	if err := a.answer(r, func(w io.Writer) { r.printCluster(w) }); err != nil || out.seed == 0 {
		return err
	}
	a.json = false // the object is printed already
	return fmt.Errorf("%w; replay it with: %s", errBroken, r.Replay)
}

// explain runs a broken seed again with less and less that goes wrong, and says what is left.
func (a *app) explain(ctx context.Context, r *simResult, out simOutcome, o simOptions) {
	r.Seed, r.Violation = out.seed, out.broken
	r.Replay = fmt.Sprintf("tidal sim%s --seeds %d --seconds %d --story", o.shape(), out.seed, o.seconds)
	r.Commit = buildCommit()
	var room sim.Room
	report, err := room.Minimise(ctx, out.seed, o.cluster(), o.minimise)
	if err != nil { // with a context that ended at once it's the same
		r.LastEvents, r.Schedule, r.Minimised = report.Last, report.Schedule, err.Error()
	}
}

// buildCommit is the revision that the program was built from, where that is known.
func buildCommit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

// simChildren shares the seeds among processes. The first that breaks a promise ends all.
func (a *app) simChildren(ctx context.Context, first, last uint64, o simOptions, out *simOutcome) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for i := range uint64(o.workers) {
		wg.Go(func() {
			err := a.simChild(ctx, first+i, last, o, func(l simLine) {
				mu.Lock()
				defer mu.Unlock()
				out.add(l)
				if l.Broken != "" {
					stop()
				}
			})
			if err != nil && ctx.Err() == nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
				stop()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// simChild starts one process and reads what it reports. When ctx ends the process does, too.
func (a *app) simChild(ctx context.Context, first, last uint64, o simOptions, each func(simLine)) error {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	child, err := a.child(ctx, simChildName, "--nodes", strconv.Itoa(o.nodes), "--regions", strconv.Itoa(o.regions), "--seconds", strconv.Itoa(o.seconds),
		"--first", number(first), "--last", number(last), "--every", strconv.Itoa(o.workers))
	if err != nil {
		return err
	}
	child.Env = append(a.environ(), "GOMAXPROCS="+strconv.Itoa(max(1, runtime.GOMAXPROCS(0)/o.workers)))
	var failure strings.Builder
	child.Stderr = &failure
	pipe, err := child.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start a process: %w", err)
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start a process: %w", err)
	}
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l simLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return errors.Join(fmt.Errorf("process answered %q: %w", lines.Text(), err), child.Wait())
		}
		each(l)
	}
	if err := errors.Join(lines.Err(), child.Wait()); err != nil {
		return fmt.Errorf("process from seed %d on: %w: %s", first, err, failure.String())
	}
	return nil
}

// simClusterStory runs one seed of a group and prints all that happened.
func (a *app) simClusterStory(seed uint64, o simOptions) error {
	r, err := sim.Cluster(seed, o.cluster())
	return a.tellStory(seed, r.Story, r.Hash, err)
}

func clusterResult(t sim.ClusterTotals, seconds float64, o simOptions) *simResult {
	simulated := float64(t.Simulated) / 1e9
	var between *sim.RegionCounts
	if o.regions > 0 {
		between = &t.Regions
	}
	return &simResult{
		Nodes: o.nodes, Regions: o.regions, Between: between, Seeds: t.Seeds, Violations: t.Violations,
		Ops: t.Ops, Acked: t.Acked, Refused: t.Refused, OpsPerSecond: tenth(float64(t.Ops) / simulated),
		Unknown: t.Unknown, Reads: t.Reads, StrongReads: t.Strong,
		Crashes: t.Crashes, Restarts: t.Restarts, Checkpoints: t.Checkpoints, Released: t.Released,
		Snapshots: t.Snapshots, Leaders: t.Leaders, Joined: t.Joined, Removed: t.Removed, Packets: t.Packets, Lost: t.Lost,
		Entries: t.Entries, Events: t.Events, Records: t.Records, Faults: t.Faults,
		SimSeconds: tenth(simulated), Seconds: tenth(seconds), SimPerSecond: tenth(simulated / seconds), Workers: o.workers,
	}
}

// shape is how the flags say what runs.
func (o *simOptions) shape() string {
	s := ""
	if o.regions > 0 {
		s += fmt.Sprintf(" --regions %d", o.regions)
	}
	if o.nodes > 0 {
		s += fmt.Sprintf(" --nodes %d", o.nodes)
	}
	return s
}

func (r *simResult) printCluster(w io.Writer) {
	f, _ := r.Faults.(sim.ClusterFaults)
	n := func(v uint64) string { return thousands(int64(v)) }
	pairs(w, [][2]string{
		{"seeds", n(r.Seeds)},
		{"requests", fmt.Sprintf("%s and reads answered, %s requests accepted, of %s nobody said; %.1f a simulated second",
			n(r.Ops), n(r.Acked), n(r.Unknown), r.OpsPerSecond)},
		{"group", fmt.Sprintf("%s terms with a leader, %s members added, %s removed, %s snapshots", n(r.Leaders),
			n(r.Joined), n(r.Removed), n(r.Snapshots))},
		{"crashes", fmt.Sprintf("%s, %s of them within an operation of a disk; %s starts", n(r.Crashes), n(f.InDisk),
			n(r.Restarts))},
		{"network", fmt.Sprintf("%s packets, %s of them lost; %d partitions, %d one-way cuts, %d times of loss", n(r.Packets),
			n(r.Lost), f.Split, f.OneWay, f.Weather)},
		{"disks", fmt.Sprintf("%d stalls, %d failed syncs, %d failed writes, %d full, %d lost, %d bits rotten", f.Stall,
			f.FailSync, f.FailWrite, f.Full, f.DiskLost, f.Rot)},
		{"regions", r.between()},
		{"speed", fmt.Sprintf("%.0f simulated seconds in %.1f s: %.0f a second", r.SimSeconds, r.Seconds, r.SimPerSecond)},
	})
	if r.Violation == "" {
		fmt.Fprintln(w, "\nEvery promise was kept.")
		return
	}
	fmt.Fprintf(w, "\nBroken: %s\nCommit: %s\nWhat it takes:\n  %s\nwhich breaks: %s\nLast events:\n  %s\nReplay: %s\n",
		r.Violation, r.Commit, strings.Join(r.Schedule, "\n  "), r.Minimised, strings.Join(r.LastEvents, "\n  "), r.Replay)
}

// between is a line about what regions met.
func (r *simResult) between() string {
	b := r.Between
	if b == nil {
		return "none"
	}
	n := func(v uint64) string { return thousands(int64(v)) }
	f, _ := r.Faults.(sim.ClusterFaults)
	x := &f.Regions
	return fmt.Sprintf("%s copies of requests beside the first, %s compensations, %s undos elsewhere; %d regions lost, %d taken back, "+
		"%d cuts; %s bytes between them", n(b.Twins), n(b.Compensated), n(b.Undone), x.Down, x.Back, x.Cut+x.Pair+x.OneWay, n(b.Shipped))
}
