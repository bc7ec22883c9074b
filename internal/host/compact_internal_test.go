package host

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/remnant"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/vfs/crashable"
	"github.com/tidaldb/tidal/schema"
)

// crowded is a log of two origins that is much larger than its limit, of a database with another region, 7, that lacks some.
type crowded struct {
	*logOf
	own, far *feed
	ends     map[id.Origin][]id.Seq // where batches end
}

func crowd(t *testing.T, fsys vfs.FS, rangesAlone bool) *crowded {
	t.Helper()
	return crowdIn(t, fsys, rangesAlone, 4<<10)
}

// crowdIn is crowd with files of a size.
func crowdIn(t *testing.T, fsys vfs.FS, rangesAlone bool, file int64) *crowded {
	t.Helper()
	c := &crowded{
		logOf: &logOf{t: t, opts: Options{
			FS: fsys, Dir: "db", SegmentBytes: file, RangeBytes: -1, RangesAlone: rangesAlone,
			Now:       func() time.Time { return time.UnixMilli(1_700_000_900_000) },
			Retention: retention.Policy{Retention: 1000, RetryHorizon: 1000, SizeLimit: 12 << 10},
		}},
		own: newFeed(id.Origin{}), far: newFeed(id.Origin{Region: 3, Incarnation: 1}), ends: map[id.Origin][]id.Seq{},
	}
	c.open()
	c.append(0, c.own.begin())
	c.commit(1)
	info := func(n id.Region, name string) record.Proposed {
		return record.Proposed{Kind: record.KindRegion, Region: record.RegionInfo{Number: n, Name: name}}
	}
	c.own.level = record.Level
	c.append(0, c.own.batch(info(3, "far"), info(7, "away")))
	for i := range 60 {
		if i == 20 {
			c.append(len(c.pending), c.ranged(c.far, 4, 20))
		}
		c.append(len(c.pending), c.own.batch(feedViews(20)...), c.far.batch(feedViews(10+i)...))
		for _, f := range []*feed{c.own, c.far} {
			c.ends[f.origin] = append(c.ends[f.origin], f.next-1)
		}
	}
	c.commit(len(c.pending))
	return c
}

