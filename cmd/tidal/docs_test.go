package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/config"
)

// Every line of the page that begins with tidal is a command line of this program, with flags that it has; and the page
// shows every command.
func TestCommandsOfThePageExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, line := range strings.Split(string(page), "\n") {
		_, line, ok := strings.Cut("\n"+line, "\ntidal ")
		if !ok {
			if _, line, ok = strings.Cut("\n"+line, "| tidal "); !ok {
				continue
			}
		}
		shown = append(shown, checkLine(t, line))
	}
	for _, path := range commands() {
		c, _, err := (&app{}).root().Find(path)
		if err == nil && !c.HasSubCommands() && !slices.Contains(shown, c.CommandPath()) {
			t.Errorf("docs/cli.md doesn't show %s", c.CommandPath())
		}
	}
}

// Pages for who runs a server show command lines, too.
func TestCommandsOfOtherPagesExist(t *testing.T) {
	for _, name := range []string{"serving.md", "operations.md", "configuration.md", "cluster.md"} {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		joined := strings.ReplaceAll(string(page), "\\\n", "") // lines that go on
		for _, line := range strings.Split(joined, "\n") {
			line = strings.TrimSuffix(strings.TrimSpace(line), " &") // in the background
			for strings.HasPrefix(line, "TIDAL_") {                  // a variable for the command
				_, line, _ = strings.Cut(line, " ")
			}
			if rest, ok := strings.CutPrefix(line, "tidal "); ok {
				checkLine(t, rest)
				shown++
			}
		}
		if shown == 0 {
			t.Errorf("docs/%s shows no command", name)
		}
	}
}

// Every exit code and every word for a failure is in the page.
func TestExitCodesOfThePageAreComplete(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(slices.Clone(failings), failing{code: "usage", exit: exitUsage}, failing{code: "failure", exit: exitFailure}) {
		found := false
		for _, line := range strings.Split(string(page), "\n") {
			cells := strings.Split(line, " | ")
			found = found || len(cells) == 3 && cells[0] == "| "+strconv.Itoa(f.exit) && strings.Contains(cells[1], "`"+f.code+"`")
		}
		if !found {
			t.Errorf("docs/cli.md has no row for exit %d with %s", f.exit, f.code)
		}
	}
}

// The page has no code that the program hasn't: a script that waits for one would wait for ever.
func TestExitCodesOfThePageExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]int{"usage": exitUsage, "failure": exitFailure}
	for _, f := range failings {
		known[f.code] = f.exit
	}
	rows := 0
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(line, " | ")
		exit, err := strconv.Atoi(strings.TrimPrefix(cells[0], "| "))
		if err != nil || len(cells) != 3 {
			continue
		}
		rows++
		for i, code := range strings.Split(cells[1], "`") {
			if at, ok := known[code]; i%2 == 1 && (!ok || at != exit) {
				t.Errorf("docs/cli.md says exit %d of %s; the program %d (%v)", exit, code, at, ok)
			}
		}
	}
	if rows != 8 { // those for failures
		t.Errorf("docs/cli.md has %d exit codes", rows)
	}
}

// The help's examples are held to the same.
func TestCommandsOfTheExamplesExist(t *testing.T) {
	for _, path := range commands() {
		c, _, err := (&app{}).root().Find(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(c.Example, "\n") {
			if _, line, ok := strings.Cut(line, "tidal "); ok {
				checkLine(t, line)
			}
		}
	}
}

// checkLine parses a command line without running it, and returns the command's path.
func checkLine(t *testing.T, line string) string {
	t.Helper()
	line, _, _ = strings.Cut(line, " #")
	line, _, _ = strings.Cut(line, " | ")
	line, _, _ = strings.Cut(line, " > ")
	root := (&app{}).root()
	c, rest, err := root.Find(words(line))
	if err != nil || c == root {
		t.Errorf("tidal %s: no such command (%v)", line, err)
		return ""
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Errorf("tidal %s: %v", line, err)
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Errorf("tidal %s: %v", line, err)
	}
	return c.CommandPath()
}

// words cuts a command line as a shell does, as far as the page needs: what stands in single quotes is one word.
func words(line string) []string {
	var out []string
	for n, part := range strings.Split(line, "'") {
		if n%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// isSetting reports whether a flag is made of the table that docs/configuration.md shows, which another test holds.
func isSetting(flag string) bool {
	_, ok := config.Find(strings.TrimPrefix(flag, "--"))
	return ok
}

// Every flag of every command is in the page; those that are settings of a server are in a page of their own.
func TestFlagsOfThePageAreComplete(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, word := range strings.Fields(c.LocalFlags().FlagUsages()) {
			if strings.HasPrefix(word, "--") && word != "--help" && !c.Hidden && !isSetting(word) && !strings.Contains(string(page), word) {
				t.Errorf("docs/cli.md doesn't say what %s of %s is", word, c.CommandPath())
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{}).root())
}
