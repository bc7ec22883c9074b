package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The scripts are what their shells can read, as far as these are installed.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := good(t, "completion", shell).stdout
		if !strings.Contains(script, "__complete") {
			t.Errorf("%s: the script doesn't ask the program: %.200s", shell, script)
		}
		if got := answer[completionResult](t, good(t, "completion", shell, "--json")); got.Script != script || got.Shell != shell {
			t.Errorf("%s: --json prints another script", shell)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s isn't installed: its script isn't read", shell)
			continue
		}
		if out, err := exec.CommandContext(t.Context(), path, "-n", write(t, shell, script)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
	for _, args := range [][]string{{"completion"}, {"completion", "tcsh"}, {"completion", "bash", "zsh"}} {
		if o := cli(t, nil, args...); o.code != exitUsage {
			t.Errorf("%v: exit %d, %s", args, o.code, o.stderr)
		}
	}
}

// completed are what the program offers for a command line.
func completed(t *testing.T, args ...string) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(good(t, append([]string{"__complete"}, args...)...).stdout), "\n")
	var out []string
	for _, line := range lines {
		word, _, _ := strings.Cut(line, "\t")
		out = append(out, word)
	}
	return out
}

func TestCompletionOffersCommandsFlagsAndValues(t *testing.T) {
	for _, c := range []struct {
		line string
		want string
	}{
		{"ev", "eval"},
		{"wal ", "dump"},
		{"eval ope --", "--target"},
		{"eval --split ", "temporal"},
		{"import --format st", "stackexchange"},
		{"list --kind ", "creator"},
		{"completion ", "fish"},
	} {
		if got := completed(t, strings.Split(c.line, " ")...); !slices.Contains(got, c.want) {
			t.Errorf("tidal %s offers %q, want %q among them", c.line, got, c.want)
		}
	}
	if got := completed(t, "get", "--dir", ""); got[len(got)-1] != ":16" { // that is, directories only
		t.Errorf("--dir offers %q", got)
	}
}

// Values that shells offer are values that the command's help names, of flags that are there.
func TestOfferedValuesAreInTheHelp(t *testing.T) {
	root := (&app{}).root()
	for at, values := range flagValues {
		c, _, err := root.Find(strings.Fields(at[0])[1:])
		if err != nil || c.CommandPath() != at[0] || c.Flags().Lookup(at[1]) == nil {
			t.Errorf("%s has no --%s", at[0], at[1])
			continue
		}
		for _, value := range values {
			if !strings.Contains(c.Long+c.Example+c.Flags().Lookup(at[1]).Usage, value) {
				t.Errorf("%s --%s: nothing says that it may be %s", at[0], at[1], value)
			}
		}
	}
}
