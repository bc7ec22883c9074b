package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// completionResult is what completion prints with --json.
type completionResult struct {
	Shell  string `json:"shell"`
	Script string `json:"script"`
}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script that completes command lines in a shell",
		Long: `Print a script that completes command lines in a shell: commands, flags, and where there are few the values of flags.

bash  Needs the package bash-completion. Source the script, or put it where bash-completion finds it.
zsh   Put the script into a directory of fpath, as _tidal; compinit has to run.
fish  Put the script into ~/.config/fish/completions, as tidal.fish.`,
		Example: `  tidal completion bash > ~/.local/share/bash-completion/completions/tidal
  tidal completion zsh > ~/.zfunc/_tidal
  tidal completion fish > ~/.config/fish/completions/tidal.fish`,
		Args:      usageArgs(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(c *cobra.Command, args []string) error {
			script, err := completionScript(c.Root(), args[0])
			if err != nil {
				return fmt.Errorf("completion: %w", err)
			}
			return a.answer(completionResult{args[0], script}, func(w io.Writer) { fmt.Fprint(w, script) })
		},
	}
}

func completionScript(root *cobra.Command, shell string) (string, error) {
	var script bytes.Buffer
	var err error
	switch shell {
	case "bash":
		err = root.GenBashCompletionV2(&script, true)
	case "zsh":
		err = root.GenZshCompletion(&script)
	case "fish":
		err = root.GenFishCompletion(&script, true)
	}
	return script.String(), err
}

// flagValues are the values of flags that have few, by the command's path and the flag.
var flagValues = map[[2]string][]string{
	{"tidal import", "format"}:     {"movielens", "csv", "ndjson", "stackexchange", "ordered"},
	{"tidal import", "on-error"}:   {"skip", "fail"},
	{"tidal schema", "format"}:     {"movielens", "csv", "ndjson", "stackexchange", "ordered"},
	{"tidal export", "as"}:         {"events", "pairs", "trajectories"},
	{"tidal eval", "split"}:        {"leave-last-out", "temporal"},
	{"tidal eval ope", "format"}:   {"obd", "tidal"},
	{"tidal eval ope", "context"}:  {"place", "user"},
	{"tidal put", "kind"}:          {"item", "user", "creator"},
	{"tidal patch", "kind"}:        {"item", "user", "creator"},
	{"tidal delete", "kind"}:       {"item", "user", "creator"},
	{"tidal entity", "kind"}:       {"item", "user", "creator"},
	{"tidal list", "kind"}:         {"item", "user", "creator"},
	{"tidal bench ingest", "peer"}: {"redis"},
	{"tidal verify", "format"}:     {"movielens", "csv", "ndjson", "stackexchange", "ordered"},
}

// completeFlags has shells complete the values of flags: directories of --dir and --temp, and those of [flagValues].
func completeFlags(c *cobra.Command) {
	for _, name := range []string{"dir", "temp"} {
		if c.Flags().Lookup(name) != nil {
			must(c.MarkFlagDirname(name))
		}
	}
	for at, values := range flagValues {
		if at[0] == c.CommandPath() {
			must(c.RegisterFlagCompletionFunc(at[1], cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
		}
	}
	for _, sub := range c.Commands() {
		completeFlags(sub)
	}
}

// must is for what only a mistake in this program can break; every test of a command line would see it.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
