package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// verifyResult is what verify prints with --json.
type verifyResult struct {
	Log         logReport `json:"log"`
	Batches     int64     `json:"batches"` // superseded ones included, as in batch_records
	Inside      int64     `json:"batch_records"`
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
}

func (a *app) verifyCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "verify --dir D",
		Short: "Check a whole database: every checksum, every record, and the state that they make",
		Long: `Check a whole database: every record of the log and every batch in it is read and compared with its checksum, and
the log is replayed into a fresh state. Nothing is changed. Damage ends it with exit code 3 and the file and offset.`,
		Example: `  tidal verify --dir D
  tidal verify --dir D --json | jq -r .digest`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := needDirectory(c, dir); err != nil {
			return err
		}
		r, err := verifyBytes(dir)
		if err != nil {
			return fmt.Errorf("verify %s: %w", dir, err)
		}
		if err := readDB(c, dir, r.readState); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		return a.answer(r, func(w io.Writer) { r.print(w) })
	}
	return c
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
	return r, err
}

// readState takes down what the replayed log makes.
func (r *verifyResult) readState(db *tidal.DB) error {
	s := db.Stats()
	r.Signals, r.Clamped, r.Cells = s.Signals, s.Clamped, s.Cells
	r.Items, r.Users, r.Creators = s.Items, s.Users, s.Creators
	if !s.Newest.IsZero() {
		r.Newest = stamp(s.Newest)
	}
	declared := db.Schema()
	if declared == nil {
		return errors.New("the log holds no schema")
	}
	r.Schema = fmt.Sprintf("%s version %d (%s)", declared.Name, declared.Version, declared.Hash())
	r.Vector = s.Vector.String()
	r.Digest, r.DigestCells = db.Digest().String(), db.DigestCells().String()
	return nil
}

func (r *verifyResult) print(w io.Writer) {
	newest := r.Newest
	if newest == "" {
		newest = "no events yet"
	}
	pairs(w, append(r.Log.pairs(), [][2]string{
		{"batches", fmt.Sprintf("%s with %s records", thousands(r.Batches), thousands(r.Inside))},
		{"signals", withClamped(thousands(r.Signals), r.Clamped)},
		{"entities", fmt.Sprintf("%s items, %s users, %s creators", thousands(r.Items), thousands(r.Users),
			thousands(r.Creators))},
		{"cells", thousands(r.Cells)},
		{"newest", newest},
		{"schema", r.Schema},
		{"vector", r.Vector},
		{"digest", r.Digest},
		{"of cells", r.DigestCells},
	}...))
	fmt.Fprintln(w, "\nEverything is sound.")
}
