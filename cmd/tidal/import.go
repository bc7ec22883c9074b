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
	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/refold"
	"github.com/tidaldb/tidal/internal/rows"
	"github.com/tidaldb/tidal/schema"
)

// importFlags are the flags of import.
type importFlags struct {
	dir, format, schema, mapping, lane, onError string
	acks                                        int
	verify, items                               bool
	kind                                        rows.Format
}

// noAcks stands for no --acks.
const noAcks = -1

func (a *app) importCommand() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "import --dir D --format F [flags] FILE…",
		Short: "Bring signals from files, or from standard input (-), into a database",
		Long: `Bring signals from files, or from standard input (-), into a database.

movielens      user, item, rating and Unix seconds, separated by tabs (u.data of MovieLens 100K).
               A row is a "rating" with the rating as weight, from 4 on also a "like", up to 2 also a "dislike".
csv            The first row names the columns: type, item, user, weight, time or time_ms, creator, cohorts.
               With --mapping the file's own names are explained by a YAML file.
ndjson         One JSON object a line with the same names as keys.
stackexchange  A directory with Posts.xml and Votes.xml of a Stack Exchange data dump, or such files. Questions and
               answers are items; votes are "upvote", "downvote" and "accept". Other kinds are left out and counted.
ordered        user and item, separated by spaces, in the order of purchase: a "purchase" every 10 seconds from the
               year 2000 on.

A row that can't be used is reported with its line and skipped; with --on-error fail it ends the import.

An import counts once. Its rows travel in requests of 128 rows each, numbered under a lane, and the database counts
a request once. The lane is the hash of the file's content unless --lane names it: after a crash, or for good measure,
run the same command again.

Lists are of items that exist, and signals alone make none. With --items the import makes every item that its rows are
about, without fields; it does so by itself for movielens and ordered, which have no catalogue of items. Items that are
there stay as they are. An import that was made without can be run again with it: no row counts twice.

With --verify another process opens the database afterwards and compares it with the files, as tidal verify --against
does. It compares the whole directory, which therefore has to hold this import and nothing else.`,
		Example: `  tidal import --dir D --format movielens u.data
  tidal import --dir D --format csv --schema shop.yaml --on-error fail events.csv
  tidal import --dir D --format csv --mapping orders.map.yaml --verify orders.csv
  tidal import --dir D --format stackexchange bicycles.meta.stackexchange.com/
  zcat events.gz | tidal import --dir D --format ndjson --lane events-2026-11 -`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
	}
	c.Flags().StringVar(&f.dir, "dir", "", "directory of the database; made if it isn't there")
	c.Flags().StringVar(&f.format, "format", "", rows.Names())
	c.Flags().StringVar(&f.mapping, "mapping", "", "YAML file that says which columns of a CSV file hold what")
	c.Flags().IntVar(&f.acks, "acks", noAcks, "file descriptor that gets a line \"position row\" for what is durable")
	c.Flags().StringVar(&f.schema, "schema", "", "YAML file with the schema of a new database (default: the format's, see tidal schema)")
	c.Flags().StringVar(&f.lane, "lane", "", "name under which the requests are numbered (default: hash of the content)")
	c.Flags().StringVar(&f.onError, "on-error", "skip", "what a row does that can't be used: skip or fail")
	itemsFlag(c, &f.items, "make the items that rows are about")
	c.Flags().BoolVar(&f.verify, "verify", false, "compare the database with the files afterwards, in another process")
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
	kind, ok := rows.Find(f.format)
	if !ok {
		return usagef(c, "--format %q: want %s", f.format, rows.Names())
	}
	f.kind = kind
	if f.mapping != "" && f.format != "csv" {
		return usagef(c, "--mapping explains the columns of csv; %s has none to explain", f.format)
	}
	if c.Flags().Changed("acks") && f.acks < 1 {
		return usagef(c, "--acks %d: want a file descriptor from 1 on", f.acks)
	}
	if f.onError != "skip" && f.onError != "fail" {
		return usagef(c, "--on-error %q: want skip or fail", f.onError)
	}
	f.items = itemsAsked(c, f.items, &f.kind)
	if n := len(f.lane); n > maxLane {
		return usagef(c, "--lane has %d bytes; at most %d are allowed", n, maxLane)
	}
	if countOf(args, "-") > 1 {
		return usagef(c, "standard input (-) can be read once")
	}
	if f.verify && slices.Contains(args, "-") {
		return usagef(c, "--verify reads the files once more, which standard input (-) can't be")
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
	verified            // with --verify
	noItems     bool    // nothing that was imported can be ranked yet
}

