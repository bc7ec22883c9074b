package test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fleet"
)

// long asks for the long set.
var long = flag.Bool("long", false, "run every test at length: minutes")

// binary is the program: the one that was named, or else the one that is built before the first test.
var binary string

func TestMain(m *testing.M) {
	flag.StringVar(&binary, "binary", "", "test this program instead of building one")
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "tidal-test-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "tidal")
		build := exec.Command("go", "build", "-o", binary, "../cmd/tidal")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the program:", err)
		return 1
	}
	return m.Run()
}

// program prepares a command line of the built program.
func program(ctx context.Context, args ...string) (*exec.Cmd, error) {
	return exec.CommandContext(ctx, binary, args...), nil
}

// within is a context that a test has to be done in.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// started starts servers, and shows what they have said if the test fails.
func started(ctx context.Context, t *testing.T, o fleet.Options) *fleet.Fleet {
	t.Helper()
	return startedIn(ctx, t, t.TempDir(), o)
}

// startedIn is the same in a directory that is there.
func startedIn(ctx context.Context, t *testing.T, dir string, o fleet.Options) *fleet.Fleet {
	t.Helper()
	o.Dir, o.Program, o.Launcher, o.Say = dir, program, []string{"bench-child", "stalled", "--"}, t.Logf
	f, err := fleet.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(f.Logs())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// loaded begins to write.
func loaded(ctx context.Context, t *testing.T, f *fleet.Fleet, o fleet.LoadOptions) *fleet.Load {
	t.Helper()
	o.Addrs = f.URLs()
	l, err := fleet.StartLoad(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// good fails the test at once if something went wrong.
func good(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stopped ends a load and returns what its clients know. Only clients that give up may have been refused.
func stopped(ctx context.Context, t *testing.T, l *fleet.Load) *fleet.Ledger {
	t.Helper()
	ledger, err := l.Stop(ctx)
	good(t, err)
	for _, text := range ledger.Errors {
		if l.Patient() {
			t.Errorf("a client was refused: %s", text)
		} else {
			t.Logf("a client gave up: %s", text)
		}
	}
	return ledger
}

// compared holds what was acknowledged against what every server has.
func compared(ctx context.Context, t *testing.T, f *fleet.Fleet, ledgers ...*fleet.Ledger) {
	t.Helper()
	v, err := f.Compare(ctx, ledgers...)
	good(t, err)
	for _, text := range v.Problems {
		t.Error(text)
	}
	if v.Acked == 0 {
		t.Error("nothing was acknowledged")
	}
	t.Logf("%d requests acknowledged, %d not known of, digest %s", v.Acked, v.Unknown, v.Digest)
}
