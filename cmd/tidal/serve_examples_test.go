package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The examples of other languages do what they say, with a server that is really there.
func TestExamplesInOtherLanguages(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name  string
		user  string
		needs func(t *testing.T) []string // the command line, but for the server's address
	}{
		{name: "python", user: "ada", needs: func(t *testing.T) []string {
			return []string{tool(t, "python3"), "-W", "error", filepath.Join(examples, "python", "quickstart.py")}
		}},
		{name: "typescript", user: "grace", needs: func(t *testing.T) []string { return compiled(t, filepath.Join(examples, "typescript")) }},
	} {
		t.Run(x.name, func(t *testing.T) {
			line := x.needs(t)
			p := served(t, filepath.Join(t.TempDir(), "db"), nil)
			c := exec.CommandContext(t.Context(), line[0], append(line[1:], p.started.URL)...)
			c.Env = cleanEnviron()
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, out, p.stderr)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if len(lines) != 7 || !strings.HasPrefix(lines[0], "for "+x.user+": ") || !strings.HasPrefix(lines[1], "without ") {
				t.Fatalf("it says\n%s", out)
			}
			want := []string{
				"the same key for something else: key_reused", "a type that the schema hasn't: refused, field type",
				"an item that isn't there: not_found",
			}
			if !slices.Equal(lines[4:], want) || !strings.EqualFold(lines[3], "sent twice, counted once: true") ||
				!strings.HasPrefix(lines[2], "all pages: ") {
				t.Errorf("it says\n%s", out)
			}
		})
	}
}

// tool is the path of a program, without which the test is skipped.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s isn't installed", name)
	}
	return path
}

// compiled checks the types of the example, makes JavaScript of it, and returns how to run that.
func compiled(t *testing.T, dir string) []string {
	t.Helper()
	node := tool(t, "node")
	version, err := exec.CommandContext(t.Context(), node, "-p", "process.versions.node.split('.')[0]").Output()
	if err != nil {
		t.Fatal(err)
	}
	if major, err := strconv.Atoi(strings.TrimSpace(string(version))); err != nil || major < 20 {
		t.Skipf("node is of version %s; the example needs 20", version)
	}
	compiler := filepath.Join(dir, "node_modules", "typescript", "bin", "tsc")
	if _, err := os.Stat(compiler); err != nil {
		t.Skip("the compiler of TypeScript isn't installed: npm ci --prefix examples/typescript")
	}
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "package.json"), []byte(`{"type":"module"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), node, compiler, "--project", dir, "--outDir", out)
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return []string{node, filepath.Join(out, "quickstart.js")}
}