// verified is what another process compared, if it was asked to. It stands apart so that its counts don't hide others.
type verified struct{ *refold.Result }

func (a *app) runImport(c *cobra.Command, f *importFlags, names []string) (err error) {
	// First of all, because the number of a descriptor that wasn't open would be that of the next file that is.
	acks, closeAcks, err := a.openAcks(c, f.acks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAcks()) }()
	if names, err = partsOf(c, &f.kind, names); err != nil {
		return err
	}
	if err := f.readMapping(); err != nil {
		return err
	}
	lane, size, err := chooseLane(c, f, names)
	if err != nil {
		return err
	}
	r, err := a.importInto(c, f, names, lane, size, acks)
	if err != nil {
		return err
	}
	if f.verify {
		if r.Result, err = a.verifyElsewhere(c.Context(), f, names); err != nil {
			return err
		}
		r.checkVerified()
		a.tellDifferences(r.Result)
	}
	if err := a.answer(r, func(w io.Writer) { r.print(w, f.dir) }); err != nil {
		return err
	}
	return a.differs(r.Result)
}

// manyRows is from how many imported rows on a checkpoint is made, so that whoever opens the database next needn't wait.
const manyRows = 1000

// importInto opens the database, imports, and closes it.
func (a *app) importInto(c *cobra.Command, f *importFlags, names []string, lane string, size int64, acks *acks) (
	r *importResult, err error,
) {
	db, err := openForImport(f)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if f.verify {
		if err := onlyLane(db, f.dir, lane, itemsLane(lane)); err != nil {
			return nil, err
		}
	}
	draw, finish := a.progress("importing", size)
	in := &files{format: f.kind, names: names, stdin: a.stdin, read: draw}
	im := &importer{
		db: db, schema: db.Schema(), in: in, lane: lane, failFast: f.onError == "fail", log: a.stderr, acks: acks,
	}
	if f.items {
		im.items = newItemMaker(db, lane)
	}
	began := a.now()
	err = errors.Join(im.run(c.Context()), in.close())
	if err == nil && im.tally.Imported >= manyRows {
		err = db.Checkpoint(c.Context())
	}
	finish()
	if err != nil {
		fmt.Fprintf(a.stderr, "%s rows of this import are in the database.\n", thousands(im.tally.Imported))
		return nil, err
	}
	took := a.now().Sub(began).Seconds()
	some, err := db.List(c.Context(), tidal.ListQuery{Kind: tidal.Item, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("look for items: %w", err)
	}
	r = &importResult{
		noItems: len(some) == 0 && im.tally.Imported > 0,

		tally: im.tally, Seconds: took, Lane: lane,
		Digest: db.Digest().String(), DigestCells: db.DigestCells().String(),
	}
	if took > 0 {
		r.PerSecond = float64(r.Rows) / took
	}
	return r, nil
}

// onlyLane refuses a database that something else than these lanes has written to.
func onlyLane(db *tidal.DB, dir string, lanes ...string) error {
	for _, lane := range lanes {
		if _, known := db.Lane(lane); known {
			return nil
		}
	}
	if s := db.Stats(); s.Items+s.Users+s.Creators == 0 {
		return nil
	}
	return tidalInput("--verify compares the whole directory with this input, and %s holds something else already: "+
		"import without it, or into a directory of its own", dir)
}

// checkVerified counts it as a difference when less was compared than this run wrote.
func (r *importResult) checkVerified() {
	v := r.Result
	if v.Different > 0 {
		return
	}
	if v.Signals < r.Signals || r.Already == 0 && v.Signals != r.Signals || r.Signals > 0 && v.Cells == 0 ||
		int64(v.Entities) == 0 && r.Entities > 0 {
		v.Different++
		v.Differences = append(v.Differences, fmt.Sprintf("%d signals and %d entities were written, %d and %d were compared",
			r.Signals, r.Entities, v.Signals, v.Entities))
	}
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
	lines := [][2]string{
		{"rows", thousands(r.Rows)},
		{"imported", imported},
		{"skipped", skipped},
		{"signals", withClamped(thousands(r.Signals)+" written", uint64(r.Clamped))},
	}
	if r.Entities > 0 {
		lines = append(lines, [2]string{"items", thousands(r.Entities) + " written"})
	}
	lines = append(lines, [][2]string{
		{"time", fmt.Sprintf("%.2f s, %s rows a second", r.Seconds, thousands(int64(r.PerSecond)))},
		{"lane", r.Lane},
		{"digest", r.Digest},
		{"cells", r.DigestCells},
	}...)
	if r.Result != nil {
		lines = append(lines, compared(r.Result)...)
	}
	pairs(w, lines)
	fmt.Fprintf(w, "\nNow look: tidal top --dir %s --type TYPE --at newest\n", dir)
	if r.noItems {
		fmt.Fprintln(w, "To rank, there have to be items: put them (tidal put), or run this again with --items.")
	} else {
		fmt.Fprintf(w, "And rank: tidal rank --dir %s --user USER --at newest\n", dir)
	}
}

// openForImport opens the database, or makes it: with the schema of --schema, or else the format's own. A database
// that is there keeps its schema.
func openForImport(f *importFlags) (*tidal.DB, error) {
	var declared *schema.Schema
	if f.schema != "" {
		var err error
		if declared, err = config.ReadSchema(f.schema); err != nil {
			return nil, err
		}
	}
	fresh, err := isFresh(f.dir)
	if err != nil {
		return nil, err
	}
	if fresh {
		if declared == nil {
			declared = f.kind.Schema()
		}
		// Else a database would be left behind that takes none of the rows.
		if err := f.kind.Fits(declared); err != nil {
			return nil, err
		}
	}
	db, err := tidal.Open(f.dir, declared, nil)
	if errors.Is(err, tidal.ErrNotFound) && declared == nil {
		db, err = tidal.Open(f.dir, f.kind.Schema(), nil)
	}
	if err != nil {
		return nil, err
	}
	if err := f.kind.Fits(db.Schema()); err != nil {
		return nil, errors.Join(fmt.Errorf("import into %s: %w", f.dir, err), db.Close())
	}
	return db, nil
}

// readMapping applies --mapping.
func (f *importFlags) readMapping() error {
	if f.mapping == "" {
		return nil
	}
	data, err := os.ReadFile(f.mapping)
	if err != nil {
		return fmt.Errorf("read the mapping: %w", err)
	}
	m, err := rows.ParseMapping(f.mapping, data)
	if err != nil {
		return fmt.Errorf("read the mapping: %w", err)
	}
	f.kind, err = f.kind.Map(m)
	return err
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

// progress returns a function that is told of bytes, of which there are size, or -1 if that isn't known, and one that ends
// the drawing. Only a terminal sees it.
func (a *app) progress(what string, size int64) (draw func(int), finish func()) {
	if !onTerminal(a.stderr) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(a.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	// A bar that can't be drawn is no reason to stop.
	return func(n int) { _ = bar.Add(n) }, func() { _ = bar.Finish() }
}

// tidalInput refuses what was asked for as a whole.
func tidalInput(format string, args ...any) error {
	return &tidal.InputError{Record: -1, Reason: fmt.Sprintf(format, args...)}
}
