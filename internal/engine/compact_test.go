package engine_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/zeebo/blake3"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// compacted folds batches as somebody who knows what e knows, and sends the range as bytes.
func compacted(tb testing.TB, e *engine.Engine, keep hlc.Timestamp, batches ...[]byte) *engine.Compacted {
	tb.Helper()
	c := e.Compactor(keep)
	for _, data := range batches {
		if err := c.Add(data); err != nil {
			tb.Fatal(err)
		}
	}
	out, err := c.Finish()
	if err != nil {
		tb.Fatal(err)
	}
	back, err := engine.DecodeCompacted(out.AppendBinary(nil))
	if err != nil {
		tb.Fatal(err)
	}
	return back
}

func applyRange(tb testing.TB, e *engine.Engine, c *engine.Compacted, want engine.Outcome) {
	tb.Helper()
	res, err := e.ApplyRange(c)
	if err != nil || res.Outcome != want {
		tb.Fatalf("range %v is %v (%v), want %v", c.Range, res.Outcome, err, want)
	}
}

// asked is a record that begins a request.
func asked(producer string, request uint64, key string, p record.Proposed) written {
	w := plain(p)
	w.lane, w.count, w.Key = record.Lane{Producer: producer, Request: request}, 1, key
	if producer == "" {
		w.lane = record.Lane{}
	}
	return w
}

// TestARangeIsItsBatches: state, vector, counters, stamps and what is known of retries are those after the batches,
// whatever part of the range was there before.
func TestARangeIsItsBatches(t *testing.T) {
	s := seed(t)
	for i := range 60 {
		rng := rand.New(rand.NewPCG(s, uint64(i)))
		a := &author{feed: newFeed(t, there, testSchema()), rng: rng, gens: map[string]hlc.Timestamp{}}
		batches := a.batches(3 + rng.IntN(20))
		want, _, _, _ := start(t)
		for _, data := range batches {
			apply(t, want, data, engine.Applied)
		}
		have := rng.IntN(len(batches))
		from := rng.IntN(have + 1)
		to := have + 1 + rng.IntN(len(batches)-have)
		got, _, _, _ := start(t)
		for _, data := range batches[:have] {
			apply(t, got, data, engine.Applied)
		}
		c := compacted(t, got, 0, batches[from:to]...)
		if from < have {
			var err error
			if c, err = c.Without(compacted(t, got, 0, batches[from:have]...)); err != nil {
				t.Fatal(err)
			}
		}
		applyRange(t, got, c, engine.Applied)
		for _, data := range batches[to:] {
			apply(t, got, data, engine.Applied)
		}
		if dump(got) != dump(want) || got.Digest() != want.Digest() || !got.Vector().Equal(want.Vector()) {
			t.Fatalf("run %d: %d to %d of %d, %d were there:\n%s\nwant\n%s", i, from, to, len(batches), have, dump(got),
				dump(want))
		}
		x, y := got.Counters(), want.Counters()
		x.Stale, y.Stale = 0, 0
		if x != y || got.Highest() != want.Highest() || got.HighestRegister() != want.HighestRegister() {
			t.Fatalf("run %d: counters %+v, want %+v", i, x, y)
		}
	}
}

func TestRangesThatDoNotFitAreWithoutEffect(t *testing.T) {
	e, _, far, _ := start(t)
	var batches [][]byte
	for range 5 {
		batches = append(batches, far.batch(plain(signal(view, "u", "i")), plain(signal(like, "u", "i"))))
	}
	apply(t, e, batches[0], engine.Applied)
	apply(t, e, batches[1], engine.Applied)
	unchanged(t, e, func() {
		applyRange(t, e, compacted(t, e, 0, batches[:2]...), engine.Duplicate)
		applyRange(t, e, compacted(t, e, 0, batches[3:]...), engine.Gap)
		if _, err := e.ApplyRange(compacted(t, e, 0, batches[1:]...)); !errors.Is(err, fault.ErrOverlap) {
			t.Errorf("a range of which a part is here: %v, want %v", err, fault.ErrOverlap)
		}
		c := compacted(t, e, 0, batches[2:]...)
		c.Level = record.Level + 1
		if _, err := e.ApplyRange(c); !errors.Is(err, fault.ErrFormatTooNew) {
			t.Errorf("a newer program's range: %v, want %v", err, fault.ErrFormatTooNew)
		}
		if _, err := engine.DecodeCompacted(c.AppendBinary(nil)); !errors.Is(err, fault.ErrFormatTooNew) {
			t.Errorf("bytes of a newer program's range: %v, want %v", err, fault.ErrFormatTooNew)
		}
		c = compacted(t, e, 0, batches[2:]...)
		c.Range.Entries = append(c.Range.Entries, algebra.RangeEntry{
			Key: "\xff", Kind: algebra.KindCell, Value: []byte{1, 0},
		})
		if _, err := e.ApplyRange(c); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("a range with a key that can't be: %v, want %v", err, fault.ErrCorrupt)
		}
	})
	applyRange(t, e, compacted(t, e, 0, batches[2:]...), engine.Applied)
	unchanged(t, e, func() { apply(t, e, batches[3], engine.Duplicate) })
}

