package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/bench"
)

func TestBenchIngestPrintsTheFieldsThatWerePromised(t *testing.T) {
	t.Setenv(asProgram, "1") // for the process that verifies
	dir := t.TempDir()
	history := filepath.Join(t.TempDir(), "history.jsonl")
	o := good(t, "bench", "ingest", "--seconds", "0.2", "--rounds", "2", "--items", "2000", "--users", "500",
		"--connections", "4", "--dir", dir, "--record", history, "--json")
	got := answer[bench.IngestResult](t, o)
	var fields struct {
		bench.Checked
		First map[string]any `json:"-"`
		Runs  []map[string]any
	}
	if err := json.Unmarshal([]byte(o.stdout), &fields.First); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(o.stdout), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"per_second", "p50_us", "p99_us", "fsync", "ratio", "runs", "verified_signals", "different"} {
		if _, ok := fields.First[name]; !ok {
			t.Errorf("%s is missing: %s", name, o.stdout)
		}
	}
	for _, name := range []string{"dist", "users", "cohorts", "batch", "connections", "per_second", "peers", "ratio"} {
		for _, run := range fields.Runs {
			if _, ok := run[name]; !ok {
				t.Errorf("%s of a run is missing: %s", name, o.stdout)
			}
		}
	}
	if got.PerSecond <= 0 || got.Signals < 128 || got.Cells < 100 || got.Different != 0 || len(got.Runs) != 2 {
		t.Errorf("%+v", got)
	}
	text, err := os.ReadFile(history)
	if err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), `"bench":"ingest"`) ||
		!strings.Contains(string(text), strings.TrimSuffix(o.stdout, "\n")) {
		t.Errorf("the history has %q: %v", text, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestBenchRecoverAndMemoryMeasureAFreshProcess(t *testing.T) {
	unraced(t)
	t.Setenv(asProgram, "1") // for the process that is measured
	recovered := answer[bench.RecoverResult](t, good(t, "bench", "recover", "--cells", "1000", "--events", "700", "--json"))
	if recovered.OpenSeconds <= 0 || recovered.Signals != 1700 || recovered.Checked.Cells < 1000 || recovered.UserRecords == 0 || recovered.RSS < 1<<20 || recovered.Different != 0 {
		t.Errorf("%+v", recovered)
	}
	memory := answer[bench.MemoryResult](t, good(t, "bench", "memory", "--cells", "1000", "--events-per-cell", "2", "--json"))
	if memory.Arena <= 0 || memory.Total < memory.Arena || memory.RSS < 1<<20 || memory.BytesPerCell <= 0 ||
		len(memory.Runs) != 2 || memory.Different != 0 || memory.Signals != 4000 || memory.Checked.Cells != 2000 {
		t.Errorf("%+v", memory)
	}
}

func TestBenchForPeopleIsATableAndAProfileIsWritten(t *testing.T) {
	unraced(t)
	t.Setenv(asProgram, "1")
	profile := filepath.Join(t.TempDir(), "cpu.out")
	o := good(t, "bench", "ingest", "--seconds", "0.05", "--rounds", "1", "--items", "100", "--users", "100",
		"--cpuprofile", profile)
	for _, says := range []string{"signals/s", "zipf", "uniform", "0 differences"} {
		if !strings.Contains(o.stdout, says) {
			t.Errorf("doesn't say %q:\n%s", says, o.stdout)
		}
	}
	if info, err := os.Stat(profile); err != nil || info.Size() == 0 {
		t.Errorf("no profile: %v", err)
	}
	for _, line := range []struct{ args, says string }{
		{"recover --cells 100 --events 10", "110 signals"}, {"memory --cells 100", "bytes per cell"},
	} {
		if o := good(t, append([]string{"bench"}, strings.Fields(line.args)...)...); !strings.Contains(o.stdout, line.says) {
			t.Errorf("%s prints\n%s", line.args, o.stdout)
		}
	}
}

func TestABenchWhoseDatabaseDiffersFails(t *testing.T) {
	a := &app{json: true}
	if err := a.verdict(2); err == nil || a.json || classify(err).exit != exitFailure {
		t.Errorf("%v, json %v", err, a.json)
	}
	if err := a.verdict(0); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "history.jsonl")
	_, err := runBench(a, "x", &benchFlags{record: file}, func() (int, error) { return 1, nil }, func(n int) int { return n })
	if text, read := os.ReadFile(file); err != nil || read != nil || len(text) != 0 {
		t.Errorf("figures that count for nothing are recorded: %q: %v %v", text, err, read)
	}
	a.now = time.Now
	_, err = runBench(a, "x", &benchFlags{record: filepath.Join(file, "x")}, func() (int, error) {
		t.Error("a run that can't be recorded is measured all the same")
		return 0, nil
	}, func(n int) int { return n })
	if err == nil {
		t.Error("a history that can't be written is no error")
	}
}

func TestBenchRefusesWhatItCannotMeasure(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"ingest --seconds 0", "--seconds 0"},
		{"ingest --seconds NaN", "--seconds NaN"},
		{"ingest --rounds 0", "--rounds 0"},
		{"ingest --connections 0", "--connections 0"},
		{"ingest --items 0", "--items 0"},
		{"ingest --users 2000000", "--users 2000000"},
		{"ingest --peer kafka", `--peer "kafka"`},
		{"recover --cells 9", "--cells 9"},
		{"recover --events -1", "--events -1"},
		{"memory --cells 100000000", "--cells 100000000"},
		{"memory --events-per-cell 0", "--events-per-cell 0"},
		{"frobnicate", "unknown command"},
	} {
		o := cli(t, nil, append([]string{"bench"}, strings.Fields(c.args)...)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("tidal bench %s: exit %d, stdout %q, stderr %q", c.args, o.code, o.stdout, o.stderr)
		}
	}
}
