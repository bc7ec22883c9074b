package eval_test

import (
	"bufio"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/eval"
	"github.com/tidaldb/tidal/schema"
)

// dataEnv names the folder with ml-100k in it; the default lies beside the module.
const dataEnv = "TIDAL_DATA"

// movieLens makes a directory of MovieLens 100K as an import does, and skips the test where that isn't.
func movieLens(t *testing.T) string {
	t.Helper()
	folder := os.Getenv(dataEnv)
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(folder, "ml-100k", "u.data"))
	if err != nil {
		t.Skipf("ml-100k isn't here: %v; name the folder that holds it with %s", err, dataEnv)
	}
	defer f.Close()
	dir := filepath.Join(t.TempDir(), "db")
	db, err := tidal.Open(dir, schema.MovieLens(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Load(t.Context(), "u.data", ratings(t, f)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func ratings(t *testing.T, f *os.File) iter.Seq2[tidal.Record, error] {
	return func(yield func(tidal.Record, error) bool) {
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			c := strings.Split(lines.Text(), "\t")
			stars, err1 := strconv.ParseFloat(c[2], 64)
			seconds, err2 := strconv.ParseInt(c[3], 10, 64)
			if err1 != nil || err2 != nil {
				t.Fatalf("%q", lines.Text())
			}
			s := tidal.Signal{Type: "rating", User: c[0], Item: c[1], Weight: stars, Time: time.Unix(seconds, 0)}
			ok := yield(s, nil)
			s.Weight = 1
			switch {
			case stars >= 4:
				s.Type = "like"
				ok = ok && yield(s, nil)
			case stars <= 2:
				s.Type = "dislike"
				ok = ok && yield(s, nil)
			}
			if !ok {
				return
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// What the baselines reach on MovieLens 100K is known from elsewhere: under full ranking, with positives from four
// stars on, an NDCG and a hit rate at 10 of 0.047 and 0.088 by popularity, 0.072 and 0.123 by neighbours, 0.079 and
// 0.142 with a half-life of ten events. A third of the users have several positive ratings in their last second, so
// which of these is the last one, and with it the figures, differ a little between programs: 8 % are allowed.
func TestBaselinesReachOnMovieLensWhatTheyReachElsewhere(t *testing.T) {
	r, err := eval.Run(t.Context(), eval.Options{Dir: movieLens(t), Now: time.Now, K: []int{10}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		got      *eval.Figures
		ndcg, hr float64
	}{
		{"popularity", r.Popularity, 0.047, 0.088},
		{"item_knn", r.ItemKNN, 0.072, 0.123},
		{"item_knn_decay", r.ItemKNNDecay, 0.079, 0.142},
	} {
		if math.Abs(c.got.NDCG[0]/c.ndcg-1) > 0.08 || math.Abs(c.got.HitRate[0]/c.hr-1) > 0.08 {
			t.Errorf("%s: NDCG@10 %.4f, hit rate %.4f; elsewhere %.3f and %.3f",
				c.name, c.got.NDCG[0], c.got.HitRate[0], c.ndcg, c.hr)
		}
	}
	if r.Positive != "rating>=4" || r.PositiveBy != "auto" || r.ForYou != nil || r.Above != nil || len(r.Notes) != 0 {
		t.Errorf("%+v", r)
	}
	want := eval.Seen{
		Now: "1998-04-22T23:10:38Z", Users: 943, Items: 1654, Served: 1654, TrainingEvents: 167_701, TestEvents: 1884,
		AsideEvents: 3270, TestUsers: 942, Ranked: 942, Wanted: 942, Unreachable: 5,
	}
	if r.Split != want {
		t.Errorf("%+v, want %+v", r.Split, want)
	}
}
