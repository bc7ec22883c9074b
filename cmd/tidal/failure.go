package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/rows"
	"github.com/tidaldb/tidal/query"
)

// Exit codes. Scripts rely on them; docs/cli.md lists them.
const (
	exitOK          = 0
	exitFailure     = 1   // what no other code names
	exitUsage       = 2   // the command line is wrong
	exitDamaged     = 3   // data on disk is damaged
	exitRefused     = 4   // input was refused
	exitLocked      = 5   // another process holds the directory
	exitNotFound    = 6   // no such item, type, file or database
	exitFormat      = 7   // the directory has a newer or an older format, another owner, or another schema
	exitInterrupted = 130 // Ctrl-C or SIGTERM
)

// usageError is a command line that can't be run.
type usageError struct {
	command string
	reason  string
}

func (e *usageError) Error() string { return e.reason }

func usagef(c *cobra.Command, format string, args ...any) error {
	return &usageError{command: c.CommandPath(), reason: fmt.Sprintf(format, args...)}
}

// errDemo is the failure of a demo whose reopened database isn't what it was before the kill, or whose lists held what was
// hidden.
var errDemo = errors.New("the reopened database differs from the one before the kill, or something hidden was served")

// A failing is a kind of failure: how a script tells it, and what a person does about it.
type failing struct {
	is     error
	code   string
	exit   int
	advice string
}

// failings maps errors to codes and advice; the first that matches rules. An error's own text names the file or field.
var failings = []failing{
	{
		errBadBackup, "damaged", exitDamaged,
		"no directory was made. Take another backup, or another copy of this one",
	},
	{
		tidal.ErrCorrupt, "damaged", exitDamaged,
		"nothing was changed. Restore the directory from a backup, or look with `tidal wal verify --dir D` and give up " +
			"what lies behind the damage with `tidal wal cut --dir D --accept-loss`",
	},
	{
		tidal.ErrLocked, "locked", exitLocked,
		"wait for the other process, or end it; get, top and verify work meanwhile, unless the log's beginning is gone",
	},
	{
		tidal.ErrOutOfStep, "out_of_step", exitDamaged,
		"nothing was changed. Restore the folders store and wal from one backup",
	},
	{tidal.ErrFormat, "newer_format", exitFormat, "nothing was changed. Use the newer tidal that wrote this"},
	{
		tidal.ErrFormatOld, "older_format", exitFormat,
		"nothing was changed. Move the folder store out of the directory and run the command again; should the log not " +
			"reach back to its beginning, move it back and use the tidal that wrote it",
	},
	{tidal.ErrForeign, "foreign", exitFormat, "nothing was changed. Name another --dir, or use it as what it is"},
	{
		tidal.ErrSchemaChange, "schema", exitFormat,
		"nothing was changed. See what the directory has with `tidal schema --dir D`; a schema changes by additions only",
	},
	{
		tidal.ErrKeyReused, "key_reused", exitRefused,
		"this lane (or key) holds other content; name another --lane, or import the same files in the same order",
	},
	{
		tidal.ErrRetryTooOld, "retry_too_old", exitRefused,
		"nobody can tell any more whether these rows were counted; look with `tidal get`, then use another --lane",
	},
	{tidal.ErrUndone, "undone", exitRefused, "nothing was changed"},
	{tidal.ErrSessionClosed, "session_closed", exitRefused, "nothing was written. Begin another with `tidal session start`"},
	{tidal.ErrSessionGap, "session_gap", exitRefused, "nothing was written. Without --seq the next number is taken"},
	{tidal.ErrRateLimited, "rate_limited", exitRefused, "nothing was written. Wait as long as it says"},
	{errUnhealthy, "unhealthy", exitFailure, "mend it, or pass --force"},
	{errAlone, "not_offered", exitFailure, "a server is a replica where --cluster-listen is set"},
	{tidal.ErrRemoved, "removed", exitFormat, "move the directory away, and start with --cluster-join as another replica, or with --cluster-region-join as another region"},
	{fault.ErrChanging, "changing", exitFailure, "wait for it, and run the command again"},
	{fault.ErrNoSuccessor, "no_successor", exitFailure, "see `tidal cluster status`: who is to lead has to vote, and to be heard of"},
	{
		tidal.ErrForked, "forked", exitFailure,
		"reads go on. Stop the server, run `tidal cluster recover --dir D`, and start it; or write to another region",
	},
	{tidal.ErrReadOnly, "read_only", exitFailure, "nothing was written. Name a server of a region that takes writes; `tidal cluster status` shows them"},
	{fault.ErrNotLeader, "no_leader", exitFailure, "nothing was changed. See `tidal cluster status`, and try again"},
	{tidal.ErrInput, "refused", exitRefused, ""},
	{tidal.ErrOverloaded, "overloaded", exitFailure, "run the command again; what was counted isn't counted twice"},
	{tidal.ErrUnknown, "unknown", exitFailure, "run the command again; what was counted isn't counted twice"},
	{
		syscall.ENOSPC, "disk_full", exitFailure,
		"what was acknowledged is safe. Free some space and run the command again; it goes on where it was",
	},
	{tidal.ErrDisk, "disk", exitFailure, "what was acknowledged is safe. Mend the disk and run the command again"},
	{tidal.ErrClock, "clock", exitFailure, "set the machine's clock"},
	{context.Canceled, "interrupted", exitInterrupted, "what was acknowledged is safe. Run the command again to go on"},
	{tidal.ErrNotFound, "not_found", exitNotFound, ""},
	{fs.ErrNotExist, "not_found", exitNotFound, ""},
	{fs.ErrPermission, "permission", exitFailure, "check the owner and mode of the file and its directory"},
	{
		errDifferent, "different", exitFailure,
		"nothing was changed. If the directory holds these files and nothing else, please report this with both",
	},
	{
		errServed, "hidden_served", exitFailure,
		"if this program answered the lists, please report this with the history",
	},
	{errDemo, "demo", exitFailure, "please report this with the directory"},
}

