package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

func (a *app) benchIngestCommand() *cobra.Command {
	var f benchFlags
	var o bench.IngestOptions
	c := &cobra.Command{
		Use:   "ingest [--seconds N] [--peer redis | --replicas 3 | --regions 3 [--processes]]",
		Short: "Measure durable writes: 64 signals a request, with users and cohorts",
		Long: `Measure durable writes: requests of 64 signals, each with a user and two cohorts, of a million items and a million users,
drawn by Zipf's law and uniformly. Connections are goroutines of this process, each with one request at a time.

With --peer redis a redis-server of its own does the same logical work in turns with tidal, its file synced before it
answers, on 1, 8 and 64 connections, of which the best counts.

With --replicas 3 three processes of this program (tidal serve) on this machine are one database; connections are TCP
connections to their leader. A single process takes turns with them, with the same requests over the same kind of connections.
All of them share this machine's processors, so a leader is replaced behind 2 s of silence here; --server sets that, too.

With --regions 3 this process holds three regions of one member each, connected over loopback, and each connection writes to
one of them. What counts is what all of them have; the lag is how long after a request was acknowledged the last of the others
has it. With --processes each region is a process of this program (tidal serve), and connections are TCP connections to it; that
is for Linux.`,
		Example: `  tidal bench ingest
  tidal bench ingest --seconds 10 --peer redis --json
  tidal bench ingest --replicas 3 --seconds 10 --json
  tidal bench ingest --regions 3 --seconds 10 --json
  tidal bench ingest --regions 3 --processes --seconds 10 --json
  tidal bench ingest --seconds 30 --record bench/history.jsonl --cpuprofile cpu.out`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().Float64Var(&o.Seconds, "seconds", 10, "how long tidal, and each number of the peer's connections, is measured")
	c.Flags().IntVar(&o.Rounds, "rounds", 3, "into how many turns that time is cut")
	c.Flags().IntVar(&o.Connections, "connections", 64, "requests under way at once")
	c.Flags().IntVar(&o.Items, "items", 1_000_000, "number of items")
	c.Flags().IntVar(&o.Users, "users", 1_000_000, "number of users")
	c.Flags().StringVar(&o.Peer, "peer", "", "redis: measure it beside tidal, if redis-server is installed")
	c.Flags().IntVar(&o.Replicas, "replicas", 1, "processes of one database; 1 measures within this process")
	c.Flags().IntVar(&o.Regions, "regions", 1, "regions of one database, in this process")
	c.Flags().BoolVar(&o.Processes, "processes", false, "each of --regions is a process of its own")
	c.Flags().StringArrayVar(&o.Settings, "server", nil, "a flag of tidal serve for the processes of --replicas (repeatable)")
	c.Flags().StringVar(&o.ServerProfile, "server-cpuprofile", "", "write a CPU profile of the leader of --replicas")
	c.RunE = func(c *cobra.Command, _ []string) error {
		measure := bench.Ingest
		switch {
		case o.Replicas < 1 || o.Replicas > 9:
			return usagef(c, "--replicas %d: it must be 1 to 9", o.Replicas)
		case o.Regions < 1 || o.Regions > 9:
			return usagef(c, "--regions %d: it must be 1 to 9", o.Regions)
		case o.Regions > 1 && (o.Replicas > 1 || o.Peer != ""):
			return usagef(c, "--regions %d stands beside neither --replicas nor --peer", o.Regions)
		case o.Processes && o.Regions == 1:
			return usagef(c, "--processes is for the regions of --regions")
		case o.Replicas > 1 && o.Peer != "":
			return usagef(c, "--peer %s stands beside one process, not beside --replicas", o.Peer)
		case o.Replicas == 1 && (len(o.Settings) > 0 || o.ServerProfile != ""):
			return usagef(c, "--server and --server-cpuprofile are for the processes of --replicas")
		case !(o.Seconds > 0) || o.Seconds > 3600:
			return usagef(c, "--seconds %v: it must be above 0 and up to 3600", o.Seconds)
		case o.Rounds < 1 || o.Rounds > 100:
			return usagef(c, "--rounds %d: it must be 1 to 100", o.Rounds)
		case o.Connections < 1 || o.Connections > 1024:
			return usagef(c, "--connections %d: it must be 1 to 1024", o.Connections)
		case o.Items < 1 || o.Items > 1<<20 || o.Users < 1 || o.Users > 1<<20:
			return usagef(c, "--items %d --users %d: each must be 1 to 1048576", o.Items, o.Users)
		case o.Peer != "" && o.Peer != "redis":
			return usagef(c, "--peer %q: redis is the only one", o.Peer)
		}
		name := "ingest"
		if o.Replicas > 1 {
			measure, name = bench.IngestReplicas, "ingest-replicas"
		}
		if o.Regions > 1 {
			measure, name = bench.IngestRegions, "ingest-regions"
			if o.Processes {
				name = "ingest-regions-processes"
			}
		}
		o.Env, o.Seed = a.env(&f), f.seed
		r, err := runBench(a, name, &f, func() (*bench.IngestResult, error) { return measure(c.Context(), o) },
			func(r *bench.IngestResult) int { return r.Different })
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		if err := a.answer(r, func(w io.Writer) { printIngest(w, r) }); err != nil {
			return err
		}
		return a.verdict(r.Different)
	}
	return c
}

func printIngest(w io.Writer, r *bench.IngestResult) {
	var rows [][]string
	name := "tidal"
	if r.Replicas > 1 {
		name = fmt.Sprintf("tidal, %d replicas", r.Replicas)
	}
	if r.Regions > 1 {
		name = fmt.Sprintf("tidal, %d regions", r.Regions)
	}
	for _, run := range r.Runs {
		row := []string{
			string(run.Dist), name, fmt.Sprint(run.Connections), thousands(int64(run.PerSecond)),
			fmt.Sprintf("%.0f", run.P50), fmt.Sprintf("%.0f", run.P99), "",
		}
		if run.Ratio != nil {
			row[6] = fmt.Sprintf("%.1f", *run.Ratio)
		}
		rows = append(rows, row)
		for _, p := range run.Peers {
			rows = append(rows, []string{
				string(run.Dist), strings.TrimSpace(p.Name + " " + p.Version), fmt.Sprint(p.Connections), thousands(int64(p.PerSecond)), "", "", "",
			})
		}
	}
	table(w, []string{"drawn", "by", ">connections", ">signals/s", ">p50 µs", ">p99 µs", ">ratio"}, rows)
	for _, run := range r.Runs {
		if run.IngestLag != nil {
			fmt.Fprintf(w, "\n%s: the last region has what was written after %.1f ms, 99 of 100 times within %.1f ms; %.1f and %.1f ms at "+
				"full load.\n", run.Dist, run.LagP50, run.LagP99, run.LagFullP50, run.LagFullP99)
		}
	}
	fmt.Fprintf(w, "\nEvery request was synced before it was acknowledged. Latency is at half that rate, in an open loop.\n"+
		"Another process found %s signals and compared %s cells: %d differences.\n",
		thousands(r.Signals), thousands(r.Cells), r.Different)
}
