package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/bench"
)

func TestAnImportThatIsKilledAgainAndAgainLosesNothingAndCountsNothingTwice(t *testing.T) {
	t.Setenv(asProgram, "1") // for the imports, and for the processes that look
	dir, history := t.TempDir(), filepath.Join(t.TempDir(), "history.jsonl")
	rows, kills := 60_000, 5
	if testing.Short() {
		rows, kills = 20_000, 2
	}
	o := good(t, "bench", "kills", "--rows", strconv.Itoa(rows), "--kills", strconv.Itoa(kills), "--items", "500",
		"--users", "2000", "--dir", dir, "--record", history, "--json")
	r := answer[bench.KillsResult](t, o)
	if r.Rows != rows || r.Kills != kills || r.KillsMidImport != kills || r.Lost != 0 || r.Double != 0 || r.Different != 0 ||
		len(r.Problems) != 0 {
		t.Errorf("%+v", r)
	}
	if r.Signals != int64(rows) || r.Cells < 10_000 || r.Cells != r.ImpliedCells || r.UserRecords < 10_000 || r.UserRecords != r.ImpliedUsers ||
		r.Untimed != 0 {
		t.Errorf("%d cells of %d, %d records of users of %d: %+v", r.Cells, r.ImpliedCells, r.UserRecords, r.ImpliedUsers, r.Checked)
	}
	if r.Acked < rows/4 || r.Acked >= rows || r.OpenSeconds <= 0 || r.Seconds < r.ImportSeconds || r.RowsPerSecond <= 0 {
		t.Errorf("%+v", r)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"rows", "kills", "kills_mid_import", "acked_before_kills", "lost", "double", "verified_cells", "verified_user_records",
		"different", "seconds", "rows_per_second", "open_seconds",
	} {
		if _, ok := fields[name]; !ok {
			t.Errorf("%s is missing: %s", name, o.stdout)
		}
	}
	if text, err := os.ReadFile(history); err != nil || !strings.Contains(string(text), `"bench":"kills"`) {
		t.Errorf("the history has %q: %v", text, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestAKillsBenchThatCantBeIsAUsageError(t *testing.T) {
	for args, says := range map[string]string{
		"--kills 0": "--kills 0", "--rows 900 --kills 1": "--rows 900", "--rows 5000 --kills 6": "1000 for each kill", "--users 0": "--users 0",
	} {
		if o := cli(t, nil, append([]string{"bench", "kills"}, strings.Fields(args)...)...); o.code != exitUsage ||
			!strings.Contains(o.stderr, says) {
			t.Errorf("%s: exit %d, %s", args, o.code, o.stderr)
		}
	}
}
