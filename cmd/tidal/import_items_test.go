package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal"
)

// ratings makes a file in MovieLens' format: n rows about fewer items.
func ratings(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "u%d\ti%d\t%d\t%d\n", i%17, i*7%400, 1+i%5, 880_000_000+i)
	}
	return write(t, "u.data", b.String())
}

func TestItemsAreMadeOnceAndChangeNoCount(t *testing.T) {
	t.Setenv(asProgram, "1") // for the process that verifies
	file := ratings(t, 1000)
	args := func(dir string, more ...string) []string {
		return append([]string{"import", "--dir", dir, "--format", "movielens", "--json", file}, more...)
	}
	with, without := filepath.Join(t.TempDir(), "db"), filepath.Join(t.TempDir(), "db")
	made := answer[importResult](t, good(t, args(with, "--verify")...))
	bare := answer[importResult](t, good(t, args(without, "--items=false", "--verify")...))
	if made.Entities != 400 || made.Result.Entities != 400 || bare.Entities != 0 || bare.Result.Entities != 0 ||
		made.Signals != bare.Signals || made.Lane != bare.Lane || made.DigestCells != bare.DigestCells {
		t.Errorf("with items %+v, without %+v", made, bare)
	}
	again := answer[importResult](t, good(t, args(with)...))
	if again.Entities != 0 || again.Signals != 0 || again.Already != 1000 || again.Digest != made.Digest {
		t.Errorf("again: %+v", again)
	}
	// The items can be made afterwards, and no row counts twice.
	later := answer[importResult](t, good(t, args(without, "--items", "--verify")...))
	if later.Entities != 400 || later.Signals != 0 || later.DigestCells != made.DigestCells || later.Result.Entities != 400 {
		t.Errorf("later: %+v", later)
	}
	list := answer[rankResult](t, good(t, "rank", "--dir", without, "--profile", "new", "--at", "newest", "--limit", "500", "--json"))
	if len(list.Items) != 400 {
		t.Errorf("%d items can be ranked", len(list.Items))
	}
	// A comparison that expects other items than there are fails.
	for _, c := range []struct {
		dir   string
		items string
		says  string
	}{{with, "--items=false", "nothing accounts for it"}, {database(t), "--items", "its fields are missing"}} {
		format, against := "movielens", file
		if c.items == "--items" {
			format, against = "csv", write(t, "same.csv", eventsCSV)
		}
		o := cli(t, nil, "verify", "--dir", c.dir, "--format", format, "--against", against, c.items)
		if o.code != exitFailure || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: exit %d: %s", c.items, o.code, o.stderr)
		}
	}
}

