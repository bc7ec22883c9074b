package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/bench"
	"github.com/tidaldb/tidal/internal/fleet"
	"github.com/tidaldb/tidal/internal/stall"
)

func TestBenchFailoverPrintsTheFieldsThatWerePromised(t *testing.T) {
	t.Setenv(asProgram, "1") // for the servers
	for _, fault := range []string{bench.FaultKill, bench.FaultStall} {
		if err := stall.Supported(); fault == bench.FaultStall && err != nil {
			t.Log(err)
			continue
		}
		dir, history := t.TempDir(), filepath.Join(t.TempDir(), "history.jsonl")
		o := good(t, "bench", "failover", "--runs", "1", "--fault", fault, "--writers", "3", "--dir", dir, "--record", history, "--json")
		r := answer[bench.FailoverResult](t, o)
		if len(r.Problems) != 0 || r.Lost+r.Double+r.Torn+r.Phantom+r.Refused != 0 || r.Acked < 3*40*8 || r.Digest == "" || len(r.Gaps) != 1 {
			t.Errorf("%+v", r)
		}
		if r.P50 <= 0 || r.P99 < r.P50 || r.Max < r.P99 || r.NobodyMax <= 0 || r.QuietMax <= 0 || r.BackMax <= 0 {
			t.Errorf("%+v", r)
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(o.stdout), &fields); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"p50_ms", "p99_ms", "max_ms", "acked", "lost", "double", "runs", "fault", "machine", "durability"} {
			if _, ok := fields[name]; !ok {
				t.Errorf("%s is missing: %s", name, o.stdout)
			}
		}
		if text, err := os.ReadFile(history); err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), `"bench":"failover"`) {
			t.Errorf("the history has %q: %v", text, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
}

func TestBenchIngestOfReplicasPrintsTheFieldsThatWerePromised(t *testing.T) {
	unraced(t)
	t.Setenv(asProgram, "1") // for the servers
	profile := filepath.Join(t.TempDir(), "leader.pprof")
	o := good(t, "bench", "ingest", "--replicas", "3", "--seconds", "1", "--rounds", "1", "--items", "2000", "--users", "500",
		"--connections", "4", "--dir", t.TempDir(), "--server-cpuprofile", profile, "--json")
	got := answer[bench.IngestResult](t, o)
	if got.PerSecond <= 0 || got.Signals < 256 || got.Different != 0 || len(got.Runs) != 2 || got.Replicas != 3 || got.InProcess {
		t.Errorf("%+v", got)
	}
	for _, run := range got.Runs {
		if run.Cores == nil || run.Cores.Leader <= 0 || run.Cores.Followers <= 0 || run.P50 <= 0 || run.Ratio == nil ||
			len(run.Peers) != 1 || run.Peers[0].Name != "tidal, one process" || run.Peers[0].PerSecond <= 0 || run.Peers[0].P50 <= 0 {
			t.Errorf("%+v", run)
		}
	}
	if info, err := os.Stat(profile); err != nil || info.Size() == 0 {
		t.Errorf("no profile: %v", err)
	}
}

func TestBenchIngestOfRegionsPrintsTheFieldsThatWerePromised(t *testing.T) {
	unraced(t)
	t.Setenv(asProgram, "1") // for who verifies
	o := good(t, "bench", "ingest", "--regions", "3", "--seconds", "1", "--rounds", "1", "--items", "2000", "--users", "500",
		"--connections", "6", "--dir", t.TempDir(), "--json")
	got := answer[bench.IngestResult](t, o)
	if got.PerSecond <= 0 || got.Signals < 6*64 || got.Different != 0 || len(got.Runs) != 2 || got.Regions != 3 || !got.InProcess {
		t.Errorf("%+v", got)
	}
	if got.IngestLag == nil || got.LagP99 <= 0 || got.LagFullP99 <= 0 || !strings.Contains(o.stdout, `"lag_p99_ms"`) {
		t.Errorf("the lag is missing: %s", o.stdout)
	}
	for _, run := range got.Runs {
		if run.IngestLag == nil || run.LagP50 <= 0 || run.P50 <= 0 || run.OpenLoop <= 0 {
			t.Errorf("%+v", run)
		}
	}
}

func TestBenchIngestOfRegionsThatAreProcesses(t *testing.T) {
	unraced(t)
	if err := fleet.Worlds(); err != nil {
		t.Skip(err)
	}
	t.Setenv(asProgram, "1") // for the servers
	dir := t.TempDir()
	o := good(t, "bench", "ingest", "--regions", "3", "--processes", "--seconds", "1", "--rounds", "1", "--items", "2000",
		"--users", "500", "--connections", "6", "--dir", dir, "--json")
	got := answer[bench.IngestResult](t, o)
	if got.PerSecond <= 0 || got.Signals < 6*64 || got.Different+int(got.Lost+got.Double) != 0 || len(got.Runs) != 2 || got.Regions != 3 || got.InProcess {
		t.Errorf("%+v", got)
	}
	for _, run := range got.Runs {
		if run.IngestLag == nil || run.LagP99 <= 0 || run.LagFullP99 <= 0 || run.P50 <= 0 || run.OpenLoop <= 0 {
			t.Errorf("%+v", run)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestBenchesOfReplicasRefuseWhatTheyCannotMeasure(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"failover --runs 0", "--runs 0"},
		{"failover --fault flood", `--fault "flood"`},
		{"failover --writers 0", "--writers 0"},
		{"failover --batch 0", "--batch 0"},
		{"failover --pause -1s", "--pause -1s"},
		{"ingest --replicas 0", "--replicas 0"},
		{"ingest --replicas 3 --peer redis", "--peer redis"},
		{"ingest --regions 0", "--regions 0"},
		{"ingest --regions 3 --replicas 3", "--regions 3"},
		{"ingest --regions 3 --peer redis", "--regions 3"},
		{"ingest --processes", "--processes"},
		{"ingest --replicas 3 --processes", "--processes"},
		{"ingest --server-cpuprofile x", "--server-cpuprofile"},
	} {
		o := cli(t, nil, append([]string{"bench"}, strings.Fields(c.args)...)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("tidal bench %s: exit %d, stdout %q, stderr %q", c.args, o.code, o.stdout, o.stderr)
		}
	}
}
