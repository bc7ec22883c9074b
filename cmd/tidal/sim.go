package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/sim"
)

// errBroken is the failure of a simulated run that broke a promise.
var errBroken = errors.New("a simulated run broke a promise")

// simOptions are the flags of sim.
type simOptions struct {
	nodes, seconds, workers int
	regions                 int
	minimise                int // runs
	seeds                   string
	story                   bool
}

// simResult is what sim prints with --json.
type simResult struct {
	Nodes        int      `json:"nodes"`             // of regions, 0: what the seed says
	Regions      int      `json:"regions,omitempty"` // 0 is none
	Seeds        uint64   `json:"seeds"`             // that were run
	Violations   uint64   `json:"violations"`
	Ops          uint64   `json:"ops"` // requests answered
	Acked        uint64   `json:"acked"`
	Refused      uint64   `json:"refused"`
	OpsPerSecond float64  `json:"ops_per_sim_second"`
	Crashes      uint64   `json:"crashes"`
	Restarts     uint64   `json:"restarts"`
	Checkpoints  uint64   `json:"checkpoints"`
	Released     uint64   `json:"log_released"`
	Events       uint64   `json:"events"`
	Records      uint64   `json:"records"`
	Faults       any      `json:"faults"` // sim.Faults, or of a group sim.ClusterFaults
	SimSeconds   float64  `json:"sim_seconds"`
	Seconds      float64  `json:"seconds"`
	SimPerSecond float64  `json:"sim_seconds_per_second"`
	Workers      int      `json:"workers"`
	Seed         uint64   `json:"seed,omitempty"` // that broke a promise
	Violation    string   `json:"violation,omitempty"`
	Replay       string   `json:"replay,omitempty"`
	LastEvents   []string `json:"last_events,omitempty"`

	// Of groups.
	Unknown     uint64 `json:"unknown,omitempty"`      // requests whose outcome nobody said
	Reads       uint64 `json:"reads,omitempty"`        // among Ops
	StrongReads uint64 `json:"strong_reads,omitempty"` // among Reads
	Snapshots   uint64 `json:"snapshots,omitempty"`
	Leaders     uint64 `json:"leaders,omitempty"` // terms that had one
	Joined      uint64 `json:"joined,omitempty"`
	Removed     uint64 `json:"removed,omitempty"`
	Packets     uint64 `json:"packets,omitempty"`
	Lost        uint64 `json:"packets_lost,omitempty"`
	Entries     uint64 `json:"entries,omitempty"`
	// Between is what regions met besides.
	Between   *sim.RegionCounts `json:"between_regions,omitempty"`
	Commit    string            `json:"commit,omitempty"`
	Schedule  []string          `json:"schedule,omitempty"`  // what it takes to break the promise
	Minimised string            `json:"minimised,omitempty"` // how it is broken then
}

