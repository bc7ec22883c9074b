package host_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
	"github.com/tidaldb/tidal/internal/wal"
)

// work does a piece of work that nothing is wrong with.
func work(t *testing.T, x *host.Snapshots, w replica.SnapWork) replica.SnapResult {
	t.Helper()
	r, err := x.Do(w)
	if err == nil {
		err = r.Err
	}
	if err != nil {
		t.Fatalf("task %d: %v", w.Kind, err)
	}
	return r
}

// stage pulls a snapshot of one directory into another, where it's ready to be installed.
func stage(t *testing.T, from, to *host.Snapshots) replica.Instant {
	t.Helper()
	at := work(t, from, replica.SnapWork{Kind: replica.SnapOpen, Peer: 2}).Instant
	work(t, to, replica.SnapWork{Kind: replica.SnapBegin, Peer: 1, Instant: at})
	var progress replica.SnapProgress
	for last := false; !last; {
		chunk := work(t, from, replica.SnapWork{Kind: replica.SnapRead, Peer: 2, Instant: at, Progress: progress}).Chunk
		added := work(t, to, replica.SnapWork{Kind: replica.SnapAdd, Peer: 1, Instant: at, Chunk: chunk})
		progress, last = added.Progress, added.Last
	}
	work(t, from, replica.SnapWork{Kind: replica.SnapClose, Peer: 2})
	work(t, to, replica.SnapWork{Kind: replica.SnapPrepare, Peer: 1, Instant: at})
	return at
}

// whole is what a directory amounts to.
type whole struct {
	digest, cells state.Digest
	vector        id.VersionVector
	signals       uint64
}

func wholeOf(t *testing.T, b *host.Base) whole {
	t.Helper()
	var w whole
	var err error
	if w.digest, err = b.Digest(); err != nil {
		t.Fatal(err)
	}
	if w.cells, err = b.DigestCells(); err != nil {
		t.Fatal(err)
	}
	w.vector, w.signals = b.Engine.Vector(), b.Engine.Counters().Signals
	return w
}

func (w whole) equal(x whole) bool {
	return w.digest == x.digest && w.cells == x.cells && w.vector.Equal(x.vector) && w.signals == x.signals
}

// source is a replica with a checkpoint, behind which its log was let go, and what it was when it had written less.
type source struct {
	r       *host.Replica
	opts    host.Options
	younger *crashable.FS // its disk at an earlier time, closed in order
	was     whole
	is      whole
	key     string
}

func newSource(t *testing.T, memory int64) *source {
	t.Helper()
	mem := crashable.New()
	s := &source{key: "a key", opts: host.Options{
		FS: mem, Dir: "db", SegmentBytes: 4096, Retention: briefly, RangeBytes: -1, UserMemory: memory,
	}}
	s.r = mustOpen(t, s.opts)
	fill(t, s.r, 1, 60)
	if memory > 0 {
		mustCheckpoint(t, s.r)
	}
	fill(t, s.r, 61, 20)
	s.was = wholeOf(t, host.BaseOf(s.r))
	mustClose(t, s.r)
	s.younger = mem.CrashClone(pebblevfs.CrashCloneCfg{})
	s.r = mustOpen(t, s.opts) // and so its entries are of a later term
	fill(t, s.r, 81, 400)
	var wide []record.Proposed // so that it takes some chunks
	for i := range 4000 {
		wide = append(wide, views(fmt.Sprintf("user %d", i), fmt.Sprintf("wide %d", i), 1)...)
	}
	if _, err := write0(s.r, wide); err != nil {
		t.Fatal(err)
	}
	keyed := views("ada 1", "keyed", 1)
	keyed[0].Key = s.key
	if _, err := write0(s.r, keyed); err != nil {
		t.Fatal(err)
	}
	mustCheckpoint(t, s.r)
	s.is = wholeOf(t, host.BaseOf(s.r))
	return s
}

// contains holds a directory that a snapshot was installed in against the source.
func (s *source) contains(t *testing.T, b *host.Base) {
	t.Helper()
	if got := wholeOf(t, b); !got.equal(s.is) {
		t.Fatalf("the state is %v with %d signals, at the source it's %v with %d", got.vector, got.signals, s.is.vector, s.is.signals)
	}
	for number := 1; number <= 480; number++ {
		records := views(userOf(fmt.Sprintf("item-%d", number%40)), fmt.Sprintf("item-%d", number%40), 3)
		v, err := b.Engine.Lanes().Check("p", uint64(number), record.ContentHash(records))
		if err != nil || !v.Duplicate {
			t.Fatalf("a retry of request %d isn't recognised: %+v, %v", number, v, err)
		}
	}
	keyed := views("ada 1", "keyed", 1)
	keyed[0].Key = s.key
	if v, err := b.Engine.Lanes().CheckKey(s.key, record.ContentHash(keyed)); err != nil || !v.Duplicate {
		t.Fatalf("a retry under a key isn't recognised: %+v, %v", v, err)
	}
}

