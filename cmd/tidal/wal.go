package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// logPath is where a database keeps its log.
func logPath(dir string) string { return filepath.Join(dir, "wal") }

func (a *app) walCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "wal",
		Short: "Look into the log of a database: dump, verify, cut",
		Example: `  tidal wal verify --dir D
  tidal wal dump --dir D --records`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.walDumpCommand(), a.walVerifyCommand(), a.walCutCommand())
	return c
}

// logReport is what wal verify and wal dump print with --json.
type logReport struct {
	Dir       string `json:"dir"`
	Replica   string `json:"replica,omitempty"` // whose log it is
	Segments  int    `json:"segments"`
	Records   int64  `json:"records"` // superseded ones included, as in entries
	Entries   int64  `json:"entries"`
	Bytes     int64  `json:"bytes"`
	First     uint64 `json:"first_index"`
	Last      uint64 `json:"last_index"`
	Term      uint64 `json:"term"`
	Commit    uint64 `json:"commit"`
	TornBytes int64  `json:"torn_bytes"` // an interrupted write that the next open cuts
}

// verifyLog reads every byte of a log.
func verifyLog(dir string) (logReport, error) {
	r, err := wal.Verify(vfs.Default, logPath(dir))
	if err != nil {
		return logReport{}, err
	}
	return logReport{
		Dir: logPath(dir), Replica: r.Identity.String(), Segments: r.Segments, Records: r.Records, Entries: r.Entries,
		Bytes: r.Bytes, First: r.FirstIndex, Last: r.LastIndex, Term: r.HardState.Term, Commit: r.HardState.Commit,
		TornBytes: r.TornBytes,
	}, nil
}

func (r *logReport) pairs() [][2]string {
	rows := [][2]string{
		{"log", r.Dir},
		{"replica", r.Replica},
		{"segments", thousands(r.Segments)},
		{"records", fmt.Sprintf("%s in %s bytes", thousands(r.Records), thousands(r.Bytes))},
		{"entries", fmt.Sprintf("%s, indexes %d to %d", thousands(r.Entries), r.First, r.Last)},
		{"raft", fmt.Sprintf("term %d, committed up to %d", r.Term, r.Commit)},
	}
	if r.TornBytes > 0 {
		rows = append(rows, [2]string{"torn", fmt.Sprintf("%s bytes of an interrupted write; the next open cuts them",
			thousands(r.TornBytes))})
	}
	return rows
}

func (a *app) walVerifyCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:     "verify --dir D",
		Short:   "Read every byte of the log and check it; changes nothing",
		Example: "  tidal wal verify --dir D",
		Args:    usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := needDirectory(c, dir); err != nil {
			return err
		}
		r, err := verifyLog(dir)
		if err != nil {
			return fmt.Errorf("verify the log: %w", err)
		}
		return a.answer(r, func(w io.Writer) {
			pairs(w, r.pairs())
			fmt.Fprintln(w, "\nThe log is sound.")
		})
	}
	return c
}

func (a *app) walDumpCommand() *cobra.Command {
	var dir string
	var records bool
	c := &cobra.Command{
		Use:   "dump --dir D [--records]",
		Short: "Print every record of the log, one a line; changes nothing",
		Example: `  tidal wal dump --dir D
  tidal wal dump --dir D --records | grep item=50`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().BoolVar(&records, "records", false, "also what is inside the batches")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := needDirectory(c, dir); err != nil {
			return err
		}
		return a.dumpLog(dir, records)
	}
	return c
}

// dumpLog prints what can be read, also in front of damage. With --json it prints the report of wal verify instead.
func (a *app) dumpLog(dir string, records bool) error {
	if a.json {
		r, err := verifyLog(dir)
		if err != nil {
			return fmt.Errorf("dump the log: %w", err)
		}
		return a.printJSON(r)
	}
	out := bufio.NewWriter(a.stdout)
	var err error
	if records {
		err = dumpRecords(dir, incarnations(dir), out)
	} else {
		err = wal.Dump(vfs.Default, logPath(dir), incarnations(dir), out)
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return fmt.Errorf("dump the log: %w", err)
	}
	return nil
}

