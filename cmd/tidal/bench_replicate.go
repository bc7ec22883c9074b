package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

func (a *app) benchReplicateCommand() *cobra.Command {
	var f benchFlags
	var o bench.ReplicateOptions
	c := &cobra.Command{
		Use:   "replicate [--samples N] [--rtt T]",
		Short: "Measure how soon a signal of one region is visible in another",
		Long: `Measure how soon a signal of one region is visible in another. Two regions of one replica each are in this process, with
directories on the disk. Signals are written in one, each when the one before is visible in the other. The time runs from a
signal's acknowledgement, for which nothing of the other region is waited for, until a read there that carries its token would
be answered.

Without --rtt the regions exchange frames within the process. With it they do so over TCP on the loopback interface, through a
proxy that holds everything back for half of that time each way.`,
		Example: `  tidal bench replicate --samples 1000 --json
  tidal bench replicate --samples 1000 --rtt 80ms --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().IntVar(&o.Samples, "samples", 1000, "how many signals are followed, 1 to 1000000")
	c.Flags().DurationVar(&o.RoundTrip, "rtt", 0, "what the network takes there and back, up to 10s")
	c.Flags().DurationVar(&o.Pause, "pause", 0, "the time between two samples")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case o.Samples < 1 || o.Samples > 1_000_000:
			return usagef(c, "--samples %d: it must be 1 to 1000000", o.Samples)
		case o.RoundTrip < 0 || o.RoundTrip > 10*time.Second:
			return usagef(c, "--rtt %v: it must be 0 to 10s", o.RoundTrip)
		case o.Pause < 0 || o.Pause > time.Minute:
			return usagef(c, "--pause %v: it must be 0 to 1m", o.Pause)
		}
		o.Env, o.Seed = a.env(&f), f.seed
		r, err := runBench(a, "replicate", &f, func() (*bench.ReplicateResult, error) { return bench.Replicate(c.Context(), o) },
			func(r *bench.ReplicateResult) int { return differing(r.DigestsEqual) })
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		if err := a.answer(r, func(w io.Writer) { printReplicate(w, r) }); err != nil {
			return err
		}
		return a.regionsVerdict(r.DigestsEqual)
	}
	return c
}

func printReplicate(w io.Writer, r *bench.ReplicateResult) {
	us := func(x float64) string { return thousands(int64(x)) }
	table(w, []string{"", ">p50 µs", ">p99 µs", ">max µs"}, [][]string{
		{"visible in the other region", us(r.P50), us(r.P99), us(r.Max)},
		{"acknowledged", us(r.WriteP50), us(r.WriteP99), ""},
	})
	fmt.Fprintln(w)
	way := "within the process"
	if !r.InProcess {
		way = fmt.Sprintf("over TCP with a round trip of %.0f ms", r.RoundTrip)
	}
	pairs(w, [][2]string{
		{"signals", fmt.Sprintf("%s, one after the other, %s", thousands(int64(r.Samples)), way)},
		{"digests", same(r.DigestsEqual)},
	})
}
