package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/lane"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// Compacted is what is left of a stretch of one origin's log after it was compacted: its exact effect, and what else
// of it must not be lost. A [Compactor] makes it, and [Engine.ApplyRange] takes it in the place of the batches.
//
// Nobody changes one. Two that were made of the same stretch have the same Range; their requests may differ, by what
// counted as old.
type Compacted struct {
	// Range is the effect on replicated records, under keys that sort as a store's do.
	Range algebra.Range
	// Requests were accepted in the stretch and may be tried again; by position.
	Requests []Request
	// Level is the highest format level of the batches.
	Level uint32
	// Highest and HighestRegister are the highest stamps, of records and of the registers that they wrote.
	Highest, HighestRegister hlc.Timestamp
	// Counters are what the batches count for; those that depend on where they are applied are 0.
	Counters Counters
}

// Request is one that was accepted: by its lane, by a key, or by both. Its records stand behind each other.
type Request struct {
	Producer string // empty for none
	Number   uint64 // of the producer's requests; 0 without a producer
	Key      string // empty for none
	First    id.Seq
	Count    uint32
	Content  uint64
	HLC      hlc.Timestamp // of the first record
	Signals  Signals       // which of the records are signals
}

// begun returns the request that the record at a position begins; its texts are the record's.
func begun(at id.Seq, m *record.Meta) Request {
	r := Request{Key: m.Key, First: at, Count: m.Count, Content: m.Content, HLC: m.HLC}
	if m.Lane.Producer != "" && m.Lane.Index == 0 {
		r.Producer, r.Number = m.Lane.Producer, m.Lane.Request
	}
	return r
}

// last is the sequence number of the last record.
func (r *Request) last() id.Seq { return r.First + id.Seq(r.Count) - 1 }

// same reports whether two requests at one position are one. A key that only one of them has was too old for the other.
func (r *Request) same(x *Request) bool {
	return r.Producer == x.Producer && r.Number == x.Number && (r.Key == x.Key || r.Key == "" || x.Key == "") &&
		r.Count == x.Count && r.Content == x.Content && r.HLC == x.HLC && r.Signals.equal(&x.Signals)
}

// Compactor folds a stretch of one origin's log, batch by batch, into a [Compacted]:
//
//	c := e.Compactor(horizon)
//	for … { err := c.Add(batch) }
//	compacted, err := c.Finish()
//
// It applies the batches onto nothing, by the same door as ever. It is independent of the engine that it is from, and
// may be used beside it.
type Compactor struct {
	versions map[schema.Hash]*version
	keep     hlc.Timestamp
	fold     *Fold // nil before the first batch
	out      Compacted
	err      error // final
}

// Compactor returns one for a stretch of any origin. It knows the schema versions that the engine knows, for a stretch
// begins behind those that its batches were stamped under. Requests stamped at keep or later, keys and lanes, are kept
// as they are; of older ones no more than what lanes remember for ever, which is to refuse them.
func (e *Engine) Compactor(keep hlc.Timestamp) *Compactor {
	return &Compactor{versions: maps.Clone(e.versions), keep: keep}
}

// Compactor is [Engine.Compactor] for somebody who has a fold alone.
func (f *Fold) Compactor(keep hlc.Timestamp) *Compactor { return f.engine.Compactor(keep) }

// Add folds the next batch; the first one may be any of its origin. It returns [fault.ErrGap] for a batch that isn't
// next, [fault.ErrNotFound] for one under a schema version that isn't known, [fault.ErrFormatTooNew] for one that a
// newer program wrote, and a *fault.Corrupt for damage. Any error is final: the stretch can't be compacted.
func (c *Compactor) Add(batch []byte) error {
	if c.err == nil {
		c.err = c.add(batch)
	}
	return c.err
}

func (c *Compactor) add(data []byte) error {
	b, err := record.Open(data)
	if err != nil {
		return fmt.Errorf("open batch: %w", err)
	}
	origin, h := b.Origin(), &b.Header
	if c.fold == nil {
		c.begin(origin, h.First)
	}
	e, r := c.fold.engine, &c.out.Range
	if next := e.vector.Get(origin) + 1; origin != r.Origin || h.First != next {
		return fmt.Errorf("compact batch %v behind %v: %w", origin.At(h.First), r.Origin.At(e.vector.Get(r.Origin)),
			fault.ErrGap)
	}
	if ready, err := e.ready(origin, &b); err != nil || !ready {
		if err == nil {
			err = e.lacking(&b)
		}
		return fmt.Errorf("compact batch %v: %w", origin.At(h.First), err)
	}
	if _, _, err := e.applyRecords(origin, &b); err != nil {
		return fmt.Errorf("compact batch %v: %w", origin.At(h.First), err)
	}
	e.vector = e.vector.With(origin, h.Last)
	e.counters.Batches++
	e.lanes = lane.New(lane.Options{}) // the requests are gathered instead
	c.out.Level = max(c.out.Level, b.Ext.Level)
	return c.gather(&b)
}

// begin makes a fold that stands right before the first batch. It is a stranger's: what a group makes of its own
// batches beside their effects isn't wanted here.
func (c *Compactor) begin(origin id.Origin, first id.Seq) {
	c.fold = NewFold(Config{Origin: id.Origin{Region: ^origin.Region, Shard: origin.Shard}})
	c.fold.engine.versions = c.versions
	c.fold.engine.vector = id.VersionVector{}.With(origin, first-1)
	c.out.Range.Origin, c.out.Range.First = origin, first
}

