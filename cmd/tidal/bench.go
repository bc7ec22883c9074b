package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

// benchChildName is a command that benchmarks start as a process of its own.
const benchChildName = "bench-child"

// benchFlags are what every benchmark takes.
type benchFlags struct {
	dir, record, profile string
	seed                 uint64
}

func (a *app) benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast tidal is on this machine",
		Long: `Measure how fast tidal is on this machine. Databases are made in a directory of their own, which is removed; what was
acknowledged is opened by another process and compared. docs/bench.md says what each figure means.`,
		Example: `  tidal bench ingest --seconds 10 --json
  tidal bench rank --items 1000000 --json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.benchIngestCommand(), a.benchRecoverCommand(), a.benchMemoryCommand(), a.benchKillsCommand(),
		a.benchRankCommand(), a.benchServeCommand(), a.benchFailoverCommand(), a.benchReconcileCommand(),
		a.benchReplicateCommand())
	return c
}

// benchChildCommand is the other process's part.
func (a *app) benchChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:    benchChildName + " WHAT [FILE...]",
		Short:  "What tidal bench runs in another process",
		Hidden: true,
		Args:   usageArgs(cobra.MinimumNArgs(1)),
		RunE:   func(_ *cobra.Command, args []string) error { return bench.Child(args, a.stdout) },
	}
}

func (f *benchFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", "", "where to make databases, on the disk to measure (default: the temporary directory)")
	c.Flags().StringVar(&f.record, "record", "", "append the run to this file, one JSON object a line")
	c.Flags().StringVar(&f.profile, "cpuprofile", "", "write a CPU profile of this process")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "of the workload")
}

// env is what a benchmark gets from this program.
func (a *app) env(f *benchFlags) bench.Env {
	return bench.Env{Dir: f.dir, Say: a.stderr, Fresh: func(ctx context.Context, args ...string) ([]byte, error) {
		child, err := a.child(ctx, append([]string{benchChildName}, args...)...)
		if err != nil {
			return nil, err
		}
		return child.Output()
	}, Program: a.child}
}

// runBench measures, with a profile if one is asked for, and records the figures. Figures of a database that isn't what
// was acknowledged aren't recorded.
func runBench[T any](a *app, name string, f *benchFlags, measure func() (T, error), different func(T) int) (r T, err error) {
	if f.profile != "" {
		file, err := os.Create(f.profile)
		if err != nil {
			return r, fmt.Errorf("write the profile: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return r, fmt.Errorf("write the profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	if f.record == "" {
		return measure()
	}
	history, err := bench.OpenHistory(f.record)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, history.Close()) }()
	if r, err = measure(); err != nil || different(r) != 0 {
		return r, err
	}
	v := thisVersion()
	return r, bench.Append(history, bench.Line{
		Bench: name, Date: a.now().UTC(), Commit: v.Commit, Modified: v.Modified, Machine: bench.ThisMachine(), Figures: r,
	})
}

// verdict fails a benchmark whose figures, which are printed already, count for nothing.
func (a *app) verdict(different int) error {
	err := bench.Verdict(different)
	if err != nil {
		a.json = false // the object is printed already
	}
	return err
}
