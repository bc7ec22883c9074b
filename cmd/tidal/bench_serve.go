package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

// errServeBench is what a benchmark of a server fails with that lost, doubled or showed what it must not.
var errServeBench = errors.New("the server isn't as it has to be")

func (a *app) benchServeCommand() *cobra.Command {
	var f benchFlags
	var o bench.ServeOptions
	c := &cobra.Command{
		Use:   "serve [--items N] [--seconds N]",
		Short: "Measure a server from the other end of its connections",
		Long: `Measure a server from the other end of its connections. A database is filled as for tidal bench rank, and served
by this program in a process of its own (tidal serve) on this machine, whose processors both share. Over --connections
connections lists of 25 fall due at --rate a second, and signals at --signals a second in requests of 64, whatever the
answers do: times begin when a request was due. --reactions times a second a user hides an item that they were shown,
and asks for the next list: the reaction's time ends with that list.

What was shown is compared with what users hid, and what was acknowledged with what the server counts; if anything
hidden was shown, or a signal is missing or too many, the run has failed, with exit code 1.`,
		Example: `  tidal bench serve --json
  tidal bench serve --items 100000 --rate 500 --signals 20000 --seconds 30
  tidal bench serve --server-cpuprofile server.pprof --cpuprofile client.pprof`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().IntVar(&o.Items, "items", 10_000, "number of items")
	c.Flags().IntVar(&o.Users, "users", 10_000, "number of users")
	c.Flags().IntVar(&o.Before, "before", 0, "signals that are there beforehand (default: five per item)")
	c.Flags().IntVar(&o.Dimensions, "dimensions", 32, "length of the items' embedding; 0 for none")
	c.Flags().IntVar(&o.Connections, "connections", 64, "connections, each with one request at a time")
	c.Flags().StringVar(&o.List, "profile", "for_you", "the list that is asked for: for_you, following, notification or trending_for_user")
	c.Flags().Float64Var(&o.Rate, "rate", 1000, "lists a second")
	c.Flags().Float64Var(&o.Signals, "signals", 10_000, "signals a second")
	c.Flags().Float64Var(&o.Reactions, "reactions", 20, "reactions a second; 0 for none")
	c.Flags().Float64Var(&o.Seconds, "seconds", 10, "how long it is measured")
	c.Flags().StringArrayVar(&o.Settings, "server", nil, "a flag of tidal serve for the server, such as --degrade-candidates=16 (repeatable)")
	c.Flags().StringVar(&o.ServerProfile, "server-cpuprofile", "", "write a CPU profile of the server")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := checkServeFlags(c, &o); err != nil {
			return err
		}
		o.Env, o.Seed = a.env(&f), f.seed
		r, err := runBench(a, "serve", &f, func() (*bench.ServeResult, error) { return bench.Serve(c.Context(), o) },
			func(r *bench.ServeResult) int { return len(r.Problems) })
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		if err := a.answer(r, func(w io.Writer) { printServe(w, r) }); err != nil {
			return err
		}
		if len(r.Problems) > 0 {
			a.json = false // the object is printed already
			return fmt.Errorf("bench: %s: %w", strings.Join(r.Problems, "; "), errServeBench)
		}
		return nil
	}
	return c
}

// checkServeFlags refuses what can't be measured.
func checkServeFlags(c *cobra.Command, o *bench.ServeOptions) error {
	switch {
	case o.Items < 1000 || o.Items > 10_000_000:
		return usagef(c, "--items %d: it must be 1000 to 10000000", o.Items)
	case o.Users < 100 || o.Users > 10_000_000:
		return usagef(c, "--users %d: it must be 100 to 10000000", o.Users)
	case o.Before < 0:
		return usagef(c, "--before %d: there can't be fewer than none", o.Before)
	case o.Dimensions < 0 || o.Dimensions > 4096:
		return usagef(c, "--dimensions %d: it must be 0 to 4096", o.Dimensions)
	case o.Connections < 1 || o.Connections > 1024:
		return usagef(c, "--connections %d: it must be 1 to 1024", o.Connections)
	case !(o.Rate > 0) || o.Rate > 1e6:
		return usagef(c, "--rate %v: it must be above 0 and up to 1000000", o.Rate)
	case !(o.Signals > 0) || o.Signals > 1e7:
		return usagef(c, "--signals %v: it must be above 0 and up to 10000000", o.Signals)
	case !(o.Reactions >= 0) || o.Reactions > 1e5:
		return usagef(c, "--reactions %v: it must be 0 to 100000", o.Reactions)
	case !(o.Seconds > 0) || o.Seconds > 3600:
		return usagef(c, "--seconds %v: it must be above 0 and up to 3600", o.Seconds)
	}
	for _, name := range []string{"for_you", "following", "notification", "trending_for_user"} {
		if o.List == name {
			return nil
		}
	}
	return usagef(c, "--profile %q: it must be for_you, following, notification or trending_for_user", o.List)
}

func printServe(w io.Writer, r *bench.ServeResult) {
	table(w, []string{"", ">p50 ms", ">p99 ms", ">per second", ">asked for"}, [][]string{
		{r.List, fmt.Sprintf("%.2f", r.RankP50), fmt.Sprintf("%.2f", r.RankP99), fmt.Sprintf("%.0f", r.RanksPerSecond), fmt.Sprintf("%.0f", r.Rate)},
		{
			"signals, 64 a request", fmt.Sprintf("%.2f", r.SignalP50), fmt.Sprintf("%.2f", r.SignalP99),
			fmt.Sprintf("%.0f", r.SignalsPerSecond), fmt.Sprintf("%.0f", r.Signals),
		},
		{"reaction", fmt.Sprintf("%.2f", r.ReactionP50), fmt.Sprintf("%.2f", r.ReactionP99), "", ""},
	})
	fmt.Fprintln(w)
	pairs(w, [][2]string{
		{"in the server", fmt.Sprintf("%.2f ms of a list's time, %.0f candidates", r.InServer, r.Candidates)},
		{"errors", fmt.Sprintf("%s; %s lists made with less work", thousands(r.Errors), thousands(r.Degraded))},
		{"hidden", fmt.Sprintf("%s shown, with %s hides meanwhile", thousands(r.HiddenServed), thousands(r.Hides))},
		{"signals", fmt.Sprintf("%s acknowledged, %s lost, %s double", thousands(r.Written), thousands(r.Lost), thousands(r.Double))},
		{"server", fmt.Sprintf("%d MB before, %d MB after, %.2f processors busy; %.2f with the clients", r.RSSBefore>>20, r.RSSAfter>>20,
			r.ServerCores, r.ClientCores)},
		{"set-up", fmt.Sprintf("%s items, %s users, %s signals in %.0f s", thousands(r.Items), thousands(r.Users),
			thousands(r.Before), r.SetUp)},
		{"machine", fmt.Sprintf("%d processors for both sides, woke clients up to %.2f ms late (p99)", r.Machine.Cores, r.LateP99)},
	})
	for _, x := range r.Complaints {
		fmt.Fprintln(w, "error:", x)
	}
}
