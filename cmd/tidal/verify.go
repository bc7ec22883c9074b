package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/rows"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// verifyResult is what verify prints with --json.
type verifyResult struct {
	Log         logReport `json:"log"`
	Batches     int64     `json:"batches"` // superseded ones included, as in batch_records
	Inside      int64     `json:"batch_records"`
	Ranges      int64     `json:"ranges"` // compacted, that came in the place of batches
	Summed      int64     `json:"range_records"`
	Pieces      int       `json:"pieces"`  // of log that was let go, for regions that lack it
	Signals     uint64    `json:"signals"` // applied
	Clamped     uint64    `json:"clamped"`
	Items       int       `json:"items"`
	Users       int       `json:"users"`
	Creators    int       `json:"creators"`
	Cells       int       `json:"cells"`
	Newest      string    `json:"newest,omitempty"`
	Schema      string    `json:"schema"`
	Vector      string    `json:"vector"`
	Digest      string    `json:"digest"`
	DigestCells string    `json:"digest_cells"`
	// ViewBytes is what is kept for ranking beside the state, HiddenServed how often a hidden item was found in a list that
	// was about to be answered.
	ViewBytes    int64  `json:"view_bytes"`
	HiddenServed uint64 `json:"hidden_served"`
	verified            // with --against
}

func (a *app) verifyCommand() *cobra.Command {
	var f importFlags
	var against []string
	var lists string
	c := &cobra.Command{
		Use:   "verify --dir D [--against FILE --format F] | --lists FILE",
		Short: "Check a whole database: every checksum, every record, and whether it holds what a file says",
		Long: `Check a whole database: every record of the log and every batch in it is read and compared with its checksum, and
the database is opened. Nothing is changed. Damage ends it with exit code 3 and the file and offset.

With --against the database is compared with the files that it was imported from: does it hold exactly what they say? The
files are read once more, every cell, list, mark and field that their rows make is computed without the database's code,
and compared with what is there. A record that is missing, another value, and one that no row accounts for are
differences, and end it with exit code 1. Name all files that were imported, in their order, with --format, --mapping and
--items as they were.

With --lists it checks no database, but a history of lists and hides: one operation a line as JSON, each with when it began
and was answered. An item that was served though it was hidden for certain is a violation, and ends it with exit code 1.`,
		Example: `  tidal verify --dir D
  tidal verify --dir D --json | jq -r .digest
  tidal verify --dir D --against u.data --format movielens
  tidal verify --lists history.ndjson`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&f.dir, "dir", "", "directory of the database")
	c.Flags().StringArrayVar(&against, "against", nil, "file (or directory) that was imported; may be repeated")
	c.Flags().StringVar(&f.format, "format", "", "of the files: "+rows.Names())
	c.Flags().StringVar(&f.mapping, "mapping", "", "YAML file that says which columns of a CSV file hold what")
	itemsFlag(c, &f.items, "the import made the items that rows are about")
	c.Flags().StringVar(&lists, "lists", "", "file with a history of lists and hides, or - for standard input")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if lists != "" {
			if f.dir != "" || len(against) > 0 {
				return usagef(c, "--lists checks a history by itself; pass it without --dir and --against")
			}
			return a.verifyLists(lists)
		}
		if err := needDirectory(c, f.dir); err != nil {
			return err
		}
		names, err := f.checkAgainst(c, against)
		if err != nil {
			return err
		}
		r, err := verifyBytes(f.dir)
		if err != nil {
			return fmt.Errorf("verify %s: %w", f.dir, err)
		}
		if err := readDB(c, f.dir, r.readState); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		if len(names) > 0 {
			if r.Result, err = compareFiles(c.Context(), &f, names); err != nil {
				return fmt.Errorf("verify: %w", err)
			}
			a.tellDifferences(r.Result)
		}
		if err := a.answer(r, func(w io.Writer) { r.print(w) }); err != nil {
			return err
		}
		return a.differs(r.Result)
	}
	return c
}

