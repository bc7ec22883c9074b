package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

func (a *app) benchMemoryCommand() *cobra.Command {
	var f benchFlags
	var o bench.MemoryOptions
	c := &cobra.Command{
		Use:   "memory [--cells N]",
		Short: "Measure how much memory cells need",
		Long: `Measure how much memory cells need: --cells cells of items, ten types each, with --events-per-cell events each that are
spread over 30 days; first with one half-life per type, then with three. The process that is measured opened the
directory and did nothing else.`,
		Example: `  tidal bench memory --json
  tidal bench memory --cells 10000000`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().IntVar(&o.Cells, "cells", 1_000_000, "cells of items")
	c.Flags().IntVar(&o.PerCell, "events-per-cell", 10, "events of each cell")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := checkCells(c, o.Cells); err != nil {
			return err
		}
		if o.PerCell < 1 || o.PerCell > 1000 {
			return usagef(c, "--events-per-cell %d: it must be 1 to 1000", o.PerCell)
		}
		o.Env, o.Seed = a.env(&f), f.seed
		r, err := runBench(a, "memory", &f, func() (*bench.MemoryResult, error) { return bench.Memory(c.Context(), o) },
			func(r *bench.MemoryResult) int { return r.Different })
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		if err := a.answer(r, func(w io.Writer) { printMemory(w, r) }); err != nil {
			return err
		}
		return a.verdict(r.Different)
	}
	return c
}

func printMemory(w io.Writer, r *bench.MemoryResult) {
	var rows [][]string
	for _, run := range r.Runs {
		rows = append(rows, []string{
			fmt.Sprint(run.HalfLives), thousands(run.Cells), thousands(run.Arena), thousands(run.Total), thousands(run.RSS),
			fmt.Sprintf("%.1f", run.BytesPerCell),
		})
	}
	table(w, []string{">half-lives", ">cells", ">records", ">with ids, indexes", ">resident", ">bytes per cell"}, rows)
	fmt.Fprintln(w)
	pairs(w, compared(&r.Checked))
}
