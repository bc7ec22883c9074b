package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/bench"
)

func (a *app) benchKillsCommand() *cobra.Command {
	var f benchFlags
	var o bench.KillsOptions
	c := &cobra.Command{
		Use:   "kills [--rows N] [--kills N]",
		Short: "Kill an import again and again, and see that nothing is lost or counted twice",
		Long: `Kill an import again and again (SIGKILL), and see that nothing is lost or counted twice. A CSV file of --rows rows is
invented, with users, weights, creators and cohorts, and imported by this program in a process of its own, which is
killed --kills times at rows all over the file. Each import goes on where the killed one was.

After every kill another process opens the directory and looks whether all that was acknowledged is there. Once the
file is imported whole, every cell and every record of a user is compared with its rows. Any difference, and any kill
that wasn't mid-import, ends it with exit code 1.`,
		Example: `  tidal bench kills --rows 1000000 --kills 10
  tidal bench kills --rows 5000000 --kills 50 --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.Flags().IntVar(&o.Rows, "rows", 5_000_000, "rows of the file")
	c.Flags().IntVar(&o.Kills, "kills", 50, "how often the import is killed")
	c.Flags().IntVar(&o.Items, "items", 20_000, "number of items")
	c.Flags().IntVar(&o.Users, "users", 50_000, "number of users")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case o.Kills < 1 || o.Kills > 10_000:
			return usagef(c, "--kills %d: it must be 1 to 10000", o.Kills)
		case o.Rows < 1000 || o.Rows < 1000*o.Kills || o.Rows > 1_000_000_000:
			return usagef(c, "--rows %d: it must be 1000 for each kill, up to 1000000000", o.Rows)
		case o.Items < 1 || o.Items > 1<<20 || o.Users < 1 || o.Users > 1<<20:
			return usagef(c, "--items %d --users %d: each must be 1 to 1048576", o.Items, o.Users)
		}
		o.Env, o.Seed, o.Ahead = a.env(&f), f.seed, inFlight*rowsPerRequest
		r, err := runBench(a, "kills", &f, func() (*bench.KillsResult, error) { return bench.Kills(c.Context(), o) },
			func(r *bench.KillsResult) int { return len(r.Problems) })
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		a.tellDifferences(&r.Checked)
		if err := a.answer(r, func(w io.Writer) { printKills(w, r) }); err != nil {
			return err
		}
		if len(r.Problems) > 0 {
			a.json = false // the object is printed already
			return fmt.Errorf("bench: %s: %w", strings.Join(r.Problems, "; "), errDifferent)
		}
		return nil
	}
	return c
}

func printKills(w io.Writer, r *bench.KillsResult) {
	pairs(w, [][2]string{
		{"rows", fmt.Sprintf("%s, in %.1f s of imports: %s rows a second", thousands(r.Rows), r.ImportSeconds,
			thousands(int64(r.RowsPerSecond)))},
		{"kills", fmt.Sprintf("%s, of which %s mid-import; %s rows were acknowledged before the last", thousands(r.Kills),
			thousands(r.KillsMidImport), thousands(r.Acked))},
		{"open", fmt.Sprintf("%.2f s after a kill (median)", r.OpenSeconds)},
		{"lost", thousands(r.Lost)},
		{"double", thousands(r.Double)},
	})
	pairs(w, compared(&r.Checked))
}
