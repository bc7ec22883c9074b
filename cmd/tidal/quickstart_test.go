package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/testport"
)

// shown is a command of a console and what is shown below it.
type shown struct{ command, output string }

// consoleAfter reads the block of console that stands behind a marker in a document.
func consoleAfter(t *testing.T, file, marker string) (all []shown) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), marker)
	_, rest, _ = strings.Cut(rest, "```console\n")
	block, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatalf("%s has no console behind %q", file, marker)
	}
	for line := range strings.Lines(block) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, shown{command: strings.TrimSpace(command)})
			continue
		}
		if len(all) == 0 {
			t.Fatalf("%s: %q stands before any command", file, line)
		}
		all[len(all)-1].output += line
	}
	return all
}

// matches compares an output with what is shown, in which … stands for anything.
func matches(output, shown string) bool {
	parts := strings.Split(strings.TrimSpace(shown), "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `$`).MatchString(strings.TrimSpace(output))
}

// The README's first minutes with a server work as printed: everything is run by a shell, with curl, in the order in which it
// stands there, by a program of this name. Only the port is another one, and who types is slower than a script: it waits until
// a server that was started in the background is ready.
func TestTheReadmesQuickstartWorks(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s isn't installed: the README's quickstart isn't tested", tool)
		}
	}
	dir, address := t.TempDir(), testport.Free(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := fmt.Sprintf("#!/bin/sh\nexec %q \"$@\"\n", self)
	if err := os.WriteFile(filepath.Join(dir, "tidal"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	const end = "--- end of a command ---"
	commands := consoleAfter(t, "../../README.md", "TestTheReadmesQuickstartWorks")
	var script strings.Builder
	script.WriteString("set -m\nexport PATH=\"$PWD:$PATH\"\n")
	for _, c := range commands {
		line := strings.ReplaceAll(c.command, "localhost:7878", address)
		line = strings.ReplaceAll(line, "curl ", "curl --silent --show-error ")
		if background, ok := strings.CutSuffix(line, "&"); ok {
			line = background + " > serve.out & until curl --silent --fail " + address +
				"/readyz > /dev/null && test -s serve.out; do kill -0 %% || exit 1; done; cat serve.out"
		}
		fmt.Fprintf(&script, "%s\necho; echo '%s'\n", line, end)
	}
	script.WriteString("kill %%; wait\n")
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	cmd.Dir, cmd.Env = dir, cleanEnviron("TIDAL_LISTEN="+address)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	outputs := strings.Split(string(out), end)
	if len(outputs) != len(commands)+1 {
		t.Fatalf("%d of %d commands were run: %v\n%s\n%s", len(outputs)-1, len(commands), err, out, &stderr)
	}
	for i, c := range commands {
		if want := strings.ReplaceAll(c.output, "127.0.0.1:7878", address); !matches(outputs[i], want) {
			t.Errorf("$ %s\n%s\nthe README shows\n%s", c.command, strings.TrimSpace(outputs[i]), want)
		}
	}
	if len(commands) < 9 {
		t.Errorf("the README shows %d commands, and once had more", len(commands))
	}
	if t.Failed() {
		t.Logf("%s", &stderr)
	}
}