// Items that were put keep their fields.
func TestItemsThatAreThereStayAsTheyAre(t *testing.T) {
	dir := records(t)
	good(t, "import", "--dir", dir, "--format", "ndjson", "--items", write(t, "e.ndjson",
		`{"type":"like","user":"u","item":"requiem"}`+"\n"+`{"type":"like","user":"u","item":"unheard-of"}`+"\n"))
	for id, fields := range map[string]int{"requiem": 3, "unheard-of": 0} {
		if got := answer[entityResult](t, good(t, "entity", "--dir", dir, "--id", id, "--json")); len(got.Fields) != fields {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

func TestAnImportSaysHowToGetItemsWhenThereAreNone(t *testing.T) {
	file := write(t, "events.csv", eventsCSV)
	for flag, says := range map[string]string{"--items=false": "run this again with --items", "--items": "tidal rank --dir"} {
		dir := filepath.Join(t.TempDir(), "db")
		if o := good(t, "import", "--dir", dir, "--format", "csv", flag, file); !strings.Contains(o.stdout, says) {
			t.Errorf("%s: %s", flag, o.stdout)
		}
	}
}

func TestALongLaneHasALaneOfItemsToo(t *testing.T) {
	for _, lane := range []string{"l", strings.Repeat("l", maxLane-6), strings.Repeat("l", maxLane)} {
		if got := itemsLane(lane); len(got) > maxLane || !strings.HasPrefix(got, "items-") {
			t.Errorf("%q", got)
		}
	}
	if itemsLane(strings.Repeat("a", maxLane)) == itemsLane(strings.Repeat("b", maxLane)) {
		t.Error("two lanes share one")
	}
}

// itemDB accepts requests of two lanes as the database does, and dies where it is told to.
type itemDB struct {
	lanes map[string]*fakeDB
	left  int // requests until it dies; below 0 never
}

func (d *itemDB) lane(name string) *fakeDB {
	if d.lanes[name] == nil {
		d.lanes[name] = &fakeDB{accepted: map[uint64][]tidal.Record{}}
	}
	return d.lanes[name]
}

func (d *itemDB) Lane(name string) (uint64, bool) { return d.lane(name).Lane(name) }

// Write is called from several goroutines; the lock of one of the lanes serves for both.
func (d *itemDB) Write(_ context.Context, r tidal.Request) (tidal.Receipt, error) {
	f := d.lane("lane")
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.left == 0 {
		return tidal.Receipt{}, errDied
	}
	if d.left > 0 {
		d.left--
	}
	lane := d.lane(r.Lane)
	if old, ok := lane.accepted[r.Number]; ok {
		if fmt.Sprint(old) != fmt.Sprint(r.Records) {
			return tidal.Receipt{}, tidal.ErrKeyReused
		}
		return tidal.Receipt{Duplicate: true}, nil
	}
	lane.accepted[r.Number] = r.Records
	return tidal.Receipt{}, nil
}

func (d *itemDB) made() (ids []string) {
	f := d.lane("items-lane")
	for n := uint64(1); n <= uint64(len(f.accepted)); n++ {
		for _, rec := range f.accepted[n] {
			ids = append(ids, rec.(tidal.Patch).ID)
		}
	}
	return ids
}

// Wherever it dies and however often, the import makes the items that one run makes, in the same requests.
func TestAnImportOfItemsThatDiesGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, of := rapid.IntRange(0, 3000).Draw(t, "rows"), rapid.IntRange(1, 1500).Draw(t, "items")
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "{\"type\":\"like\",\"item\":\"i%d\",\"user\":\"u\"}\n", i*i%of)
		}
		run := func(db *itemDB, text string) (*importer, error) {
			db.lane("lane")
			db.lane("items-lane")
			im, _, err := importText(db, text, func(im *importer) { im.items = newItemMaker(db, im.lane) })
			return im, err
		}
		whole, db := &itemDB{map[string]*fakeDB{}, -1}, &itemDB{map[string]*fakeDB{}, -1}
		want, err := run(whole, b.String())
		if err != nil {
			t.Fatal(err)
		}
		written := int64(0)
		for range rapid.IntRange(0, 4).Draw(t, "deaths") {
			db.left = rapid.IntRange(0, 30).Draw(t, "dies after")
			im, err := run(db, b.String())
			if err != nil && !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			written += im.tally.Entities
		}
		db.left = -1
		got, err := run(db, b.String())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(db.made(), whole.made()) || written+got.tally.Entities > want.tally.Entities || got.tally.Imported != int64(n) {
			t.Fatalf("%d items in the end, %d in one run; %+v, %+v", len(db.made()), len(whole.made()), got.tally, want.tally)
		}
		distinct := map[string]bool{}
		for _, id := range db.made() {
			if distinct[id] {
				t.Fatalf("%s is made twice", id)
			}
			distinct[id] = true
		}
		if want.tally.Entities != int64(len(distinct)) || want.tally.Signals != int64(n) {
			t.Fatalf("%d items, %+v", len(distinct), want.tally)
		}
		// Another input under the lane is refused, if it has other items.
		if len(distinct) > 0 {
			db.lane("lane").accepted = map[uint64][]tidal.Record{}
			if _, err := run(db, "{\"type\":\"like\",\"item\":\"another\",\"user\":\"u\"}\n"); err == nil || classify(err).exit != exitRefused {
				t.Fatalf("%v", err)
			}
		}
	})
}
