package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands returns every command line prefix that isn't hidden, such as ["wal", "dump"].
func commands() [][]string {
	var all [][]string
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		all = append(all, path)
		for _, sub := range c.Commands() {
			if !sub.Hidden && sub.Name() != "help" {
				walk(sub, append(slices.Clone(path), sub.Name()))
			}
		}
	}
	walk((&app{}).root(), nil)
	return all
}

func TestHelpOfEveryCommand(t *testing.T) {
	for _, path := range commands() {
		o := good(t, append(path, "--help")...)
		golden(t, "help/"+strings.Join(append([]string{"tidal"}, path...), "-")+".txt", o.stdout)
		if o.stderr != "" {
			t.Errorf("%v: help wrote to standard error: %s", path, o.stderr)
		}
	}
}

// explainedFlag is a flag in the help, such as "--limit int   length of the list".
var explainedFlag = regexp.MustCompile(`^(-\w, )?--[\w-]+( \w+)?  +\S.*[^.]$`)

func TestEveryCommandTakesJSONAndHasAnExample(t *testing.T) {
	for _, path := range commands() {
		c, _, err := (&app{}).root().Find(path)
		if err != nil {
			t.Fatal(err)
		}
		if c.InheritedFlags().Lookup("json") == nil && c.PersistentFlags().Lookup("json") == nil {
			t.Errorf("%s has no --json", c.CommandPath())
		}
		if c.Runnable() && c.HasParent() && c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s has the short text %q; want one without a full stop", c.CommandPath(), c.Short)
		}
		if !strings.HasPrefix(c.Use, c.Name()) || c.HasParent() && c.Long == "" && c.Example == "" && !c.HasSubCommands() {
			t.Errorf("%s doesn't say how it is used: %q", c.CommandPath(), c.Use)
		}
		for line := range strings.Lines(c.LocalFlags().FlagUsages()) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "-") && !explainedFlag.MatchString(line) {
				t.Errorf("%s: want a usage text without a full stop: %s", c.CommandPath(), line)
			}
		}
	}
}

func TestAWrongCommandLineIsAUsageError(t *testing.T) {
	dir, file := t.TempDir(), write(t, "f", "")
	for _, c := range []struct{ args, says string }{
		{"frobnicate", `unknown command "frobnicate"`},
		{"get --frobnicate", "unknown flag: --frobnicate"},
		{"get --dir " + dir + " --item x", "--type is missing"},
		{"get --dir " + dir + " --type like", "--item"},
		{"get --dir " + dir + " --type like --item x --all", "--all"},
		{"get --item x --type like", "--dir is missing"},
		{"get --dir " + file + " --item x --type like", "is a file"},
		{"get --dir " + dir + " --item x --type like --at yesterday", "neither RFC 3339"},
		{"get --dir " + dir + " --item x --type like --at newest+2y", "length of time"},
		{"get --dir " + dir + " --item x --type like extra", "unknown command"},
		{"top --dir " + dir, "--type is missing"},
		{"top --dir " + dir + " --type like --limit 0", "--limit 0"},
		{"top --dir " + dir + " --type like --limit 10001", "--limit 10001"},
		{"top --dir " + dir + " --type like --half-life 0h", "--half-life"},
		{"top --dir " + dir + " --type like --half-life soon", "--half-life"},
		{"import", "at least 1 arg"},
		{"import x", "--dir is missing"},
		{"import --dir " + dir + " x", "--format"},
		{"import --dir " + dir + " --format xml x", `--format "xml"`},
		{"import --dir " + dir + " --format csv --on-error panic x", `--on-error "panic"`},
		{"import --dir " + dir + " --format csv -", "pass --lane"},
		{"import --dir " + dir + " --format ndjson --mapping m x", "--mapping explains the columns of csv"},
		{"import --dir " + dir + " --format csv --acks x x", "--acks"},
		{"import --dir " + dir + " --format csv --lane l - -", "read once"},
		{"import --dir " + dir + " --format csv --lane " + strings.Repeat("l", 129) + " -", "129 bytes"},
		{"schema", "--dir"},
		{"schema --format xml", `--format "xml"`},
		{"schema --format csv --dir " + dir, "not both"},
		{"wal cut --dir " + dir, "--accept-loss"},
		{"wal frobnicate", "unknown command"},
		{"wal dump", "--dir is missing"},
		{"verify", "--dir is missing"},
	} {
		o := cli(t, nil, strings.Fields(c.args)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("tidal %s: exit %d, stdout %q, stderr %q; want exit %d and %q",
				c.args, o.code, o.stdout, o.stderr, exitUsage, c.says)
		}
		if strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, "--help`") {
			t.Errorf("tidal %s: want one line that points to the help: %q", c.args, o.stderr)
		}
		failed := answer[failure](t, cli(t, nil, append(strings.Fields(c.args), "--json")...))
		if failed.Code != "usage" || failed.Exit != exitUsage || !strings.Contains(failed.Error, c.says) {
			t.Errorf("tidal %s --json: %+v", c.args, failed)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("a refused command line left something behind: %v %v", entries, err)
	}
}

func TestVersionSaysWhatItIs(t *testing.T) {
	v := answer[versionResult](t, good(t, "version", "--json"))
	if !strings.HasPrefix(v.Go, "go1.") || v.Version == "" || v.OS == "" || v.Arch == "" {
		t.Errorf("%+v", v)
	}
	if o := good(t, "version"); !strings.HasPrefix(o.stdout, "tidal ") {
		t.Errorf("%q", o.stdout)
	}
}

func TestBuiltInSchemasArePrinted(t *testing.T) {
	for _, format := range []string{"movielens", "csv", "ndjson", "stackexchange", "ordered"} {
		golden(t, "schema-"+format+".yaml", good(t, "schema", "--format", format).stdout)
	}
}
