package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

func (a *app) benchRecoverCommand() *cobra.Command {
	var f benchFlags
	var o bench.RecoverOptions
	c := &cobra.Command{
		Use:   "recover [--cells N] [--events N]",
		Short: "Measure how long it takes to open a database",
		Long: `Measure how long it takes to open a database: a fresh process, until everything that was acknowledged is visible. There
are --cells cells with one event each, and --events more events behind them.`,
		Example: `  tidal bench recover --cells 1000000 --events 300000 --json`,
		Args:    usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().IntVar(&o.Cells, "cells", 1_000_000, "cells of items")
	c.Flags().IntVar(&o.Events, "events", 300_000, "events behind them")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := checkCells(c, o.Cells); err != nil {
			return err
		}
		if o.Events < 0 {
			return usagef(c, "--events %d: there can't be fewer than none", o.Events)
		}
		o.Env, o.Seed = a.env(&f), f.seed
		r, err := runBench(a, "recover", &f, func() (*bench.RecoverResult, error) { return bench.Recover(c.Context(), o) },
			func(r *bench.RecoverResult) int { return r.Different })
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		err = a.answer(r, func(w io.Writer) {
			fmt.Fprintf(w, "open in %.2f s: %s signals, %s bytes of log, %s bytes resident\n\n", r.OpenSeconds,
				thousands(r.Applied), thousands(r.LogBytes), thousands(r.RSS))
			pairs(w, compared(&r.Checked))
		})
		if err != nil {
			return err
		}
		return a.verdict(r.Different)
	}
	return c
}

// checkCells refuses a number of cells that a workload can't have.
func checkCells(c *cobra.Command, cells int) error {
	if cells < 10 || cells > 10<<20 {
		return usagef(c, "--cells %d: it must be 10 to 10485760", cells)
	}
	return nil
}
