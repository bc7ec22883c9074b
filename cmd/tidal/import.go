package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// importFlags are the flags of import.
type importFlags struct {
	dir, format, schema, lane, onError string
	kind                               format
}

func (a *app) importCommand() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "import --dir D --format movielens|csv|ndjson [flags] FILE…",
		Short: "Bring signals from files, or from standard input (-), into a database",
		Long: `Bring signals from files, or from standard input (-), into a database.

movielens  user, item, rating and Unix seconds, separated by tabs (u.data of MovieLens 100K).
           A row is a "rating" with the rating as weight, from 4 on also a "like", up to 2 also a "dislike".
csv        The first row names the columns: type, item, user, weight, time or time_ms, creator, cohorts.
ndjson     One JSON object a line with the same names as keys.

A row that can't be used is reported with its line and skipped; with --on-error fail it ends the import.

An import counts once. Its rows travel in requests of 128 rows each, numbered under a lane, and the database counts
a request once. The lane is the hash of the file's content unless --lane names it: after a crash, or for good measure,
run the same command again.`,
		Example: `  tidal import --dir D --format movielens u.data
  tidal import --dir D --format csv --schema shop.yaml --on-error fail events.csv
  zcat events.gz | tidal import --dir D --format ndjson --lane events-2026-11 -`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
	}
	c.Flags().StringVar(&f.dir, "dir", "", "directory of the database; made if it isn't there")
	c.Flags().StringVar(&f.format, "format", "", "movielens, csv or ndjson")
	c.Flags().StringVar(&f.schema, "schema", "", "YAML file with the schema of a new database (default: the format's, see tidal schema)")
	c.Flags().StringVar(&f.lane, "lane", "", "name under which the requests are numbered (default: hash of the content)")
	c.Flags().StringVar(&f.onError, "on-error", "skip", "what a row does that can't be used: skip or fail")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(c, args); err != nil {
			return err
		}
		return a.runImport(c, &f, args)
	}
	return c
}

func (f *importFlags) check(c *cobra.Command, args []string) error {
	if f.dir == "" {
		return usagef(c, "--dir is missing: name the directory of the database")
	}
	i := slices.IndexFunc(formats, func(k format) bool { return k.name == f.format })
	if i < 0 {
		return usagef(c, "--format %q: want movielens, csv or ndjson", f.format)
	}
	f.kind = formats[i]
	if f.onError != "skip" && f.onError != "fail" {
		return usagef(c, "--on-error %q: want skip or fail", f.onError)
	}
	if n := len(f.lane); n > 128 {
		return usagef(c, "--lane has %d bytes; at most 128 are allowed", n)
	}
	if countOf(args, "-") > 1 {
		return usagef(c, "standard input (-) can be read once")
	}
	return nil
}

func countOf(list []string, s string) int {
	n := 0
	for _, v := range list {
		if v == s {
			n++
		}
	}
	return n
}

// importResult is what import prints with --json.
type importResult struct {
	tally
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"per_second"` // rows, also those skipped
	Lane        string  `json:"lane"`
	Digest      string  `json:"digest"`
	DigestCells string  `json:"digest_cells"`
}

func (a *app) runImport(c *cobra.Command, f *importFlags, names []string) (err error) {
	lane, size, err := chooseLane(c, f.lane, names)
	if err != nil {
		return err
	}
	db, err := openForImport(f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	draw, finish := a.progress(size)
	in := &files{format: f.kind, names: names, stdin: a.stdin, read: draw}
	im := &importer{db: db, schema: db.Schema(), in: in, lane: lane, failFast: f.onError == "fail", log: a.stderr}
	began := a.now()
	err = errors.Join(im.run(c.Context()), in.close())
	finish()
	if err != nil {
		fmt.Fprintf(a.stderr, "%s rows of this import are in the database.\n", thousands(im.tally.Imported))
		return err
	}
	took := a.now().Sub(began).Seconds()
	r := importResult{
		tally: im.tally, Seconds: took, Lane: lane,
		Digest: db.Digest().String(), DigestCells: db.DigestCells().String(),
	}
	if took > 0 {
		r.PerSecond = float64(r.Rows) / took
	}
	return a.answer(r, func(w io.Writer) { r.print(w, f.dir) })
}

func (r *importResult) print(w io.Writer, dir string) {
	causes := make([]string, 0, len(r.SkippedBy))
	for cause, n := range r.SkippedBy {
		causes = append(causes, fmt.Sprintf("%s %s", cause, thousands(n)))
	}
	slices.Sort(causes)
	skipped := thousands(r.Skipped)
	if len(causes) > 0 {
		skipped += " (" + strings.Join(causes, ", ") + ")"
	}
	imported := thousands(r.Imported)
	if r.Already > 0 {
		imported += fmt.Sprintf(" (%s of them by an earlier run)", thousands(r.Already))
	}
	pairs(w, [][2]string{
		{"rows", thousands(r.Rows)},
		{"imported", imported},
		{"skipped", skipped},
		{"signals", withClamped(thousands(r.Signals)+" written", uint64(r.Clamped))},
		{"time", fmt.Sprintf("%.2f s, %s rows a second", r.Seconds, thousands(int64(r.PerSecond)))},
		{"lane", r.Lane},
		{"digest", r.Digest},
		{"cells", r.DigestCells},
	})
	fmt.Fprintf(w, "\nNow look: tidal top --dir %s --type TYPE --at newest\n", dir)
}

// chooseLane returns the lane, and the size of the files if it is known (−1 if not).
func chooseLane(c *cobra.Command, given string, names []string) (lane string, size int64, err error) {
	for _, name := range names {
		twice, err := readTwice(name)
		if err != nil {
			return "", 0, err
		}
		if twice {
			continue
		}
		if given == "" {
			return "", 0, usagef(c, "%s can be read only once, so its content can't name the lane: pass --lane", name)
		}
		return given, -1, nil
	}
	if given == "" {
		return contentLane(names)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return "", 0, fmt.Errorf("open the input: %w", err)
		}
		size += info.Size()
	}
	return given, size, nil
}

// openForImport opens the database, or makes it: with the schema of --schema, or else the format's own. A database
// that is there keeps its schema.
func openForImport(f *importFlags) (*tidal.DB, error) {
	if f.schema != "" {
		s, err := readSchema(f.schema)
		if err != nil {
			return nil, err
		}
		return tidal.Open(f.dir, s, nil)
	}
	db, err := tidal.Open(f.dir, nil, nil)
	if errors.Is(err, tidal.ErrNotFound) {
		db, err = tidal.Open(f.dir, builtinSchema(f.kind.name), nil)
	}
	if err != nil || f.kind.name != "movielens" {
		return db, err
	}
	for _, t := range schema.MovieLens().Signals {
		if _, _, ok := db.Schema().Signal(t.Name); !ok {
			return nil, errors.Join(tidalInput("the schema of %s has no signal type %q, which MovieLens rows need; import "+
				"into a directory of its own", f.dir, t.Name), db.Close())
		}
	}
	return db, nil
}

// isFresh reports whether there is nothing in dir yet.
func isFresh(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the database: %w", err)
	}
	return len(entries) == 0, nil
}

// progress returns a function that is told of bytes read, and one that ends the drawing. Only a terminal sees it.
func (a *app) progress(size int64) (draw func(int), finish func()) {
	if !onTerminal(a.stderr) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(a.stderr),
		progressbar.OptionSetDescription("importing"),
		progressbar.OptionShowBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	// A bar that can't be drawn is no reason to stop.
	return func(n int) { _ = bar.Add(n) }, func() { _ = bar.Finish() }
}
