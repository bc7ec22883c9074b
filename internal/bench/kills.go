package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/tidaldb/tidal/internal/workload"
)

// KillsOptions tune [Kills].
type KillsOptions struct {
	Env
	// Rows is how many the file has, 1,000 or more, and Kills how often its import is killed, 1 or more.
	Rows, Kills int
	// Items and Users are how many there are, 1 to 1,048,576; 0 is 20,000 items and 50,000 users.
	Items, Users int
	// Ahead is how many rows an import may have sent beyond those it has acknowledged.
	Ahead int
	Seed  uint64
}

// KillsResult is what [Kills] found and measured.
type KillsResult struct {
	Rows  int `json:"rows"`
	Kills int `json:"kills"`
	// KillsMidImport counts those by which an import ended: SIGKILL, after it had acknowledged rows and before the last.
	KillsMidImport int `json:"kills_mid_import"`
	// Acked is how many rows had been acknowledged before the last kill.
	Acked int `json:"acked_before_kills"`
	// Checked is what was compared once the file was imported whole. Its Lost and Double count, too, the signals that
	// were missing of those acknowledged, or too many, after one of the kills.
	Checked
	// ImpliedCells and ImpliedUsers are how many cells and records of users the rows make.
	ImpliedCells int `json:"implied_cells"`
	ImpliedUsers int `json:"implied_user_records"`
	// Problems says, in words, why the run has failed; empty if it hasn't.
	Problems []string `json:"problems"`
	// Seconds is the whole run, ImportSeconds the time that imports took together, with opening what was there and passing
	// over its rows, RowsPerSecond all rows by that.
	Seconds       float64 `json:"seconds"`
	ImportSeconds float64 `json:"import_seconds"`
	RowsPerSecond float64 `json:"rows_per_second"`
	// OpenSeconds is the median of opening what a kill left, each in a process of its own.
	OpenSeconds float64 `json:"open_seconds"`
	FileBytes   int64   `json:"file_bytes"`
	Machine     Machine `json:"machine"`
}