func TestAnOverlapOfOtherContentIsAFork(t *testing.T) {
	e, _, far, _ := start(t)
	twin := newTwin(far, 1)
	mine := far.batch(asked("p", 1, "", signal(view, "u", "i")))
	theirs := twin.batch(asked("p", 2, "", signal(view, "u", "i")))
	rest := far.batch(plain(signal(view, "u", "i")))
	whole := compacted(t, e, 0, mine, rest)
	for name, c := range map[string]struct {
		overlap [][]byte
		want    error
	}{
		"another request": {[][]byte{theirs}, fault.ErrForked},
		"all of it":       {[][]byte{mine, rest}, fault.ErrGap},
		"another stretch": {[][]byte{rest}, fault.ErrGap},
	} {
		if _, err := whole.Without(compacted(t, e, 0, c.overlap...)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if rest, err := whole.Without(compacted(t, e, hlc.Make(2_000_000, 0), mine)); err != nil || rest.Range.First != 2 {
		t.Errorf("an overlap folded by somebody who forgot its requests: %v", err)
	}
	thin := *whole
	thin.Counters.Signals = 0
	if _, err := thin.Without(compacted(t, e, 0, mine)); !errors.Is(err, fault.ErrForked) {
		t.Errorf("a range without signals, its overlap with one: %v, want %v", err, fault.ErrForked)
	}
}

func TestWhatCannotBeCompactedIsRefused(t *testing.T) {
	e, _, far, farther := start(t)
	one, two := far.batch(plain(signal(view, "u", "i"))), far.batch(plain(signal(view, "u", "i")))
	three := far.batch(plain(signal(view, "u", "i")))
	newer := newTwin(far, 1)
	newer.level = record.Level + 1
	unknown := newTwin(far, 1)
	unknown.schema = grown(testSchema(), "other").Hash()
	stranger := newTwin(far, 2)
	stranger.schema = testSchema().Hash()
	orphan := compensate(there.At(1), 5, record.Signal{Item: "i", Weight: fixed.One}, unknown.schema)
	raise := record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level + 1}}
	for name, c := range map[string]struct {
		batches [][]byte
		want    error
	}{
		"a batch left out":             {[][]byte{one, three}, fault.ErrGap},
		"a batch twice":                {[][]byte{one, one}, fault.ErrGap},
		"a batch of another origin":    {[][]byte{one, farther.batch(plain(signal(view, "u", "i")))}, fault.ErrGap},
		"a newer program's batch":      {[][]byte{newer.batch(plain(signal(view, "u", "i")))}, fault.ErrFormatTooNew},
		"a schema that isn't known":    {[][]byte{unknown.batch(plain(signal(view, "u", "i")))}, fault.ErrNotFound},
		"an original's that isn't":     {[][]byte{stranger.batch(plain(orphan))}, fault.ErrNotFound},
		"a level that isn't known":     {[][]byte{newTwin(far, 1).batch(plain(raise))}, fault.ErrFormatTooNew},
		"what is no batch":             {[][]byte{one, []byte("batch")}, fault.ErrCorrupt},
		"the next one behind an error": {[][]byte{one, three, two}, fault.ErrGap},
	} {
		compactor := e.Compactor(0)
		var err error
		for _, data := range c.batches {
			err = compactor.Add(data)
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := compactor.Finish(); !errors.Is(err, c.want) {
			t.Errorf("%s, finished: %v, want %v", name, err, c.want)
		}
	}
}

// TestARangeTakesThePlaceOfWhatWaits: parked batches that it covers are dropped, those behind it go on when they can.
func TestARangeTakesThePlaceOfWhatWaits(t *testing.T) {
	next := grown(testSchema(), "extra")
	knowing, owner, _, _ := start(t)
	apply(t, knowing, owner.batch(plain(version(next))), engine.Applied)
	far := newFeed(t, there, next)
	var batches [][]byte
	for range 4 {
		batches = append(batches, far.batch(plain(signal(view, "u", "i")), plain(signal(buy+1, "u", "i"))))
	}
	e, own, _, _ := start(t)
	for _, data := range batches[:3] {
		apply(t, e, data, engine.Parked)
	}
	c := compacted(t, knowing, 0, batches[:2]...)
	torn := *c
	torn.Range.Last-- // in the middle of a batch
	unchanged(t, e, func() {
		if _, err := e.ApplyRange(&torn); !errors.Is(err, fault.ErrForked) {
			t.Errorf("a range that ends in a batch that waits: %v, want %v", err, fault.ErrForked)
		}
	})
	applyRange(t, e, c, engine.Applied)
	if e.Parked() != 1 || e.Vector().Get(there) != 4 {
		t.Errorf("%d batches wait at %v, want one behind 4", e.Parked(), e.Vector())
	}
	apply(t, e, batches[3], engine.Parked)
	apply(t, e, own.batch(plain(version(next))), engine.Applied)
	if e.Parked() != 0 || e.Vector().Get(there) != 8 {
		t.Errorf("%d batches wait at %v, want all applied", e.Parked(), e.Vector())
	}
	for _, data := range batches {
		apply(t, knowing, data, engine.Applied)
	}
	if dump(e) != dump(knowing) {
		t.Errorf("records are\n%s\nwant\n%s", dump(e), dump(knowing))
	}
	// A range that brings the version wakes what waits for it, and one over all that waits leaves nothing.
	e, _, _, _ = start(t)
	for _, data := range batches[:3] {
		apply(t, e, data, engine.Parked)
	}
	applyRange(t, e, compacted(t, knowing, 0, batches...), engine.Applied)
	if e.Parked() != 0 || e.Vector().Get(there) != 8 {
		t.Errorf("%d batches wait at %v, want none", e.Parked(), e.Vector())
	}
	e, _, _, farther := start(t)
	apply(t, e, batches[0], engine.Parked)
	applyRange(t, e, compacted(t, e, 0, farther.batch(plain(version(next)))), engine.Applied)
	if e.Parked() != 0 || e.Vector().Get(there) != 2 {
		t.Errorf("%d batches wait at %v, want none", e.Parked(), e.Vector())
	}
}

// TestARangeDoesNotSpeakForTheBatchesThatItReplaced: the checksums of batches that it took the place of are forgotten,
// those of batches applied before stay.
func TestARangeDoesNotSpeakForTheBatchesThatItReplaced(t *testing.T) {
	e, _, far, _ := start(t)
	twin := newTwin(far, 1)
	one, other := far.batch(plain(signal(view, "u", "i"))), twin.batch(plain(signal(view, "u", "j")))
	apply(t, e, one, engine.Applied)
	two := far.batch(plain(signal(view, "u", "i")))
	applyRange(t, e, compacted(t, e, 0, two), engine.Applied)
	apply(t, e, twin.batch(plain(signal(view, "u", "j"))), engine.Duplicate)
	if _, err := e.Apply(other); !errors.Is(err, fault.ErrForked) {
		t.Errorf("another content of a batch that was applied: %v, want %v", err, fault.ErrForked)
	}
}

// TestRetriesOfWhatWasCompactedAreKnown: within the horizon as duplicates, before it as too old; and the group's own
// are its own again.
func TestRetriesOfWhatWasCompactedAreKnown(t *testing.T) {
	e, _, far, _ := start(t)
	var batches [][]byte
	for n := range uint64(100) {
		batches = append(batches, far.batch(asked("p", n+1, fmt.Sprintf("key-%d", n+1), signal(view, "u", "i"))))
	}
	middle := far.clock - 20 // the last 21 are kept
	c := compacted(t, e, middle, batches...)
	if len(c.Requests) != 64 || c.Requests[0].Key != "" || c.Requests[63].Key != "key-100" {
		t.Fatalf("%d requests are kept, the first with key %q, the last with %q", len(c.Requests), c.Requests[0].Key,
			c.Requests[63].Key)
	}
	applyRange(t, e, c, engine.Applied)
	for n := range uint64(100) {
		v, err := e.Lanes().Check("p", n+1, 0)
		if tooOld := n+1 <= 36; tooOld != errors.Is(err, fault.ErrRetryTooOld) || tooOld == v.Duplicate {
			t.Errorf("request %d: %+v %v", n+1, v, err)
		} else if v.Duplicate && v.Position != there.At(id.Seq(n+1)) {
			t.Errorf("request %d is at %v", n+1, v.Position)
		}
		if v, _ := e.Lanes().CheckKey(fmt.Sprintf("key-%d", n+1), 0); v.Duplicate != (n+1 >= 80) {
			t.Errorf("key %d: %+v", n+1, v)
		}
	}

	restored := engine.New(engine.Config{Origin: there})
	applyRange(t, restored, c, engine.Applied)
	other := newFeed(t, third, nil)
	if restored.HighestOwn() != far.clock {
		t.Errorf("the clock is to go on above %v, want %v", restored.HighestOwn(), far.clock)
	}
	applyRange(t, restored, compacted(t, restored, 0, other.batch(plain(version(testSchema())))), engine.Applied)
	other.schema = testSchema().Hash()
	apply(t, restored, other.batch(asked("p", 100, "", signal(view, "u", "i"))), engine.Applied)
	if n := restored.Counters().Twice; n != 1 {
		t.Errorf("%d requests are known to stand in the log twice, want 1", n)
	}
}

// golden is a range with every part that there is.
func golden(tb testing.TB) (*engine.Engine, *engine.Compacted) {
	tb.Helper()
	e, _, _, _ := start(tb)
	s := testSchema()
	far := newFeed(tb, id.Origin{Region: 258, Shard: 3, Incarnation: 1}, s)
	far.next = 1020
	sig := signal(view, "u", "i\x00\x01")
	sig.Signal.Creator, sig.Signal.Cohorts = "c", []string{"x"}
	clamped := asked("p", 7, "k", sig)
	clamped.clamped = true
	return e, compacted(tb, e, 0,
		far.batch(clamped, plain(mark(record.MarkSaved, true, "u", "i")),
			asked("", 0, "key", relation(record.FollowCreator, true, "u", "c"))),
		far.batch(
			plain(entity(record.KindPut, id.KindItem, "i", "title", "t")),
			plain(entity(record.KindDelete, id.KindItem, "j")),
			plain(compensate(far.origin.At(1), 5, record.Signal{Item: "i", Weight: fixed.One}, s.Hash())),
			plain(version(grown(s, "n"))),
			plain(record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: 1}}),
		),
	)
}

