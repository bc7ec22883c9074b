package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/workload"
)

// testEnv runs children in this process, and collects what is said.
func testEnv(t *testing.T) (Env, *bytes.Buffer) {
	var said bytes.Buffer
	return Env{Dir: t.TempDir(), Say: &said, Fresh: func(_ context.Context, args ...string) ([]byte, error) {
		var out bytes.Buffer
		err := Child(args, &out)
		return out.Bytes(), err
	}}, &said
}

func smallIngest(t *testing.T) (IngestOptions, *bytes.Buffer) {
	env, said := testEnv(t)
	return IngestOptions{Env: env, Seconds: 0.2, Rounds: 2, Items: 2000, Users: 500, Connections: 3, Seed: 1}, said
}

func TestIngestWithoutAPeerMeasuresAndVerifiesBothDistributions(t *testing.T) {
	o, _ := smallIngest(t)
	r, err := Ingest(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 2 || r.Runs[0].Dist != workload.Zipf || r.Runs[1].Dist != workload.Uniform {
		t.Fatalf("%+v", r.Runs)
	}
	first := r.Runs[0]
	if r.PerSecond != first.PerSecond || r.P50 != first.P50 || r.P99 != first.P99 || !r.FSync || r.Ratio != nil {
		t.Errorf("the first level isn't the Zipf run: %+v", r)
	}
	sum := Checked{}
	for _, run := range r.Runs {
		if run.PerSecond <= 0 || run.P50 <= 0 || run.P99 < run.P50 || run.FullP99 < run.FullP50 || run.FullP50 <= 0 ||
			math.Abs(run.OpenLoop-run.PerSecond/2) > 1 || !run.Users || run.Cohorts != 2 || run.Batch != 64 || run.Connections != 3 {
			t.Errorf("%+v", run)
		}
		if run.Signals < Batch || run.Signals%Batch != 0 || run.Cells < 10 || run.UserRecords < 10 || run.ItemLists < 1 || run.Different != 0 {
			t.Errorf("verified: %+v", run.Checked)
		}
		sum.Add(run.Checked)
	}
	if !reflect.DeepEqual(r.Checked, sum) {
		t.Errorf("%+v, want %+v", r.Checked, sum)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestAPeerThatIsMissingIsSaidSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	o, said := smallIngest(t)
	o.Peer = "redis"
	r, err := Ingest(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ratio != nil || !strings.Contains(string(text), `"peers":[]`) || !strings.Contains(string(text), `"ratio":null`) {
		t.Errorf("%s", text)
	}
	if !strings.Contains(said.String(), "apt-get install redis-server") {
		t.Errorf("said %q", said)
	}
}

// The check is a comparison: each way in which a directory can differ from what was acknowledged is noticed.
func TestTheCheckNoticesWhatIsLostAndWhatIsThereTwice(t *testing.T) {
	o, _ := smallIngest(t)
	w, err := workload.New(workload.Config{Seed: 5, Dist: workload.Zipf, Items: 300, Users: 100, Cohorts: 2})
	if err != nil {
		t.Fatal(err)
	}
	s := &ingest{IngestOptions: &o, w: w, dir: filepath.Join(t.TempDir(), "tidal")}
	db, err := s.openDB()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		for _, c := range s.clients {
			if err := c.write(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := s.check(t.Context())
	if err != nil || got.Different != 0 || got.Signals != 15*Batch || got.Cells < 100 ||
		got.UserRecords < 100 || got.ItemLists < 100 {
		t.Fatalf("%+v %v", got, err)
	}
	times := func() [][]int64 {
		var all [][]int64
		for _, c := range s.clients {
			all = append(all, slices.Clone(c.times))
		}
		return all
	}
	lost, more, moved := times(), times(), times()
	lost[1] = lost[1][:4]
	more[2] = append(more[2], more[2][4])
	moved[0][0] -= (25 * time.Hour).Milliseconds()
	for name, times := range map[string][][]int64{"lost": lost, "more": more, "moved": moved} {
		acks := acknowledged{Config: w.Config(), Times: times, Batch: Batch}
		got, err := acks.check(s.dir)
		if err != nil || got.Different < 10 || name == "lost" && got.Double != Batch || name == "more" && got.Lost != Batch {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	s.clients[0].times = append(s.clients[0].times, time.Now().UnixMilli())
	if _, err := s.check(t.Context()); err == nil || !strings.Contains(err.Error(), "acknowledged") {
		t.Errorf("a lost request is no error: %v", err)
	}
}

func TestRecoverReplaysEverything(t *testing.T) {
	env, _ := testEnv(t)
	r, err := Recover(t.Context(), RecoverOptions{Env: env, Cells: 2000, Events: 1500, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.OpenSeconds <= 0 || r.Cells != 2000 || r.Events != 1500 || r.Signals != 3500 || r.Applied != 3500 || r.Checked.Cells < 2000 || r.UserRecords < 500 || r.Different != 0 ||
		r.LogBytes < 3500*20 || r.RSS <= 0 {
		t.Errorf("%+v", r)
	}
	if left, err := os.ReadDir(env.Dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestMemoryCountsEveryCell(t *testing.T) {
	env, _ := testEnv(t)
	r, err := Memory(t.Context(), MemoryOptions{Env: env, Cells: 1000, PerCell: 3, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 2 || r.Runs[0].HalfLives != 1 || r.Runs[1].HalfLives != 3 {
		t.Fatalf("%+v", r.Runs)
	}
	for _, run := range r.Runs {
		if run.Cells != 1000 || run.Signals != 3000 || run.Checked.Cells != 1000 || run.PerCell != 3 || run.Different != 0 || run.Arena <= 0 || run.Total < run.Arena ||
			run.RSS <= 0 || run.BytesPerCell != float64(run.Total)/1000 || run.OpenSeconds <= 0 {
			t.Errorf("%+v", run)
		}
	}
	if r.Arena != r.Runs[0].Arena || r.Total != r.Runs[0].Total || r.RSS != r.Runs[0].RSS ||
		r.BytesPerCell != r.Runs[0].BytesPerCell {
		t.Errorf("the first level isn't the run with one half-life: %+v", r)
	}
}

func TestALoadThatFailsIsAnError(t *testing.T) {
	w, err := workload.New(workload.Config{Seed: 1, Dist: workload.Uniform, Items: 10})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = load(ctx, filepath.Join(t.TempDir(), "tidal"), false, w, func(write writeEvents) error {
		cancel()
		return w.EachCell(20, 64, 0, time.Hour, write)
	})
	if !errors.Is(err, context.Canceled) && !errors.Is(err, tidal.ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func TestChildrenDoOnlyWhatTheyKnow(t *testing.T) {
	for _, args := range [][]string{nil, {"check"}, {"probe"}, {"format", "/"}} {
		if err := Child(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	if err := Child([]string{"probe", filepath.Join(t.TempDir(), "none")}, &bytes.Buffer{}); !errors.Is(err, tidal.ErrNotFound) {
		t.Errorf("a directory that isn't there: %v", err)
	}
	env := Env{Fresh: func(context.Context, ...string) ([]byte, error) { return []byte("oops"), nil }}
	if _, err := ask[Probe](t.Context(), &env, "probe", "d"); err == nil || !strings.Contains(err.Error(), "oops") {
		t.Errorf("an answer that is none: %v", err)
	}
}

func TestHistoryIsOneObjectALine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench", "history.jsonl")
	for _, name := range []string{"ingest", "memory"} {
		f, err := OpenHistory(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		err = Append(f, Line{
			Bench: name, Date: time.Unix(0, 0).UTC(), Commit: "abc", Machine: ThisMachine(),
			Figures: map[string]int{"per_second": 7},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%q", text)
	}
	var l Line
	if err := json.Unmarshal([]byte(lines[1]), &l); err != nil || l.Bench != "memory" || l.Commit != "abc" ||
		l.Machine.Cores < 1 || l.Machine.Go == "" || !strings.Contains(lines[1], `"figures":{"per_second":7}`) {
		t.Errorf("%s: %v", lines[1], err)
	}
	if _, err := OpenHistory(filepath.Join(file, "x")); err == nil {
		t.Error("a file that can't be made is no error")
	}
}

func TestMediansAreOfTheMiddle(t *testing.T) {
	for _, c := range []struct {
		rates []float64
		want  float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3}} {
		if got := median(c.rates); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.rates, got, c.want)
		}
	}
}

func TestAVerdictIsAnErrorOnlyWhenSomethingDiffers(t *testing.T) {
	if err := Verdict(0); err != nil {
		t.Error(err)
	}
	if err := Verdict(3); !errors.Is(err, errDifferent) || !strings.Contains(err.Error(), "3 differences") {
		t.Error(err)
	}
}
