package tidal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
)

// TestAnExportIsWhatWasWritten writes at random, with retries, undos, erasures, checkpoints and files that go when they are
// old, and holds exports of every shape against a list that remembers each write: whole and in pieces, with and without
// names, from the writer and from a reader beside it.
func TestAnExportIsWhatWasWritten(t *testing.T) {
	s := seed(t)
	lost, gone := 0, 0
	for run := range uint64(fewer(6, 3)) {
		w := newExporter(t, s+run)
		for step := range 160 {
			w.step(step)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", s+run, step)
			}
		}
		w.drain()
		lost, gone = lost+w.lost, gone+w.gone
	}
	t.Logf("%d events left the log, %d cursors outlived it", lost, gone)
	if lost == 0 {
		t.Error("no event ever left the log")
	}
}

// remembered is one event as the oracle has it.
type remembered struct {
	tidal.Exported
	written time.Time
	erased  bool
}

// exporter writes at random, and remembers.
type exporter struct {
	t     *testing.T
	rng   *rand.Rand
	dir   string
	clock *clock
	db    *tidal.DB
	all   []remembered
	lanes map[string]uint64
	refs  map[string][]byte // some references, by item
	lost  int               // events at the front that the log doesn't have any more
	gone  int               // cursors that the log doesn't reach any more

	named int      // how many of all the named export has read, −1 while there is none
	old   []string // cursors of before
}

