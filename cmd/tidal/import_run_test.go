package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/rows"
	"github.com/tidaldb/tidal/schema"
)

// fakeDB accepts requests as the database does, as far as an import can tell.
type fakeDB struct {
	// delay is how long the n-th write takes, on a fake clock.
	delay func(number uint64) time.Duration
	// refuse says why a record is refused, "" if it isn't.
	refuse func(s tidal.Signal) string
	// fail is the error of a number from the outset.
	fail map[uint64]error
	// diesAt is a number at which everything fails, before or after it was accepted.
	diesAt    uint64
	diesAfter bool

	mu       sync.Mutex
	accepted map[uint64][]tidal.Record
	flying   int
	most     int   // requests under way at once
	started  []int // numbers in the order in which their writes were called
	dead     bool
}

var errDied = errors.New("the process died")

func (f *fakeDB) Lane(string) (uint64, bool) {
	n := uint64(0)
	for f.accepted[n+1] != nil {
		n++
	}
	return n, n > 0
}

func (f *fakeDB) Write(_ context.Context, r tidal.Request) (tidal.Receipt, error) {
	f.mu.Lock()
	f.flying++
	f.most = max(f.most, f.flying)
	f.started = append(f.started, int(r.Number))
	f.mu.Unlock()
	if f.delay != nil {
		<-time.After(f.delay(r.Number))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flying--
	if f.dead {
		return tidal.Receipt{}, errDied
	}
	for i, rec := range r.Records {
		if reason := f.reason(rec.(tidal.Signal)); reason != "" {
			return tidal.Receipt{}, &tidal.InputError{Record: i, Field: "user", Reason: reason}
		}
	}
	if err := f.fail[r.Number]; err != nil {
		return tidal.Receipt{}, err
	}
	if f.diesAt == r.Number && !f.diesAfter {
		f.dead = true
		return tidal.Receipt{}, errDied
	}
	if old, ok := f.accepted[r.Number]; ok {
		if fmt.Sprint(old) != fmt.Sprint(r.Records) {
			return tidal.Receipt{}, tidal.ErrKeyReused
		}
		return tidal.Receipt{Duplicate: true, Count: len(r.Records)}, nil
	}
	if f.accepted == nil {
		f.accepted = map[uint64][]tidal.Record{}
	}
	f.accepted[r.Number] = r.Records
	if f.diesAt == r.Number {
		f.dead = true
		return tidal.Receipt{}, errDied
	}
	return tidal.Receipt{Count: len(r.Records)}, nil
}

func (f *fakeDB) reason(s tidal.Signal) string {
	if f.refuse == nil {
		return ""
	}
	return f.refuse(s)
}

// everything lists the items that were accepted, in order.
func (f *fakeDB) everything() string {
	var b strings.Builder
	for n := uint64(1); n <= uint64(len(f.accepted)+64); n++ {
		for _, rec := range f.accepted[n] {
			fmt.Fprintf(&b, "%d:%s ", n, rec.(tidal.Signal).Item)
		}
	}
	return b.String()
}

// ndjson reads rows from a text.
func ndjson(text string) rows.Source {
	f, _ := rows.Find("ndjson")
	return f.Open("f", bufio.NewReader(strings.NewReader(text)))
}

// importText imports NDJSON.
func importText(db target, text string, change func(*importer)) (*importer, string, error) {
	var log strings.Builder
	im := &importer{
		db: db, schema: schema.Events(), lane: "lane", log: &log,
		in: ndjson(text),
	}
	if change != nil {
		change(im)
	}
	err := im.run(context.Background())
	return im, log.String(), err
}

// rowsOf makes NDJSON of n rows; those for which bad is true can't be used.
func rowsOf(n int, bad func(int) bool) string {
	var b strings.Builder
	for i := range n {
		if bad != nil && bad(i) {
			fmt.Fprintf(&b, "bad %d\n", i)
		} else {
			fmt.Fprintf(&b, "{\"type\":\"like\",\"item\":\"i%d\",\"user\":\"u\"}\n", i)
		}
	}
	return b.String()
}

func TestASkippedRowKeepsItsPlaceInItsRequest(t *testing.T) {
	db := &fakeDB{}
	im, log, err := importText(db, rowsOf(300, func(i int) bool { return i == 1 || i == 130 }), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := []int{len(db.accepted[1]), len(db.accepted[2]), len(db.accepted[3])}; !slices.Equal(got, []int{127, 127, 44}) {
		t.Errorf("the requests have %v records", got)
	}
	want := tally{Rows: 300, Imported: 298, Skipped: 2, Signals: 298}
	if got := im.tally; got.Rows != want.Rows || got.Imported != want.Imported || got.Skipped != want.Skipped ||
		got.Signals != want.Signals || got.Already != 0 || got.SkippedBy["json"] != 2 {
		t.Errorf("%+v", got)
	}
	if log != "skipped: f:2: not a JSON object\nskipped: f:131: not a JSON object\n" {
		t.Errorf("log: %s", log)
	}
}

func TestOnlyTheFirstComplaintsArePrintedOneByOne(t *testing.T) {
	im, log, err := importText(&fakeDB{}, rowsOf(100, func(i int) bool { return i%2 == 0 }), nil)
	if err != nil || im.tally.Skipped != 50 || strings.Count(log, "\n") != maxComplaints+1 {
		t.Errorf("%v, %d skipped, log:\n%s", err, im.tally.Skipped, log)
	}
}

func TestTheFirstUnusableRowEndsAnImportThatIsToFail(t *testing.T) {
	db := &fakeDB{}
	_, _, err := importText(db, rowsOf(300, func(i int) bool { return i == 200 }), func(im *importer) { im.failFast = true })
	var bad *rows.Error
	if !errors.As(err, &bad) || bad.Line != 201 {
		t.Errorf("%v", err)
	}
	if len(db.accepted) != 1 || len(db.accepted[1]) != rowsPerRequest {
		t.Errorf("the requests in front of it, and no other, are in: %s", db.everything())
	}
}

func TestARowThatOnlyTheDatabaseRefusesIsDroppedAlone(t *testing.T) {
	db := &fakeDB{refuse: func(s tidal.Signal) string {
		if s.Item == "i3" || s.Item == "i127" || s.Item >= "i140" && s.Item <= "i149" {
			return "has a bad day"
		}
		return ""
	}}
	// A row of two signals goes as a whole.
	text := rowsOf(200, nil)
	im, log, err := importText(db, text, func(im *importer) { im.in = &doubled{im.in} })
	if err != nil {
		t.Fatal(err)
	}
	if im.tally.Rows != 200 || im.tally.Imported != 188 || im.tally.Skipped != 12 || im.tally.SkippedBy[rows.CauseOther] != 12 {
		t.Errorf("%+v", im.tally)
	}
	if strings.Contains(db.everything(), "i3 ") || !strings.Contains(db.everything(), "1:i4 1:i4x ") {
		t.Error(db.everything())
	}
	if !strings.Contains(log, "skipped: f:4: user has a bad day") {
		t.Error(log)
	}
	// Again: the same rows are refused and the rest is recognised.
	again, _, err := importText(db, text, func(im *importer) { im.in = &doubled{im.in} })
	if err != nil || again.tally.Signals != 0 || again.tally.Rows != again.tally.Imported+again.tally.Skipped {
		t.Errorf("%v %+v", err, again.tally)
	}
}

// doubled gives every row a second signal.
type doubled struct{ rows.Source }

func (d *doubled) Next() (rows.Row, error) {
	r, err := d.Source.Next()
	if err == nil {
		second := r.Records[0].(tidal.Signal)
		second.Item += "x"
		r.Records = append(r.Records, second)
	}
	return r, err
}

func TestRequestsGoOutInOrderAndAtMost32Ahead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The first takes longest: nobody may run away from it.
		db := &fakeDB{delay: func(n uint64) time.Duration {
			if n%40 == 1 {
				return time.Hour
			}
			return time.Duration(n%7) * time.Millisecond
		}}
		ahead := 0
		watch := &watcher{fakeDB: db, seen: func(n int) {
			if oldest := slices.IndexFunc(db.missing(n), func(int) bool { return true }); oldest >= 0 {
				ahead = max(ahead, n-db.missing(n)[oldest])
			}
		}}
		im, _, err := importText(watch, rowsOf(100*rowsPerRequest, nil), nil)
		if err != nil || im.tally.Imported != 100*rowsPerRequest {
			t.Fatalf("%v %+v", err, im.tally)
		}
		if db.most > inFlight || db.most < inFlight/2 {
			t.Errorf("%d requests were under way at once", db.most)
		}
		if ahead >= inFlight {
			t.Errorf("a request was sent %d ahead of one that wasn't accepted", ahead)
		}
	})
}

