package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asProgram in the environment makes the test binary behave as tidal, for tests that need a process of their own to
// kill or to hold a lock, and for demo, which starts itself again.
const asProgram = "TIDAL_TEST_AS_PROGRAM"

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	if file := os.Getenv(clockFile); file != "" {
		os.Exit(process(clockAhead(file)))
	}
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// outcome is what a command line did.
type outcome struct {
	code           int
	stdout, stderr string
}

// cli runs a command line in this process.
func cli(t *testing.T, stdin io.Reader, args ...string) outcome {
	t.Helper()
	if stdin == nil {
		stdin = strings.NewReader("")
	}
	var out, errs bytes.Buffer
	code := run(context.Background(), args, stdin, &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

// good runs a command line that has to succeed.
func good(t *testing.T, args ...string) outcome {
	t.Helper()
	o := cli(t, nil, args...)
	if o.code != exitOK {
		t.Fatalf("tidal %s: exit %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o
}

// answer decodes the one JSON object that a command's output has to end with.
func answer[T any](t *testing.T, o outcome) T {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(o.stdout, "\n"), "\n")
	var v T
	dec := json.NewDecoder(strings.NewReader(lines[len(lines)-1]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("the last line is not the expected object: %v\nstdout: %s\nstderr: %s", err, o.stdout, o.stderr)
	}
	return v
}

// program prepares a command line as a process of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// write puts a file into a fresh directory and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// golden compares got with testdata/name, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (rewrite with -update)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// unraced skips a test that measures, or computes for long on one goroutine, where the race detector makes that ten times as
// long: what it runs has tests of its own.
func unraced(t *testing.T) {
	t.Helper()
	if raced {
		t.Skip("skipped: it takes minutes under the race detector, and runs without it")
	}
}