func (a *app) simCommand() *cobra.Command {
	var o simOptions
	c := &cobra.Command{
		Use:   "sim [--nodes 3] [--regions 3] --seeds A..B",
		Short: "Run a database, a group or regions on simulated machines, from seeds, and check the promises",
		Long: `Run the database on one thread over a simulated disk and clock: clients with lanes, keys and neither, undo, erase, a
growing schema, crashes at any point, torn writes, lost names, failing and slow syncs, a full disk, wrong bits, clock
jumps. After every restart and at the end, what was acknowledged must be there once, and the state must be the slow
oracle's. One seed is one run, the same on every machine. The first broken promise ends it with exit code 1, the seed
and the last events; --seeds N with --story prints all events of one run.

With --nodes 3 or more a group runs on as many machines, with a network between them that cuts, loses, repeats and
delays; disks that stall; members that are lost, replaced and join; reads at every member. The replicas must agree on one
log and hold the same state; what is acknowledged must be on a quorum's disks. A broken promise is tried again with less
and less that goes wrong, and what it takes is printed.

With --regions 2 or more each region is a group of one machine, or of three where the seed says so or --nodes does, and all
of them take writes. Between them packets are lost, repeated, delayed and cut; clients send one request to two regions, undo
elsewhere what they wrote here, and carry tokens from region to region; regions fail whole, come back with an old disk, begin
while others write; clocks go wild. In the end all regions must hold the same, byte for byte: what the slow oracle makes of
all events, each request counted once.`,
		Example: `  tidal sim --nodes 1 --seeds 1..100
  tidal sim --nodes 3 --seeds 1..100 --workers 2
  tidal sim --nodes 3 --seeds 7 --story
  tidal sim --regions 3 --seeds 1..100 --workers 2`,
		Args: usageArgs(cobra.NoArgs),
	}
	f := c.Flags()
	f.IntVar(&o.nodes, "nodes", 1, "replicas in the group: 1, or 3 to 9")
	f.IntVar(&o.regions, "regions", 0, "regions that there are: 0 for none, or 2 to 8")
	f.StringVar(&o.seeds, "seeds", "1..20", "one seed, or a range")
	f.IntVar(&o.seconds, "seconds", 20, "simulated seconds that clients write for, a run")
	f.IntVar(&o.workers, "workers", 0, "runs at a time; 0 is one a processor. Those of a group are processes")
	f.IntVar(&o.minimise, "minimise", 300, "runs that a broken seed of a group is repeated for, to find what it takes")
	f.BoolVar(&o.story, "story", false, "print every event of the run (one seed)")
	c.RunE = func(c *cobra.Command, _ []string) error { return a.sim(c, o) }
	return c
}

func (a *app) sim(c *cobra.Command, o simOptions) error {
	first, last, err := parseSeeds(o.seeds)
	switch {
	case err != nil:
		return usagef(c, "--seeds %s: %v", o.seeds, err)
	case o.regions != 0 && (o.regions < 2 || o.regions > 8):
		return usagef(c, "--regions is %d; it is 0, or lies between 2 and 8", o.regions)
	case o.nodes != 1 && (o.nodes < 3 || o.nodes > 9):
		return usagef(c, "--nodes is %d; it is 1, or lies between 3 and 9", o.nodes)
	case o.seconds < 1 || o.seconds > 3600:
		return usagef(c, "--seconds is %d; it lies between 1 and 3600", o.seconds)
	case o.workers < 0 || o.workers > 1024:
		return usagef(c, "--workers is %d; it lies between 0 and 1024", o.workers)
	case o.minimise < 0:
		return usagef(c, "--minimise is %d; it is 0 or more", o.minimise)
	case o.story && first != last:
		return usagef(c, "--story needs a single seed")
	}
	if o.workers == 0 {
		o.workers = runtime.GOMAXPROCS(0)
	}
	if o.regions > 0 && !c.Flags().Changed("nodes") {
		o.nodes = 0 // what the seed says
	}
	if o.nodes > 1 || o.regions > 0 {
		return a.simCluster(c, first, last, o)
	}
	// Runs are short and leave much behind, but little of it lives: collecting seldom makes them faster.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	began := a.now()
	if o.story {
		return a.simStory(first, o)
	}
	total, broken := sim.Nodes(c.Context(), first, last, o.workers, sim.NodeOptions{Seconds: o.seconds, Story: o.story}, nil)
	if broken == nil && c.Context().Err() != nil {
		return fmt.Errorf("sim: %w after %d seeds without a violation", c.Context().Err(), total.Seeds)
	}
	r := newSimResult(total, a.now().Sub(began).Seconds(), o)
	if broken != nil {
		r.Seed, r.Violation = broken.Seed, broken.Err.Error()
		r.LastEvents = broken.Report.Last
		r.Replay = fmt.Sprintf("tidal sim --nodes 1 --seeds %d --seconds %d --story", broken.Seed, o.seconds)
	}
	if err := a.answer(r, func(w io.Writer) { r.print(w) }); err != nil || broken == nil {
		return err
	}
	a.json = false // the object is printed already
	return fmt.Errorf("%w; replay it with: %s", errBroken, r.Replay)
}

