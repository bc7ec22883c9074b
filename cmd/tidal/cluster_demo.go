package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/fleet"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
)

// regionDemo is what cluster demo does.
type regionDemo struct {
	*app
	once    bool
	seconds float64
	every   time.Duration
	rtt     time.Duration

	world *fleet.World
	loads []*fleet.Load // of each region
	began time.Time
	step  string
	drawn bool // the last thing on the terminal is a table, which the next one replaces
	// worst is the most that a region lacked of the one that was cut off.
	worst  int64
	result regionDemoResult
}

// regionDemoResult is what cluster demo prints last.
type regionDemoResult struct {
	Step string `json:"step"` // result
	// Regions are how many there were, Signals what clients were acknowledged in all of them together.
	Regions int `json:"regions"`
	Signals int `json:"signals"`
	// CutMS is for how long ap-south was cut off, WrittenThere and WrittenElsewhere how many signals were acknowledged
	// meanwhile on both sides, Lacked how many of its events another region lacked at the end of that, and HealedMS how long
	// it took until none lacked any.
	CutMS            int64 `json:"cut_ms"`
	WrittenThere     int   `json:"written_there"`
	WrittenElsewhere int   `json:"written_elsewhere"`
	Lacked           int64 `json:"lacked_events"`
	HealedMS         int64 `json:"healed_ms"`
	// Digest is the one that all have in the end. Lost, Double, Phantom and Miscounted were found when every region's log and
	// counts were compared with what clients know.
	Digest     string `json:"digest"`
	Lost       int    `json:"lost"`
	Double     int    `json:"double"`
	Phantom    int    `json:"phantom"`
	Miscounted int    `json:"miscounted"`
}

// errRegionDemo is what the demo fails with whose regions didn't agree.
var errRegionDemo = errors.New("the regions didn't keep their word")

// The region that the demo cuts off, and how much is written.
const (
	demoAway  = "ap-south"
	demoBatch = 8
	demoPause = 20 * time.Millisecond
)

func (a *app) clusterDemoCommand() *cobra.Command {
	d := &regionDemo{app: a}
	c := &cobra.Command{
		Use:   "demo [--once] [--seconds N] [--rtt D]",
		Short: "Run three regions on this computer, cut one off, and see them agree again",
		Long: "demo starts three servers of this program, each of them a region of one database, and a client in each that writes. It\n" +
			"shows what each region lacks of the others, cuts ap-south off from the other two while all go on being written to and\n" +
			"read, mends the network, and waits until nobody lacks anything. Then it compares the digests of all three, and their\n" +
			"logs and counts with what the clients were told.\n" +
			"\n" +
			"What passes between regions takes --rtt there and back. Everything is in a temporary directory, and gone in the end.\n" +
			"With --json there is an object for each step. With --once it prints the outcome alone. It needs Linux.",
		Example: "  tidal cluster demo\n" +
			"  tidal cluster demo --seconds 20 --rtt 80ms\n" +
			"  tidal cluster demo --once --json",
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().BoolVar(&d.once, "once", false, "print the outcome only")
	c.Flags().Float64Var(&d.seconds, "seconds", 5, "how long each part takes: regions that are connected, and that aren't")
	c.Flags().DurationVar(&d.rtt, "rtt", 40*time.Millisecond, "what the way between two regions takes, there and back")
	c.Flags().DurationVar(&d.every, "every", 500*time.Millisecond, "how long to wait between two looks at the regions")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case d.seconds <= 0 || d.seconds > 3600:
			return usagef(c, "--seconds %v: it must be above 0, and at most 3600", d.seconds)
		case d.rtt < 0 || d.rtt > 10*time.Second:
			return usagef(c, "--rtt %v: it must be 0 to 10s", d.rtt)
		case d.every < 10*time.Millisecond:
			return usagef(c, "--every %v: want 10ms or more", d.every)
		}
		return d.main(c.Context())
	}
	return c
}

