package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/bench"
)

func TestBenchServePrintsTheFieldsThatWerePromised(t *testing.T) {
	unraced(t)
	t.Setenv(asProgram, "1") // for the server
	dir, history := t.TempDir(), filepath.Join(t.TempDir(), "history.jsonl")
	profile := filepath.Join(t.TempDir(), "server.pprof")
	o := good(t, "bench", "serve", "--items", "1000", "--users", "200", "--before", "5000", "--dimensions", "8", "--connections", "8",
		"--rate", "60", "--signals", "1280", "--reactions", "20", "--seconds", "1", "--dir", dir, "--record", history,
		"--server-cpuprofile", profile, "--json")
	r := answer[bench.ServeResult](t, o)
	if r.HiddenServed != 0 || len(r.Problems) != 0 || r.Errors != 0 || r.Lost != 0 || r.Double != 0 || r.Hides == 0 ||
		r.Reactions == 0 || r.Written < 1280 || r.RanksPerSecond <= 0 || r.SignalsPerSecond <= 0 || r.Length < 10 {
		t.Errorf("%+v", r)
	}
	if r.RankP99 < r.RankP50 || r.RankP50 <= 0 || r.ReactionP50 <= 0 || r.SignalP50 <= 0 || r.InServer <= 0 || r.Candidates < 25 {
		t.Errorf("%+v", r)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"rank_p50_ms", "rank_p99_ms", "signal_p99_ms", "reaction_p99_ms", "errors", "server_rss_before_bytes",
		"server_rss_after_bytes", "degraded", "hidden_served", "lost", "machine", "durability", "items", "users", "batch",
	} {
		if _, ok := fields[name]; !ok {
			t.Errorf("%s is missing: %s", name, o.stdout)
		}
	}
	if text, err := os.ReadFile(history); err != nil || !strings.Contains(string(text), `"bench":"serve"`) {
		t.Errorf("the history has %q: %v", text, err)
	}
	if st, err := os.Stat(profile); err != nil || st.Size() == 0 {
		t.Errorf("no profile: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestBenchServeRefusesFlags(t *testing.T) {
	for _, args := range [][]string{
		{"--items", "1"},
		{"--users", "1"},
		{"--before", "-1"},
		{"--dimensions", "-1"},
		{"--connections", "0"},
		{"--rate", "0"},
		{"--signals", "0"},
		{"--reactions", "-1"},
		{"--seconds", "0"},
		{"--profile", "trending"},
	} {
		o := cli(t, nil, append([]string{"bench", "serve"}, args...)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, args[0]) {
			t.Errorf("%v: exit code %d, %s", args, o.code, o.stderr)
		}
	}
}
