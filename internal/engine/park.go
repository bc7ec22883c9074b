package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// ready reports whether everything that the batch was stamped under is known here, so that it can be applied without
// stopping in the middle. Only another origin may have to wait: what this group stamped, it knew.
func (e *Engine) ready(origin id.Origin, b *record.Batch) (bool, error) {
	known := b.Ext.Schema == schema.Hash{} || e.versions[b.Ext.Schema] != nil
	switch {
	case origin == e.cfg.Origin && b.Ext.Level > record.Level:
		return false, fmt.Errorf("it has format level %d, this program knows up to %d; use a newer tidal: %w",
			b.Ext.Level, record.Level, fault.ErrFormatTooNew)
	case origin == e.cfg.Origin && !known:
		return false, fault.Damaged("", 0, "own batch was stamped under schema %v, which isn't in the log", b.Ext.Schema)
	case origin == e.cfg.Origin:
		return true, nil
	case b.Ext.Level > record.Level || !known:
		return false, nil
	}
	if b.Ordinary(record.KindFormatLevel, record.KindCompensate, record.KindDuplicate) {
		return true, nil // these alone name what may not be here
	}
	for rec, err := range b.Records() {
		switch {
		case errors.Is(err, fault.ErrFormatTooNew):
			return false, nil
		case err != nil:
			return false, err
		}
		if ready, err := e.knows(&rec); !ready || err != nil {
			return false, err
		}
	}
	return true, nil
}

// knows reports whether what a record names beside its batch's versions is known here.
func (e *Engine) knows(rec *record.Record) (bool, error) {
	switch rec.Kind {
	case record.KindFormatLevel:
		var l record.FormatLevel
		err := record.DecodeFormatLevel(rec.Body, &l)
		return l.Level <= record.Level, err
	case record.KindCompensate, record.KindDuplicate:
		// A later incarnation may take back what an earlier one stamped under a version that isn't here yet.
		var c record.Compensation
		err := record.DecodeCompensation(rec.Body, &c)
		return e.versions[c.Schema] != nil, err
	}
	return true, nil
}

// parkedOrigin holds the batches of one origin that were committed before the schema version that they name was
// applied here. Only that origin waits; the others go on.
type parkedOrigin struct {
	batches [][]byte
	last    id.Seq
}

// Parked says how many batches wait for a schema version or a newer program.
func (e *Engine) Parked() int {
	n := 0
	for _, origin := range e.parkedOrigins() {
		n += len(e.parked[origin].batches)
	}
	return n
}

// Waiting says which origins stand still, with how many batches, and for what: fault.ErrFormatTooNew, or a schema
// version that is not here yet.
func (e *Engine) Waiting(yield func(origin id.Origin, batches int, cause error) bool) {
	for _, origin := range e.parkedOrigins() {
		p := e.parked[origin]
		b, err := record.Open(p.batches[0])
		switch {
		case err != nil:
		case b.Ext.Level > record.Level:
			err = fmt.Errorf("batch %v has format level %d: %w", origin.At(b.Header.First), b.Ext.Level, fault.ErrFormatTooNew)
		default:
			err = fmt.Errorf("batch %v was stamped under schema version %v: %w", origin.At(b.Header.First), b.Ext.Schema,
				fault.ErrNotFound)
		}
		if !yield(origin, len(p.batches), err) {
			return
		}
	}
}

func (e *Engine) park(origin id.Origin, data []byte, h *record.Header) {
	p := e.parked[origin]
	if p == nil {
		p = &parkedOrigin{}
		e.parked[origin] = p
	}
	p.batches = append(p.batches, data)
	p.last = h.Last
}

// unpark applies what waited, as far as it can. An origin's batches may hold the version that another waits for, so
// it goes on until nothing moves.
func (e *Engine) unpark() error {
	for moved := true; moved; {
		moved = false
		for _, origin := range e.parkedOrigins() {
			n, err := e.unparkOrigin(origin)
			if err != nil {
				return err
			}
			moved = moved || n > 0
		}
	}
	return nil
}

func (e *Engine) unparkOrigin(origin id.Origin) (int, error) {
	p := e.parked[origin]
	n := 0
	for ; n < len(p.batches); n++ {
		b, err := record.Open(p.batches[n])
		if err != nil {
			return n, fmt.Errorf("open parked batch: %w", err)
		}
		ready, err := e.ready(origin, &b)
		if err != nil {
			return n, fmt.Errorf("apply parked batch %v: %w", origin.At(b.Header.First), err)
		}
		if !ready {
			break
		}
		if _, _, err := e.applyRecords(origin, &b); err != nil {
			return n, fmt.Errorf("apply parked batch %v: %w", origin.At(b.Header.First), err)
		}
		e.vector = e.vector.With(origin, b.Header.Last)
		e.counters.Batches++
	}
	p.batches = p.batches[n:]
	if len(p.batches) == 0 {
		delete(e.parked, origin)
	}
	return n, nil
}

func (e *Engine) parkedOrigins() []id.Origin {
	origins := make([]id.Origin, 0, len(e.parked))
	for origin := range e.parked {
		origins = append(origins, origin)
	}
	slices.SortFunc(origins, id.Origin.Compare)
	return origins
}

// recentBatches remembers the checksums of the latest batches received of an origin, parked ones included, so that one
// position with two contents is noticed when it is received twice.
type recentBatches struct {
	marks [recentKept]batchMark
	next  int
}

type batchMark struct {
	first, last id.Seq
	checksum    uint32
}

const recentKept = 256

func (e *Engine) note(origin id.Origin, h *record.Header) {
	r := e.recent[origin]
	if r == nil {
		r = &recentBatches{}
		e.recent[origin] = r
	}
	r.marks[r.next] = batchMark{h.First, h.Last, h.Checksum}
	r.next = (r.next + 1) % recentKept
}

// sameAsHeld compares a batch that was received before with what was applied then. Beyond the latest ones it can't
// tell and says nothing.
func (e *Engine) sameAsHeld(origin id.Origin, h *record.Header) error {
	r := e.recent[origin]
	if r == nil {
		return nil
	}
	for _, m := range r.marks {
		overlap := m.first <= h.Last && h.First <= m.last && m.last != 0
		if overlap && m != (batchMark{h.First, h.Last, h.Checksum}) {
			return fmt.Errorf("batch %v…%d differs from what was applied: %w", origin.At(h.First), h.Last, fault.ErrForked)
		}
	}
	return nil
}
