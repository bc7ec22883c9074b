package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// exportResult is what export prints with --json behind the lines.
type exportResult struct {
	// Events were read, of the log or the file; Lines written.
	Events int `json:"events"`
	Lines  int `json:"lines"`
	// Whole reports that all was read that there was, Cursor where to go on.
	Whole  bool   `json:"whole"`
	Cursor string `json:"cursor,omitempty"`
	// LogBegins is when the log's oldest batch was written, Missing that older events may belong to the answer.
	LogBegins string `json:"log_begins,omitempty"`
	Missing   bool   `json:"missing"`
	// Compacted are events that came from other regions as compacted ranges, and can't be told apart any more.
	Compacted uint64 `json:"compacted"`
	// Pairs and Episodes say what the shapes were made of.
	Pairs    *pairCounts    `json:"pairs,omitempty"`
	Episodes *episodeCounts `json:"trajectories,omitempty"`
}

type pairCounts struct {
	Answers int `json:"answers"`
	Late    int `json:"late"`
	Lists   int `json:"lists"`
	Early   int `json:"early"`
	Pairs   int `json:"pairs"`
	Cut     int `json:"cut"`
}

type episodeCounts struct {
	Anonymous int `json:"anonymous"`
	Episodes  int `json:"episodes"`
	Early     int `json:"early"`
	Steps     int `json:"steps"`
}

// exportFlags are what export is told.
type exportFlags struct {
	dir, from, to, in, out, as, rewards, text string
	window, gap                               string
	query                                     tidal.ExportQuery
}

func (a *app) exportCommand() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "export --dir D --from AT [--to AT] [--type T …] [--as events|pairs|trajectories] [--out FILE]",
		Short: "Write the events of the log as lines of JSON: as they are, as preference pairs, or as trajectories",
		Long: `Write the events of the log as lines of JSON, in the log's order: each once, without those of users who were erased
since, and without those that were undone. It reads beside the process that writes, if there is one.

--as events      one event a line, with the list that it answers, place, slot and propensity
--as pairs       one preference a line: prompt, chosen, rejected, of items of one list of one user
--as trajectories  one episode a line: what a user met in a session, or without 30 minutes' pause, step by step

With --out, an export of events goes on where the file ends. With --name the log keeps what the name hasn't read yet, and the
next export under it goes on from there. Pairs and trajectories are made whole; --in makes them of a file of events.`,
		Example: `  tidal export --dir D --from now-7d --type like,skip --out events.jsonl
  tidal export --dir D --from now-30d --name nightly --out events.jsonl
  tidal export --dir D --from 2026-03-01T00:00:00Z --user ada --with-undone --json
  tidal export --dir D --from now-7d --as pairs --reward like=1,view=0,skip=-1 --text title --out pairs.jsonl
  tidal export --dir D --in events.jsonl --as trajectories --gap 1h --out episodes.jsonl`,
		Args: usageArgs(cobra.NoArgs),
	}
	f.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return a.export(c, &f) }
	c.AddCommand(a.exportListCommand(), a.exportDropCommand())
	return c
}

func (f *exportFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.dir, "dir", "", "directory of the database")
	flags.StringVar(&f.from, "from", "", "only events of this time or later: as --at of get, such as now-7d")
	flags.StringVar(&f.to, "to", "", "only events before this time")
	flags.StringSliceVar(&f.query.Types, "type", nil, "only these signal types, such as like,skip")
	flags.StringVar(&f.query.User, "user", "", "only this user's events")
	flags.StringVar(&f.query.Item, "item", "", "only events on this item")
	flags.StringVar(&f.query.Session, "session", "", "only this session's events")
	flags.BoolVar(&f.query.WithUndone, "with-undone", false, "events that were undone, too; they say so")
	flags.StringVar(&f.query.Cursor, "cursor", "", "go on behind this cursor of an earlier export")
	flags.StringVar(&f.query.Name, "name", "", "go on where this name stands; the log keeps what it hasn't read")
	flags.IntVar(&f.query.Limit, "limit", 0, "end behind so many events; 0 for all")
	flags.StringVar(&f.as, "as", "events", "events, pairs or trajectories")
	flags.StringVar(&f.in, "in", "", "read events from this file (- for standard input) instead of the log")
	flags.StringVar(&f.out, "out", "", "write to this file; without, to standard output")
	flags.StringVar(&f.rewards, "reward", "",
		"what signals are worth, such as like=1,view=0,skip=-1; without, 1, 0 or -1 by their meaning in the schema")
	flags.StringVar(&f.text, "text", "", "write items as this field of theirs, such as title, instead of their ids")
	flags.StringVar(&f.window, "window", "24h", "pairs: how long after its making a list can be answered")
	flags.StringVar(&f.gap, "gap", "30m", "trajectories: the pause behind which the next begins")
}

// check refuses flags that don't go together.
func (f *exportFlags) check(c *cobra.Command) error {
	shaped := f.as == "pairs" || f.as == "trajectories"
	switch {
	case f.as != "events" && !shaped:
		return usagef(c, "--as %q: want events, pairs or trajectories", f.as)
	case f.in != "" && !shaped:
		return usagef(c, "--in is a file of events already; pass --as pairs or --as trajectories")
	case f.in != "" && (f.from != "" || f.to != "" || f.query.Cursor != "" || f.query.Name != ""):
		return usagef(c, "--in is a file; --from, --to, --cursor and --name ask a log")
	case f.in == "" && f.from == "" && f.to == "":
		return usagef(c, "--from or --to is missing: name a time, such as --from now-7d")
	case f.query.Cursor != "" && f.query.Name != "":
		return usagef(c, "--cursor and --name each say where to begin; pass one")
	case shaped && f.query.Name != "":
		return usagef(c, "--name is for events: pairs and trajectories are made whole, of --from and --to or --in")
	case !shaped && (f.rewards != "" || f.text != ""):
		return usagef(c, "--reward and --text are for --as pairs and --as trajectories")
	case f.query.Limit < 0:
		return usagef(c, "--limit %d: want 0 or more", f.query.Limit)
	case f.in != "" && f.dir == "" && (f.rewards == "" || f.text != ""):
		return usagef(c, "without --dir nobody knows what signals mean: pass --reward, and no --text")
	}
	return nil
}

