package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// topResult is what top prints with --json.
type topResult struct {
	At       string      `json:"at"`
	Type     string      `json:"type"`
	HalfLife string      `json:"half_life,omitempty"`
	Items    []topScored `json:"items"`
}

type topScored struct {
	Item  string  `json:"item"`
	Score float64 `json:"score"`
}

func (a *app) topCommand() *cobra.Command {
	var dir, at, half string
	var limit int
	q := tidal.TopQuery{}
	var watch liveFlags
	c := &cobra.Command{
		Use:   "top [--server URL] | top --dir D --type T [--half-life 7d] [--at AT] [--limit 10]",
		Short: "Watch what a server does; with --dir, print the items with the highest scores",
		Long: `Watch what a server does, or, with --dir, print the items of a database with the highest decayed scores.

Without --dir it shows, anew each second: signals and lists per second with what they take (p50 and p99, of the last ten
answers), the reaction time from a user's signal to their next list, how much there is, memory, the log, and troubles. It
asks the server for /metrics. Where standard output is no terminal, or with --once, it asks twice and prints one table, with
--json one object.`,
		Example: `  tidal top
  tidal top --server http://10.0.0.7:7878 --once --json
  tidal top --dir D --type rating --at newest
  tidal top --dir D --type like --half-life 30d --limit 100 --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&half, "half-life", "", "one of the type's half-lives, such as 7d (default: its first)")
	c.Flags().IntVar(&limit, "limit", 10, "length of the list, 1 to 10,000")
	typeFlag(c, &q.Type)
	atFlag(c, &at)
	watch.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if dir == "" {
			if err := watch.check(c); err != nil {
				return err
			}
			return a.runTopLive(c.Context(), &watch)
		}
		for _, name := range []string{"server", "key", "once", "every"} {
			if c.Flags().Changed(name) {
				return usagef(c, "--%s is for watching a server, without --dir", name)
			}
		}
		when, err := parseInstant(at)
		if err != nil {
			return usagef(c, "--at: %v", err)
		}
		if half != "" {
			if q.HalfLife, err = parseSpan(half); err != nil || q.HalfLife == 0 {
				return usagef(c, "--half-life: %q is not a length of time such as 90s, 36h or 7d", half)
			}
		}
		switch {
		case q.Type == "":
			return usagef(c, "--type is missing: name the signal type")
		case limit < 1 || limit > 10_000:
			return usagef(c, "--limit %d: want 1 to 10000", limit)
		}
		q.Limit = limit
		return readDB(c, dir, func(db *tidal.DB) error { return a.runTop(c.Context(), db, q, when) })
	}
	return c
}

func (a *app) runTop(ctx context.Context, db *tidal.DB, q tidal.TopQuery, when instant) error {
	if err := checkType(db, q.Type); err != nil {
		return err
	}
	at, err := a.resolveAt(db, when)
	if err != nil {
		return err
	}
	q.At = at
	list, err := db.Top(ctx, q)
	if err != nil {
		return fmt.Errorf("top: %w", err)
	}
	_, declared, _ := db.Schema().Signal(q.Type)
	if q.HalfLife == 0 && len(declared.HalfLives) > 0 {
		q.HalfLife = declared.HalfLives[0]
	}
	r := topResult{At: stamp(at), Type: q.Type, HalfLife: span(q.HalfLife), Items: make([]topScored, len(list))}
	for i, s := range list {
		r.Items[i] = topScored(s)
	}
	return a.answer(r, func(w io.Writer) { r.print(w) })
}

func (r *topResult) print(w io.Writer) {
	how := "plain sum"
	if r.HalfLife != "" {
		how = "half-life " + r.HalfLife
	}
	fmt.Fprintf(w, "%s by %s at %s\n\n", r.Type, how, r.At)
	if len(r.Items) == 0 {
		fmt.Fprintln(w, "No item has a score.")
		return
	}
	rows := make([][]string, len(r.Items))
	for i, s := range r.Items {
		rows[i] = []string{strconv.Itoa(i + 1), printable(s.Item), number(s.Score)}
	}
	table(w, []string{">rank", "item", ">score"}, rows)
}

// span prints a length of time as --half-life takes it; empty for 0.
func span(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d%(24*time.Hour) == 0:
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	case d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	default:
		return d.String()
	}
}