// let lets the log go as far as it may, as a follower does.
func (c *crowded) let(t *testing.T) {
	t.Helper()
	c.follow()
	for more := true; more; {
		var below uint64
		var err error
		if below, more, err = c.Materialiser().Releasable(); err != nil {
			t.Fatal(err)
		}
		if err := c.Log.Release(below); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *crowded) logBytes() (bytes int64) {
	for _, f := range c.Log.Files() {
		bytes += f.Bytes
	}
	return bytes
}

// heardOf are the reports of regions 3 and 7, just now.
func heardOf(far, away id.VersionVector) []Reported {
	return []Reported{{Region: 3, Vector: far}, {Region: 7, Vector: away}}
}

// receiver is an engine that holds what a vector says, and its own log, from which it folds what it has.
func (c *crowded) receiver(t *testing.T, batches [][]byte, at id.VersionVector) *engine.Engine {
	t.Helper()
	e := engine.New(engine.Config{Origin: id.Origin{Region: 7}})
	for _, b := range batches {
		x, err := glance(b)
		if err != nil {
			t.Fatal(err)
		}
		if x.last > at.Get(x.origin) {
			continue
		}
		if res, err := e.ApplyEntry(b); err != nil || res.Outcome != engine.Applied {
			t.Fatalf("%v: %v %v", x, res.Outcome, err)
		}
	}
	return e
}

// catchUp gives a receiver all that it lacks: batches, and ranges, without what it has of them.
func (c *crowded) catchUp(t *testing.T, e *engine.Engine, batches [][]byte) (ranges, overlaps int) {
	t.Helper()
	for o := range c.Engine.Vector().All {
		for e.Vector().Get(o) < c.Engine.Vector().Get(o) {
			after := e.Vector().Get(o)
			some, err := c.Streams().Read(o, after, 1<<20)
			if errors.Is(err, fault.ErrGone) {
				var entry []byte
				if entry, err = c.Streams().Range(o, after, 1<<20); err == nil {
					ranges++
					some = [][]byte{entry}
				}
			}
			if err != nil || len(some) == 0 {
				t.Fatalf("%v behind %d of %d: %v", o, after, c.Engine.Vector().Get(o), err)
			}
			for _, data := range some {
				res, err := e.ApplyEntry(data)
				if errors.Is(err, fault.ErrOverlap) {
					overlaps++
					res, err = c.without(t, e, data, batches)
				}
				if err != nil || res.Outcome != engine.Applied {
					t.Fatalf("%v behind %d: %v %v", o, after, res.Outcome, err)
				}
			}
		}
	}
	return ranges, overlaps
}

// without applies a range of which the receiver has a part, in batches.
func (c *crowded) without(t *testing.T, e *engine.Engine, data []byte, batches [][]byte) (engine.Result, error) {
	t.Helper()
	whole, err := engine.DecodeEntry(data)
	if err != nil {
		t.Fatal(err)
	}
	fold := e.Compactor(0)
	for _, b := range batches {
		x, err := glance(b)
		if err == nil && x.origin == whole.Range.Origin && x.first >= whole.Range.First && x.last <= e.Vector().Get(x.origin) {
			err = fold.Add(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	have, err := fold.Finish()
	if err != nil {
		t.Fatal(err)
	}
	rest, err := whole.Without(have)
	if err != nil {
		t.Fatal(err)
	}
	return e.ApplyRange(rest)
}

// somewhere is a vector in the first half, third … of all that a region may stand at: where batches end, behind the region table.
func (c *crowded) somewhere(rng *rand.Rand, part int) id.VersionVector {
	own, far := c.ends[c.own.origin], c.ends[c.far.origin]
	n := len(own) / part
	return id.VersionVector{}.With(c.own.origin, own[rng.IntN(n)]).With(c.far.origin, far[rng.IntN(n)])
}

// TestARegionThatWasAwayForLongGetsWhatTheLogLetGo stands a region anywhere, has the log let go of most, and gives the region, which may
// have gone on since, what it lacks.
func TestARegionThatWasAwayForLongGetsWhatTheLogLetGo(t *testing.T) {
	rng := rand.New(rand.NewPCG(testseed.Of(t), 1))
	for _, ranges := range []bool{true, false} {
		subtracted := 0
		for range 4 {
			c := crowd(t, pebblevfs.NewMem(), ranges)
			stood := c.somewhere(rng, 3)
			c.RegionsReport(heardOf(c.Engine.Vector(), stood))
			before := c.logBytes()
			c.let(t)
			if after := c.logBytes(); after > before/2 {
				t.Fatalf("%d of %d bytes of the log stay", after, before)
			}
			// It got further than it said, as far as those in between take it.
			now := stood.Merge(c.somewhere(rng, 1))
			e := c.receiver(t, c.all, now)
			got, overlaps := c.catchUp(t, e, c.all)
			if e.Digest() != c.Engine.Digest() {
				t.Fatalf("from %v, with %d ranges, of which %d overlapped, its state is another", now, got, overlaps)
			}
			subtracted += overlaps

			// The pieces are there when the directory is opened again, and go once nobody needs them.
			c.close()
			c.open()
			c.catchUp(t, c.receiver(t, c.all, stood), c.all)
			bytes, n := c.Streams().pieceBytes()
			if n == 0 || bytes == 0 {
				t.Fatalf("%d pieces of %d bytes", n, bytes)
			}
			if sound, err := VerifyPieces(c.opts.FS, "db"); err != nil || sound != n {
				t.Fatalf("%d of %d pieces are sound: %v", sound, n, err)
			}
			c.RegionsReport(heardOf(c.Engine.Vector(), c.Engine.Vector()))
			c.let(t)
			if _, n := c.Streams().pieceBytes(); n > 0 {
				t.Fatalf("%d pieces are left, and nobody needs them", n)
			}
			if names, err := c.opts.FS.List("db/pieces"); err != nil || len(names) > 0 {
				t.Fatalf("files of pieces are left: %q %v", names, err)
			}
			if _, err := c.Streams().Range(c.own.origin, 5, 1000); !errors.Is(err, fault.ErrGone) {
				t.Fatalf("what is gone: %v", err)
			}
			c.close()
		}
		if ranges && subtracted == 0 {
			t.Error("no vector lay inside a range")
		}
	}
}

// TestARegionNobodyHeardOfLacksEverything: without reports nothing goes, and with a limit all is kept in pieces.
func TestARegionNobodyHeardOfLacksEverything(t *testing.T) {
	c := crowd(t, pebblevfs.NewMem(), true)
	defer c.close()
	c.opts.Retention.SizeLimit, c.Base.opts.Retention.SizeLimit = 0, 0
	before := c.logBytes()
	c.let(t)
	if after := c.logBytes(); after != before {
		t.Fatalf("%d of %d bytes of the log are left, and nobody has said what it has", after, before)
	}
	c.Base.opts.Retention.SizeLimit = 12 << 10
	c.let(t)
	held := c.logHeld.Load()
	if c.logBytes() > before/2 || held.PieceFiles == 0 || len(held.Regions) != 2 || held.Regions[1].Bytes == 0 {
		t.Fatalf("%d of %d bytes of the log are left: %+v", c.logBytes(), before, *held)
	}
	e := c.receiver(t, nil, id.VersionVector{})
	c.catchUp(t, e, nil)
	if e.Digest() != c.Engine.Digest() {
		t.Error("a region that begins with nothing gets another state")
	}
}

// TestRangesAreForWhoseEveryPlaceIsKnown: what is younger than the retention is asked for again by who is restored from a backup, and
// of a region that wasn't heard of nobody knows where it stands. Both are given batches, from anywhere on; others a range.
func TestRangesAreForWhoseEveryPlaceIsKnown(t *testing.T) {
	for name, x := range map[string]struct{ young, silent, ranges bool }{
		"old and known": {ranges: true}, "young": {young: true}, "not heard of": {silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := crowdIn(t, pebblevfs.NewMem(), false, 32<<10) // in short ones ranges don't pay
			defer c.close()
			said := heardOf(c.Engine.Vector(), c.somewhere(rand.New(rand.NewPCG(testseed.Of(t), 1)), 3))
			if x.silent {
				said = said[:1]
			}
			c.RegionsReport(said)
			if x.young {
				c.Base.opts.Retention.Retention = 1 << 50
			}
			c.let(t)
			pieces, ranges := 0, 0
			for _, p := range c.Streams().pieces {
				if p.Origin == c.own.origin {
					pieces++
					if p.Form == remnant.Range {
						ranges++
					}
				}
			}
			if pieces == 0 || (ranges > 0) != x.ranges {
				t.Fatalf("of %d pieces %d are ranges", pieces, ranges)
			}
			last := c.Engine.Vector().Get(c.own.origin)
			for _, end := range c.ends[c.own.origin] {
				if x.ranges || end == last {
					break
				}
				if _, err := c.Streams().Read(c.own.origin, end, 1000); err != nil {
					t.Fatalf("who holds %d is given no batches: %v", end, err)
				}
			}
		})
	}
}

// TestWhatWaitsForASchemaStaysInTheLog: batches that wait for a schema version can be given to nobody yet. However large the log is,
// it isn't compacted beyond them, and goes on.
func TestWhatWaitsForASchemaStaysInTheLog(t *testing.T) {
	c := crowd(t, pebblevfs.NewMem(), true)
	defer c.close()
	c.far.schema = schema.Hash{1}
	seen, waits := c.Engine.Vector().Get(c.far.origin), c.applied.Load()+1
	for range 60 {
		c.append(len(c.pending), c.far.batch(feedViews(20)...), c.own.batch(feedViews(20)...))
	}
	c.commit(len(c.pending))
	if got := c.Engine.Vector().Get(c.far.origin); got != seen || c.Engine.Received(c.far.origin) == seen {
		t.Fatalf("%d is visible, of %d received", got, c.Engine.Received(c.far.origin))
	}
	before := c.logBytes()
	c.let(t)
	if first := c.Log.FirstIndex(); first <= 1 || first > waits || c.logBytes() >= before {
		t.Errorf("the log begins with entry %d; entry %d is the first that waits", first, waits)
	}
}

// TestADamagedPieceIsNamedAndServedToNobody flips a bit in each piece.
func TestADamagedPieceIsNamedAndServedToNobody(t *testing.T) {
	mem := pebblevfs.NewMem()
	c := crowd(t, mem, true)
	c.let(t)
	c.close()
	names, err := mem.List("db/pieces")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for i, name := range names {
		path := "db/pieces/" + name
		data, _, err := readUpTo(mem, path, 0)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/(1+i%2)-1] ^= 4 // the middle, or the end
		if i%3 == 0 {
			data[30] ^= 1 // and the head
		}
		if err := vfs.WriteFileAtomic(mem, path, data); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := VerifyPieces(mem, "db"); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("verified: %v", err)
	}
	c.open()
	defer c.close()
	for _, o := range []id.Origin{c.own.origin, c.far.origin} {
		_, rerr := c.Streams().Read(o, 3, 1000)
		_, err := c.Streams().Range(o, 3, 1000)
		var damage *fault.Corrupt
		if !errors.As(err, &damage) || damage.File == "" {
			t.Errorf("%v: %v, and %v for batches", o, err, rerr)
		}
	}
}

// cutAt takes a copy of a disk before its nth change.
type cutAt struct {
	mem *crashable.FS
	rng *rand.Rand

	mu    sync.Mutex // the store has goroutines of its own
	at, n int
	image *crashable.FS
	when  string
}

func (p *cutAt) observe(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n++; p.n == p.at {
		p.when = fmt.Sprintf("before change %d, of %s", p.n, op.Path)
		p.image = p.mem.CrashClone(pebblevfs.CrashCloneCfg{UnsyncedDataPercent: p.rng.IntN(101), RNG: p.rng})
	}
	return nil
}

// Power is lost at some of the changes that compaction makes. What a region lacks is there afterwards, and compaction goes on.
func TestCompactionGoesOnAfterAPowerLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(testseed.Of(t), 1))
	first := crashable.New()
	c := crowd(t, first, true)
	c.follow()
	stood := c.somewhere(rng, 3)
	said := heardOf(stood, stood)
	want, all := c.Engine.Digest(), c.all
	c.close()
	step := 9
	if testing.Short() {
		step = 60
	}
	for at := 1 + rng.IntN(step); ; at += step {
		disk := first.CrashClone(pebblevfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
		p := &cutAt{mem: disk, rng: rng, at: at}
		c.opts.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(p.observe))
		c.open()
		c.RegionsReport(said)
		c.let(t)
		c.close()
		if p.image == nil {
			t.Logf("opening, compacting and closing makes %d changes", p.n)
			return
		}
		c.opts.FS = p.image
		c.open()
		for _, x := range c.standings() { // what they had said is known, or nothing yet
			if x.at.Len() > 0 && !x.at.Equal(stood) {
				t.Fatalf("%s: region %d stands at %v, not at %v", p.when, x.region, x.at, stood)
			}
		}
		e := c.receiver(t, all, stood)
		c.catchUp(t, e, all)
		if e.Digest() != want {
			t.Fatalf("%s: the state is another", p.when)
		}
		c.RegionsReport(said)
		c.let(t)
		e = c.receiver(t, all, stood)
		c.catchUp(t, e, all)
		if e.Digest() != want || c.logBytes() > 40<<10 {
			t.Fatalf("%s: when it went on, the state is another, or the log stays: %d bytes", p.when, c.logBytes())
		}
		c.close()
	}
}