// TestRangeBytesAreGolden holds the encoding, which docs/format/range.md describes.
func TestRangeBytesAreGolden(t *testing.T) {
	_, c := golden(t)
	var b strings.Builder
	for i, r := 0, c.AppendBinary(nil); i < len(r); i += 60 {
		fmt.Fprintf(&b, "%x\n", r[i:min(i+60, len(r))])
	}
	for _, x := range c.Range.Entries {
		fmt.Fprintf(&b, "%v: %x\n", x.Kind, x.Key)
	}
	const name = "testdata/range.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || string(want) != b.String() {
		t.Errorf("the bytes are (%v)\n%s\nwant\n%s", err, b.String(), want)
	}
	page, err := os.ReadFile("../../docs/format/range.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range c.Range.Entries {
		shown := "`" + hex.EncodeToString([]byte(x.Key)) + "`"
		if x.Kind == algebra.KindGeneration && !strings.Contains(string(page), shown) {
			t.Errorf("docs/format/range.md doesn't show the key %s", shown)
		}
	}
}

func TestEveryFlippedBitOfARangeIsNoticed(t *testing.T) {
	_, c := golden(t)
	b := c.AppendBinary(nil)
	for i := range 8 * len(b) {
		b[i/8] ^= 1 << (i % 8)
		if _, err := engine.DecodeCompacted(b); !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("bit %d: %v", i, err)
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

// FuzzDecodeCompacted gives arbitrary bytes the right hash: what is read is canonical, and can be applied.
func FuzzDecodeCompacted(f *testing.F) {
	_, c := golden(f)
	whole := c.AppendBinary(nil)
	f.Add(whole[:len(whole)-32])
	c.Requests, c.Range.Entries = nil, nil
	small := c.AppendBinary(nil)
	f.Add(small[:len(small)-32])
	f.Fuzz(func(t *testing.T, body []byte) {
		hash := blake3.Sum256(body)
		b := append(bytes.Clone(body), hash[:]...)
		c, err := engine.DecodeCompacted(b)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrFormatTooNew) {
				t.Fatalf("neither damage nor a newer format: %v", err)
			}
			return
		}
		if !bytes.Equal(c.AppendBinary(nil), b) {
			t.Fatal("bytes that aren't canonical were read")
		}
		e, _, _, _ := start(t)
		_, err = e.ApplyRange(c)
		if err != nil && !errors.Is(err, fault.ErrOverlap) && !errors.Is(err, fault.ErrCorrupt) {
			t.Fatal(err)
		}
		for range c.Records {
		}
	})
}

