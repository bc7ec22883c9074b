package host

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/wal"
	"github.com/tidaldb/tidal/schema"
	"pgregory.net/rapid"
)

func feedSchema() *schema.Schema {
	s := &schema.Schema{Name: "test", Signals: []schema.SignalType{
		{Name: "view", Meaning: schema.Positive, Seen: true, HalfLives: []time.Duration{time.Hour}},
	}}
	if err := s.Validate(); err != nil {
		panic(err)
	}
	return s
}

// feed stamps the batches of one origin.
type feed struct {
	origin id.Origin
	next   id.Seq
	clock  hlc.Timestamp
	schema schema.Hash
	level  uint32
	when   time.Time // what is written on batches
}

func newFeed(origin id.Origin) *feed {
	return &feed{origin: origin, next: 1, clock: hlc.Make(1_700_000_000_000, 0), schema: feedSchema().Hash(), level: 1, when: time.UnixMilli(1_700_000_000_000)}
}

// batch stamps the origin's next batch.
func (f *feed) batch(records ...record.Proposed) []byte {
	b := record.NewBuilder()
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	check(b.Reset(record.Head{
		Origin: f.origin, First: f.next, Timestamp: uint64(f.when.UnixNano()), Base: f.clock + 1, Schema: f.schema, Level: f.level,
	}))
	for i := range records {
		f.clock++
		check(b.AddProposed(&record.Meta{Time: f.when.UnixMilli(), HLC: f.clock}, &records[i]))
		f.next++
	}
	data, err := b.Finish(nil)
	check(err)
	return data
}

// views are n views of items by a user.
func feedViews(n int) []record.Proposed {
	out := make([]record.Proposed, n)
	for i := range out {
		out[i] = record.Proposed{Kind: record.KindSignal, Signal: record.Signal{
			Weight: fixed.One, User: "ada", Item: fmt.Sprintf("item %d", i%7),
		}}
	}
	return out
}

// begin is the first batch of all: the schema.
func (f *feed) begin() []byte {
	f.schema = schema.Hash{}
	defer func() { f.schema = feedSchema().Hash() }()
	return f.batch(
		record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level}},
		record.Proposed{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: feedSchema().Encode()}},
	)
}

// logOf is a directory that a test writes entry by entry, as consensus would.
type logOf struct {
	t interface {
		Helper()
		Fatal(args ...any)
		Fatalf(format string, args ...any)
	}
	opts Options
	*Base
	term    uint64
	pending []consensus.Entry // in the log, not applied
	all     [][]byte          // batches that were applied, in order
}

func (l *logOf) open() {
	l.t.Helper()
	b, err := OpenBase(l.opts)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Base, l.pending = b, nil
	l.pending = append(l.pending, b.Restored.Tail...)
}

func (l *logOf) close() {
	l.t.Helper()
	if err := l.Base.Close(); err != nil {
		l.t.Fatal(err)
	}
}

// append puts entries into the log, behind those that are applied and so many of the pending ones: the others are superseded.
func (l *logOf) append(keep int, data ...[]byte) {
	l.t.Helper()
	l.term++
	l.pending = l.pending[:keep]
	next := l.applied.Load() + uint64(keep) + 1
	var entries []wal.Entry
	for i, d := range data {
		e := consensus.Entry{Kind: consensus.Batch, Term: l.term, Index: next + uint64(i), Data: d}
		if d == nil {
			e.Kind = consensus.Empty
		}
		l.pending = append(l.pending, e)
		entries = append(entries, wal.Entry{Kind: toLog(e.Kind), Term: e.Term, Index: e.Index, Data: d})
	}
	if err := errors.Join(l.Log.Append(entries, nil), l.Log.Sync()); err != nil {
		l.t.Fatal(err)
	}
}

// notOpened knows no batch.
func notOpened(*consensus.Entry) (*record.Batch, bool) { return nil, false }

// commit applies the first pending entries.
func (l *logOf) commit(n int) {
	l.t.Helper()
	entries := l.pending[:n]
	if n == 0 {
		return
	}
	last := entries[n-1]
	err := errors.Join(l.Log.Append(nil, &wal.HardState{Term: l.term, Commit: last.Index}), l.Log.Sync(), l.apply(entries, notOpened))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Kind == consensus.Batch {
			l.all = append(l.all, e.Data)
		}
	}
	l.pending = l.pending[n:]
}