// checkAgainst makes sense of --against, --format and --mapping, and returns the files.
func (f *importFlags) checkAgainst(c *cobra.Command, against []string) (names []string, err error) {
	if len(against) == 0 {
		if f.format != "" || f.mapping != "" {
			return nil, usagef(c, "--format and --mapping say what is in the files of --against, and there are none")
		}
		return nil, nil
	}
	if slices.Contains(against, "-") {
		return nil, usagef(c, "--against -: standard input can't be read once more; name the files")
	}
	f.acks, f.onError = noAcks, "skip"
	if err := f.check(c, against); err != nil {
		return nil, err
	}
	if names, err = partsOf(c, &f.kind, against); err != nil {
		return nil, err
	}
	return names, f.readMapping()
}

// verifyBytes checks the log and every batch in it.
func verifyBytes(dir string) (*verifyResult, error) {
	log, err := verifyLog(dir)
	if err != nil {
		return nil, err
	}
	r := &verifyResult{Log: log}
	err = wal.Scan(vfs.Default, logPath(dir), func(rec wal.Record) error {
		if rec.Kind != wal.KindBatch {
			return nil
		}
		if engine.IsRange(rec.Data) {
			c, err := engine.DecodeEntry(append([]byte(nil), rec.Data...))
			if err != nil {
				return inBatch(dir, rec, err)
			}
			r.Ranges++
			r.Summed += int64(c.Counters.Records)
			return nil
		}
		// A batch keeps what it is made from, and the scan's bytes are only lent.
		batch, err := record.Open(append([]byte(nil), rec.Data...))
		if err == nil {
			err = batch.Verify()
		}
		if err != nil {
			return inBatch(dir, rec, err)
		}
		r.Batches++
		r.Inside += int64(batch.Header.Count)
		return nil
	})
	if err == nil {
		r.Pieces, err = host.VerifyPieces(vfs.Default, dir)
	}
	if err == nil {
		err = host.VerifyReports(vfs.Default, dir)
	}
	return r, err
}

// readState takes down what opening makes of the log.
func (r *verifyResult) readState(db *tidal.DB) error {
	s := db.Stats()
	r.Signals, r.Clamped, r.Cells = s.Signals, s.Clamped, s.Cells
	r.Items, r.Users, r.Creators = s.Items, s.Users, s.Creators
	r.ViewBytes, r.HiddenServed = s.ViewBytes, s.HiddenServed
	if !s.Newest.IsZero() {
		r.Newest = stamp(s.Newest)
	}
	declared := db.Schema()
	if declared == nil {
		return errors.New("the log holds no schema")
	}
	r.Schema = fmt.Sprintf("%s version %d (%s)", declared.Name, declared.Version, declared.Hash())
	r.Vector = s.Vector.String()
	digest := db.Digest()
	if digest == (tidal.Digest{}) {
		return errors.New("not all users can be read from the checkpoint")
	}
	r.Digest, r.DigestCells = digest.String(), db.DigestCells().String()
	return nil
}

func (r *verifyResult) print(w io.Writer) {
	newest := r.Newest
	if newest == "" {
		newest = "no events yet"
	}
	lines := append(r.Log.pairs(), [][2]string{
		{"batches", fmt.Sprintf("%s with %s records", thousands(r.Batches), thousands(r.Inside))},
		{"pieces", thousands(r.Pieces)},
		{"ranges", fmt.Sprintf("%s with %s records", thousands(r.Ranges), thousands(r.Summed))},
		{"signals", withClamped(thousands(r.Signals), r.Clamped)},
		{"entities", fmt.Sprintf("%s items, %s users, %s creators", thousands(r.Items), thousands(r.Users),
			thousands(r.Creators))},
		{"cells", thousands(r.Cells)},
		{"for ranking", fmt.Sprintf("%s bytes of memory; hidden items found in lists: %d", thousands(r.ViewBytes),
			r.HiddenServed)},
		{"newest", newest},
		{"schema", r.Schema},
		{"vector", r.Vector},
		{"digest", r.Digest},
		{"of cells", r.DigestCells},
	}...)
	if r.Result == nil {
		pairs(w, lines)
		fmt.Fprintln(w, "\nEverything is sound.")
		return
	}
	pairs(w, append(lines, compared(r.Result)...))
	printCompared(w, r.Result)
}
