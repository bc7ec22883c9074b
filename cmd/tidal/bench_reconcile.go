package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

// errDiffer is what a benchmark of regions fails with whose states aren't the same in the end.
var errDiffer = errors.New("the regions' states differ")

func (a *app) benchReconcileCommand() *cobra.Command {
	var f benchFlags
	var o bench.ReconcileOptions
	c := &cobra.Command{
		Use:   "reconcile [--per-side N] [--users=false]",
		Short: "Measure how long two regions take to agree after a partition",
		Long: `Measure how long two regions take to agree after a partition. Two regions of one replica each, in this process and with
directories on the disk, are cut off from each other. Each takes --per-side signals in requests of 64. Then they can reach each
other again, which both are told as by a connection that is made again; the time runs from there until both have synced and
applied everything. The digests of their states are compared afterwards; if they differ the exit code is 1.`,
		Example: `  tidal bench reconcile --per-side 10000 --json
  tidal bench reconcile --per-side 1000000 --users=false --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().IntVar(&o.PerSide, "per-side", 10_000, "signals that each region takes, 1 to 10000000")
	c.Flags().BoolVar(&o.Users, "users", true, "whether signals have a user")
	c.Flags().IntVar(&o.Items, "items", 1_000_000, "how many items there are")
	c.Flags().IntVar(&o.Known, "known", 1_000_000, "how many users there are")
	c.Flags().IntVar(&o.Runs, "runs", 1, "how often to measure; the figures are of the run with the median time")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case o.PerSide < 1 || o.PerSide > 10_000_000:
			return usagef(c, "--per-side %d: it must be 1 to 10000000", o.PerSide)
		case o.Items < 1 || o.Items > 1<<20 || o.Known < 1 || o.Known > 1<<20:
			return usagef(c, "--items %d --known %d: they must be 1 to 1048576", o.Items, o.Known)
		case o.Runs < 1 || o.Runs > 1000:
			return usagef(c, "--runs %d: it must be 1 to 1000", o.Runs)
		}
		o.Env, o.Seed = a.env(&f), f.seed
		r, err := runBench(a, "reconcile", &f, func() (*bench.ReconcileResult, error) { return bench.Reconcile(c.Context(), o) },
			func(r *bench.ReconcileResult) int { return differing(r.DigestsEqual) })
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		if err := a.answer(r, func(w io.Writer) { printReconcile(w, r) }); err != nil {
			return err
		}
		return a.regionsVerdict(r.DigestsEqual)
	}
	return c
}

func printReconcile(w io.Writer, r *bench.ReconcileResult) {
	users := "without users"
	if r.WithUsers {
		users = "with users"
	}
	pairs(w, [][2]string{
		{"agreed after", fmt.Sprintf("%.1f ms", r.Millis)},
		{"signals", fmt.Sprintf("%s + %s, %s", thousands(int64(r.PerSide)), thousands(int64(r.PerSide)), users)},
		{"sent", fmt.Sprintf("%s bytes, most of it as %s", thousands(r.Bytes), r.Mode)},
		{"digests", same(r.DigestsEqual)},
	})
}

func same(equal bool) string {
	if equal {
		return "equal"
	}
	return "different"
}

func differing(equal bool) int {
	if equal {
		return 0
	}
	return 1
}

// regionsVerdict fails a benchmark whose regions differ; its figures are printed already.
func (a *app) regionsVerdict(equal bool) error {
	if equal {
		return nil
	}
	a.json = false
	return fmt.Errorf("bench: %w", errDiffer)
}
