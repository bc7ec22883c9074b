package tidal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// TestARestoredDatabaseAnswersAsTheOneThatWasBackedUp writes random records of every kind, with checkpoints, few users in
// memory and a log that goes behind the checkpoint, backs up now and then, and goes on with what was restored: it answers as
// the oracle does, which knows nothing of that, and takes retries and undos of what was written before.
func TestARestoredDatabaseAnswersAsTheOneThatWasBackedUp(t *testing.T) {
	s := seed(t)
	for run := range uint64(fewer(6, 3)) {
		w := newWriter(t, s+run)
		opts := w.clock.options()
		opts.SegmentBytes, opts.UserMemory, opts.Retention = 1<<12, []int64{0, 1, 4000}[run%3], 8*24*time.Hour
		opts.CheckpointBytes = []int64{0, 1, 3000, -1}[w.rng.IntN(4)]
		w.opts = opts
		w.reopen()
		for round := range 4 {
			for range 20 + w.rng.IntN(80) {
				w.request()
				w.clock.ms.Add(w.rng.Int64N(90_000))
			}
			if round == 2 {
				grow(t, w.db)
			}
			w.restored(run%2 == 0)
			w.compare()
			for range 10 {
				w.undo()
			}
			w.compare()
		}
		if t.Failed() {
			t.Fatalf("seed %d", s+run)
		}
	}
}

// grow adds a signal type to a database's schema.
func grow(t *testing.T, db *tidal.DB) {
	t.Helper()
	next := db.Schema().Clone()
	next.Signals = append(next.Signals, schema.SignalType{Name: "later", Meaning: schema.Positive, Permanent: true})
	if err := db.Extend(ctx, next); err != nil {
		t.Fatal(err)
	}
}

// restored backs up what the writer writes to, restores it elsewhere, and goes on there.
func (w *writer) restored(atRest bool) {
	w.t.Helper()
	from := w.db
	if atRest {
		if err := w.db.Close(); err != nil {
			w.t.Fatal(err)
		}
		opts := *w.opts
		opts.ReadOnly = true
		from = open(w.t, w.dir, nil, &opts)
	}
	var b bytes.Buffer
	info, err := from.Backup(ctx, &b)
	if err != nil {
		w.t.Fatal(err)
	}
	if !info.Vector.Equal(from.Stats().Vector) || info.Digest != from.Digest() || info.DigestCells != from.DigestCells() ||
		info.Bytes != int64(b.Len()) || uint64(info.Signals) != from.Stats().Signals || info.Entries == 0 {
		w.t.Fatalf("backed up %+v of %d bytes, of a database with %+v", info, b.Len(), from.Stats())
	}
	dir := filepath.Join(w.t.TempDir(), "new")
	w.clock.ms.Add(1000)
	got, err := tidal.Restore(ctx, &b, dir, &tidal.RestoreOptions{Now: w.clock.now, UserMemory: w.opts.UserMemory})
	if err != nil || got.Digest != info.Digest || !got.At.Equal(info.At) || got.Bytes != info.Bytes {
		w.t.Fatalf("restored %+v, %v; backed up %+v", got, err, info)
	}
	if err := w.db.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.dir = dir
	w.db = w.open(nil)
	if w.db.Digest() != info.Digest || w.db.DigestCells() != info.DigestCells {
		w.t.Fatal("what was restored has another digest once it's open for writing")
	}
}

