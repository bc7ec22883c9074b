package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/mlcheck"
)

// dataEnv names the folder with ml-100k in it; the default lies beside the module.
const dataEnv = "TIDAL_DATA"

// movieLensFile returns the path of MovieLens 100K's u.data, and skips the test where it isn't.
func movieLensFile(t *testing.T) string {
	t.Helper()
	return dataFile(t, "ml-100k", "u.data")
}

// The promise of the whole path: what comes out of the program for every item, at three times, is what a program that
// shares no code with the engine computes from the same file.
func TestMovieLensAgainstIndependentProgram(t *testing.T) {
	file := movieLensFile(t)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := mlcheck.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if want.Rows() != 100_000 || len(want.Items()) != 1682 {
		t.Fatalf("%s has %d rows and %d items; it isn't MovieLens 100K", file, want.Rows(), len(want.Items()))
	}
	dir := filepath.Join(t.TempDir(), "db")
	first := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "movielens", "--json", file))
	if first.Imported != 100_000 || first.Rows != 100_000 || first.Skipped != 0 || first.Already != 0 || first.Clamped != 0 {
		t.Fatalf("%+v", first)
	}
	t.Run("every item at three times", func(t *testing.T) { checkEveryItem(t, dir, want) })
	t.Run("single calls", func(t *testing.T) { checkSingleCalls(t, dir, want) })
	t.Run("top", func(t *testing.T) { checkTop(t, dir, want) })
	t.Run("rank", func(t *testing.T) { checkLists(t, dir) })
	t.Run("imported again", func(t *testing.T) { checkImportedAgain(t, dir, file, first) })
	t.Run("imported shuffled", func(t *testing.T) { checkShuffled(t, raw, first) })
	t.Run("imported by processes that are killed", func(t *testing.T) { checkKilled(t, raw, first) })
}

// shifts are the times at which items are read, after the newest event.
var shifts = []time.Duration{0, 12 * time.Hour, 72 * time.Hour}

func atFlagOf(shift time.Duration) string {
	if shift == 0 {
		return "newest"
	}
	return "newest+" + span(shift)
}

func checkEveryItem(t *testing.T, dir string, want *mlcheck.File) {
	signals, shifts := []string{"rating", "like", "dislike"}, shifts
	if raced {
		signals, shifts = signals[1:2], shifts[1:2]
	}
	for _, signal := range signals {
		for _, shift := range shifts {
			t.Run(signal+" at "+atFlagOf(shift), func(t *testing.T) {
				t.Parallel()
				o := good(t, "get", "--dir", dir, "--all", "--type", signal, "--at", atFlagOf(shift), "--json")
				at := want.Newest() + shift.Milliseconds()
				var items []string
				dec := json.NewDecoder(strings.NewReader(o.stdout))
				for {
					var got cellResult
					if err := dec.Decode(&got); err == io.EOF {
						break
					} else if err != nil {
						t.Fatal(err)
					}
					items = append(items, got.Item)
					checkCell(t, &got, want.Answer(got.Item, signal, at), at)
				}
				if !slices.Equal(items, want.Items()) {
					t.Errorf("%d items, want %d", len(items), len(want.Items()))
				}
			})
		}
	}
}

// checkCell compares counts exactly, and scores within 10⁻⁶ of their size.
func checkCell(t *testing.T, got *cellResult, want mlcheck.Answer, at int64) {
	t.Helper()
	if got.Total != want.Total || fmt.Sprint(got.Windows) != fmt.Sprint(want.Windows) {
		t.Errorf("%s %s at %s: total %d windows %v, want %d %v",
			got.Item, got.Type, got.At, got.Total, got.Windows, want.Total, want.Windows)
	}
	if len(got.Scores) != len(want.Scores) {
		t.Errorf("%s %s: scores %v, want %v", got.Item, got.Type, got.Scores, want.Scores)
	}
	for name, w := range want.Scores {
		if g, ok := got.Scores[name]; !ok || math.Abs(g-w) > 1e-6*w {
			t.Errorf("%s %s at %s: score %s is %v, want %v", got.Item, got.Type, got.At, name, g, w)
		}
	}
	if got.At != stamp(time.UnixMilli(at)) || got.AsOfMark {
		t.Errorf("%s %s: at %s, as of mark %t; want %s", got.Item, got.Type, got.At, got.AsOfMark, stamp(time.UnixMilli(at)))
	}
}

// The same through the program as a process, with the times written in every way that --at takes.
func checkSingleCalls(t *testing.T, dir string, want *mlcheck.File) {
	newest, items := want.Newest(), []string{"50", "258", "1682"}
	if raced || testing.Short() {
		items = items[:1]
	}
	for i, item := range items {
		for _, shift := range shifts {
			at := newest + shift.Milliseconds()
			flag := []string{
				atFlagOf(shift), fmt.Sprint(at / 1000), time.UnixMilli(at).UTC().Format(time.RFC3339),
			}[i%3]
			t.Run(item+" at "+flag, func(t *testing.T) {
				t.Parallel()
				c := program(t, "get", "--dir", dir, "--item", item, "--type", "rating", "--at", flag, "--json")
				out, err := c.Output()
				if err != nil {
					t.Fatal(err)
				}
				got := answer[cellResult](t, outcome{stdout: string(out)})
				if got.Item != item || got.Type != "rating" || strings.Count(string(out), "\n") != 1 {
					t.Errorf("%s", out)
				}
				checkCell(t, &got, want.Answer(item, "rating", at), at)
			})
		}
	}
}

