package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/remnant"
	"github.com/tidaldb/tidal/internal/retention"
)

// A log that is larger than its limit loses its oldest files, although regions lack some of what is in there, or it's younger than
// the retention: that is kept in pieces first, each as a range or as batches, whichever takes fewer bytes. In steps, of which each
// may be the last before a crash:
//
//  1. A piece is written and synced, with its folder. Until its file of the log goes, both are there, and the log is read.
//  2. When pieces hold all of a file that is needed, the plan says that it may go, as any other.
//
// What was begun and not ended goes on where the pieces end, or is done again.

const (
	// piecesBytes is how much of the log's batches one piece has at most.
	piecesBytes = 4 << 20
	// rangeBytes is about how much a range in a piece has: it becomes an entry of a log elsewhere, which has room for twice that.
	rangeBytes = 4 << 20
	// hopeless is how many times as long as its batches a range is that won't take fewer bytes than these once both are compressed.
	hopeless = 3
)

// compactTo makes a piece, or finds that all is made, up to an entry of the log. It reports whether there is more to do.
func (b *Base) compactTo(to uint64, regions []standing) (more bool, err error) {
	for _, f := range b.sealed() {
		if f.Last > to {
			break
		}
		s, err := b.segment(f)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(s.Spans, func(x retention.Span) bool { return x.Last > b.streams.limit(x.Origin) }) {
			return false, nil // what waits here can't be given to others yet; the log stays until it's visible
		}
		for _, x := range s.Spans {
			made, err := b.compactSpan(&s, x, regions)
			if made || err != nil {
				return true, err
			}
		}
		b.compacted = max(b.compacted, f.Last)
	}
	return false, nil
}

// compactSpan makes the next piece of what a file holds of an origin, if one is needed.
func (b *Base) compactSpan(s *retention.Segment, x retention.Span, regions []standing) (made bool, err error) {
	from := x.First
	if !b.opts.Retention.Young(s.Newest, b.opts.Now().UnixMilli()) {
		lowest := x.Last
		for i := range regions {
			lowest = min(lowest, regions[i].has.Get(x.Origin))
		}
		from = max(from, lowest+1)
	}
	if from = b.streams.kept(x.Origin, from) + 1; from > x.Last {
		return false, nil
	}
	if visible := b.streams.limit(x.Origin); x.Last > visible {
		return false, fmt.Errorf("compact %v to %d: %d is visible: %w", x.Origin.At(from), x.Last, visible, fault.ErrNotFound)
	}
	p := piecing{base: b, origin: x.Origin, from: from, last: x.Last, newest: s.Newest, verbatim: b.anywhere(s, regions)}
	for i := range regions { // a range that ends where a region stands needs no subtraction there
		p.stops = append(p.stops, regions[i].at.Get(x.Origin))
	}
	return true, p.make()
}

// anywhere reports whether a region may come to stand amidst what a file of the log holds, without the batches in front of that: one
// that was never heard of, one that's restored from a backup, or one that this replica sent more before it was started than it could
// write down. It could be given no range, but only batches. A backup that is older than the retention lacks what nobody keeps.
func (b *Base) anywhere(s *retention.Segment, regions []standing) bool {
	if b.opts.RangesAlone {
		return false
	}
	if b.opts.Retention.Young(s.Newest, b.opts.Now().UnixMilli()) {
		return true
	}
	term, err := b.Log.Term(s.First)
	before := err != nil || term <= b.opened
	return slices.ContainsFunc(regions, func(r standing) bool { return r.at.Len() == 0 || r.loose && before })
}

// piecing makes one piece.
type piecing struct {
	base   *Base
	origin id.Origin
	from   id.Seq // the first event
	last   id.Seq // of the file
	newest int64
	stops  []id.Seq
	// verbatim says that it has to hold batches.
	verbatim bool

	batches [][]byte
	ends    []id.Seq // of the batches
	bytes   int
}

func (p *piecing) make() error {
	err := p.gather()
	if errors.Is(err, fault.ErrGone) {
		return p.takeRange()
	}
	if err != nil {
		return err
	}
	x, err := glance(p.batches[0])
	if err != nil {
		return err
	}
	h := remnant.Head{Form: remnant.Batches, Origin: p.origin, First: x.first, Newest: p.newest}
	n, entry, err := p.fold()
	if err != nil {
		return err
	}
	content := slices.Concat(p.batches[:n]...)
	h.Last, h.Replaces = p.ends[n-1], uint64(len(content))
	if entry != nil {
		ranged := h
		ranged.Form = remnant.Range
		if p.base.opts.RangesAlone || len(remnant.Encode(&ranged, entry)) < len(remnant.Encode(&h, content)) {
			h, content = ranged, entry
		}
	}
	return p.base.streams.writePiece(h, content)
}

// gather reads batches up to where the piece ends.
func (p *piecing) gather() error {
	for next := p.from; p.bytes < piecesBytes && next <= p.last; {
		some, err := p.base.streams.Read(p.origin, next-1, piecesBytes-p.bytes)
		if err != nil && len(p.batches) == 0 {
			return err
		}
		if errors.Is(err, fault.ErrGone) || err == nil && len(some) == 0 {
			return nil // what follows is a range
		}
		if err != nil {
			return err
		}
		for _, b := range some {
			x, err := glance(b)
			if err != nil {
				return err
			}
			if x.first > p.last && len(p.batches) > 0 {
				return nil
			}
			p.batches, p.ends, p.bytes = append(p.batches, b), append(p.ends, x.last), p.bytes+len(b)
			if next = x.last + 1; slices.Contains(p.stops, x.last) {
				return nil
			}
		}
	}
	return nil
}

// fold makes a range of as many of the batches as one may have. It returns none if batches are better, or can't be folded.
func (p *piecing) fold() (n int, entry []byte, err error) {
	if p.verbatim {
		return len(p.batches), nil, nil
	}
	f := folding{c: p.base.compactor(), maxBytes: rangeBytes}
	for n < len(p.batches) && !f.full {
		if folded := f.add(p.batches[n]) == nil; !folded {
			return len(p.batches), nil, nil // batches can always be kept
		}
		if n++; !p.base.opts.RangesAlone && f.work > foldStep*8 && f.size > hopeless*f.work {
			return len(p.batches), nil, nil
		}
	}
	c, err := f.c.Finish()
	if err != nil {
		return 0, nil, err
	}
	if entry = c.AppendEntry(nil); len(entry) > 2*rangeBytes {
		entry = nil
	}
	return n, entry, nil
}

// takeRange keeps a range of the log as it is.
func (p *piecing) takeRange() error {
	entry, err := p.base.streams.ranged(p.origin, p.from)
	if err != nil {
		return err
	}
	if entry == nil {
		return fmt.Errorf("compact %v: it lies neither in a batch nor in a range: %w", p.origin.At(p.from), fault.ErrNotFound)
	}
	g, err := engine.GlanceRange(entry)
	if err != nil {
		return err
	}
	return p.base.streams.writePiece(remnant.Head{
		Form: remnant.Range, Origin: p.origin, First: g.First, Last: g.Last, Newest: p.newest, Replaces: uint64(len(entry)),
	}, entry)
}