func newSimResult(t sim.NodeTotals, seconds float64, o simOptions) *simResult {
	simulated := float64(t.Simulated) / 1e9
	return &simResult{
		Nodes: o.nodes, Seeds: t.Seeds, Violations: t.Violations,
		Ops: t.Ops, Acked: t.Acked, Refused: t.Refused, OpsPerSecond: tenth(float64(t.Ops) / simulated),
		Crashes: t.Crashes, Restarts: t.Restarts, Checkpoints: t.Checkpoints, Released: t.Released,
		Events: t.Events, Records: t.Records, Faults: t.Faults,
		SimSeconds: tenth(simulated), Seconds: tenth(seconds), SimPerSecond: tenth(simulated / seconds), Workers: o.workers,
	}
}

// tenth rounds to one digit behind the point.
func tenth(x float64) float64 { return math.Round(10*x) / 10 }

// parseSeeds reads "7" or "1..2000".
func parseSeeds(s string) (first, last uint64, err error) {
	from, to, ranged := strings.Cut(s, "..")
	if first, err = strconv.ParseUint(from, 10, 63); err != nil {
		return 0, 0, errors.New("want one number, or A..B")
	}
	if !ranged {
		return first, first, nil
	}
	if last, err = strconv.ParseUint(to, 10, 63); err != nil || last < first {
		return 0, 0, errors.New("want one number, or A..B with A up to B")
	}
	return first, last, nil
}

// simStory runs one seed and prints all that happened.
func (a *app) simStory(seed uint64, o simOptions) error {
	r, err := sim.Node(seed, sim.NodeOptions{Seconds: o.seconds, Story: true})
	return a.tellStory(seed, r.Story, r.Hash, err)
}

// tellStory prints the story of a run, and how it ended.
func (a *app) tellStory(seed uint64, story string, sum uint64, err error) error {
	to := a.stdout
	if a.json {
		to = a.stderr
	}
	if _, err := io.WriteString(to, story); err != nil {
		return fmt.Errorf("print the story: %w", err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	hash := fmt.Sprintf("%016x", sum)
	return a.answer(map[string]any{"seed": seed, "violations": 0, "story_hash": hash}, func(w io.Writer) {
		fmt.Fprintf(w, "Seed %d keeps its promises; the story's hash is %s.\n", seed, hash)
	})
}

func (r *simResult) print(w io.Writer) {
	f, _ := r.Faults.(sim.Faults)
	pairs(w, [][2]string{
		{"seeds", thousands(int64(r.Seeds))},
		{"requests", fmt.Sprintf("%s answered, %s accepted; %.1f a simulated second", thousands(int64(r.Ops)),
			thousands(int64(r.Acked)), r.OpsPerSecond)},
		{"crashes", fmt.Sprintf("%s, %s of them within an operation of the disk; %s restarts", thousands(int64(r.Crashes)),
			thousands(int64(f.InDisk)), thousands(int64(r.Restarts)))},
		{"faults", fmt.Sprintf("%d failed syncs, %d failed writes, %d full disks, %d wrong bits read, %d stored, %d clock jumps",
			f.FailSync, f.FailWrite, f.Full, f.FlipRead, f.Rot, f.Clock)},
		{"speed", fmt.Sprintf("%.0f simulated seconds in %.1f s: %.0f a second", r.SimSeconds, r.Seconds, r.SimPerSecond)},
	})
	if r.Violation == "" {
		fmt.Fprintln(w, "\nEvery promise was kept.")
		return
	}
	fmt.Fprintf(w, "\nBroken: %s\nLast events:\n  %s\nReplay: %s\n", r.Violation, strings.Join(r.LastEvents, "\n  "),
		r.Replay)
}
