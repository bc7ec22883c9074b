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
	"github.com/tidaldb/tidal/internal/hidden"
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
	if len(got.Hidden) != demoHides || got.HiddenServed != 0 {
		t.Errorf("hidden %v, %d of them served", got.Hidden, got.HiddenServed)
	}
	for _, id := range got.Hidden {
		if slices.Contains(got.After, id) {
			t.Errorf("%s is hidden, and in %v", id, got.After)
		}
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
		"SIGKILL", demoReader + " hides", "Reopened in", "The digest is the same, the list is the same", "lists held 0",
		"tidal rank --dir " + dir, "tidal import",
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

// aDemo runs the demo up to its end.
func aDemo(t *testing.T) *demo {
	t.Helper()
	t.Setenv(asProgram, "1") // for the process that demo starts
	d := &demo{app: &app{now: time.Now, self: os.Executable, stderr: io.Discard}, dir: filepath.Join(t.TempDir(), "demo"), say: io.Discard}
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.result.Different != 0 || !d.result.Recovered || d.result.HiddenServed != 0 || d.result.failed() {
		t.Fatalf("%+v", d.result)
	}
	return d
}

// The verdict is a comparison, not a constant: a demo whose child reports something else than what is on disk fails.
func TestDemoNoticesADatabaseThatIsNotTheSame(t *testing.T) {
	ran := aDemo(t)
	check := func(change func(*demo)) bool {
		d := &demo{app: ran.app, dir: ran.dir, say: io.Discard, ready: ran.ready, result: demoResult{After: slices.Clone(ran.result.After)}}
		change(d)
		if err := d.reopen(t.Context(), true); err != nil {
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

// A hidden item in any list that begins behind the hide is counted, and fails the demo; so does one that the database
// counted itself.
func TestDemoNoticesWhatIsServedThoughItIsHidden(t *testing.T) {
	d := aDemo(t)
	shown := 0
	for _, op := range d.ops {
		if op.Op == hidden.List {
			shown++
		}
	}
	if shown != 5 || len(d.ops) != shown+demoHides {
		t.Errorf("%d lists, %d operations", shown, len(d.ops))
	}
	ops := slices.Clone(d.ops)
	for name, leak := range map[string]func() uint64{
		"in the last list": func() uint64 {
			last := &d.ops[len(d.ops)-1]
			last.Items = append(slices.Clone(last.Items), d.result.Hidden[1])
			return 0
		},
		"in a list of its own": func() uint64 {
			d.ops = append(d.ops, d.clock.during(hidden.Op{Op: hidden.List, User: demoReader, Items: d.result.Hidden[:1]}))
			return 0
		},
		"by the database's count": func() uint64 { return 1 },
	} {
		d.ops = slices.Clone(ops)
		d.countHidden(leak())
		if d.result.HiddenServed != 1 || !d.result.failed() {
			t.Errorf("%s: %+v", name, d.result)
		}
	}
	// Before the hide the same items may be shown.
	d.ops = slices.Clone(ops)
	if d.countHidden(0); d.result.HiddenServed != 0 || d.result.failed() {
		t.Errorf("%+v", d.result)
	}
}

// What the killed process reported is compared record by record.
func TestDemoNoticesASignalThatIsLostOrCountedTwice(t *testing.T) {
	d := aDemo(t)
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