// goesOn opens the directory as a group of one, which the configuration in the snapshot allows to the source's number, and
// writes.
func (s *source) goesOn(t *testing.T, opts host.Options) {
	t.Helper()
	r := mustOpen(t, opts)
	defer mustClose(t, r)
	s.contains(t, host.BaseOf(r))
	fill(t, r, 481, 5)
	mustCheckpoint(t, r)
	retry, err := write(context.Background(), r, "p", 300, "item-20", 3)
	if err != nil || !retry.Duplicate {
		t.Fatalf("a retry is answered with %+v, %v", retry, err)
	}
}

// TestASnapshotTakesThePlaceOfEverything installs one in an empty directory, in one that holds less, and in one that holds
// entries which nobody ever committed.
func TestASnapshotTakesThePlaceOfEverything(t *testing.T) {
	for _, memory := range []int64{0, 1} { // all users in memory, or hardly any
		s := newSource(t, memory)
		from := host.BaseOf(s.r).Snapshots()
		for _, had := range []string{"nothing", "less", "conflicts"} {
			t.Run(fmt.Sprintf("%s/%d", had, memory), func(t *testing.T) {
				opts := s.opts
				opts.FS = s.target(t, had)
				b, err := host.OpenBase(opts)
				if err != nil {
					t.Fatal(err)
				}
				voted := b.Log.HardState()
				x, j := b.Snapshots(), host.NewJournal(b.Log, func() int64 { return 0 })
				at := stage(t, from, x)
				if had != "nothing" && !wholeOf(t, b).equal(s.was) {
					t.Fatal("staging changed the state")
				}
				before := b.Retractions()
				if err := x.Install(j.Reset); err != nil {
					t.Fatal(err)
				}
				s.contains(t, b)
				if b.Retractions() <= before {
					t.Error("what was looked up in the old engine counts in the new one")
				}
				hs := b.Log.HardState()
				if hs.Commit != at.Index || hs.Term < voted.Term || hs.Term == voted.Term && hs.Vote != voted.Vote {
					t.Errorf("hard state is %+v, was %+v; the snapshot is of entry %d", hs, voted, at.Index)
				}
				if b.Log.FirstIndex() != at.Index+1 || b.Log.LastIndex() != at.Index {
					t.Errorf("log holds %d to %d", b.Log.FirstIndex(), b.Log.LastIndex())
				}
				if err := errors.Join(x.Close(), b.Close()); err != nil {
					t.Fatal(err)
				}
				s.goesOn(t, opts)
			})
		}
		if err := from.Close(); err != nil {
			t.Fatal(err)
		}
		mustClose(t, s.r)
	}
}

