package host

import (
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/export"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/wal"
)

// walkBytes is how much of the log a walk reads at a time.
const walkBytes = 128 << 10

// Walk goes once through what was applied of the log when it began, in the log's order, each event once. It reads the
// log's files beside those who write them and holds no lock between two calls; memory is bounded by what it reads at a time.
// What it hasn't read yet stays in the log until it's closed.
//
// A walk is for one goroutine.
type Walk struct {
	base *Base
	held id.VersionVector // what was applied
	next uint64           // the entry to look at next
	end  uint64           // the last one
	read id.VersionVector // what was gone through
	// compacted counts events that were gone through and can't be told.
	compacted uint64
	pin       *pin
	began     struct {
		vector id.VersionVector // what the log doesn't hold any more
		at     time.Time        // when its first batch was written; zero without one
	}
}

// Close lets the log go in front of the walk. It may be called more than once.
func (w *Walk) Close() { w.pin.unpin() }

// Step is one batch of a walk.
type Step struct {
	// Batch is the batch. The walk doesn't give its records before First.
	Batch record.Batch
	First id.Seq

	walk        *Walk
	index, term uint64
	before      id.VersionVector
}

// Cursor is how far the log is read once the record seq of the step's batch is.
func (s *Step) Cursor(seq id.Seq) export.Cursor {
	c := s.walk.at(s.index, s.term)
	c.Read = s.before.With(s.Batch.Origin(), seq)
	return c
}

// Walk begins a walk behind a cursor, or, without one, with what the log has. A cursor of another database, or of
// events that aren't here, is refused; if the log has lost some of the events behind it, the error is a *[fault.Gone].
func (r *Replica) Walk(from *export.Cursor) (*Walk, error) {
	w := &Walk{base: r.base, pin: r.base.pins.pin(r.base.Log.FirstIndex)}
	if err := w.start(from); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *Walk) start(from *export.Cursor) error {
	b := w.base
	b.mu.RLock()
	w.end, w.held = b.applied.Load(), b.Engine.Vector()
	b.mu.RUnlock()
	if err := w.begin(); err != nil {
		return err
	}
	w.read = w.began.vector
	if from == nil {
		return nil
	}
	switch {
	case from.Cluster != b.cluster():
		return fault.Refuse("cursor", "belongs to another database")
	case !from.Read.Includes(w.began.vector):
		return w.gone()
	case !w.held.Includes(from.Read):
		return fault.Refuse("cursor", "lies ahead of what this copy of the database holds")
	}
	w.read = from.Read
	if term, err := b.Log.Term(from.Index); err == nil && from.Group == b.Origin() && term == from.Term {
		w.next = max(w.next, from.Index)
		w.pin.move(w.next)
	}
	return nil
}

// begin finds out where the log begins. Beside a writer in another process files may go meanwhile: then it looks again.
func (w *Walk) begin() error {
	for {
		first := max(w.pin.at, w.base.Log.FirstIndex())
		w.next = first
		err := w.beginAt(first)
		if errors.Is(err, fault.ErrNotFound) && w.base.Log.FirstIndex() > first {
			continue
		}
		return err
	}
}

// beginAt finds out what precedes an entry, and when the first batch behind it was written.
func (w *Walk) beginAt(first uint64) error {
	w.began.vector, w.began.at = id.VersionVector{}, time.Time{}
	for o, seq := range w.held.All {
		if first == 1 {
			break // nothing was let go
		}
		if begins := w.base.streams.begins(o, first); begins > 1 {
			w.began.vector = w.began.vector.With(o, min(begins-1, seq))
		}
	}
	for next := first; next <= w.end; {
		entries, err := w.base.Log.Entries(next, w.end+1, walkBytes)
		if err != nil {
			return fmt.Errorf("read log at entry %d: %w", next, err)
		}
		for _, e := range entries {
			if e.Kind != wal.KindBatch {
				continue
			}
			x, err := glance(e.Data)
			if err != nil {
				return fmt.Errorf("open entry %d: %w", e.Index, err)
			}
			w.began.at = time.UnixMilli(x.written).UTC()
			return nil
		}
		next += uint64(len(entries))
	}
	return nil
}

// Begins says when the first batch was written that the log had when the walk began, zero if it had none, and whether
// older ones were let go.
func (w *Walk) Begins() (at time.Time, cut bool) { return w.began.at, w.began.vector.Len() > 0 }

// Next returns some more batches, and none at the end.
func (w *Walk) Next() ([]Step, error) {
	var out []Step
	for len(out) == 0 && w.next <= w.end {
		entries, err := w.base.Log.Entries(w.next, w.end+1, walkBytes)
		if errors.Is(err, fault.ErrNotFound) && w.base.Log.FirstIndex() > w.next {
			return nil, w.overtaken()
		}
		if err != nil {
			return nil, fmt.Errorf("read log at entry %d: %w", w.next, err)
		}
		for _, e := range entries {
			if e.Kind == wal.KindBatch {
				if out, err = w.take(out, &e); err != nil {
					return nil, fmt.Errorf("open entry %d: %w", e.Index, err)
				}
			}
			if w.next = e.Index + 1; w.next > w.end {
				break
			}
		}
	}
	w.pin.move(w.next)
	return out, nil
}

// take appends the batch of an entry, unless it had no effect: what came twice, or in front of what precedes it. What
// waits for a schema version isn't visible, and ends the walk.
func (w *Walk) take(out []Step, e *wal.Entry) ([]Step, error) {
	x, err := glance(e.Data)
	if err != nil {
		return out, err
	}
	last := w.read.Get(x.origin)
	switch {
	case x.last <= last || x.first > last+1:
		return out, nil
	case x.last > w.held.Get(x.origin):
		w.end = e.Index - 1
		return out, nil
	case x.ranged:
		w.compacted += uint64(x.last - max(x.first, last+1) + 1)
	default:
		batch, err := record.Open(e.Data)
		if err != nil {
			return out, err
		}
		out = append(out, Step{
			Batch: batch, First: max(x.first, last+1), walk: w, index: e.Index, term: e.Term, before: w.read,
		})
	}
	w.read = w.read.With(x.origin, x.last)
	return out, nil
}

// Compacted is how many events Next passed over so far because the log has no more of them than a compacted range.
func (w *Walk) Compacted() uint64 { return w.compacted }

// overtaken is the error of a walk that the log was let go in front of.
func (w *Walk) overtaken() error {
	if err := w.begin(); err != nil {
		return err
	}
	return w.gone()
}

func (w *Walk) gone() error { return &fault.Gone{Begins: w.began.at} }

// Cursor is how far the log is read once everything that Next gave is.
func (w *Walk) Cursor() export.Cursor {
	index := min(w.next, w.end)
	term, err := w.base.Log.Term(index)
	if err != nil {
		term = 0 // it was let go, or there is none yet: who goes on looks for the place
	}
	c := w.at(index, term)
	c.Read = w.read
	return c
}

func (w *Walk) at(index, term uint64) export.Cursor {
	return export.Cursor{Cluster: w.base.cluster(), Group: w.base.Origin(), Index: index, Term: term}
}

// cluster is the beginning of the database's id.
func (b *Base) cluster() (out [4]byte) {
	who, err := b.identity.wal()
	if err == nil { // it was checked when the identity was read
		copy(out[:], who.Cluster[:])
	}
	return out
}