// dumpRecords prints the log's records with the contents of batches below them.
func dumpRecords(dir string, of func(file string) id.Incarnation, out io.Writer) error {
	file := ""
	return wal.Scan(vfs.Default, logPath(dir), func(r wal.Record) error {
		if r.File != file {
			file = r.File
			r.Segment.Origin.Incarnation = of(file)
			if _, err := fmt.Fprintf(out, "%s segment %v\n", file, r.Segment); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(out, "%s:%d %v term=%d index=%d length=%d\n", r.File, r.Offset, r.Kind, r.Term, r.Index,
			r.Length)
		if err != nil || r.Kind != wal.KindBatch {
			return err
		}
		if engine.IsRange(r.Data) {
			return inBatch(dir, r, engine.DumpRange(out, append([]byte(nil), r.Data...)))
		}
		return inBatch(dir, r, record.Dump(out, append([]byte(nil), r.Data...)))
	})
}

// incarnations says under which incarnation the own entries in a file of the log were stamped: the latest, if several are in there.
// A file without any has that of the one before, or else of what comes first, or else the directory's.
func incarnations(dir string) func(file string) id.Incarnation {
	of, file := map[string]id.Incarnation{}, ""
	var last id.Incarnation
	var earlier []string // files in front of the first one with an entry of its own
	// What can't be read says the dump itself.
	_ = wal.Scan(vfs.Default, logPath(dir), func(r wal.Record) error {
		if r.File != file {
			file = r.File
			of[file] = last
			if earlier != nil || len(of) == 1 {
				earlier = append(earlier, file)
			}
		}
		if r.Kind != wal.KindBatch || engine.IsRange(r.Data) {
			return nil
		}
		b, err := record.Open(r.Data)
		if o := b.Origin(); err == nil && o.Region == r.Segment.Origin.Region && o.Shard == r.Segment.Origin.Shard {
			last = max(last, o.Incarnation)
			of[file] = last
			for _, name := range earlier {
				of[name] = last
			}
			earlier = nil
		}
		return nil
	})
	if o, err := host.OriginOf(vfs.Default, dir); err == nil {
		for _, name := range earlier {
			of[name] = o.Incarnation
		}
	}
	return func(file string) id.Incarnation { return of[file] }
}

// inBatch names file and offset for damage inside a batch, which knows only its own bytes.
func inBatch(dir string, r wal.Record, err error) error {
	var bad *tidal.CorruptError
	if !errors.As(err, &bad) || bad.File != "" {
		return err
	}
	return &tidal.CorruptError{
		File: filepath.Join(logPath(dir), r.File), Offset: r.Offset,
		Reason: fmt.Sprintf("batch of entry %d, at byte %d: %s", r.Index, bad.Offset, bad.Reason),
	}
}

// cutResult is what wal cut prints with --json.
type cutResult struct {
	Damage    []string `json:"damage"`
	LastIndex uint64   `json:"last_index"`
	LastSeen  uint64   `json:"last_seen"`
	SetAside  []string `json:"set_aside"`
	Origin    string   `json:"origin"` // of new writes
}

func (a *app) walCutCommand() *cobra.Command {
	var dir string
	var accept bool
	c := &cobra.Command{
		Use:   "cut --dir D --accept-loss",
		Short: "Give up what lies behind damage in the log, so that the database opens again",
		Long: `Give up what lies behind damage in the log, so that the database opens again. Writes that were acknowledged are lost:
restore from a backup if there is one. No byte is overwritten; files that are given up are renamed.`,
		Example: `  tidal wal verify --dir D               # see what is damaged
  tidal wal cut --dir D --accept-loss`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "directory of the database")
	c.Flags().BoolVar(&accept, "accept-loss", false, "agree that acknowledged writes may be lost")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !accept {
			return usagef(c, "cutting a damaged log loses writes that were acknowledged; pass --accept-loss to do it")
		}
		if err := needDirectory(c, dir); err != nil {
			return err
		}
		return a.cutLog(dir)
	}
	return c
}

func (a *app) cutLog(dir string) error {
	loss, now, err := host.Cut(vfs.Default, dir)
	if err != nil {
		return fmt.Errorf("cut the log: %w", err)
	}
	r := cutResult{Damage: []string{}, LastIndex: loss.LastIndex, LastSeen: loss.LastSeen, SetAside: []string{}, Origin: now.String()}
	for _, d := range loss.Damage {
		r.Damage = append(r.Damage, d.Error())
	}
	r.SetAside = append(r.SetAside, loss.SetAside...)
	return a.answer(r, func(w io.Writer) {
		if len(r.Damage) == 0 {
			fmt.Fprintln(w, "The log isn't damaged; nothing was cut.")
			return
		}
		for _, d := range r.Damage {
			fmt.Fprintln(w, d)
		}
		fmt.Fprintf(w, "The log now ends with entry %d. ", r.LastIndex)
		if r.LastSeen > r.LastIndex {
			fmt.Fprintf(w, "Entries up to %d at least were given up.", r.LastSeen)
		} else {
			fmt.Fprint(w, "No whole entry was found in what was given up.")
		}
		fmt.Fprintf(w, "\nNew writes get positions of %s.\n", r.Origin)
		for _, name := range r.SetAside {
			fmt.Fprintf(w, "set aside: %s\n", name)
		}
	})
}
