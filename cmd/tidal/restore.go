package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
)

// errBadBackup is the failure of a restore from a backup that is damaged.
var errBadBackup = errors.New("the backup is damaged")

func (a *app) restoreCommand() *cobra.Command {
	var in, dir string
	var verify bool
	c := &cobra.Command{
		Use:   "restore --in F (--dir D | --verify-only)",
		Short: "Make a database of a backup, or only check it",
		Long: `Make a database of a backup, whole or not at all: every byte is checked, what comes of it is opened and compared with the
digests in the backup, and only then gets the name of the directory, which must be missing or empty. What is written there
later is a new incarnation of the database. That is named after the second in which it's made, so the command ends when that is over.

A backup holds neither the API keys nor the settings of a server: put back the files that you kept, or make new keys. Of one of several regions it
has to be younger than the others' logs reach back (retention); it warns of one that may not be.

--verify-only does the same and removes it again: in the directory for temporary files, or beside --dir.`,
		Example: `  tidal restore --in backup.tidal --dir D
  tidal restore --in backup.tidal --verify-only
  zstd -dc backup.tidal.zst | tidal restore --in - --dir D`,
		Args: usageArgs(cobra.NoArgs),
	}
	c.Flags().StringVar(&in, "in", "", "backup to read, or - for standard input")
	c.Flags().StringVar(&dir, "dir", "", "directory to make")
	c.Flags().BoolVar(&verify, "verify-only", false, "check the backup and leave nothing")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case in == "":
			return usagef(c, "--in is missing: name the backup")
		case dir == "" && !verify:
			return usagef(c, "--dir is missing: name the directory to make, or pass --verify-only")
		}
		return a.restore(c, in, dir, verify)
	}
	return c
}

// ownSecond waits for the end of the second in which a directory was made a new incarnation, since that is named after the second:
// what is made next of a backup or a copy of the same database is another one. An interrupt ends the wait alone; the directory
// is whole by now.
func (a *app) ownSecond(ctx context.Context) {
	now := a.now()
	_ = wait(ctx, now.Truncate(time.Second).Add(time.Second).Sub(now))
}

func (a *app) restore(c *cobra.Command, in, dir string, verify bool) (err error) {
	from, size := a.stdin, int64(-1)
	if in != "-" {
		f, err := os.Open(in)
		if err != nil {
			return fmt.Errorf("open the backup: %w", err)
		}
		defer func() { _ = f.Close() }() // it was read, and no more
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		from = f
	}
	if dir == "" {
		scratch, serr := os.MkdirTemp("", "tidal-verify-")
		if serr != nil {
			return fmt.Errorf("make a directory to restore into: %w", serr)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
		dir = filepath.Join(scratch, "db")
	}
	began := a.now()
	draw, finish := a.progress("reading", size)
	if draw != nil {
		from = io.TeeReader(from, drawing(draw))
	}
	info, err := tidal.Restore(c.Context(), from, dir, &tidal.RestoreOptions{VerifyOnly: verify, Now: a.now})
	finish()
	if errors.Is(err, tidal.ErrCorrupt) {
		return fmt.Errorf("%w: %w", errBadBackup, err)
	}
	if err != nil {
		return err
	}
	r := backedUp(&info, began, a.now())
	r.Verified, r.Regions = verify, info.Regions
	if text := tooOld(&info, began); text != "" {
		r.Warnings = append(r.Warnings, text)
	}
	if !verify {
		r.Dir = dir
		a.ownSecond(c.Context())
	}
	return a.answer(r, func(w io.Writer) {
		if verify {
			r.print(w, "checked")
			fmt.Fprintln(w, "\nThe backup is sound: a database made of it has the digests that it says.")
			r.warn(w)
			return
		}
		r.print(w, "restored")
		fmt.Fprintf(w, "\n%s is a database now, with the digests that the backup says.\n", dir)
		fmt.Fprintln(w, "It has no API keys and no settings of a server, as no backup holds them. Before you start a server put back the file\n"+
			"API_KEYS if you kept it, or make keys (tidal keys create): without any the server takes everybody on this machine\n"+
			"for an administrator, and refuses all others.")
		r.warn(w)
	})
}

func (r *backupResult) warn(w io.Writer) {
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "\nWARNING: %s\n", text)
	}
}

// usualRetention is how long logs are kept unless servers are told otherwise.
const usualRetention = 7 * 24 * time.Hour

// tooOld warns of a backup of one of several regions that is older than the others' logs may reach back. How far they do the backup
// doesn't say; its own log reached back for so long at least, and logs are kept for a week unless servers are told otherwise.
func tooOld(i *tidal.BackupInfo, now time.Time) string {
	kept := usualRetention
	if !i.LogFrom.IsZero() {
		kept = max(kept, i.At.Sub(i.LogFrom))
	}
	age := now.Sub(i.At)
	if len(i.Regions) == 0 || age <= kept {
		return ""
	}
	return fmt.Sprintf("this backup is %s old. What its region lacks since then comes from %s, whose logs reach back for their retention, "+
		"which seems to be %s: if it isn't longer than the backup is old, they can't give it, and the region stays behind for ever and says that it's stranded. "+
		"Better forget this region at another one and begin it anew with an empty directory and under another name; it takes a copy of what they have "+
		"(docs/operations.md, A region was away for too long).", inDays(age), strings.Join(i.Regions, " and "), inDays(kept))
}

// inDays is a length of time in whole days.
func inDays(d time.Duration) string {
	return numbered(int64(d/(24*time.Hour)), "day", "days")
}
