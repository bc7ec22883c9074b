package tidal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// TestViewsAnswerAlikeHoweverTheyCameAbout writes at random: puts, patches, deletes, signals, undos, cohorts, schema versions.
// What was brought up to date with each write must then answer as what is made of a checkpoint, of the log, and of a
// checkpoint and the log behind it.
func TestViewsAnswerAlikeHoweverTheyCameAbout(t *testing.T) {
	s := seed(t)
	items := 2400 // so that sources are asked, and the first phase cuts
	if testing.Short() {
		items = 300
	}
	v := &viewed{t: t, rng: rand.New(rand.NewPCG(s, 5)), clock: newClock(), items: items}
	dir := t.TempDir()
	opts := v.clock.options()
	opts.CheckpointBytes = -1
	v.db = open(t, dir, rankSchema(), opts)
	v.fill()
	v.write(3000)
	want := v.answers()
	copied := v.crash(dir, opts)
	v.compare("made of the log", want, copied)
	if err := v.db.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	v.compare("as it was, behind a checkpoint", want, v.db)
	v.reopen(dir, opts)
	v.compare("made of a checkpoint", want, v.db)

	if err := v.db.Extend(ctx, v.extended()); err != nil {
		t.Fatal(err)
	}
	v.extend = true
	v.write(1500)
	want = v.answers()
	copied = v.crash(dir, opts)
	v.compare("made of a checkpoint and the log", want, copied)
	if err := v.db.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	v.reopen(dir, opts)
	v.compare("made of a later checkpoint", want, v.db)
}

type viewed struct {
	t      *testing.T
	rng    *rand.Rand
	clock  *clock
	db     *tidal.DB
	items  int
	extend bool
	given  []tidal.Position
}

func (v *viewed) item() string {
	return fmt.Sprintf("%05d", min(v.rng.IntN(v.items), v.rng.IntN(v.items)))
}
func (v *viewed) user() string { return fmt.Sprint("u", v.rng.IntN(60)) }

// when is a time of its own, so that no two items are alike.
func (v *viewed) when(hours int) time.Time {
	return v.clock.ago(time.Duration(v.rng.Int64N(int64(hours)*3600_000)) * time.Millisecond)
}

func (v *viewed) fields() tidal.Fields {
	f := tidal.Fields{
		"published": schema.Time(v.when(2000).UnixMilli()), "creator": schema.String(fmt.Sprint("c", v.rng.IntN(40))),
		"category": schema.String(pick(v.rng, "jazz", "rock", "soul")), "price": schema.Float(v.rng.Float64()),
		"tags": schema.Tags([]string{pick(v.rng, "a", "b"), pick(v.rng, "c", "d")}),
		"vec":  schema.Vector([]float32{v.rng.Float32() - 0.5, v.rng.Float32() - 0.5, v.rng.Float32()}),
	}
	if v.extend {
		f["mood"] = schema.String(pick(v.rng, "calm", "wild"))
		f["cover"] = schema.Vector([]float32{v.rng.Float32(), 1})
	}
	for name := range f {
		if v.rng.IntN(8) == 0 {
			delete(f, name)
		}
	}
	return f
}

func (v *viewed) fill() {
	var records []tidal.Record
	for i := range v.items {
		records = append(records, tidal.Put{Kind: tidal.Item, ID: fmt.Sprintf("%05d", i), Fields: v.fields()})
	}
	for i := range 60 {
		user := fmt.Sprint("u", i)
		records = append(records,
			tidal.Put{Kind: tidal.User, ID: user, Fields: tidal.Fields{"region": schema.String(pick(v.rng, "US", "DE"))}},
			tidal.Relate{User: user, What: tidal.Follows, Target: fmt.Sprint("c", v.rng.IntN(40))})
	}
	for chunk := range slices.Chunk(records, 500) {
		write(v.t, v.db, chunk...)
	}
}

// write writes so many records, a few at a time.
func (v *viewed) write(n int) {
	v.t.Helper()
	for done := 0; done < n; {
		v.clock.ms.Add(v.rng.Int64N(20_000))
		var records []tidal.Record
		for range 1 + v.rng.IntN(60) {
			records = append(records, v.record())
		}
		r := write(v.t, v.db, records...)
		at := r.Position
		for _, rec := range records {
			if _, ok := rec.(tidal.Signal); ok {
				v.given = append(v.given, at)
			}
			at.Seq++
		}
		if k := v.rng.IntN(len(v.given) + 1); k < len(v.given) {
			write(v.t, v.db, tidal.Undo{Position: v.given[k]})
			v.given = slices.Delete(v.given, k, k+1)
		}
		done += len(records)
	}
}

