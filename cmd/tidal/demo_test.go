package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
)

func TestDemoShowsAListThatChangesAndACrashThatLosesNothing(t *testing.T) {
	t.Setenv(asProgram, "1") // for the process that demo starts
	t.Setenv("TMPDIR", t.TempDir())
	o := good(t, "demo", "--once", "--json")
	got := answer[demoResult](t, o)
	if strings.Count(o.stdout, "\n") != 1 {
		t.Errorf("one line is wanted: %s", o.stdout)
	}
	if !got.Recovered || len(got.Digest) != 64 || got.Signals < 1000 || got.Different != 0 || got.Cells < demoItems/2 ||
		got.UserRecords < 1000 {
		t.Errorf("%+v", got)
	}
	if len(got.Before) != demoList || len(got.After) != demoList || slices.Equal(got.Before, got.After) {
		t.Errorf("before %v, after %v", got.Before, got.After)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) != 0 {
		t.Errorf("--once leaves something behind: %v %v", left, err)
	}
}

func TestDemoForPeopleTellsTheStoryAndKeepsTheDatabase(t *testing.T) {
	t.Setenv(asProgram, "1") // for the process that demo starts
	dir := filepath.Join(t.TempDir(), "demo")
	o := good(t, "demo", "--dir", dir)
	for _, says := range []string{
		"SIGKILL", "Reopened in", "The digest is the same, the list is the same", "tidal top --dir " + dir,
		"tidal import",
	} {
		if !strings.Contains(o.stdout, says) {
			t.Errorf("the story doesn't say %q:\n%s", says, o.stdout)
		}
	}
	top := answer[topResult](t, good(t, "top", "--dir", dir, "--type", "like", "--json"))
	if len(top.Items) != demoList {
		t.Errorf("%+v", top)
	}
	if again := cli(t, nil, "demo", "--dir", dir); again.code != exitRefused || !strings.Contains(again.stderr, dir) {
		t.Errorf("a second demo in the same directory: %+v", again)
	}
}

// The verdict is a comparison, not a constant: a demo whose child reports something else than what is on disk fails.
func TestDemoNoticesADatabaseThatIsNotTheSame(t *testing.T) {
	t.Setenv(asProgram, "1") // for the process that demo starts
	dir := filepath.Join(t.TempDir(), "demo")
	before := answer[demoResult](t, good(t, "demo", "--dir", dir, "--json"))
	list := answer[topResult](t, good(t, "top", "--dir", dir, "--type", "like", "--json"))
	ready := demoStep{Step: "ready", Signals: before.Signals, Digest: before.Digest, At: time.Now().UnixMilli()}
	check := func(change func(*demo)) bool {
		d := &demo{app: &app{now: time.Now}, dir: dir, say: &strings.Builder{}, ready: ready, result: demoResult{After: ids(list.Items)}}
		change(d)
		if err := d.reopen(true); err != nil {
			t.Fatal(err)
		}
		return d.result.Recovered
	}
	if !check(func(*demo) {}) {
		t.Error("the same database isn't recognised")
	}
	if check(func(d *demo) { d.ready.Digest = strings.Repeat("0", 64) }) {
		t.Error("another digest passes")
	}
	if check(func(d *demo) { slices.Reverse(d.result.After) }) {
		t.Error("another list passes")
	}
}

// What the killed process reported is compared record by record.
func TestDemoNoticesASignalThatIsLostOrCountedTwice(t *testing.T) {
	t.Setenv(asProgram, "1") // for the process that demo starts
	d := &demo{app: &app{now: time.Now, self: os.Executable, stderr: io.Discard}, dir: filepath.Join(t.TempDir(), "demo"), say: io.Discard}
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.result.Different != 0 || !d.result.Recovered {
		t.Fatalf("%+v", d.result)
	}
	for name, change := range map[string]func(last *demoWrite){
		"lost": func(w *demoWrite) { w.Signals = append(w.Signals, w.Signals[0]) },
		"more": func(w *demoWrite) { w.Signals = nil },
		"late": func(w *demoWrite) { w.Signals[0].Time = w.Signals[0].Time.Add(time.Minute) },
	} {
		last := *d.wrote[len(d.wrote)-1]
		last.Signals = slices.Clone(last.Signals)
		change(&last)
		other := &demo{app: d.app, dir: d.dir, say: d.say, ready: d.ready, wrote: slices.Clone(d.wrote)}
		other.wrote[len(d.wrote)-1] = &last
		if err := other.compare(t.Context()); err != nil || other.result.Different == 0 {
			t.Errorf("%s: %+v %v", name, other.result, err)
		}
	}
	d.wrote = nil
	if err := d.compare(t.Context()); err != nil || d.result.Different == 0 {
		t.Errorf("nothing was reported: %+v %v", d.result, err)
	}
}

func TestTheDemosWorldIsTheSameOnEveryRun(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	a, b := demoHistory(now), demoHistory(now.Add(time.Hour))
	if len(a) != len(b) || len(a) < demoVisits {
		t.Fatalf("%d and %d signals", len(a), len(b))
	}
	for i := range a {
		x, y := a[i].(tidal.Signal), b[i].(tidal.Signal)
		if x.Item != y.Item || x.User != y.User || x.Type != y.Type || y.Time.Sub(x.Time) != time.Hour || x.Time.After(now) {
			t.Fatalf("signal %d: %v and %v", i, x, y)
		}
	}
	seen := map[string]bool{}
	for _, it := range demoCatalogue() {
		if seen[it.id] || seen[it.title] {
			t.Errorf("%s, %q appears twice", it.id, it.title)
		}
		seen[it.id], seen[it.title] = true, true
	}
}