// watcher calls seen with the number of each request before it is written.
type watcher struct {
	*fakeDB
	seen func(number int)
}

func (w *watcher) Write(ctx context.Context, r tidal.Request) (tidal.Receipt, error) {
	w.mu.Lock()
	w.seen(int(r.Number))
	w.mu.Unlock()
	return w.fakeDB.Write(ctx, r)
}

// missing lists the numbers below n that aren't accepted.
func (f *fakeDB) missing(n int) []int {
	var out []int
	for i := 1; i < n; i++ {
		if f.accepted[uint64(i)] == nil {
			out = append(out, i)
		}
	}
	return out
}

// Wherever the process dies, and however often, running the command again makes what one run would have made.
func TestAnImportThatDiesAndIsRepeatedEqualsOneThatDoesNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(0, 12*rowsPerRequest).Draw(t, "rows")
		badEvery := rapid.IntRange(1, 50).Draw(t, "bad every")
		emptyBlock := rapid.IntRange(0, 12).Draw(t, "block without a usable row")
		bad := func(i int) bool { return i%badEvery == 1 || i/rowsPerRequest == emptyBlock }
		text := rowsOf(rows, bad)

		whole := &fakeDB{}
		want, _, err := importText(whole, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		db := &fakeDB{}
		for range rapid.IntRange(1, 4).Draw(t, "deaths") {
			db.diesAt = rapid.Uint64Range(1, 13).Draw(t, "dies at")
			db.diesAfter, db.dead = rapid.Bool().Draw(t, "after accepting"), false
			if _, _, err := importText(db, text, nil); err != nil && !errors.Is(err, errDied) {
				t.Fatal(err)
			}
		}
		db.diesAt, db.dead = 0, false
		got, _, err := importText(db, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if db.everything() != whole.everything() {
			t.Fatalf("got  %s\nwant %s", db.everything(), whole.everything())
		}
		if got.tally.Rows != int64(rows) || got.tally.Imported+got.tally.Skipped != got.tally.Rows ||
			got.tally.Imported != want.tally.Imported || got.tally.Already+got.tally.Signals != got.tally.Imported {
			t.Fatalf("%+v, in one run %+v", got.tally, want.tally)
		}
	})
}

func TestAnotherInputUnderTheSameLaneIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	for _, c := range []struct{ name, second string }{
		{"from the first row on", strings.ReplaceAll(rowsOf(900, nil), `"item":"i`, `"item":"j`)},
		{"in the last request", strings.Replace(rowsOf(900, nil), `"i639"`, `"j"`, 1)},
		{"shorter", rowsOf(200, nil)},
		{"empty", ""},
	} {
		db := &fakeDB{}
		if _, _, err := importText(db, rowsOf(5*rowsPerRequest, nil), nil); err != nil {
			t.Fatal(err)
		}
		before := db.everything()
		_, _, err := importText(db, c.second, nil)
		if err == nil || classify(err).exit != exitRefused {
			t.Errorf("%s: %v", c.name, err)
		}
		if db.everything() != before {
			t.Errorf("%s: rows of the other input got in", c.name)
		}
	}
}

func TestARetryTooOldToCompareCountsAsImported(t *testing.T) {
	db := &fakeDB{}
	text := rowsOf(3*rowsPerRequest, nil)
	if _, _, err := importText(db, text, nil); err != nil {
		t.Fatal(err)
	}
	db.fail = map[uint64]error{1: tidal.ErrRetryTooOld, 3: tidal.ErrRetryTooOld}
	im, _, err := importText(db, text, nil)
	if err != nil || im.tally.Already != 3*rowsPerRequest || im.tally.Signals != 0 {
		t.Errorf("%v %+v", err, im.tally)
	}
}

func TestAnErrorOfTheDatabaseEndsTheImportAfterWhatIsUnderWay(t *testing.T) {
	db := &fakeDB{fail: map[uint64]error{5: tidal.ErrDisk}}
	_, _, err := importText(db, rowsOf(60*rowsPerRequest, nil), nil)
	if !errors.Is(err, tidal.ErrDisk) || !strings.Contains(err.Error(), "request 5") {
		t.Errorf("%v", err)
	}
	if db.flying != 0 || len(db.accepted) > 4+inFlight {
		t.Errorf("%d under way, %d accepted", db.flying, len(db.accepted))
	}
}

func TestAnInterruptionFinishesWhatIsUnderWay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	db := &fakeDB{}
	watch := &watcher{fakeDB: db, seen: func(n int) {
		if n == 7 {
			cancel()
		}
	}}
	im := &importer{
		db: watch, schema: schema.Events(), lane: "lane", log: io.Discard,
		in: ndjson(rowsOf(1000*rowsPerRequest, nil)),
	}
	err := im.run(ctx)
	if !errors.Is(err, context.Canceled) || classify(err).exit != exitInterrupted {
		t.Errorf("%v", err)
	}
	if len(db.accepted) < 7 || int64(len(db.accepted)*rowsPerRequest) != im.tally.Imported {
		t.Errorf("%d accepted, %d rows counted", len(db.accepted), im.tally.Imported)
	}
}

func TestRowsThatTheDatabaseWouldRefuseAreToldByTheirCause(t *testing.T) {
	long := strings.Repeat("x", id.MaxLen+1)
	for text, cause := range map[string]string{
		`{"type":"like","item":""}`:                                                  "id",
		`{"type":"like"}`:                                                            "id",
		`{"item":"a"}`:                                                               "type",
		`{"type":"love","item":"a"}`:                                                 "type",
		`{"type":"like","item":"` + long + `"}`:                                      "id",
		`{"type":"like","item":"a","user":"` + long + `"}`:                           "id",
		`{"type":"like","item":"a","creator":"` + long + `"}`:                        "id",
		`{"type":"like","item":"a","cohorts":["` + long + `"]}`:                      "id",
		`{"type":"like","item":"a","cohorts":["1","2","3","4","5","6","7","8","9"]}`: "id",
		`{"type":"like","item":"a","cohorts":[""]}`:                                  "id",
		`{"type":"like","item":"a","weight":2000000}`:                                "weight",
		`{"type":"like","item":"a","weight":-1}`:                                     "weight",
	} {
		im, log, err := importText(&fakeDB{}, text, nil)
		if err != nil || im.tally.SkippedBy[cause] != 1 {
			t.Errorf("%.60s: %v %v %s", text, err, im.tally.SkippedBy, log)
		}
	}
}