// classify says what kind of failure err is.
func classify(err error) failing {
	var usage *usageError
	if errors.As(err, &usage) {
		return failing{is: err, code: "usage", exit: exitUsage, advice: "see `" + usage.command + " --help`"}
	}
	var bad *rows.Error
	if errors.As(err, &bad) {
		return failing{is: err, code: "refused", exit: exitRefused, advice: "correct the line, or pass --on-error skip"}
	}
	for _, f := range failings {
		if errors.Is(err, f.is) {
			return f
		}
	}
	return failing{is: err, code: "failure", exit: exitFailure}
}

// failure is what a command that failed prints with --json.
type failure struct {
	Error  string `json:"error"`
	Code   string `json:"code"` // a word, see failings
	Exit   int    `json:"exit"`
	Advice string `json:"advice,omitempty"`
}

// report prints err, if any, and returns the exit code: a line on standard error (see [message]) that says what failed
// and what to do, and with --json an object as the last line of standard output.
func (a *app) report(err error) int {
	if err == nil {
		return exitOK
	}
	f := classify(err)
	text := message(err)
	line := "tidal: " + text
	if f.advice != "" {
		line += " (" + f.advice + ")"
	}
	fmt.Fprintln(a.stderr, line)
	if a.json {
		// A failure to print leaves nothing else to do than to exit with the code.
		_ = a.printJSON(failure{text, f.code, f.exit, f.advice})
	}
	return f.exit
}

// message is an error's text on one line, but for what is wrong with a query: that is shown below an excerpt of it. Damage
// speaks for itself: the layers that passed it on add nothing that helps.
func message(err error) string {
	var damage *tidal.CorruptError
	if errors.As(err, &damage) {
		return damage.Error()
	}
	var asked *query.Error
	if errors.As(err, &asked) {
		return err.Error()
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// needDirectory refuses a --dir that isn't there, for commands that only read.
func needDirectory(c *cobra.Command, dir string) error {
	if dir == "" {
		return usagef(c, "--dir is missing: name the directory of the database")
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	if !info.IsDir() {
		return usagef(c, "--dir %s is a file; name the directory of the database", dir)
	}
	if _, err := os.Stat(logPath(dir)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no database: %w", dir, tidal.ErrNotFound)
	}
	return nil
}