// follow brings the checkpoint after what is applied.
func (l *logOf) follow() {
	l.t.Helper()
	m := l.Materialiser()
	for m.Behind() > 0 {
		for done := false; !done; {
			var err error
			if done, err = m.Fold(); err != nil {
				l.t.Fatal(err)
			}
		}
		if err := m.Commit(); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := m.Flush(); err != nil {
		l.t.Fatal(err)
	}
}

// naive is what a scan of the log itself finds of an origin behind a number: batches and ranges.
func (l *logOf) naive(origin id.Origin, after id.Seq) (out [][]byte) {
	for more := true; more; { // what came twice may lie behind what follows it
		more = false
		for next := l.Log.FirstIndex(); next <= l.applied.Load(); {
			entries, err := l.Log.Entries(next, l.applied.Load()+1, 1<<20)
			if err != nil {
				l.t.Fatal(err)
			}
			for _, e := range entries {
				if e.Kind != wal.KindBatch {
					continue
				}
				x, err := glance(e.Data)
				if err != nil {
					l.t.Fatal(err)
				}
				if x.origin == origin && x.first <= after+1 && x.last > after {
					out, after, more = append(out, e.Data), x.last, true
				}
			}
			next += uint64(len(entries))
		}
	}
	return out
}

// ranged compacts some batches of a feed.
func (l *logOf) ranged(f *feed, batches, records int) []byte {
	l.t.Helper()
	c := l.Engine.Compactor(0)
	for range batches {
		if err := c.Add(f.batch(feedViews(records)...)); err != nil {
			l.t.Fatal(err)
		}
	}
	out, err := c.Finish()
	if err != nil {
		l.t.Fatal(err)
	}
	return out.AppendEntry(nil)
}

// TestStreamsGiveWhatTheLogHolds compares reading with a scan of the whole log, while entries come, are superseded, are let go,
// and the directory is opened again.
func TestStreamsGiveWhatTheLogHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &logOf{t: t, opts: Options{FS: pebblevfs.NewMem(), Dir: "db", SegmentBytes: 4 << 10, RangeBytes: -1}}
		l.open()
		defer func() { l.close() }()
		feeds := map[id.Origin]*feed{}
		for _, o := range []id.Origin{{}, {Region: 1}, {Region: 2, Incarnation: 1}} {
			feeds[o] = newFeed(o)
		}
		origins := slices.SortedFunc(maps.Keys(feeds), id.Origin.Compare)
		l.append(0, feeds[id.Origin{}].begin())
		l.commit(1)
		// What is pending may be superseded: then its origins stamp those numbers anew.
		rewind := func(from int) {
			for i := len(l.pending) - 1; i >= from; i-- {
				if e := l.pending[i]; e.Kind == consensus.Batch {
					x, err := glance(e.Data)
					if err != nil {
						t.Fatal(err)
					}
					feeds[x.origin].next = min(feeds[x.origin].next, x.first)
				}
			}
		}
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		for range steps {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			default: // some batches follow
				keep := len(l.pending)
				if rapid.IntRange(0, 3).Draw(t, "conflict") == 0 {
					keep = rapid.IntRange(0, len(l.pending)).Draw(t, "keep")
					rewind(keep)
				}
				var data [][]byte
				for range rapid.IntRange(1, 6).Draw(t, "batches") {
					o := rapid.SampledFrom(origins).Draw(t, "origin")
					n := rapid.IntRange(1, 40).Draw(t, "records")
					if o.Region != 0 && rapid.IntRange(0, 5).Draw(t, "range") == 0 {
						data = append(data, l.ranged(feeds[o], 3, n))
						continue
					}
					data = append(data, feeds[o].batch(feedViews(n)...))
				}
				if rapid.IntRange(0, 4).Draw(t, "empty") == 0 {
					data = append(data, nil)
				}
				l.append(keep, data...)
			case 5, 6:
				l.commit(rapid.IntRange(0, len(l.pending)).Draw(t, "commit"))
			case 7:
				l.follow()
				if err := l.Log.Release(rapid.Uint64Range(0, l.Materialiser().Flushed()).Draw(t, "release")); err != nil {
					t.Fatal(err)
				}
			case 8:
				l.close()
				l.open()
			case 9: // a duplicate comes, as when two leaders proposed one
				far := slices.DeleteFunc(slices.Clone(l.all), func(b []byte) bool {
					x, err := glance(b)
					return err != nil || x.origin == id.Origin{}
				})
				if len(far) > 0 && len(l.pending) == 0 {
					l.append(0, far[rapid.IntRange(0, len(far)-1).Draw(t, "again")])
					l.commit(1)
				}
			}
			o := rapid.SampledFrom(origins).Draw(t, "origin read")
			l.compare(o, id.Seq(rapid.Uint64Range(0, uint64(l.Engine.Vector().Get(o))+1).Draw(t, "after")),
				rapid.IntRange(1, 4000).Draw(t, "bytes"))
		}
		for _, o := range origins {
			l.compare(o, 0, 1000)
		}
	})
}

