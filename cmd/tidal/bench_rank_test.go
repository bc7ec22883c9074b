package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/bench"
)

func TestBenchRankPrintsTheFieldsThatWerePromised(t *testing.T) {
	unraced(t)
	dir, history := t.TempDir(), filepath.Join(t.TempDir(), "history.jsonl")
	o := good(t, "bench", "rank", "--items", "1000", "--users", "200", "--signals", "10000", "--dimensions", "8",
		"--seconds", "0.05", "--dir", dir, "--record", history, "--json")
	r := answer[bench.RankResult](t, o)
	if r.HiddenServed != 0 || len(r.Problems) != 0 || r.IngestPerSecond <= 0 || r.RankPerSecond <= 0 {
		t.Errorf("%+v", r)
	}
	var fields struct {
		First    map[string]any
		Profiles map[string]map[string]any
		Recall   map[string]float64
	}
	if err := json.Unmarshal([]byte(o.stdout), &fields.First); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(o.stdout), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"profiles", "recall", "ingest_per_second", "rank_per_second", "items", "users", "machine", "hidden_served",
	} {
		if _, ok := fields.First[name]; !ok {
			t.Errorf("%s is missing: %s", name, o.stdout)
		}
	}
	for _, list := range []string{
		"for_you", "trending", "hot", "new", "related", "rising", "following", "top", "most", "hidden_gems",
		"controversial", "shuffle", "notification", "for_you_filtered", "new_filtered",
	} {
		for _, name := range []string{"p50_us", "p99_us", "mean_us", "candidates", "scored", "lists"} {
			if x, ok := fields.Profiles[list][name].(float64); !ok || x <= 0 {
				t.Errorf("%s of %s is %v", name, list, fields.Profiles[list][name])
			}
		}
	}
	for _, list := range []string{"trending", "hot", "rising"} {
		if x := fields.Recall[list]; !(x > 0 && x <= 1) {
			t.Errorf("recall of %s is %v", list, x)
		}
	}
	if text, err := os.ReadFile(history); err != nil || !strings.Contains(string(text), `"bench":"rank"`) {
		t.Errorf("the history has %q: %v", text, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestBenchRankForPeopleIsATable(t *testing.T) {
	unraced(t)
	o := good(t, "bench", "rank", "--items", "1000", "--users", "100", "--signals", "3000", "--dimensions", "0",
		"--seconds", "0.05", "--only", "new,trending", "--quiet", "--ingest", "1000")
	for _, says := range []string{"p99 µs", "\ntrending ", "Without writes:", "recall", "lists/s of for_you", "hidden"} {
		if !strings.Contains(o.stdout, says) {
			t.Errorf("doesn't say %q:\n%s", says, o.stdout)
		}
	}
	if strings.Contains(o.stdout, "shuffle") || !strings.Contains(o.stderr, "3000 of 3000 signals") {
		t.Errorf("prints\n%s\nand says\n%s", o.stdout, o.stderr)
	}
}

func TestABenchOfListsThatCantBeIsAUsageError(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"--items 999", "--items 999"},
		{"--users 99", "--users 99"},
		{"--signals -1", "--signals -1"},
		{"--dimensions 5000", "--dimensions 5000"},
		{"--seconds NaN", "--seconds NaN"},
		{"--clients 0", "--clients 0"},
		{"--rate 0", "--rate 0"},
		{"--ingest -1", "--ingest -1"},
		{"--only new,old", `--only "old"`},
	} {
		if o := cli(t, nil, append([]string{"bench", "rank"}, strings.Fields(c.args)...)...); o.code != exitUsage ||
			!strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: exit %d, %s", c.args, o.code, o.stderr)
		}
	}
}