func (v *viewed) record() tidal.Record {
	switch v.rng.IntN(20) {
	case 0:
		return tidal.Put{Kind: tidal.Item, ID: v.item(), Fields: v.fields()}
	case 1:
		f := v.fields()
		for name := range f {
			if v.rng.IntN(2) == 0 {
				delete(f, name)
			}
		}
		if v.rng.IntN(3) == 0 {
			f["price"] = schema.Value{}
		}
		return tidal.Patch{Kind: tidal.Item, ID: v.item(), Fields: f}
	case 2:
		return tidal.Delete{Kind: tidal.Item, ID: v.item()}
	}
	s := tidal.Signal{
		Type: pick(v.rng, "view", "view", "like", "save", "share", "skip", "hide", "complete"), Item: v.item(), User: v.user(),
		Time: v.when(pick(v.rng, 2, 30, 500)), Weight: 0.1 + v.rng.Float64(),
	}
	if v.extend && v.rng.IntN(4) == 0 {
		s.Type = "cheer"
	}
	if v.rng.IntN(3) == 0 {
		s.Cohorts = []string{"us"}
	}
	return s
}

func (v *viewed) extended() *schema.Schema {
	s := v.db.Schema().Clone()
	s.Items.Fields = append(s.Items.Fields, schema.Field{Name: "mood", Type: schema.TypeKeyword})
	s.Items.Embeddings = append(s.Items.Embeddings, schema.Embedding{Name: "cover", Dimensions: 2})
	s.Signals = append(s.Signals, schema.SignalType{
		Name: "cheer", HalfLives: []time.Duration{24 * time.Hour}, Windows: []schema.Window{schema.Window24h}, Meaning: schema.Positive,
	})
	return s
}

// answers asks for lists of all profiles, in many ways.
func (v *viewed) answers() map[string][]tidal.RankedItem { return v.ask(v.db) }

func (v *viewed) ask(db *tidal.DB) map[string][]tidal.RankedItem {
	v.t.Helper()
	out := map[string][]tidal.RankedItem{}
	filters := []string{"", ` FILTER category = "jazz"`, ` FILTER price < 0.1 AND NOT tags = "a"`, ` FILTER published WITHIN 48h`}
	if v.extend {
		filters = append(filters, ` FILTER mood = "wild"`)
	}
	for _, name := range builtinsOf(db) {
		for i, f := range filters {
			for _, who := range []string{"", ` FOR USER "u1"`, ` FOR USER "u2" SIMILAR TO "00003"`, ` COHORT "us"`} {
				text := fmt.Sprintf("RANK items USING %s%s%s EXPLORE 0.2 AT %q SEED %d LIMIT 60 EXPLAIN", name, who, f,
					v.clock.now().Format("2006-01-02T15:04:05.000Z"), 11+i)
				out[text] = rankText(v.t, db, text).Items
			}
		}
	}
	return out
}

func (v *viewed) compare(how string, want map[string][]tidal.RankedItem, db *tidal.DB) {
	v.t.Helper()
	got, bad, full := v.ask(db), 0, 0
	for text, list := range want {
		full += oneOf(len(list) == 60)
		if len(list)+len(got[text]) == 0 || reflect.DeepEqual(got[text], list) {
			continue
		}
		if bad++; bad > 3 {
			continue
		}
		at := 0
		for at < min(len(list), len(got[text])) && reflect.DeepEqual(got[text][at], list[at]) {
			at++
		}
		v.t.Errorf("%s: %s\ngives %d, from the one at %d on\n%swant %d\n%s", how, text, len(got[text]), at,
			showRanked(got[text][at:min(at+3, len(got[text]))]), len(list), showRanked(list[at:min(at+3, len(list))]))
	}
	if full < len(want)/3 && !testing.Short() {
		v.t.Errorf("only %d of %d lists are full", full, len(want))
	}
	if bad > 0 {
		v.t.Fatalf("%s: %d of %d lists differ", how, bad, len(want))
	}
}

func (v *viewed) crash(dir string, opts *tidal.Options) *tidal.DB {
	v.t.Helper()
	return open(v.t, crashCopy(v.t, dir), nil, opts)
}

// crashCopy copies what a directory holds at one moment, while its database is open and isn't written to. The store
// below may be compacting: as long as that makes or removes files during the copy, it isn't of one moment.
func crashCopy(t *testing.T, dir string) string {
	t.Helper()
	files := func() string {
		var b strings.Builder
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return b.String()
	}
	for range 100 {
		before, to := files(), filepath.Join(t.TempDir(), "copy")
		err := os.CopyFS(to, os.DirFS(dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err == nil && files() == before {
			return to
		}
	}
	t.Fatalf("%s doesn't come to rest", dir)
	return ""
}

func (v *viewed) reopen(dir string, opts *tidal.Options) {
	v.t.Helper()
	if err := v.db.Close(); err != nil {
		v.t.Fatal(err)
	}
	v.db = open(v.t, dir, nil, opts)
}
