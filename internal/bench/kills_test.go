package bench

import (
	"bufio"
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/workload"
)

func killsWorkload(t *testing.T) *workload.Workload {
	t.Helper()
	w, err := workload.New(workload.Config{
		Seed: 3, Dist: workload.Zipf, Items: 50, Users: 80, Cohorts: 2, Spread: killsSpread,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTheRowsToBeKilledAreTheSameEveryTimeAndCounted(t *testing.T) {
	w, dir := killsWorkload(t), t.TempDir()
	a, err := writeRows(filepath.Join(dir, "a"), w, 3000)
	if err != nil {
		t.Fatal(err)
	}
	b, err := writeRows(filepath.Join(dir, "b"), w, 3000)
	if err != nil {
		t.Fatal(err)
	}
	textA, errA := os.ReadFile(filepath.Join(dir, "a"))
	textB, errB := os.ReadFile(filepath.Join(dir, "b"))
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(textA, textB) || !slices.Equal(a.cells, b.cells) || a.bytes != int64(len(textA)) {
		t.Errorf("two files differ, or have not %d bytes", a.bytes)
	}
	// What the rows imply, from the text alone.
	cells, records := map[string]bool{}, map[string]bool{}
	var without, creators int
	lines := bufio.NewScanner(bytes.NewReader(textA))
	for n := 0; lines.Scan(); n++ {
		f := strings.Split(lines.Text(), ",")
		if len(f) != 7 {
			t.Fatalf("row %d: %q", n, lines.Text())
		}
		if n == 0 {
			continue
		}
		kind, item, user := f[0], f[1], f[2]
		if got := a.cells[n-1]; w.Item(got/uint32(workload.Types)) != item || workload.TypeName(uint8(got%uint32(workload.Types))) != kind {
			t.Fatalf("row %d is of cell %d: %q", n, got, lines.Text())
		}
		cells["item "+kind+item] = true
		if user == "" {
			without++
			continue
		}
		for _, c := range strings.Split(f[6], ";") {
			cells["cohort "+c+kind+item] = true
		}
		if f[5] != "" {
			creators++
			cells["creator "+f[5]+kind+user] = true
		}
		records["recents "+user], records["marks "+user+" "+item] = true, true
		if kind == "skip" {
			records["hide "+user+" "+item] = true
		}
	}
	if a.impliedCells != len(cells) || a.impliedUsers != len(records) || without < 100 || creators < 200 {
		t.Errorf("%d cells, want %d; %d records of users, want %d; %d rows without a user, %d with a creator",
			a.impliedCells, len(cells), a.impliedUsers, len(records), without, creators)
	}
}

// A directory in which something is missing of what was acknowledged, or there beyond what was sent, is found out.
func TestAfterAKillWhatIsLostOrDoubleIsCounted(t *testing.T) {
	w, dir := killsWorkload(t), t.TempDir()
	rows, err := writeRows(filepath.Join(dir, "rows.csv"), w, 1000)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cells")
	if err := rows.write(file); err != nil {
		t.Fatal(err)
	}
	db, err := tidal.Open(filepath.Join(dir, "db"), killsSchema(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var signals []tidal.Signal
	for _, cell := range rows.cells[:600] {
		signals = append(signals, tidal.Signal{
			Type: workload.TypeName(uint8(cell % uint32(workload.Types))), Item: w.Item(cell / uint32(workload.Types)),
		})
	}
	_, err = db.Signals(t.Context(), signals...)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		acked, sent  int
		lost, double int64
	}{
		{600, 600, 0, 0},
		{500, 700, 0, 0},
		{1, 5000, 0, 0},
		{610, 1000, 10, 0},
		{300, 590, 0, 10},
		{0, 0, 0, 600},
		{1000, 1000, 400, 0},
	} {
		got, err := checkKilled(filepath.Join(dir, "db"), file, 50, c.acked, c.sent)
		if err != nil || got.Signals != 600 || got.Lost != c.lost || got.Double != c.double || got.OpenSeconds <= 0 {
			t.Errorf("%+v: %+v %v", c, got, err)
		}
	}
	if _, err := checkKilled(filepath.Join(dir, "db"), file, 2, 600, 600); err == nil {
		t.Error("cells of items that there aren't are taken")
	}
}

func TestARunOfKillsFailsForEachReason(t *testing.T) {
	good := KillsResult{Rows: 9, Kills: 2, KillsMidImport: 2, ImpliedCells: 3, ImpliedUsers: 4}
	good.Signals, good.Cells, good.UserRecords = 9, 3, 4
	if good.judge(); len(good.Problems) != 0 {
		t.Error(good.Problems)
	}
	for says, change := range map[string]func(r *KillsResult){
		"1 of 2 kills":            func(r *KillsResult) { r.KillsMidImport-- },
		"1 signals were lost":     func(r *KillsResult) { r.Lost++ },
		"counted twice":           func(r *KillsResult) { r.Double++ },
		"1 records differ":        func(r *KillsResult) { r.Different++ },
		"8 signals were compared": func(r *KillsResult) { r.Signals-- },
		"2 cells were":            func(r *KillsResult) { r.Cells-- },
		"3 records of users":      func(r *KillsResult) { r.UserRecords-- },
	} {
		r := good
		change(&r)
		if r.judge(); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], says) {
			t.Errorf("%s: %v", says, r.Problems)
		}
	}
}

func TestKillsAreSpreadOverTheFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct{ kills, rows int }{{50, 5_000_000}, {5, 60_000}, {1, 1000}} {
		last := -1
		for n := range c.kills {
			at := killAt(rng, n, c.kills, c.rows)
			if at <= last || at > c.rows*98/100 || at < c.rows/2*n/c.kills {
				t.Errorf("kill %d of %d comes at row %d of %d, behind %d", n, c.kills, at, c.rows, last)
			}
			last = at
		}
	}
}

func TestAcknowledgementsAreRead(t *testing.T) {
	var got []int
	err := eachAck(strings.NewReader("0:0:1 128\n0:0:129 256\n0:0:2"), func(row int) error {
		got = append(got, row)
		return nil
	})
	if err != nil || !slices.Equal(got, []int{128, 256}) {
		t.Errorf("%v %v", got, err)
	}
	for _, text := range []string{"128\n", "0:0:1 x\n", "0:0:1 0\n", "\n"} {
		if err := eachAck(strings.NewReader(text), func(int) error { return nil }); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	if err := eachAck(strings.NewReader("0:0:1 128\n"), func(int) error { return os.ErrProcessDone }); !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	if _, err := Kills(t.Context(), KillsOptions{Rows: 10}); err == nil {
		t.Error("options that can't be are taken")
	}
}