// TestAGoldenRangeHasItsEffects applies every kind of record that a range may hold, to an engine and to a fold.
func TestAGoldenRangeHasItsEffects(t *testing.T) {
	e, c := golden(t)
	origin := c.Range.Origin
	e.Loaded(e.Vector().With(origin, c.Range.First-1))
	applyRange(t, e, c, engine.Applied)
	if _, ok, err := e.Entity(id.KindItem, "i"); !ok || err != nil {
		t.Errorf("the item that was put: %v %v", ok, err)
	}
	if e.Generation(id.KindItem, "j") == 0 || !e.Undone(origin.At(1)) || e.Level() != 1 {
		t.Errorf("generation %v, undone %v, level %d", e.Generation(id.KindItem, "j"), e.Undone(origin.At(1)), e.Level())
	}
	if s, _ := e.Schema(); s.Signals[len(s.Signals)-1].Name != "n" {
		t.Error("the schema version isn't the current one")
	}
	if n := cell(t, e, "i\x00\x01", "view").Total(); n != 1 {
		t.Errorf("1 view counts as %d", n)
	}

	f := engine.NewFold(engine.Config{Origin: home})
	f.Loaded(id.VersionVector{}.With(origin, c.Range.First-1))
	res, err := f.ApplyRange(c)
	if err != nil || res.Outcome != engine.Applied || !f.Vector().Covers(origin.At(c.Range.Last)) {
		t.Fatalf("fold: %v %v, at %v", res.Outcome, err, f.Vector())
	}
	var deleted []string
	f.Deleted(func(_ id.Kind, owner string, _ hlc.Timestamp) { deleted = append(deleted, owner) })
	if fmt.Sprint(deleted) != "[j]" {
		t.Errorf("deleted are %q, want j", deleted)
	}
	effects := map[string]bool{}
	f.Effects(func(r engine.Record) bool {
		effects[fmt.Sprint(r)] = true
		return true
	})
	for r := range c.Records {
		if r.Kind == algebra.KindGeneration {
			r.Gen, r.Value = e.Generation(r.OwnerKind, r.Owner), nil
		}
		if r.Kind == algebra.KindEntity {
			r.Gen = e.Generation(r.OwnerKind, r.Owner)
		}
		if !effects[fmt.Sprint(r)] {
			t.Errorf("the fold lacks %v", r)
		}
	}
	again := f.Compactor(0)
	next := newFeed(t, origin, grown(testSchema(), "n"))
	if err := again.Add(next.batch(plain(signal(view, "u", "i")))); err != nil {
		t.Errorf("a fold doesn't know the schema version that a range brought: %v", err)
	}
}