// target is a disk with a directory of the source's group.
func (s *source) target(t *testing.T, had string) *crashable.FS {
	t.Helper()
	if had == "nothing" {
		mem := crashable.New()
		if err := host.JoinDir(mem, "db", s.r, 1); err != nil {
			t.Fatal(err)
		}
		return mem
	}
	mem := s.younger.CrashClone(pebblevfs.CrashCloneCfg{})
	if had == "less" {
		return mem
	}
	opts := s.opts
	opts.FS = mem
	b, err := host.OpenBase(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	last := b.Log.LastIndex()
	term, err := b.Log.Term(last)
	if err != nil {
		t.Fatal(err)
	}
	var junk []wal.Entry
	for range 2000 { // beyond the snapshot's entry
		last++
		junk = append(junk, wal.Entry{Kind: wal.KindEmpty, Term: term, Index: last})
	}
	if err := errors.Join(b.Log.Append(junk, nil), b.Log.Sync()); err != nil {
		t.Fatal(err)
	}
	return mem
}

// everyStep clones a disk, as a power loss would leave it, before each operation that changes it.
type everyStep struct {
	mem *crashable.FS

	mu    sync.Mutex
	rng   *rand.Rand
	on    bool
	odds  int
	taken []crash
}

func (c *everyStep) observe(op errorfs.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on && op.Kind.ReadOrWrite() != errorfs.OpIsRead && c.rng.IntN(c.odds) == 0 {
		c.taken = append(c.taken, crash{
			when: fmt.Sprintf("before operation %d on %s", op.Kind, op.Path),
			mem: c.mem.CrashClone(pebblevfs.CrashCloneCfg{
				UnsyncedDataPercent: []int{0, 50, 100}[c.rng.IntN(3)], RNG: rand.New(rand.NewPCG(c.rng.Uint64(), 0)),
			}),
		})
	}
	return nil
}

func (c *everyStep) watch(on bool, odds int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on, c.odds = on, odds
}

// TestACrashInAnInstallLeavesTheOldOrTheNew cuts the power before every operation of an install, and before some of those
// in front of it: what is opened then is what was there before or what was sent, and goes on.
func TestACrashInAnInstallLeavesTheOldOrTheNew(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 0))
	s := newSource(t, 0)
	defer func() { mustClose(t, s.r) }()
	from := host.BaseOf(s.r).Snapshots()
	defer func() { _ = from.Close() }()
	olds, news := 0, 0
	for _, had := range []string{"nothing", "less", "conflicts"} {
		mem := s.target(t, had)
		c := &everyStep{mem: mem, rng: rng}
		opts := s.opts
		opts.FS = errorfs.Wrap(mem, errorfs.InjectorFunc(c.observe))
		b, err := host.OpenBase(opts)
		if err != nil {
			t.Fatal(err)
		}
		x, j := b.Snapshots(), host.NewJournal(b.Log, func() int64 { return 0 })
		c.watch(true, 8)
		stage(t, from, x)
		c.watch(true, 1)
		if err := x.Install(j.Reset); err != nil {
			t.Fatal(err)
		}
		c.watch(false, 1)
		if err := errors.Join(x.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(c.taken); i += fewer(1, 3) {
			opts.FS = c.taken[i].mem
			if s.opensAs(t, opts, had, fmt.Sprintf("%s, crash %d, %s", had, i, c.taken[i].when)) {
				news++
			} else {
				olds++
			}
		}
	}
	if least := fewer(20, 6); olds < least || news < least {
		t.Errorf("%d crashes left the old, %d the new", olds, news)
	}
}

// opensAs opens what a crash left, and reports whether it's what was sent.
func (s *source) opensAs(t *testing.T, opts host.Options, had, when string) (installed bool) {
	t.Helper()
	reader := opts
	reader.ReadOnly = true
	if b, err := host.OpenBase(reader); err == nil {
		_ = b.Close()
	} else if !errors.Is(err, fault.ErrOutOfStep) && !errors.Is(err, fault.ErrNotFound) {
		t.Fatalf("%s: open for reading: %v", when, err)
	}
	b, err := host.OpenBase(opts)
	if err != nil {
		t.Fatalf("%s: open: %v", when, err)
	}
	installed = b.Engine.Counters().Signals == s.is.signals
	got := wholeOf(t, b)
	if _, err := opts.FS.Stat("db/INSTALL"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s: the note of the install is still there: %v", when, err)
	}
	if err := b.Close(); err != nil {
		t.Fatalf("%s: close: %v", when, err)
	}
	switch {
	case installed:
		s.goesOn(t, opts)
	case had == "nothing" && got.signals == 0:
	case had != "nothing" && got.equal(s.was):
		r := mustOpen(t, opts)
		fill(t, r, 81, 3)
		mustClose(t, r)
	default:
		t.Fatalf("%s: %d signals are there, before there were %d, sent were %d", when, got.signals, s.was.signals, s.is.signals)
	}
	return installed
}

// TestAStoreAheadOfItsLogIsRefusedWithoutANote: a log that lost its end isn't taken for an interrupted install.
func TestAStoreAheadOfItsLogIsRefusedWithoutANote(t *testing.T) {
	s := newSource(t, 0)
	defer func() { mustClose(t, s.r) }()
	from := host.BaseOf(s.r).Snapshots()
	defer func() { _ = from.Close() }()
	opts := s.opts
	opts.FS = s.target(t, "less")
	b, err := host.OpenBase(opts)
	if err != nil {
		t.Fatal(err)
	}
	x := b.Snapshots()
	stage(t, from, x)
	failed := errors.New("power is gone")
	if err := x.Install(func(_, _ uint64) error { return failed }); !errors.Is(err, failed) {
		t.Fatalf("install: %v", err)
	}
	if err := errors.Join(x.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if err := opts.FS.Remove("db/INSTALL"); err != nil {
		t.Fatal(err)
	}
	if b, err := host.OpenBase(opts); !errors.Is(err, fault.ErrOutOfStep) {
		if err == nil {
			_ = b.Close()
		}
		t.Fatalf("a store ahead of its log is opened: %v", err)
	}
}