// compare reads all that follows a number in parts, and compares it with the scan.
func (l *logOf) compare(origin id.Origin, after id.Seq, maxBytes int) {
	l.t.Helper()
	s := l.Streams()
	limit, first := l.Engine.Vector().Get(origin), s.First(origin)
	want := l.naive(origin, after)
	var whole int64
	for _, b := range want {
		whole += int64(len(b))
	}
	read := after
	var got [][]byte
	for {
		some, err := s.Read(origin, read, maxBytes)
		var gone *fault.LetGo
		if errors.As(err, &gone) {
			if uint64(read) != gone.After || gone.First <= gone.After || read >= limit {
				l.t.Fatalf("%v behind %d: %v", origin, read, err)
			}
			var entry []byte
			if entry, err = s.Range(origin, read, maxBytes); errors.As(err, &gone) {
				if len(want) != len(got) || gone.First > uint64(first) && len(got) == 0 {
					l.t.Fatalf("%v behind %d of %d: %v; a scan finds %d, and batches begin at %d", origin, read, limit, err, len(want), first)
				}
				return
			}
			if some = [][]byte{entry}; err == nil && !engine.IsRange(entry) {
				l.t.Fatalf("%v behind %d: no range", origin, read)
			}
		}
		if err != nil {
			l.t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		size := 0
		for i, b := range some {
			if size += len(b); i > 0 && size > maxBytes {
				l.t.Fatalf("%d bytes where %d may be", size, maxBytes)
			}
			x, err := glance(b)
			if err != nil {
				l.t.Fatal(err)
			}
			read = x.last
		}
		got = append(got, some...)
	}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		l.t.Fatalf("%v behind %d: %d entries, a scan finds %d", origin, after, len(got), len(want))
	}
	if read < limit && after < limit {
		l.t.Fatalf("%v behind %d: ends at %d, %d is visible", origin, after, read, limit)
	}
	// A part of a batch counts by its records, so that the bytes are about those.
	if n := s.Bytes(origin, after); after+1 >= first && len(want) > 3 && (n < (whole-int64(len(want[0])))/3 || n > 3*whole) {
		l.t.Fatalf("%v behind %d: %d bytes are said, %d are there", origin, after, n, whole)
	}
	whole = 0
	for _, b := range want {
		if engine.IsRange(b) {
			whole++
		}
	}
	if after < limit && (first <= after+1) != (len(want) > 0 && whole == 0 && read == limit) {
		l.t.Fatalf("%v: batches are said to begin at %d, a scan behind %d finds %d, and %d ranges", origin, first, after, len(want), whole)
	}
}

// TestARangeOfBatchesHasTheirEffect folds what another origin wrote from any place, and applies it to who has what precedes.
func TestARangeOfBatchesHasTheirEffect(t *testing.T) {
	l := &logOf{t: t, opts: Options{FS: pebblevfs.NewMem(), Dir: "db", RangeBytes: -1}}
	l.open()
	defer l.close()
	own, far := newFeed(id.Origin{}), newFeed(id.Origin{Region: 3})
	l.append(0, own.begin())
	for range 60 {
		l.append(len(l.pending), far.batch(feedViews(30)...), own.batch(feedViews(2)...))
	}
	l.commit(len(l.pending))
	for _, parts := range []int{1000, 4000, 1 << 20} {
		e := engine.New(engine.Config{Origin: id.Origin{Region: 9}})
		for _, b := range l.all[:3] { // the schema, and a batch of either
			if _, err := e.Apply(b); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, o := range []id.Origin{own.origin, far.origin} {
			for e.Vector().Get(o) < l.Engine.Vector().Get(o) {
				data, err := l.Streams().Range(o, e.Vector().Get(o), parts)
				if err != nil {
					t.Fatal(err)
				}
				if res, err := e.ApplyEntry(data); err != nil || res.Outcome != engine.Applied {
					t.Fatalf("range behind %v: %v %v", o.At(e.Vector().Get(o)), res.Outcome, err)
				}
				if n++; len(data) > 2*parts+2000 {
					t.Errorf("a range has %d bytes where about %d may be", len(data), parts)
				}
			}
		}
		if e.Digest() != l.Engine.Digest() {
			t.Errorf("ranges of %d bytes make another state", parts)
		}
		if parts == 1000 && n < 4 {
			t.Errorf("%d ranges where several were to follow each other", n)
		}
	}
	if _, err := l.Streams().Range(far.origin, l.Engine.Vector().Get(far.origin), 1000); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("a range behind everything: %v", err)
	}
}
