package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

// errFailover is what a benchmark fails with whose servers lost, doubled or invented something.
var errFailover = errors.New("the servers didn't keep their word")

func (a *app) benchFailoverCommand() *cobra.Command {
	var f benchFlags
	var o bench.FailoverOptions
	c := &cobra.Command{
		Use:   "failover [--runs N] [--fault kill|stall]",
		Short: "Measure how long clients wait when the leader of three fails",
		Long: `Measure how long clients wait when the leader of three fails. Three processes of this program (tidal serve) on this machine
are one database. Clients write, each with one request at a time, and go on trying until each is answered. --runs times the
leader fails; when all clients are served again and all three processes are well, the next run begins.

--fault kill ends its process at once (SIGKILL) and starts it again. --fault stall has its disk stand still: syncs don't
return, until clients are served by another one; that needs Linux.

A run's gap is the longest time in which one client, of all the one that waited longest, got no acknowledgement. What was
acknowledged is compared with the logs, counts and digests of all three at the end; if anything was lost, counted twice, or
is there though it was refused, the run has failed, with exit code 1.`,
		Example: `  tidal bench failover --runs 100 --json
  tidal bench failover --runs 20 --fault stall --json
  tidal bench failover --server --cluster-election-timeout=1s`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().IntVar(&o.Runs, "runs", 20, "how often a leader fails")
	c.Flags().StringVar(&o.Fault, "fault", bench.FaultKill, "what happens to it: kill or stall")
	c.Flags().IntVar(&o.Writers, "writers", 8, "clients that write")
	c.Flags().IntVar(&o.Batch, "batch", 8, "signals a request")
	c.Flags().DurationVar(&o.Pause, "pause", 2*time.Millisecond, "how long a client thinks between an answer and its next request")
	c.Flags().StringArrayVar(&o.Settings, "server", nil, "a flag of tidal serve for the processes (repeatable)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case o.Runs < 1 || o.Runs > 100_000:
			return usagef(c, "--runs %d: it must be 1 to 100000", o.Runs)
		case o.Fault != bench.FaultKill && o.Fault != bench.FaultStall:
			return usagef(c, "--fault %q: it must be kill or stall", o.Fault)
		case o.Writers < 1 || o.Writers > 1024:
			return usagef(c, "--writers %d: it must be 1 to 1024", o.Writers)
		case o.Batch < 1 || o.Batch > 10_000:
			return usagef(c, "--batch %d: it must be 1 to 10000", o.Batch)
		case o.Pause < 0 || o.Pause > time.Minute:
			return usagef(c, "--pause %v: it must be 0 to 1m", o.Pause)
		}
		o.Env = a.env(&f)
		r, err := runBench(a, "failover", &f, func() (*bench.FailoverResult, error) { return bench.Failover(c.Context(), o) },
			func(r *bench.FailoverResult) int { return len(r.Problems) })
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		if err := a.answer(r, func(w io.Writer) { printFailover(w, r) }); err != nil {
			return err
		}
		if len(r.Problems) > 0 {
			a.json = false // the object is printed already
			return fmt.Errorf("bench: %s: %w", strings.Join(r.Problems, "; "), errFailover)
		}
		return nil
	}
	return c
}

func printFailover(w io.Writer, r *bench.FailoverResult) {
	ms := func(x float64) string { return fmt.Sprintf("%.0f", x) }
	table(w, []string{"", ">p50 ms", ">p99 ms", ">max ms"}, [][]string{
		{"a client waits, " + r.Fault, ms(r.P50), ms(r.P99), ms(r.Max)},
		{"nobody is answered", ms(r.NobodyP50), "", ms(r.NobodyMax)},
		{"a client waits, no fault", ms(r.QuietP50), "", ms(r.QuietMax)},
		{"until all three are well", ms(r.BackP50), "", ms(r.BackMax)},
	})
	fmt.Fprintln(w)
	pairs(w, [][2]string{
		{"runs", fmt.Sprintf("%d in %.0f s; %s signals a second acknowledged", r.Runs, r.Seconds, thousands(int64(r.PerSecond)))},
		{"signals", fmt.Sprintf("%s acknowledged, %s not known of", thousands(int64(r.Acked)), thousands(int64(r.Unknown)))},
		{"requests", fmt.Sprintf("%d lost, %d double, %d in part, %d there for no reason, %d refused", r.Lost, r.Double, r.Torn, r.Phantom, r.Refused)},
		{"digest", r.Digest},
	})
}
