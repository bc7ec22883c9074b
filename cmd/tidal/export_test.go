package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/learn"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// exportWorld is a directory in which ada liked the first and third item of a list, skipped the second, and saw two more; bob
// was erased. A writer has it open.
func exportWorld(t *testing.T) (dir string, db *tidal.DB) {
	t.Helper()
	dir = t.TempDir()
	s := schema.Events()
	s.Items.Fields = append(s.Items.Fields, schema.Field{Name: "heading", Type: schema.TypeText})
	db, err := tidal.Open(dir, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx := context.Background()
	for i := range 5 {
		put := tidal.Put{Kind: tidal.Item, ID: fmt.Sprint("i", i), Fields: tidal.Fields{"heading": schema.String(fmt.Sprint("Item ", i))}}
		if _, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{put}}); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := db.Rank(ctx, &query.Query{Profile: "new", User: "ada", Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []string{"like", "skip", "like", "start", "start"} {
		signal := tidal.Signal{Type: kind, User: "ada", Item: answer.Items[i].Item, Ref: answer.Ref(i)}
		if _, err := db.Signals(ctx, signal, tidal.Signal{Type: "view", User: "bob", Item: "i1"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Write(ctx, tidal.Request{Records: []tidal.Record{tidal.Erase{User: "bob"}}}); err != nil {
		t.Fatal(err)
	}
	return dir, db
}

// linesOf reads a file of lines, or what a command printed.
func linesOf[T any](t *testing.T, text string) (out []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var x T
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, x)
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestExportWritesEventsBesideTheWriter(t *testing.T) {
	dir, _ := exportWorld(t)
	o := good(t, "export", "--dir", dir, "--from", "now-1h")
	events := linesOf[tidal.Exported](t, o.stdout)
	if len(events) != 5 || !strings.Contains(o.stderr, "5 events, 5 lines") {
		t.Fatalf("%d events: %s%s", len(events), o.stdout, o.stderr)
	}
	for i, x := range events {
		if x.User != "ada" || x.Ref == nil || x.Ref.Place != i+1 || x.Ref.Profile != "new" {
			t.Errorf("event %d: %+v", i, x)
		}
	}
	o = good(t, "export", "--dir", dir, "--from", "now-1h", "--type", "like,skip", "--limit", "2", "--json")
	r := answer[exportResult](t, o)
	if r.Events != 2 || r.Lines != 2 || r.Whole || r.Cursor != events[1].Cursor || r.Missing || r.LogBegins == "" {
		t.Errorf("result: %+v", r)
	}
	o = good(t, "export", "--dir", dir, "--to", "now+1h", "--cursor", r.Cursor, "--type", "like,skip")
	if rest := linesOf[tidal.Exported](t, o.stdout); len(rest) != 1 || rest[0].Position != events[2].Position {
		t.Errorf("the rest: %s", o.stdout)
	}
}

// A file goes on where it ends, and loses nothing but what a crash left of a line.
func TestExportGoesOnInItsFile(t *testing.T) {
	dir, db := exportWorld(t)
	path := filepath.Join(t.TempDir(), "events.jsonl")
	args := []string{"export", "--dir", dir, "--from", "now-1h", "--out", path, "--json"}
	good(t, append(args, "--limit", "3")...)
	first := read(t, path)
	if err := os.WriteFile(path, []byte(first+`{"kind":"signal","posi`), 0o600); err != nil {
		t.Fatal(err)
	}
	good(t, args...)
	if got := read(t, path); !strings.HasPrefix(got, first) || len(linesOf[tidal.Exported](t, got)) != 5 {
		t.Errorf("the file is\n%s", got)
	}
	if _, err := db.Signals(t.Context(), tidal.Signal{Type: "save", User: "ada", Item: "i0"}); err != nil {
		t.Fatal(err)
	}
	if r := answer[exportResult](t, good(t, args...)); r.Events != 1 || !r.Whole {
		t.Errorf("what came later: %+v", r)
	}
	whole := read(t, path)
	if events := linesOf[tidal.Exported](t, whole); len(events) != 6 || events[5].Type != "save" {
		t.Errorf("the file is\n%s", whole)
	}

	// What is no export is left alone.
	for _, text := range []string{"my notes\n", "{\"a\":1}\n", "{\"a\":1}", whole + "my notes\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if o := cli(t, nil, args...); o.code != exitRefused || read(t, path) != text {
			t.Errorf("%.20q: exit %d, the file is %.20q", text, o.code, read(t, path))
		}
	}
	if err := os.WriteFile(path, []byte(`{"kind":"sig`), 0o600); err != nil { // all that a crash left
		t.Fatal(err)
	}
	good(t, args...)
	if got := linesOf[tidal.Exported](t, read(t, path)); len(got) != 6 {
		t.Errorf("after a crash in the first line: %d events", len(got))
	}
}

func TestExportUnderAName(t *testing.T) {
	dir, db := exportWorld(t)
	args := []string{"export", "--dir", dir, "--from", "now-1h", "--name", "nightly"}
	if got := linesOf[tidal.Exported](t, good(t, append(args, "--limit", "2")...).stdout); len(got) != 2 {
		t.Errorf("first: %v", got)
	}
	if got := linesOf[tidal.Exported](t, good(t, args...).stdout); len(got) != 3 || got[0].Ref.Place != 3 {
		t.Errorf("then: %v", got)
	}
	if got := good(t, args...).stdout; got != "" {
		t.Errorf("then nothing, but %s", got)
	}
	if _, err := db.Signals(t.Context(), tidal.Signal{Type: "save", User: "ada", Item: "i0"}); err != nil {
		t.Fatal(err)
	}
	list := answer[namedExports](t, good(t, "export", "list", "--dir", dir, "--json")).Exports
	if len(list) != 1 || list[0].Name != "nightly" || list[0].LagBytes < 100 || list[0].Stale || list[0].Gone || list[0].Oldest == "" {
		t.Errorf("list: %+v", list)
	}
	if o := good(t, "export", "list", "--dir", dir); !strings.Contains(o.stdout, "nightly") {
		t.Errorf("list: %s", o.stdout)
	}
	good(t, "export", "drop", "--dir", dir, "--name", "nightly")
	if o := cli(t, nil, "export", "drop", "--dir", dir, "--name", "nightly"); o.code != exitNotFound {
		t.Errorf("dropped twice: exit %d", o.code)
	}
	if o := good(t, "export", "list", "--dir", dir); !strings.Contains(o.stdout, "no named exports") {
		t.Errorf("list: %s", o.stdout)
	}
}

func TestExportMakesPairsAndTrajectories(t *testing.T) {
	dir, _ := exportWorld(t)
	folder := t.TempDir()
	events, pairs := filepath.Join(folder, "events.jsonl"), filepath.Join(folder, "pairs.jsonl")
	good(t, "export", "--dir", dir, "--from", "now-1h", "--out", events)
	r := answer[exportResult](t, good(t, "export", "--dir", dir, "--from", "now-1h", "--as", "pairs", "--text", "heading", "--out", pairs, "--json"))
	got := linesOf[learn.Pair](t, read(t, pairs))
	if len(got) != 6 || r.Lines != 6 || r.Pairs == nil || r.Pairs.Lists != 1 || r.Pairs.Pairs != 6 {
		t.Fatalf("%d pairs: %+v, %+v", len(got), r, r.Pairs)
	}
	if x := got[0]; x.Rule != "negative" || !strings.HasPrefix(x.Chosen, "Item ") || x.ChosenAs.Place != 1 || x.RejectedAs.Place != 2 ||
		!strings.Contains(x.Prompt, "user: ada") || got[2].Rule != "impression" {
		t.Errorf("pairs: %s", read(t, pairs))
	}
	if o := cli(t, nil, "export", "--dir", dir, "--from", "now-1h", "--as", "pairs", "--out", pairs); o.code != exitRefused {
		t.Errorf("over a file that is there: exit %d", o.code)
	}

	// Of a file of events the same comes, without the database if it's said what signals are worth.
	o := good(t, "export", "--dir", dir, "--in", events, "--as", "pairs", "--text", "heading")
	if o.stdout != read(t, pairs) {
		t.Errorf("of the file come\n%s", o.stdout)
	}
	file, err := os.Open(events)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	o = cli(t, file, "export", "--in", "-", "--as", "trajectories", "--reward", "like=2,skip=-1,start=0", "--json")
	r = answer[exportResult](t, o)
	episodes := linesOf[learn.Episode](t, strings.SplitAfter(o.stdout, "\n")[0])
	if len(episodes) != 1 || episodes[0].Return != 3 || len(episodes[0].Steps) != 5 || r.Episodes == nil || r.Episodes.Steps != 5 ||
		episodes[0].Steps[0].Propensity == nil || *episodes[0].Steps[0].Propensity != 1 {
		t.Errorf("episodes: %s%s", o.stdout, o.stderr)
	}
	if left, err := filepath.Glob(filepath.Join(folder, "*.part")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestExportRefusesWhatDoesntGoTogether(t *testing.T) {
	dir, _ := exportWorld(t)
	for _, args := range [][]string{
		{"--dir", dir},
		{"--from", "now-1h"},
		{"--dir", dir, "--from", "soon"},
		{"--dir", dir, "--from", "now", "--as", "csv"},
		{"--dir", dir, "--from", "now", "--name", "x", "--cursor", "y"},
		{"--dir", dir, "--from", "now", "--name", "x", "--as", "pairs"},
		{"--dir", dir, "--from", "now", "--in", "x", "--as", "pairs"},
		{"--dir", dir, "--in", "x"},
		{"--in", "x", "--as", "pairs"},
		{"--dir", dir, "--from", "now", "--reward", "like=1"},
		{"--dir", dir, "--from", "now", "--as", "pairs", "--reward", "like"},
		{"--dir", dir, "--from", "now", "--as", "pairs", "--window", "long"},
		{"--dir", dir, "--from", "now", "--limit", "-1"},
	} {
		if o := cli(t, nil, append([]string{"export"}, args...)...); o.code != exitUsage {
			t.Errorf("%v: exit %d: %s", args, o.code, o.stderr)
		}
	}
	for _, args := range [][]string{
		{"--dir", dir, "--from", "now", "--type", "lik"},
		{"--dir", dir, "--from", "now", "--cursor", "xyz"},
		{"--dir", dir, "--from", "now", "--name", "No"},
		{"--dir", dir, "--from", "now", "--to", "now-1h"},
		{"--dir", dir, "--from", "now", "--as", "pairs", "--text", "nothing"},
		{"--dir", dir, "--from", "now", "--as", "pairs", "--reward", "lik=1"},
	} {
		if o := cli(t, nil, append([]string{"export"}, args...)...); o.code != exitRefused {
			t.Errorf("%v: exit %d: %s", args, o.code, o.stderr)
		}
	}
}

// The page's line is one that the program writes, and reads.
func TestTheLineOfThePageIsALine(t *testing.T) {
	page := read(t, filepath.Join("..", "..", "docs", "exports.md"))
	_, rest, _ := strings.Cut(page, "```json\n")
	line, _, _ := strings.Cut(rest, "\n```")
	var x tidal.Exported
	if err := json.Unmarshal([]byte(line), &x); err != nil {
		t.Fatal(err)
	}
	if got := string(x.AppendJSON(nil)); got != line {
		t.Errorf("the page has\n%s, the program writes\n%s", line, got)
	}
	if x.Ref == nil || x.Ref.Time.Format(time.RFC3339) != "2026-03-01T11:59:58Z" {
		t.Errorf("read as %+v", x)
	}
}

// A process that is killed while it exports under a name has lost nothing: what it gave, and what the next gives, is everything.
func TestAnExportThatIsKilledLosesNothing(t *testing.T) {
	dir := t.TempDir()
	db, err := tidal.Open(dir, schema.Events(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const signals = 20_000
	for n := 0; n < signals; n += 500 {
		request := make([]tidal.Signal, 500)
		for j := range request {
			request[j] = tidal.Signal{Type: "view", User: "ada", Item: fmt.Sprint("i", n+j)}
		}
		if _, err := db.Signals(t.Context(), request...); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	args := []string{"export", "--dir", dir, "--to", "now+1h", "--name", "nightly"}
	given := map[string]bool{}
	keep := func(line []byte) {
		var x tidal.Exported
		if err := x.UnmarshalJSON(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		given[x.Item] = true
	}
	killed := program(t, args...)
	out, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; n < 5000 && lines.Scan(); n++ {
		keep(lines.Bytes())
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	if len(given) != 5000 {
		t.Fatalf("%d events before the kill", len(given))
	}
	rest := good(t, args...).stdout
	for line := range strings.Lines(rest) {
		keep([]byte(line))
	}
	if len(given) != signals {
		t.Errorf("%d of %d events were given", len(given), signals)
	}
	if again := good(t, args...).stdout; again != "" {
		t.Errorf("and then again %.100s", again)
	}
}