func (a *app) export(c *cobra.Command, f *exportFlags) error {
	if err := f.check(c); err != nil {
		return err
	}
	if f.dir == "" && f.in != "" {
		return a.exportTo(c, nil, f)
	}
	return readDB(c, f.dir, func(db *tidal.DB) error {
		if err := f.times(c, a, db); err != nil {
			return err
		}
		return a.exportTo(c, db, f)
	})
}

// times resolves --from and --to.
func (f *exportFlags) times(c *cobra.Command, a *app, db *tidal.DB) error {
	for _, x := range []struct {
		flag, text string
		into       *time.Time
	}{{"--from", f.from, &f.query.From}, {"--to", f.to, &f.query.To}} {
		if x.text == "" {
			continue
		}
		when, err := parseInstant(x.text)
		if err != nil {
			return usagef(c, "%s: %v", x.flag, err)
		}
		if *x.into, err = a.resolveAt(db, when); err != nil {
			return err
		}
	}
	return nil
}

// exportTo writes what was asked for, and says what became of it. db is nil for a file whose types need no schema.
func (a *app) exportTo(c *cobra.Command, db *tidal.DB, f *exportFlags) (err error) {
	shape, err := f.shape(c, db)
	if err != nil {
		return err
	}
	out, err := a.openExport(c, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close(err)) }()
	var r exportResult
	var s tidal.ExportSummary
	f.query.Summary = &s
	if out.cursor != "" {
		f.query.Cursor = out.cursor
	}
	err = a.exportLines(c.Context(), db, f, shape, out, &r)
	r.Whole, r.Cursor, r.Missing, r.Compacted = s.Whole, s.Cursor, s.Missing, s.Compacted
	if !s.LogBegins.IsZero() {
		r.LogBegins = stamp(s.LogBegins)
	}
	if r.Compacted > 0 {
		fmt.Fprintf(a.stderr, "tidal: %s events came from other regions as compacted ranges, and aren't here one by one\n", thousands(r.Compacted))
	}
	if r.Missing && r.LogBegins != "" {
		fmt.Fprintf(a.stderr, "tidal: the log begins at %s; what was written before isn't in it any more\n", r.LogBegins)
	}
	if err != nil {
		if out.kept != "" && f.as == "events" {
			fmt.Fprintf(a.stderr, "tidal: %s lines were written; go on with --cursor %s\n", thousands(r.Lines), out.kept)
		}
		return err
	}
	shape.count(&r)
	if a.json {
		return a.printJSON(r)
	}
	fmt.Fprintf(a.stderr, "%s events, %s lines\n", thousands(r.Events), thousands(r.Lines))
	return nil
}

// exportLines reads events and writes lines.
func (a *app) exportLines(ctx context.Context, db *tidal.DB, f *exportFlags, shape *exportShape, out *exportOut, r *exportResult) error {
	draw, finish := a.counting("exporting")
	defer finish()
	advance := func() error { return nil }
	if f.query.Name != "" {
		advance = func() error {
			if out.last == "" {
				return nil
			}
			return db.AdvanceExport(ctx, f.query.Name, out.last)
		}
	}
	for x, err := range a.exportEvents(ctx, db, f) {
		if err != nil {
			return errors.Join(err, out.keep(advance))
		}
		r.Events++
		n, err := shape.write(out, &x)
		if err != nil {
			return err
		}
		r.Lines += n
		draw(1)
		if out.due() {
			if err := out.keep(advance); err != nil {
				return err
			}
		}
	}
	n, err := shape.rest(out)
	r.Lines += n
	if err != nil {
		return err
	}
	if f.query.Name != "" && f.query.Summary.Cursor != "" {
		out.last = f.query.Summary.Cursor
	}
	return out.keep(advance)
}

// exportEvents are the events of the log, or of a file.
func (a *app) exportEvents(ctx context.Context, db *tidal.DB, f *exportFlags) iter.Seq2[tidal.Exported, error] {
	if f.in == "" {
		return db.Export(ctx, f.query)
	}
	return func(yield func(tidal.Exported, error) bool) {
		var in io.Reader = a.stdin
		if f.in != "-" {
			file, err := os.Open(f.in)
			if err != nil {
				yield(tidal.Exported{}, err)
				return
			}
			defer func() { _ = file.Close() }()
			in = file
		}
		for x, err := range exportedLines(ctx, in) {
			if err == nil && !f.wants(&x) {
				continue
			}
			if !yield(x, err) {
				return
			}
		}
	}
}

// wants reports whether the flags that narrow a log let an event of a file through.
func (f *exportFlags) wants(x *tidal.Exported) bool {
	q := &f.query
	return (q.User == "" || q.User == x.User) && (q.Item == "" || q.Item == x.Item) &&
		(q.Session == "" || q.Session == x.Session) && (len(q.Types) == 0 || slices.Contains(q.Types, x.Type))
}

// counting returns a function that is told of progress, and one that ends the drawing. Only a terminal sees it.
func (a *app) counting(what string) (draw func(int), finish func()) {
	if !onTerminal(a.stderr) {
		return func(int) {}, func() {}
	}
	bar := progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(a.stderr), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
	)
	return func(n int) { _ = bar.Add(n) }, func() { _ = bar.Finish() }
}