func newExporter(t *testing.T, seed uint64) *exporter {
	w := &exporter{
		t: t, rng: rand.New(rand.NewPCG(seed, 2)), dir: t.TempDir(), clock: newClock(), lanes: map[string]uint64{},
		refs: map[string][]byte{}, named: -1,
	}
	w.db = open(t, w.dir, testSchema(), w.options())
	for i := range 5 {
		write(t, w.db, tidal.Put{Kind: tidal.Item, ID: fmt.Sprint("i", i)})
	}
	answer, err := w.db.Rank(ctx, &query.Query{Profile: "new", Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range answer.Items {
		w.refs[x.Item] = answer.Ref(i)
	}
	return w
}

func (w *exporter) options() *tidal.Options {
	o := w.clock.options()
	o.SegmentBytes, o.Retention, o.CheckpointBytes = 2048, 24*time.Hour, -1
	return o
}

func (w *exporter) step(n int) {
	w.clock.ms.Add(w.rng.Int64N((30 * time.Minute).Milliseconds()))
	switch w.rng.IntN(14) {
	case 0:
		w.undo()
	case 1:
		if w.rng.IntN(3) == 0 {
			w.erase()
		}
	case 2:
		if err := w.db.Checkpoint(ctx); err != nil {
			w.t.Fatal(err)
		}
		w.write() // behind its answer the log goes
		w.write()
	case 3:
		if n%3 == 0 {
			if err := w.db.Close(); err != nil {
				w.t.Fatal(err)
			}
			w.db = open(w.t, w.dir, nil, w.options())
		}
	case 4, 5:
		w.compare(w.db)
	case 6:
		w.advance(1 + w.rng.IntN(30))
	case 7:
		w.resumeOld()
	case 8:
		w.beside()
	default:
		w.write()
	}
}

func (w *exporter) one(of ...string) string { return of[w.rng.IntN(len(of))] }

// write writes some signals, in a lane, in a session or in neither, and sometimes again.
func (w *exporter) write() {
	w.t.Helper()
	var r tidal.Request
	session := w.one("", "", "s1", "s2")
	lane := w.one("", "app")
	if session != "" {
		lane = ""
	}
	if lane != "" {
		w.lanes[lane]++
		r.Lane, r.Number = lane, w.lanes[lane]
	}
	var made []remembered
	for range 1 + w.rng.IntN(4) {
		x := w.signal()
		if session != "" {
			x.User = ownerOf(session)
		}
		if session != "" && w.rng.IntN(4) == 0 {
			said, rec := w.said(x.User)
			made, r.Records = append(made, said), append(r.Records, rec)
			continue
		}
		made = append(made, x)
		s := tidal.Signal{
			Type: x.Type, User: x.User, Item: x.Item, Weight: x.Weight, Time: x.Time, Cohorts: x.Cohorts,
			Creator: x.Creator, Ref: x.RawRef,
		}
		if x.Ref != nil {
			s.Ref = w.refs[x.Item]
		}
		r.Records = append(r.Records, s)
	}
	send := func() (tidal.Receipt, error) { return w.db.Write(ctx, r) }
	if session != "" {
		s, err := w.db.StartSession(ctx, tidal.SessionStart{ID: session, User: ownerOf(session), TTL: 365 * 24 * time.Hour})
		if err != nil {
			w.t.Fatal(err)
		}
		send = func() (tidal.Receipt, error) { return s.Write(ctx, r.Number, r.Records...) }
	}
	receipt, err := send()
	if err != nil {
		w.t.Fatal(err)
	}
	if session != "" {
		r.Number = receipt.Number
	}
	if r.Number != 0 && w.rng.IntN(4) == 0 {
		if again, err := send(); err != nil || !again.Duplicate {
			w.t.Fatalf("retry: %+v, %v", again, err)
		}
	}
	at := receipt.Position
	for i := range made {
		x := &made[i]
		x.Position, x.Lane, x.Number, x.written = at, r.Lane, r.Number, w.clock.now()
		x.Session = session
		at.Seq++
	}
	w.all = append(w.all, made...)
}

// said is what a session says beside signals.
func (w *exporter) said(user string) (remembered, tidal.Record) {
	x := tidal.Exported{Kind: "annotation", Type: "mood", User: user, Text: w.one("", "tired\xff"), Time: w.clock.now()}
	if w.rng.IntN(2) == 0 {
		return remembered{Exported: x}, tidal.Note{Name: x.Type, Text: x.Text}
	}
	x.Kind, x.Type, x.Text, x.Results = "search", "", "slow jazz", []string{"i1", "i\xff"}
	return remembered{Exported: x}, tidal.Search{Query: x.Text, Results: x.Results}
}

// signal is one event of any shape.
func (w *exporter) signal() remembered {
	x := remembered{Exported: tidal.Exported{
		Kind: "signal", Type: w.one("view", "like", "skip"), User: w.one("", "ada", "bob", "eve\xff"),
		Item: fmt.Sprint("i", w.rng.IntN(5)), Weight: float64(1 + w.rng.IntN(3)),
		Time: w.clock.ago(time.Duration(w.rng.IntN(48)) * time.Hour),
	}}
	if w.rng.IntN(3) == 0 {
		x.Cohorts, x.Creator = []string{"a", "b"}, "c"
	}
	switch w.rng.IntN(4) {
	case 0:
		x.RawRef = []byte("my own")
	case 1:
		x.RawRef = slices.Clone(w.refs["i0"]) // about another item, or one bit wrong
		if x.Item == "i0" {
			x.RawRef[9] ^= 1
		}
	case 2:
		ref, err := w.db.Ref(w.refs[x.Item])
		if err != nil {
			w.t.Fatal(err)
		}
		x.Ref = &ref
	}
	return x
}

func (w *exporter) undo() {
	w.t.Helper()
	if len(w.all) == 0 {
		return
	}
	x := &w.all[w.rng.IntN(len(w.all))]
	_, err := w.db.Write(ctx, tidal.Request{Records: []tidal.Record{tidal.Undo{Position: x.Position}}})
	switch {
	case err == nil:
		x.Undone = true
	case !errors.Is(err, tidal.ErrUndone) && !errors.Is(err, tidal.ErrNotFound):
		w.t.Fatal(err)
	}
}

func (w *exporter) erase() {
	w.t.Helper()
	user := w.one("ada", "bob", "eve\xff")
	write(w.t, w.db, tidal.Erase{User: user})
	for i := range w.all {
		w.all[i].erased = w.all[i].erased || w.all[i].User == user
	}
}

// everything is a query for all that there is.
func everything() tidal.ExportQuery {
	return tidal.ExportQuery{From: time.UnixMilli(0), WithUndone: true}
}

// filtered is a query at random.
func (w *exporter) filtered() tidal.ExportQuery {
	q := tidal.ExportQuery{WithUndone: w.rng.IntN(2) == 0}
	if w.rng.IntN(3) > 0 {
		q.From = w.clock.ago(time.Duration(w.rng.IntN(72*60)) * time.Minute)
	}
	if q.From.IsZero() || w.rng.IntN(2) == 0 {
		q.To = w.clock.ago(-time.Duration(w.rng.IntN(60)+1) * time.Minute)
	}
	if w.rng.IntN(2) == 0 {
		q.Types = []string{w.one("view", "like"), "skip"}
	}
	switch w.rng.IntN(4) {
	case 0:
		q.User = w.one("ada", "eve\xff", "nobody")
	case 1:
		q.Item = "i1"
	case 2:
		q.Session = "s1"
	}
	return q
}

// wants is what a query asks of what is remembered.
func wants(q *tidal.ExportQuery, x *remembered) bool {
	return !x.erased && (q.WithUndone || !x.Undone) &&
		(q.From.IsZero() || !x.Time.Before(q.From)) && (q.To.IsZero() || x.Time.Before(q.To)) &&
		(len(q.Types) == 0 || slices.Contains(q.Types, x.Type)) && (q.User == "" || q.User == x.User) &&
		(q.Item == "" || q.Item == x.Item) && (q.Session == "" || q.Session == x.Session)
}

// take collects an export.
func (w *exporter) take(db *tidal.DB, q tidal.ExportQuery) (out []tidal.Exported, s tidal.ExportSummary, err error) {
	q.Summary = &s
	for x, err := range db.Export(ctx, q) {
		if err != nil {
			return out, s, err
		}
		out = append(out, x)
	}
	if s.Events != len(out) {
		w.t.Errorf("%d events, the summary says %d", len(out), s.Events)
	}
	return out, s, nil
}

// look finds out what the log has lost, which must be old, and nothing that the named export still needs.
func (w *exporter) look(db *tidal.DB) {
	w.t.Helper()
	got, s, err := w.take(db, everything())
	if err != nil || !s.Whole {
		w.t.Fatalf("export of everything: whole %v, %v", s.Whole, err)
	}
	lost := 0
	for ; lost < len(w.all) && (len(got) == 0 || w.all[lost].Position.Seq < got[0].Position.Seq); lost++ {
		x := &w.all[lost]
		young := w.clock.now().Sub(x.written) < 24*time.Hour
		if !x.erased && (young || w.named >= 0 && lost >= w.named) {
			w.t.Fatalf("event %v of %v left the log; the named export has read %d of %d", x.Position, x.written, w.named, len(w.all))
		}
		if !s.Missing && !x.erased {
			w.t.Fatalf("event %v is missing, and nobody says so", x.Position)
		}
	}
	w.lost = max(w.lost, lost)
	w.same(got, w.expect(everything(), w.lost))
}

// expect is the answer to a query by what is remembered, from one event on.
func (w *exporter) expect(q tidal.ExportQuery, from int) (out []tidal.Exported) {
	for i := from; i < len(w.all); i++ {
		if wants(&q, &w.all[i]) {
			out = append(out, w.all[i].Exported)
		}
	}
	return out
}

func (w *exporter) same(got, want []tidal.Exported) {
	w.t.Helper()
	if len(got) != len(want) {
		w.t.Fatalf("%d events, want %d\n%v\n%v", len(got), len(want), positions(got), positions(want))
	}
	for i := range got {
		x := got[i]
		if x.Cursor == "" {
			w.t.Fatal("an event without a cursor")
		}
		var back tidal.Exported
		line, err := x.MarshalJSON()
		if err == nil {
			err = back.UnmarshalJSON(line)
		}
		if err != nil || !reflect.DeepEqual(back, x) {
			w.t.Fatalf("%s came back as %+v, %v", line, back, err)
		}
		x.Cursor, x.Trace = "", tidal.TraceID{}
		if !reflect.DeepEqual(x, want[i]) {
			w.t.Fatalf("event %d is\n%+v, want\n%+v", i, x, want[i])
		}
	}
}

// compare holds a query's answer against what is remembered: in one piece, and in pieces of random lengths, for which the
// log is kept. The log may go meanwhile, a little later than it was told to.
func (w *exporter) compare(db *tidal.DB) {
	w.t.Helper()
	w.look(db)
	before, q := w.lost, w.filtered()
	got, _, err := w.take(db, q)
	if err != nil {
		w.t.Fatal(err)
	}
	pieces := w.pieces(db, q)
	w.look(db)
	least := len(w.expect(q, w.lost))
	want := w.expect(q, before)
	for _, list := range [][]tidal.Exported{got, pieces} {
		if len(list) < least || len(list) > len(want) {
			w.t.Fatalf("%d events; there were %d, and are %d", len(list), len(want), least)
		}
		w.same(list, want[len(want)-len(list):])
	}
	if len(got) > 0 {
		w.old = append(w.old, got[w.rng.IntN(len(got))].Cursor)
	}
}

func (w *exporter) pieces(db *tidal.DB, part tidal.ExportQuery) (out []tidal.Exported) {
	w.t.Helper()
	part.Name = "pieces"
	for whole := false; !whole; {
		part.Limit = w.rng.IntN(5)
		some, s, err := w.take(db, part)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, some...)
		part.Cursor, whole = s.Cursor, s.Whole
		if len(some) > 0 && w.rng.IntN(2) == 0 {
			part.Cursor, whole = some[len(some)-1].Cursor, false
		}
		if part.Limit == 0 && !s.Whole {
			w.t.Fatal("an export without a limit ended early")
		}
	}
	if err := db.DropExport(ctx, "pieces"); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// resumeOld goes on behind a cursor of long ago: nothing is missing, or the log says that it is.
func (w *exporter) resumeOld() {
	w.t.Helper()
	if len(w.old) == 0 {
		return
	}
	w.look(w.db)
	q := everything()
	q.Cursor = w.old[w.rng.IntN(len(w.old))]
	got, s, err := w.take(w.db, q)
	var gone *tidal.GoneError
	if errors.As(err, &gone) {
		w.gone++
		w.look(w.db)
		if !errors.Is(err, tidal.ErrNotFound) || gone.Begins.IsZero() || w.lost == 0 {
			w.t.Fatalf("%v, with %d events lost", err, w.lost)
		}
		return
	}
	if err != nil || s.Missing {
		w.t.Fatalf("missing %v, %v", s.Missing, err)
	}
	from := len(w.all) - 1
	for want := len(got); want > 0 && from >= 0; from-- {
		if wants(&q, &w.all[from]) {
			want--
		}
	}
	w.same(got, w.expect(q, from+1))
}

// advance reads some more of the named export, and says so.
func (w *exporter) advance(limit int) {
	w.t.Helper()
	q := everything()
	q.Name, q.Limit = "learner", limit
	if w.named < 0 {
		first := q
		first.Limit = 1
		if _, _, err := w.take(w.db, first); err != nil {
			w.t.Fatal(err)
		}
		w.look(w.db)
		w.named = w.lost // what it begins with
	}
	got, s, err := w.take(w.db, q)
	if err != nil {
		w.t.Fatal(err)
	}
	want := w.expect(q, w.named)
	w.same(got, want[:min(limit, len(want))])
	if w.rng.IntN(4) == 0 {
		return // it was never kept: it comes again
	}
	if err := w.db.AdvanceExport(ctx, "learner", s.Cursor); err != nil {
		w.t.Fatal(err)
	}
	if s.Whole {
		w.named = len(w.all)
	} else {
		last := got[len(got)-1].Position
		w.named = 1 + slices.IndexFunc(w.all, func(x remembered) bool { return x.Position == last })
	}
}

// beside compares from a reader beside the writer. The log may go under a reader that has no name for its export, which
// the writer doesn't know of.
func (w *exporter) beside() {
	w.t.Helper()
	db, err := tidal.Open(w.dir, nil, &tidal.Options{ReadOnly: true, Now: w.clock.now})
	if errors.Is(err, tidal.ErrLocked) || errors.Is(err, tidal.ErrNotFound) {
		return // the log's beginning is gone, or goes as it's read, and the checkpoint is the writer's
	}
	if err != nil {
		w.t.Fatal(err)
	}
	q := everything()
	q.Name = "beside"
	got, s, err := w.take(db, q)
	if err == nil {
		least := len(w.expect(q, w.lost))
		if !s.Whole || len(got) < least {
			w.t.Fatalf("the reader has %d events, not %d; whole %v", len(got), least, s.Whole)
		}
		want := w.expect(q, 0)
		w.same(got, want[len(want)-len(got):])
	} else if !errors.Is(err, tidal.ErrNotFound) {
		w.t.Fatal(err)
	}
	if err := db.DropExport(ctx, "beside"); err != nil && !errors.Is(err, tidal.ErrNotFound) {
		w.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// drain reads the rest of the named export.
func (w *exporter) drain() {
	w.t.Helper()
	w.advance(1 << 30)
	w.compare(w.db)
}

// ownerOf is whose session it is.
func ownerOf(session string) string {
	if session == "s1" {
		return "ada"
	}
	return "bob"
}

func positions(events []tidal.Exported) (out []uint64) {
	for i := range events {
		out = append(out, uint64(events[i].Position.Seq))
	}
	return out
}