// main runs the demo in a directory of its own.
func (d *regionDemo) main(ctx context.Context) (err error) {
	if err := fleet.Worlds(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	dir, err := os.MkdirTemp("", "tidal-regions-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := d.run(ctx, dir); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := d.answer(&d.result, d.conclude); err != nil {
		return err
	}
	if d.result.failed() {
		d.json = false // the object is printed already
		return errRegionDemo
	}
	return nil
}

func (r *regionDemoResult) failed() bool {
	return r.Digest == "" || r.Lost+r.Double+r.Phantom+r.Miscounted > 0
}

func (d *regionDemo) run(ctx context.Context, dir string) (err error) {
	d.began = d.now()
	d.tell("start", "Three servers start: us-east founds a database, eu-west and ap-south copy it and write by themselves.")
	d.world, err = fleet.StartWorld(ctx, fleet.WorldOptions{
		Options:  fleet.Options{Dir: dir, Nodes: 1, Program: d.child, Settings: []string{"--ready-free", "0"}},
		Distance: faultproxy.Weather{Delay: d.rtt / 2},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.world.Close()) }()
	for _, f := range d.world.Regions {
		load, err := fleet.StartLoad(ctx, fleet.LoadOptions{Addrs: f.URLs(), Writers: 1, Batch: demoBatch, Pause: demoPause})
		if err != nil {
			return err
		}
		d.loads = append(d.loads, load)
	}
	d.result.Regions = len(d.loads)
	if err := d.play(ctx); err != nil {
		d.stop(context.WithoutCancel(ctx))
		return err
	}
	return d.compare(ctx)
}

// play cuts a region off and lets it come back, while clients write in all of them.
func (d *regionDemo) play(ctx context.Context) error {
	d.tell("connected", "A client writes in each of them. What one region lacks of another is what is on its way:")
	if err := d.watch(ctx, d.part()); err != nil {
		return err
	}
	there, elsewhere := d.acked()
	if err := d.world.Alone(demoAway); err != nil {
		return err
	}
	cut := d.now()
	d.tell("cut", "The network between "+demoAway+" and the others is cut. Both sides go on taking writes and answering reads:")
	if err := d.watch(ctx, d.part()); err != nil {
		return err
	}
	d.result.CutMS, d.result.Lacked = d.now().Sub(cut).Milliseconds(), d.worst
	now, others := d.acked()
	d.result.WrittenThere, d.result.WrittenElsewhere = now-there, others-elsewhere
	d.world.Mend()
	healed := d.now()
	d.tell("healed", "The network is mended. Each side sends the other what it lacks, while both are written to:")
	// What is being written is always on its way, so this ends when nothing old is missing anywhere.
	if err := d.until(ctx, func(all []demoRegion) bool { return caughtUp(all, d.rtt+time.Second) }); err != nil {
		return err
	}
	d.result.HealedMS = d.now().Sub(healed).Milliseconds()
	return nil
}

// part is how long a part of the demo takes.
func (d *regionDemo) part() time.Duration { return time.Duration(d.seconds * float64(time.Second)) }

// acked counts the signals that were acknowledged in the region that is cut off, and in the others.
func (d *regionDemo) acked() (there, elsewhere int) {
	for i, f := range d.world.Regions {
		n := d.loads[i].Acked() * demoBatch
		if f.Name() == demoAway {
			there += n
		} else {
			elsewhere += n
		}
	}
	return there, elsewhere
}

// stop ends the clients after something went wrong.
func (d *regionDemo) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, l := range d.loads {
		_, _ = l.Stop(ctx) // what went wrong is said already
	}
}

// compare ends the clients, waits until all regions have the same, and holds that against what the clients know.
func (d *regionDemo) compare(ctx context.Context) error {
	var ledgers []*fleet.Ledger
	for _, l := range d.loads {
		ledger, err := l.Stop(ctx)
		if err != nil {
			return err
		}
		ledgers = append(ledgers, ledger)
		d.result.Signals += ledger.Count(fleet.Acked) * demoBatch
	}
	if err := d.until(ctx, func(all []demoRegion) bool { return caughtUp(all, 0) }); err != nil {
		return err
	}
	digest, err := d.world.Same(ctx)
	if err != nil {
		return err
	}
	verdict, err := d.world.Compare(ctx, ledgers...)
	if err != nil {
		return err
	}
	d.result.Step, d.result.Digest = "result", digest
	d.result.Lost, d.result.Double = verdict.Lost+verdict.Torn, verdict.Double
	d.result.Phantom, d.result.Miscounted = verdict.Phantom, verdict.Miscounted
	return nil
}

func (d *regionDemo) conclude(w io.Writer) {
	r := &d.result
	if d.drawn {
		fmt.Fprintln(w)
	}
	pairs(w, [][2]string{
		{"acknowledged", fmt.Sprintf("%s signals in %d regions", thousands(r.Signals), r.Regions)},
		{"cut off", fmt.Sprintf("%s for %d ms; meanwhile %s signals there and %s elsewhere", demoAway, r.CutMS, thousands(r.WrittenThere), thousands(r.WrittenElsewhere))},
		{"lacked then", thousands(r.Lacked) + " events"},
		{"mended", fmt.Sprintf("after %d ms nobody lacked anything but what was on its way", r.HealedMS)},
		{"digest", r.Digest + ", the same in all"},
		{"requests", fmt.Sprintf("%d lost, %d double, %d there for no reason; %d counts wrong", r.Lost, r.Double, r.Phantom, r.Miscounted)},
	})
}