// lacking says why a batch isn't ready.
func (e *Engine) lacking(b *record.Batch) error {
	if b.Ext.Level > record.Level {
		return fmt.Errorf("format level %d: %w", b.Ext.Level, fault.ErrFormatTooNew)
	}
	for rec, err := range b.Records() {
		if err != nil {
			return err
		}
		if known, err := e.knows(&rec); err != nil {
			return err
		} else if !known && rec.Kind == record.KindFormatLevel {
			return fmt.Errorf("format level: %w", fault.ErrFormatTooNew)
		}
	}
	return fmt.Errorf("schema version %v, or one of its compensations': %w", b.Ext.Schema, fault.ErrNotFound)
}

// gather notes the requests of a batch. The records of a request follow each other, and one within a request may have a
// key of its own.
func (c *Compactor) gather(b *record.Batch) error {
	var open []int // requests that may go on
	for rec, err := range b.Records() {
		if err != nil {
			return err
		}
		if m := &rec.Meta; m.Begins() {
			// What is decoded points into the batch.
			r := begun(rec.Seq, m)
			r.Producer, r.Key = strings.Clone(r.Producer), strings.Clone(r.Key)
			c.out.Requests = append(c.out.Requests, r)
			open = append(open, len(c.out.Requests)-1)
		}
		open = slices.DeleteFunc(open, func(i int) bool {
			r := &c.out.Requests[i]
			if rec.Kind == record.KindSignal && rec.Seq <= r.last() {
				r.Signals.add(uint32(rec.Seq-r.First), r.Count)
			}
			return rec.Seq >= r.last()
		})
	}
	return nil
}

// Finish returns what the batches amount to, and ends the compactor. There must have been one at least.
func (c *Compactor) Finish() (*Compacted, error) {
	switch {
	case c.err != nil:
		return nil, c.err
	case c.fold == nil:
		panic("engine: compaction of no batches")
	}
	out, e := &c.out, c.fold.engine
	out.Range.Last = e.vector.Get(out.Range.Origin)
	out.Highest, out.HighestRegister = e.highest, e.highestRegister
	out.Counters = e.counters
	n := &out.Counters
	n.Stale, n.Twice, n.Undecided, n.Reused, n.Fallen = 0, 0, 0, 0, 0
	out.Requests = worthKeeping(out.Requests, c.keep)
	c.fold.Effects(func(r Record) bool {
		out.Range.Entries = append(out.Range.Entries, entryOf(r))
		return true
	})
	slices.SortFunc(out.Range.Entries, func(a, b algebra.RangeEntry) int { return strings.Compare(a.Key, b.Key) })
	c.err = fmt.Errorf("compactor is finished: %w", fault.ErrClosed)
	return out, nil
}

// laneWindow is how many requests below its highest a lane remembers for ever.
const laneWindow = 64

// worthKeeping leaves out what is older than keep and needn't be known for refusing it.
func worthKeeping(all []Request, keep hlc.Timestamp) []Request {
	highest := map[string]uint64{}
	for _, r := range all {
		highest[r.Producer] = max(highest[r.Producer], r.Number)
	}
	kept := all[:0]
	for _, r := range all {
		if r.HLC < keep {
			if r.Producer == "" || highest[r.Producer]-r.Number >= laneWindow {
				continue
			}
			r.Key = ""
		}
		kept = append(kept, r)
	}
	return slices.Clip(kept)
}

// Records calls yield with the effect on each record, by key: an owner's together, its generation first, as a record of
// its own. It is for dumps and checks. It ends at an entry that can't be read, of which there are none in what
// [DecodeCompacted] returned.
func (c *Compacted) Records(yield func(Record) bool) {
	for i := range c.Range.Entries {
		r, err := recordOf(&c.Range.Entries[i])
		if err != nil || !yield(r) {
			return
		}
	}
}

// Without returns what a receiver lacks that holds overlap, the first batches of the stretch, which it must have folded
// itself: the range as it ends, beginning behind the overlap. It returns [fault.ErrGap] when overlap begins elsewhere
// or doesn't end inside, and [fault.ErrForked] when both hold one position with different contents.
func (c *Compacted) Without(overlap *Compacted) (*Compacted, error) {
	rest, err := algebra.SubtractOverlap(c.Range, overlap.Range)
	if err != nil {
		return nil, fmt.Errorf("take overlap from range: %w", err)
	}
	if err := c.sameRequests(overlap); err != nil {
		return nil, err
	}
	out := *c
	out.Range = rest
	out.Requests = nil
	for _, r := range c.Requests {
		if r.First >= rest.First {
			out.Requests = append(out.Requests, r)
		}
	}
	a, b := &out.Counters, overlap.Counters
	if a.Batches < b.Batches || a.Records < b.Records || a.Signals < b.Signals || a.Clamped < b.Clamped {
		return nil, fmt.Errorf("range %v holds less than its beginning, %v: %w", c.Range, overlap.Range, fault.ErrForked)
	}
	a.Batches, a.Records, a.Signals, a.Clamped = a.Batches-b.Batches, a.Records-b.Records, a.Signals-b.Signals,
		a.Clamped-b.Clamped
	return &out, nil
}

// sameRequests compares the requests that both have; either may have left out old ones.
func (c *Compacted) sameRequests(overlap *Compacted) error {
	mine := c.Requests
	for i := range overlap.Requests {
		theirs := &overlap.Requests[i]
		for len(mine) > 0 && mine[0].First < theirs.First {
			mine = mine[1:]
		}
		if len(mine) == 0 {
			break
		}
		if mine[0].First == theirs.First && !mine[0].same(theirs) {
			return fmt.Errorf("request at %v: %w", c.Range.Origin.At(theirs.First), fault.ErrForked)
		}
	}
	return nil
}
