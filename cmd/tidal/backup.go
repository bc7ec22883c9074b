package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// backupResult is what backup and restore print with --json.
type backupResult struct {
	Bytes       int64   `json:"bytes"`
	Entries     int64   `json:"entries"` // of the log
	Signals     int64   `json:"signals"`
	Digest      string  `json:"digest"`
	DigestCells string  `json:"digest_cells"`
	Vector      string  `json:"vector"`
	At          string  `json:"at"`
	Seconds     float64 `json:"seconds"`
	File        string  `json:"file,omitempty"`
	Dir         string  `json:"dir,omitempty"`
	Verified    bool    `json:"verified,omitempty"` // and nothing else was done
	// Regions are the other regions that a restored backup knows of, and Warnings what to know before it's served.
	Regions  []string `json:"regions,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

func backedUp(i *tidal.BackupInfo, began, ended time.Time) backupResult {
	return backupResult{
		Bytes: i.Bytes, Entries: i.Entries, Signals: i.Signals, Digest: i.Digest.String(), DigestCells: i.DigestCells.String(),
		Vector: i.Vector.String(), At: stamp(i.At), Seconds: ended.Sub(began).Seconds(),
	}
}

func (r *backupResult) print(w io.Writer, what string) {
	pairs(w, [][2]string{
		{what, fmt.Sprintf("%s bytes in %.1f s", thousands(r.Bytes), r.Seconds)},
		{"as of", r.At},
		{"signals", thousands(r.Signals)},
		{"entries", thousands(r.Entries) + " of the log"},
		{"vector", r.Vector},
		{"digest", r.Digest},
		{"of cells", r.DigestCells},
	})
}

// backupFlags are what backup is told.
type backupFlags struct {
	dir, server, key, out string
	force, noLog          bool
}

func (a *app) backupCommand() *cobra.Command {
	var f backupFlags
	c := &cobra.Command{
		Use:   "backup (--dir D | --server URL [--key K]) --out F",
		Short: "Copy a database into one file, also while it's written to",
		Long: `Copy a database into one file: the state as of one instant, the log up to there as far as it is kept, and the keys that seal
cursors. The file carries checksums and ends with digests; what isn't whole can't be taken for a backup. It is secret.

--server copies a running server's, as of when it was asked. --dir copies a directory that nobody writes to, or, beside
whoever does and while the log reaches back to its beginning, what was durable when it was opened.`,
		Example: `  tidal backup --dir D --out backup.tidal
  tidal backup --server http://localhost:7878 --key "$KEY" --out backup.tidal --force
  tidal backup --dir D --out - | zstd > backup.tidal.zst`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&f.dir, "dir", "", "directory of the database")
	c.Flags().StringVar(&f.server, "server", "", "address of a running server, such as http://localhost:7878; or in TIDAL_SERVER")
	c.Flags().StringVar(&f.key, "key", "", "API key for the server, one that may administer it; or in TIDAL_KEY")
	c.Flags().StringVar(&f.out, "out", "", "file to write, or - for standard output")
	c.Flags().BoolVar(&f.force, "force", false, "replace the file if there is one")
	c.Flags().BoolVar(&f.noLog, "no-log", false, "leave out the log: smaller, but events can't be undone or told one by one")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(c, a.json); err != nil {
			return err
		}
		if err := a.backup(c, &f); err != nil {
			return fmt.Errorf("back up: %w", err)
		}
		return nil
	}
	return c
}

func (f *backupFlags) check(c *cobra.Command, json bool) error {
	if f.dir == "" && f.server == "" {
		f.server = os.Getenv("TIDAL_SERVER")
	}
	switch {
	case f.out == "":
		return usagef(c, "--out is missing: name the file to write")
	case f.out == "-" && json:
		return usagef(c, "--json and --out - both want standard output; name a file")
	case f.dir != "" && f.server != "":
		return usagef(c, "--dir and --server each say what to copy; pass one of them")
	case f.server == "" && f.key != "":
		return usagef(c, "--key is for --server")
	case f.server == "":
		return needDirectory(c, f.dir)
	}
	u, err := url.Parse(f.server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usagef(c, "--server %q is no address such as http://localhost:7878", f.server)
	}
	if f.key == "" {
		f.key = os.Getenv("TIDAL_KEY")
	}
	return nil
}

// backup writes the file, and says what is in it.
func (a *app) backup(c *cobra.Command, f *backupFlags) error {
	began := a.now()
	if f.out == "-" {
		info, err := a.copyTo(c, f, a.stdout)
		if err == nil {
			r := backedUp(&info, began, a.now())
			r.print(a.stderr, "backup")
		}
		return err
	}
	to, err := createFile(f.out, f.force)
	if err != nil {
		return err
	}
	info, err := a.copyTo(c, f, to)
	if err != nil {
		return errors.Join(err, to.abandon())
	}
	if err := to.keep(); err != nil {
		return err
	}
	r := backedUp(&info, began, a.now())
	r.File = f.out
	return a.answer(r, func(w io.Writer) {
		r.print(w, "backup")
		fmt.Fprintf(w, "\nKeep %s as secret as the database. Check it with\n  tidal restore --verify-only --in %s\n", f.out, f.out)
	})
}

// copyTo writes the backup to a stream, and shows how far it has come.
func (a *app) copyTo(c *cobra.Command, f *backupFlags, w io.Writer) (info tidal.BackupInfo, err error) {
	draw, finish := a.progress("backing up", -1)
	defer finish()
	if draw != nil {
		w = io.MultiWriter(w, drawing(draw))
	}
	if f.server != "" {
		return fetchBackup(c.Context(), strings.TrimSuffix(f.server, "/"), f.key, f.noLog, w)
	}
	err = readDB(c, f.dir, func(db *tidal.DB) (err error) {
		if f.noLog {
			info, err = db.BackupState(c.Context(), w)
		} else {
			info, err = db.Backup(c.Context(), w)
		}
		return err
	})
	return info, err
}

// drawing is told of progress by being written to.
type drawing func(int)

func (d drawing) Write(b []byte) (int, error) {
	d(len(b))
	return len(b), nil
}