// TestWritesGoOnUnderANewIncarnation writes behind a backup, restores it twice, and writes to both: no position is given
// out twice, and a request that is in the backup is a retry, while one that was lost counts again.
func TestWritesGoOnUnderANewIncarnation(t *testing.T) {
	db, c := fresh(t)
	laned := func(db *tidal.DB, n uint64) tidal.Receipt {
		t.Helper()
		r, err := db.Write(ctx, tidal.Request{Lane: "app", Number: n, Records: []tidal.Record{
			tidal.Signal{Type: "like", User: "ada", Item: "a"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := laned(db, 1)
	var b bytes.Buffer
	if _, err := db.Backup(ctx, &b); err != nil {
		t.Fatal(err)
	}
	given := map[tidal.Position]bool{laned(db, 2).Position: true}
	for range 2 {
		dir := filepath.Join(t.TempDir(), "new")
		c.ms.Add(1500)
		if _, err := tidal.Restore(ctx, bytes.NewReader(b.Bytes()), dir, &tidal.RestoreOptions{Now: c.now}); err != nil {
			t.Fatal(err)
		}
		again := open(t, dir, nil, c.options())
		if r := laned(again, 1); !r.Duplicate || r.Position != first.Position {
			t.Errorf("retry of what is in the backup: %+v, was %+v", r, first)
		}
		r := laned(again, 2)
		if r.Duplicate || given[r.Position] || r.Position.Incarnation <= first.Position.Incarnation {
			t.Errorf("what was lost, again: %+v; given out before: %v", r, given)
		}
		given[r.Position] = true
		write(t, again, tidal.Undo{Position: first.Position})
		if got := total(t, again, "a", "like"); got != 1 {
			t.Errorf("with one of two taken back, %d count", got)
		}
	}
}

// TestABackupIsOfOneInstant backs up again and again while others write, and compares what is restored with a database
// that took, of the backup's log, the events that the backup says it has.
func TestABackupIsOfOneInstant(t *testing.T) {
	db, c := fresh(t)
	var writers, begun sync.WaitGroup
	stop := make(chan struct{})
	for n := range 3 {
		lane := string(rune('a' + n))
		begun.Add(1)
		writers.Go(func() {
			for i := uint64(1); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				// Two records of one request: no backup may have one without the other.
				_, err := db.Write(ctx, tidal.Request{Lane: lane, Number: i, Records: []tidal.Record{
					tidal.Signal{Type: "like", User: "ada", Item: "left"}, tidal.Signal{Type: "like", User: "bob", Item: "right"},
				}})
				if i == 1 {
					begun.Done()
				}
				if err != nil {
					t.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	begun.Wait() // or the first backup may hold nothing of theirs
	var last int64
	for range 5 {
		write(t, db, tidal.Signal{Type: "view", User: "eve", Item: "mark"})
		acknowledged := total(t, db, "mark", "view")
		var b bytes.Buffer
		info, err := db.Backup(ctx, &b)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "new")
		if _, err := tidal.Restore(ctx, &b, dir, &tidal.RestoreOptions{Now: c.now}); err != nil {
			t.Fatal(err)
		}
		got := open(t, dir, nil, &tidal.Options{ReadOnly: true})
		left, right := total(t, got, "left", "like"), total(t, got, "right", "like")
		if left != right || left <= last || total(t, got, "mark", "view") != acknowledged {
			t.Errorf("restored: %d left, %d right, %d before; %d of %d marks", left, right, last,
				total(t, got, "mark", "view"), acknowledged)
		}
		if got.Digest() != info.Digest || uint64(info.Signals) != got.Stats().Signals {
			t.Error("what was restored isn't what the backup says it is")
		}
		last = left
	}
	close(stop)
	writers.Wait()
}

func TestARestoreWantsADirectoryOfItsOwn(t *testing.T) {
	db, c := fresh(t)
	var b bytes.Buffer
	if _, err := db.Backup(ctx, &b); err != nil {
		t.Fatal(err)
	}
	full, empty := t.TempDir(), t.TempDir()
	mine := filepath.Join(full, "mine")
	if err := os.WriteFile(mine, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	restore := func(dir string, verifyOnly bool) error {
		_, err := tidal.Restore(ctx, bytes.NewReader(b.Bytes()), dir, &tidal.RestoreOptions{Now: c.now, VerifyOnly: verifyOnly})
		return err
	}
	var in *tidal.InputError
	if err := restore(full, false); !errors.As(err, &in) || in.Field != "dir" {
		t.Errorf("into a directory that holds something: %v", err)
	}
	if err := restore(mine, false); !errors.As(err, &in) {
		t.Errorf("into a file: %v", err)
	}
	if text, err := os.ReadFile(mine); err != nil || string(text) != "text" {
		t.Errorf("a file that was there is now %q, %v", text, err)
	}
	if err := restore(full, true); err != nil {
		t.Errorf("only verified, beside a directory that holds something: %v", err)
	}
	if err := restore(empty, false); err != nil {
		t.Errorf("into an empty directory: %v", err)
	}
	if err := restore(empty, false); !errors.As(err, &in) {
		t.Errorf("into the same once more: %v", err)
	}
	for _, dir := range []string{full, empty} {
		if _, err := os.Stat(dir + ".restoring"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("beside %s something was left: %v", dir, err)
		}
	}
}

// TestWhatWasGivenOutStaysGoodBehindARestore reads the reference and the cursor of a list in the database that was restored,
// with the log and without, from a backup of who writes and of who reads.
func TestWhatWasGivenOutStaysGoodBehindARestore(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	db := open(t, dir, testSchema(), c.options())
	for _, item := range []string{"a", "b", "c"} {
		write(t, db, tidal.Put{Kind: tidal.Item, ID: item}, tidal.Signal{Type: "view", User: "ada", Item: item})
	}
	answer, err := db.Rank(ctx, query.Rank("new").For("eve").Limit(2).Query())
	if err != nil {
		t.Fatal(err)
	}
	ref := answer.Ref(0)
	said, err := db.Ref(ref)
	if err != nil {
		t.Fatal(err)
	}
	backups := map[string]*bytes.Buffer{"whole": {}, "state": {}, "at rest": {}}
	_, err1 := db.Backup(ctx, backups["whole"])
	_, err2 := db.BackupState(ctx, backups["state"])
	err3 := db.Close()
	reader := open(t, dir, nil, &tidal.Options{ReadOnly: true, Now: c.now})
	_, err4 := reader.Backup(ctx, backups["at rest"])
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	for name, b := range backups {
		dir := filepath.Join(t.TempDir(), "new")
		if _, err := tidal.Restore(ctx, b, dir, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again := open(t, dir, nil, c.options())
		if got, err := again.Ref(ref); err != nil || got != said {
			t.Errorf("%s: the reference says %+v, %v; it said %+v", name, got, err, said)
		}
		if _, err := again.Rank(ctx, query.Rank("new").For("eve").Limit(2).After(answer.Cursor()).Query()); err != nil {
			t.Errorf("%s: the list can't be gone on with: %v", name, err)
		}
	}
}