// Kills imports a file with the program itself and kills it (SIGKILL) again and again. Each import goes on under the same
// lane where the killed one was. After every kill another process opens the directory and looks whether all that was
// acknowledged is there, and nothing too often; at the end one compares every record with the file.
func Kills(ctx context.Context, o KillsOptions) (*KillsResult, error) {
	if o.Rows < 1000 || o.Kills < 1 || o.Ahead < 1 {
		return nil, fmt.Errorf("kills: %d rows, %d kills, %d rows ahead", o.Rows, o.Kills, o.Ahead)
	}
	if o.Items == 0 {
		o.Items = 20_000
	}
	if o.Users == 0 {
		o.Users = 50_000
	}
	r := &KillsResult{Rows: o.Rows, Kills: o.Kills, Problems: []string{}, Machine: ThisMachine()}
	began := time.Now()
	err := o.inTemp(func(dir string) error {
		k := &kills{KillsOptions: &o, KillsResult: r, dir: dir}
		return k.run(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("kills: %w", err)
	}
	r.Seconds = time.Since(began).Seconds()
	if r.ImportSeconds > 0 {
		r.RowsPerSecond = float64(r.Rows) / r.ImportSeconds
	}
	r.judge()
	return r, nil
}

// kills is one run.
type kills struct {
	*KillsOptions
	*KillsResult
	dir   string
	sent  int // rows that may be there
	opens []float64
}

func (k *kills) file(name string) string { return filepath.Join(k.dir, name) }

func (k *kills) run(ctx context.Context) error {
	w, err := workload.New(workload.Config{
		Seed: k.Seed, Dist: workload.Zipf, Items: k.Items, Users: k.Users, Cohorts: 2, Spread: killsSpread,
	})
	if err != nil {
		return err
	}
	rows, err := writeRows(k.file("rows.csv"), w, k.KillsOptions.Rows)
	if err != nil {
		return err
	}
	if err := rows.write(k.file("cells")); err != nil {
		return err
	}
	if err := os.WriteFile(k.file("schema.yaml"), killsSchema().YAML(), 0o644); err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	k.FileBytes, k.ImpliedCells, k.ImpliedUsers = rows.bytes, rows.impliedCells, rows.impliedUsers
	k.sayf("%d rows of %d bytes are invented", k.KillsOptions.Rows, rows.bytes)
	rng := rand.New(rand.NewPCG(k.Seed, 1<<61))
	for n := range k.KillsOptions.Kills {
		if err := k.kill(ctx, n, killAt(rng, n, k.KillsOptions.Kills, k.KillsOptions.Rows)); err != nil {
			return err
		}
	}
	k.OpenSeconds = median(k.opens)
	return k.finish(ctx)
}

// killAt is the row at which the n-th kill comes: anywhere in the n-th of equal parts of the file. The end is left out,
// by so much that a process isn't through before the signal arrives.
func killAt(rng *rand.Rand, n, kills, rows int) int {
	usable := rows - max(rows/50, min(rows/3, 40_000))
	return usable*n/kills + rng.IntN(max(1, usable/kills))
}

// importer prepares an import, or what goes on with it.
func (k *kills) importer(ctx context.Context, args ...string) (*exec.Cmd, error) {
	return k.Program(ctx, append([]string{
		"import", "--dir", k.file("tidal"), "--format", "csv", "--schema", k.file("schema.yaml"), "--lane", "kills",
		"--on-error", "fail", "--json", k.file("rows.csv"),
	}, args...)...)
}

// kill imports until a row is acknowledged, kills, and looks what is there.
func (k *kills) kill(ctx context.Context, n, at int) error {
	child, err := k.importer(ctx, "--acks", "3")
	if err != nil {
		return err
	}
	began := time.Now()
	told, killed, err := killWhen(child, max(at, k.Acked+1))
	k.ImportSeconds += time.Since(began).Seconds()
	if err != nil {
		return fmt.Errorf("import number %d: %w", n+1, err)
	}
	k.Acked = max(k.Acked, told)
	k.sent = min(k.KillsOptions.Rows, max(k.sent, k.Acked+k.Ahead))
	if killed && told > 0 && told < k.KillsOptions.Rows {
		k.KillsMidImport++
	}
	got, err := ask[afterKill](ctx, &k.Env, "after-kill", k.file("tidal"), k.file("cells"), strconv.Itoa(k.Items),
		strconv.Itoa(k.Acked), strconv.Itoa(k.sent))
	if err != nil {
		return err
	}
	k.opens = append(k.opens, got.OpenSeconds)
	k.Lost, k.Double = k.Lost+got.Lost, k.Double+got.Double
	k.sayf("kill %d at row %d: %d signals are there, %d lost, %d double; opened in %.2f s", n+1, k.Acked, got.Signals, got.Lost,
		got.Double, got.OpenSeconds)
	return nil
}

// killWhen starts an import that tells its acknowledgements on file descriptor 3, kills it once it has told a row, and
// returns the last row that it told, and whether SIGKILL was what ended it.
func killWhen(child *exec.Cmd, row int) (told int, killed bool, err error) {
	acks, end, err := os.Pipe()
	if err != nil {
		return 0, false, fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = acks.Close() }() // only read
	child.ExtraFiles = []*os.File{end}
	err = errors.Join(child.Start(), end.Close()) // the child has its own
	if err != nil {
		return 0, false, err
	}
	sent := false
	readErr := eachAck(acks, func(got int) error {
		told = max(told, got)
		if told < row || sent {
			return nil
		}
		sent = true
		return child.Process.Kill()
	})
	var exit *exec.ExitError
	err = child.Wait()
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
		if killed && sent {
			err = nil
		}
	}
	if errors.Is(readErr, os.ErrProcessDone) {
		readErr = nil // it had ended by itself
	}
	return told, killed, errors.Join(err, readErr)
}

// finish imports what is left and has every record compared.
func (k *kills) finish(ctx context.Context) error {
	child, err := k.importer(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	text, err := child.Output()
	k.ImportSeconds += time.Since(began).Seconds()
	if err != nil {
		return fmt.Errorf("the last import: %w: %s", err, text)
	}
	var imported struct{ Rows, Imported, Skipped int }
	if err := json.Unmarshal(text, &imported); err != nil {
		return fmt.Errorf("the last import answers %q: %w", text, err)
	}
	if n := k.KillsOptions.Rows; imported.Rows != n || imported.Imported != n || imported.Skipped != 0 {
		k.Problems = append(k.Problems, fmt.Sprintf("of %d rows %d were imported", n, imported.Imported))
	}
	k.sayf("everything is imported; comparing it with the file")
	child, err = k.Program(ctx, "verify", "--dir", k.file("tidal"), "--format", "csv", "--against", k.file("rows.csv"), "--json")
	if err != nil {
		return err
	}
	text, err = child.Output() // differences are a failure of that process, not of this one
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("compare: %w", err)
	}
	var got struct {
		Checked
		Verified *int `json:"verified_cells"`
	}
	if json.Unmarshal(text, &got) != nil || got.Verified == nil {
		return fmt.Errorf("compare: %w: %s", err, text)
	}
	got.Cells = *got.Verified
	k.Checked.Add(got.Checked)
	return nil
}

// judge says why a run has failed.
func (r *KillsResult) judge() {
	for _, x := range []struct {
		bad  bool
		says string
	}{
		{r.KillsMidImport != r.Kills, fmt.Sprintf("%d of %d kills came mid-import", r.KillsMidImport, r.Kills)},
		{r.Lost != 0, fmt.Sprintf("%d signals were lost", r.Lost)},
		{r.Double != 0, fmt.Sprintf("%d signals were counted twice", r.Double)},
		{r.Different != 0, fmt.Sprintf("%d records differ", r.Different)},
		{r.Signals != int64(r.Rows), fmt.Sprintf("%d signals were compared, of %d rows", r.Signals, r.Rows)},
		{r.Cells < r.ImpliedCells, fmt.Sprintf("%d cells were compared, the rows make %d", r.Cells, r.ImpliedCells)},
		{
			r.UserRecords < r.ImpliedUsers,
			fmt.Sprintf("%d records of users were compared, the rows make %d", r.UserRecords, r.ImpliedUsers),
		},
	} {
		if x.bad {
			r.Problems = append(r.Problems, x.says)
		}
	}
}
