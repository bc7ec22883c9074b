// Command tidal is the program of the tidal database: it serves one to other programs, imports and exports, reads scores and
// lists, checks and copies a directory, and shows what it's about with a demo.
//
//	tidal demo
//	tidal serve --data-dir D --schema events
//	tidal import --dir D --format movielens u.data
//	tidal rank --dir D --user 13 --at newest
//
// Every command takes --json: then standard output ends with exactly one JSON object on a line of its own. What is
// meant for people (progress, complaints, the text of an error) goes to standard error. docs/cli.md describes all of
// it; failure.go lists the exit codes.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() { os.Exit(process(time.Now)) }

// process executes the command line of this process under a clock, and returns its exit code.
func process(now func() time.Time) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first Ctrl-C ends the work in an orderly way, the second one at once.
	context.AfterFunc(ctx, stop)
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	a.now = now
	return a.run(ctx, os.Args[1:])
}

// run executes one command line and returns its exit code. It touches nothing of the process but the streams given,
// the files named, and, for demo, a child process.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newApp(stdin, stdout, stderr).run(ctx, args)
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now, self: os.Executable, environ: os.Environ}
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	// A command line that can't be parsed sets no flags, but who asked for JSON gets the refusal as JSON.
	a.json = slices.Contains(args, "--json")
	return a.report(root.ExecuteContext(ctx))
}

// app is what commands share: the streams, the clock and the flags that every command has.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	self           func() (string, error) // path of this program, which demo starts again
	environ        func() []string        // what the settings of a server may come from
	json           bool
}

// root assembles the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "tidal",
		Short: "A database for personalised ranking",
		Long: "tidal keeps signals (view, like, skip, hide …) about items by users, and answers what should be shown now.\n" +
			"New here? Run: tidal demo",
		SilenceErrors: true, // report prints them, with advice
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usagef(c, "%v", err) })
	root.PersistentFlags().BoolVar(&a.json, "json", false, "end standard output with one JSON object")
	root.AddCommand(
		a.demoCommand(), a.demoChildCommand(), a.simChildCommand(), a.importCommand(), a.getCommand(), a.topCommand(), a.verifyCommand(),
		a.walCommand(), a.schemaCommand(), a.versionCommand(), a.benchCommand(), a.benchChildCommand(),
	)
	root.AddCommand(
		a.putCommand(), a.patchCommand(), a.deleteCommand(), a.eraseCommand(), a.undoCommand(), a.entityCommand(),
		a.listCommand(), a.userCommand(), a.collectCommand(), a.collectionsCommand(), a.simCommand(), a.evalCommand(), a.rankCommand(), a.profilesCommand(),
		a.sessionCommand(), a.backupCommand(), a.restoreCommand(),
		a.completionCommand(),
	)
	root.AddCommand(a.exportCommand(), a.serveCommand(), a.keysCommand(), a.configCommand(), a.clusterCommand())
	completeFlags(root)
	return root
}

// usageArgs makes the refusal of positional arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usagef(c, "%v", err)
		}
		return nil
	}
}