func checkTop(t *testing.T, dir string, want *mlcheck.File) {
	at := want.Newest() + (12 * time.Hour).Milliseconds()
	got := answer[topResult](t, good(t, "top", "--dir", dir, "--type", "like", "--half-life", "30d", "--at", "newest+12h",
		"--limit", "200", "--json"))
	if len(got.Items) != 200 {
		t.Fatalf("%d items", len(got.Items))
	}
	scores := map[string]float64{}
	for _, item := range want.Items() {
		scores[item] = want.Answer(item, "like", at).Scores["30d"]
	}
	last := math.Inf(1)
	for _, s := range got.Items {
		if math.Abs(s.Score-scores[s.Item]) > 1e-6*s.Score || s.Score > last {
			t.Errorf("%s: %v, want %v, after %v", s.Item, s.Score, scores[s.Item], last)
		}
		last = s.Score
		delete(scores, s.Item)
	}
	for item, score := range scores {
		if score > last*(1+1e-6) {
			t.Errorf("%s with %v is missing from a list that goes down to %v", item, score, last)
		}
	}
}

// checkLists asks for lists of real readers: full, of items that exist and that the reader hasn't met.
func checkLists(t *testing.T, dir string) {
	for _, user := range []string{"1", "13", "196", "405"} {
		met := map[string]bool{}
		state := answer[userResult](t, good(t, "user", "--dir", dir, "--user", user, "--limit", "10000", "--json"))
		for _, tie := range state.Ties {
			met[tie.ID] = tie.Seen != ""
		}
		r := answer[rankResult](t, good(t, "rank", "--dir", dir, "--user", user, "--at", "newest", "--seed", "1", "--explain", "--json"))
		if len(r.Items) != 25 || len(met) == 0 || r.Cursor == "" || len(r.Warnings) != 0 || r.At != "1998-04-22T23:10:38Z" {
			t.Errorf("user %s met %d items: %+v", user, len(met), r)
		}
		shown := map[string]bool{}
		for _, x := range r.Items {
			if met[x.Item] || shown[x.Item] || len(x.Terms) == 0 {
				t.Errorf("user %s: %+v", user, x)
			}
			shown[x.Item] = true
		}
		// The same question is answered by the same list.
		again := answer[rankResult](t, good(t, "rank", "--dir", dir, "--user", user, "--at", "newest", "--seed", "1", "--json"))
		if itemsOf(&again) != itemsOf(&r) {
			t.Errorf("user %s: %s, then %s", user, itemsOf(&r), itemsOf(&again))
		}
	}
}

func checkImportedAgain(t *testing.T, dir, file string, first importResult) {
	before := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json"))
	again := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "movielens", "--json", file))
	if again.Imported != 100_000 || again.Already != 100_000 || again.Signals != 0 || again.Lane != first.Lane ||
		again.Digest != first.Digest || again.DigestCells != first.DigestCells {
		t.Errorf("%+v, first %+v", again, first)
	}
	after := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json"))
	if after.Batches != before.Batches || after.Inside != before.Inside || after.Vector != before.Vector ||
		after.Digest != first.Digest {
		t.Errorf("after: %+v, before: %+v", after, before)
	}
}

func checkShuffled(t *testing.T, raw []byte, first importResult) {
	rows := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	rng := rand.New(rand.NewPCG(100, 2))
	rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	file := write(t, "shuffled", strings.Join(rows, "\n"))
	dir := filepath.Join(t.TempDir(), "db")
	got := answer[importResult](t, good(t, "import", "--dir", dir, "--format", "movielens", "--lane", "another", "--json", file))
	if got.Imported != 100_000 || got.DigestCells != first.DigestCells || got.Lane != "another" {
		t.Errorf("%+v, first %+v", got, first)
	}
}

// checkKilled imports through standard input in processes that are killed (SIGKILL) in the middle, one further on than
// the other. The test knows how far a process has read, because a pipe holds a bounded part of what was written to it.
func checkKilled(t *testing.T, raw []byte, first importResult) {
	dir := filepath.Join(t.TempDir(), "db")
	args := []string{"import", "--dir", dir, "--format", "movielens", "--lane", first.Lane, "--json", "-"}
	parts := []int{len(raw) / 4, len(raw) / 2, len(raw) * 4 / 5}
	if raced || testing.Short() {
		parts = parts[1:2]
	}
	for _, part := range parts {
		child := program(t, args...)
		in, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(raw[:part]); err != nil {
			t.Fatal(err)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil || child.ProcessState.Exited() {
			t.Fatalf("the process wasn't killed: %v %v", err, child.ProcessState)
		}
		_ = in.Close() // Wait may have closed it
		v := answer[verifyResult](t, good(t, "verify", "--dir", dir, "--json"))
		// All rows but those in the pipe, in the reader's buffers and in the requests under way are in.
		if least := uint64(max(0, (part-320<<10)/25)); v.Signals < least || v.Signals >= 172_855 {
			t.Errorf("killed after %d bytes: %d signals are in, want %d at least", part, v.Signals, least)
		}
	}
	o := cli(t, bytes.NewReader(raw), args...)
	if o.code != exitOK {
		t.Fatal(o.stderr)
	}
	got := answer[importResult](t, o)
	if got.Imported != 100_000 || got.Already == 0 || got.Already+rowsPerRequest > 100_000 || got.DigestCells != first.DigestCells {
		t.Errorf("%+v, uninterrupted %+v", got, first)
	}
}
