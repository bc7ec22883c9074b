package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

// errRankBench is what a benchmark of lists fails with whose lists aren't as they have to be.
var errRankBench = errors.New("lists aren't as they have to be")

func (a *app) benchRankCommand() *cobra.Command {
	var f benchFlags
	var o bench.RankOptions
	c := &cobra.Command{
		Use:   "rank [--items N] [--seconds N]",
		Short: "Measure ranked lists while signals are written",
		Long: `Measure ranked lists of 25 while signals are written. A database is filled with --items items of 10,000
creators and 20 categories, with users who have tastes, and with signals of the last 30 days. Then lists of each built-in
profile are asked for at --rate a second by --clients goroutines of this process, in an open loop, while others write
--ingest signals a second.

How good lists are is measured against the scores of all items. What was shown is compared with what users hid; if
anything hidden was shown, the run has failed, with exit code 1.`,
		Example: `  tidal bench rank --items 1000000 --json
  tidal bench rank --items 100000 --seconds 2 --only for_you,trending --quiet
  tidal bench rank --record bench/history.jsonl`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().IntVar(&o.Items, "items", 1_000_000, "number of items")
	c.Flags().IntVar(&o.Users, "users", 100_000, "number of users")
	c.Flags().IntVar(&o.Signals, "signals", 0, "signals that are there beforehand (default: five per item)")
	c.Flags().IntVar(&o.Dimensions, "dimensions", 32, "length of the items' embedding; 0 for none")
	c.Flags().Float64Var(&o.Seconds, "seconds", 5, "how long each profile is measured")
	c.Flags().IntVar(&o.Clients, "clients", 2, "lists under way at once")
	c.Flags().Float64Var(&o.Rate, "rate", 200, "lists a second")
	c.Flags().Float64Var(&o.Ingest, "ingest", 5000, "signals a second that are written meanwhile; 0 for none")
	c.Flags().BoolVar(&o.Quiet, "quiet", false, "measure every profile once more without writes")
	c.Flags().StringSliceVar(&o.Only, "only", nil, "names of the lists to measure (default: all)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := checkRankFlags(c, &o); err != nil {
			return err
		}
		o.Env, o.Seed = a.env(&f), f.seed
		r, err := runBench(a, "rank", &f, func() (*bench.RankResult, error) { return bench.Rank(c.Context(), o) },
			func(r *bench.RankResult) int { return len(r.Problems) })
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		if err := a.answer(r, func(w io.Writer) { printRank(w, r) }); err != nil {
			return err
		}
		if len(r.Problems) > 0 {
			a.json = false // the object is printed already
			return fmt.Errorf("bench: %s: %w", strings.Join(r.Problems, "; "), errRankBench)
		}
		return nil
	}
	return c
}

// checkRankFlags refuses what can't be measured.
func checkRankFlags(c *cobra.Command, o *bench.RankOptions) error {
	switch {
	case o.Items < 1000 || o.Items > 10_000_000:
		return usagef(c, "--items %d: it must be 1000 to 10000000", o.Items)
	case o.Users < 100 || o.Users > 10_000_000:
		return usagef(c, "--users %d: it must be 100 to 10000000", o.Users)
	case o.Signals < 0:
		return usagef(c, "--signals %d: there can't be fewer than none", o.Signals)
	case o.Dimensions < 0 || o.Dimensions > 4096:
		return usagef(c, "--dimensions %d: it must be 0 to 4096", o.Dimensions)
	case !(o.Seconds > 0) || o.Seconds > 3600:
		return usagef(c, "--seconds %v: it must be above 0 and up to 3600", o.Seconds)
	case o.Clients < 1 || o.Clients > 1024:
		return usagef(c, "--clients %d: it must be 1 to 1024", o.Clients)
	case !(o.Rate > 0) || o.Rate > 1e6:
		return usagef(c, "--rate %v: it must be above 0 and up to 1000000", o.Rate)
	case !(o.Ingest >= 0) || o.Ingest > 1e6:
		return usagef(c, "--ingest %v: it must be 0 to 1000000", o.Ingest)
	}
	for _, name := range o.Only {
		if !slices.Contains(bench.RankedLists(), name) {
			return usagef(c, "--only %q: the lists are %s", name, strings.Join(bench.RankedLists(), ", "))
		}
	}
	return nil
}

func printRank(w io.Writer, r *bench.RankResult) {
	head := []string{
		"list", ">p50 µs", ">p99 µs", ">mean µs", ">cpu µs", ">candidates", ">scored", ">length", ">lists/s", ">user", ">find",
		">first", ">second", ">mix",
	}
	show := func(of map[string]bench.RankFigures) {
		var rows [][]string
		for _, name := range bench.RankedLists() {
			f, ok := of[name]
			if !ok {
				continue
			}
			row := []string{name}
			for _, x := range []float64{
				f.P50, f.P99, f.Mean, f.CPU, f.Candidates, f.Scored, f.Length, f.Rate, f.Stages.User, f.Stages.Find, f.Stages.First,
				f.Stages.Second, f.Stages.Mix,
			} {
				row = append(row, fmt.Sprintf("%.0f", x))
			}
			rows = append(rows, row)
		}
		table(w, slices.Clone(head), rows)
		fmt.Fprintln(w)
	}
	show(r.Profiles)
	if len(r.Quiet) > 0 {
		fmt.Fprintln(w, "Without writes:")
		show(r.Quiet)
	}
	pairs(w, [][2]string{
		{"recall", fmt.Sprintf("of the best 25 of all items: trending %.3f, hot %.3f, rising %.3f", r.Recall["trending"],
			r.Recall["hot"], r.Recall["rising"])},
		{"writes", thousands(int64(r.IngestPerSecond)) + " signals/s"},
		{"full speed", thousands(int64(r.RankPerSecond)) + " lists/s of for_you"},
		{"hidden", fmt.Sprintf("%s of %s lists' items, with %s hides meanwhile", thousands(r.HiddenServed), thousands(r.Lists),
			thousands(r.Hides))},
		{"set-up", fmt.Sprintf("%s items, %s users, %s signals in %.0f s", thousands(r.Items), thousands(r.Users),
			thousands(r.Signals), r.SetUpSeconds)},
		{"machine", fmt.Sprintf("woke clients up to %.0f µs late (p99)", r.LateP99)},
	})
}