// TestRangesThatCannotBeAreDamage spoils one thing at a time, under a hash that is right.
func TestRangesThatCannotBeAreDamage(t *testing.T) {
	entry := func(kind algebra.Kind, change func(x *algebra.RangeEntry)) func(*engine.Compacted) {
		return func(c *engine.Compacted) {
			for i := range c.Range.Entries {
				if c.Range.Entries[i].Kind == kind {
					change(&c.Range.Entries[i])
					return
				}
			}
		}
	}
	for name, spoil := range map[string]func(c *engine.Compacted){
		"a request before the range":     func(c *engine.Compacted) { c.Requests[0].First = c.Range.First - 1 },
		"a request beyond the range":     func(c *engine.Compacted) { c.Requests[1].Count = 7 },
		"requests out of order":          func(c *engine.Compacted) { c.Requests[1].First = c.Requests[0].First },
		"a request without records":      func(c *engine.Compacted) { c.Requests[0].Count = 0 },
		"a request without a stamp":      func(c *engine.Compacted) { c.Requests[0].HLC = 0 },
		"a request without a number":     func(c *engine.Compacted) { c.Requests[0].Number = 0 },
		"a request without lane and key": func(c *engine.Compacted) { c.Requests[1].Key = "" },
		"a producer that is too long":    func(c *engine.Compacted) { c.Requests[0].Producer = strings.Repeat("p", 200) },
		"a range of no events":           func(c *engine.Compacted) { c.Range.Last = 1 },
		"a schema under another hash": entry(algebra.KindSchemaVersion, func(x *algebra.RangeEntry) {
			x.Key = x.Key[:len(x.Key)-1] + "\xff"
		}),
		"a schema that is none":     entry(algebra.KindSchemaVersion, func(x *algebra.RangeEntry) { x.Value = []byte{1} }),
		"a cell under another kind": entry(algebra.KindCell, func(x *algebra.RangeEntry) { x.Kind = algebra.KindCohortCell }),
		"an entity under a sub-key": entry(algebra.KindEntity, func(x *algebra.RangeEntry) { x.Key += "x" }),
		"a key that is cut short":   entry(algebra.KindUndone, func(x *algebra.RangeEntry) { x.Key = x.Key[:8] }),
		"a value that isn't one":    entry(algebra.KindCell, func(x *algebra.RangeEntry) { x.Value = []byte{0x80} }),
		"an owner of another kind":  entry(algebra.KindPairMarks, func(x *algebra.RangeEntry) { x.Key = "\x09" + x.Key[1:] }),
		"an owner without a name": entry(algebra.KindUndone, func(x *algebra.RangeEntry) {
			x.Key = x.Key[:1] + x.Key[1+strings.Index(x.Key[1:], "\x00\x01"):]
		}),
		"a zero that isn't escaped": entry(algebra.KindUndone, func(x *algebra.RangeEntry) { x.Key = x.Key[:4] + x.Key[5:] }),
		"entries that come twice":   func(c *engine.Compacted) { c.Range.Entries[1] = c.Range.Entries[0] },
		"entries out of order": func(c *engine.Compacted) {
			x := c.Range.Entries
			x[0], x[1] = x[1], x[0]
		},
	} {
		e, c := golden(t)
		e.Loaded(e.Vector().With(c.Range.Origin, c.Range.First-1))
		before := c.AppendBinary(nil)
		spoil(c)
		b := c.AppendBinary(nil)
		if bytes.Equal(b, before) {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := engine.DecodeCompacted(b); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s: %v, want damage", name, err)
		}
	}
	_, c := golden(t)
	entry(algebra.KindFormatLevel, func(x *algebra.RangeEntry) { x.Value = []byte{record.Level + 1} })(c)
	if _, err := engine.DecodeCompacted(c.AppendBinary(nil)); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("a level that isn't known: %v, want %v", err, fault.ErrFormatTooNew)
	}
	b := c.AppendBinary(nil)
	b[4] = 2
	hash := blake3.Sum256(b[:len(b)-32])
	if _, err := engine.DecodeCompacted(append(b[:len(b)-32], hash[:]...)); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Errorf("a later version: %v, want %v", err, fault.ErrFormatTooNew)
	}
}
