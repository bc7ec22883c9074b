package host

import (
	"sync"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/wal"
)

// Streams says where the events of each origin lie in a replica's log, and reads them from there, for other regions:
//
//	batches, err := base.Streams().Read(origin, after, 1<<20)
//	if errors.Is(err, fault.ErrGone) { entry, err := base.Streams().Range(origin, after, 4<<20) }
//
// It gives only what is applied here: what of a suffix was superseded, or what isn't committed yet, never. It may be used
// from anywhere, beside who writes the log; what it wants to read may be let go beneath it, which it says.
//
// It keeps no more than what each stretch of about a MiB of the log holds, which it learns while the log is read at open
// and as entries are applied.
type Streams struct {
	base *Base

	mu sync.Mutex
	// stretches follow one another; the last one grows. Those that precede the log's first entry are dropped when somebody
	// looks.
	stretches []stretch
	visible   id.VersionVector // what is applied, and doesn't wait
	live      bool             // what is at open has been read
	pieces    []heldPiece      // by origin and first event
	content   pieceContent
	recent    [recentCursors]streamCursor
	next      int // of recent
}

// stretch is some consecutive entries of the log, of one file.
type stretch struct {
	first, last uint64
	bytes       int64 // of all entries' data
	newest      int64 // when the last batch was written, in Unix milliseconds
	spans       []streamSpan
	// unread: what is in there isn't known, since a part that was told of is void. It's read when it matters.
	unread bool
}

// streamSpan is what a stretch holds of one origin without a gap. There is more than one of an origin only if something came twice.
type streamSpan struct {
	origin      id.Origin
	first, last id.Seq
	at          uint64 // the first entry
	bytes       int64
	behind      id.Seq // first number behind the last compacted range among them; 0 without one
}

// streamCursor remembers which entry follows an event of an origin.
type streamCursor struct {
	origin id.Origin
	after  id.Seq
	entry  uint64
}

const (
	// stretchBytes is where a stretch ends.
	stretchBytes = 1 << 20
	// recentCursors is how many readers can go on where they ended.
	recentCursors = 64
)

// Streams returns the directory's one.
func (b *Base) Streams() *Streams { return &b.streams }

// visit takes what is told while the log is opened.
func (s *Streams) visit(v wal.Visited) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !v.Entry() {
		if v.Index > s.end()+1 {
			s.stretches = nil // the log begins anew there
		}
		s.cut(v.Index)
		if v.Kind == wal.KindSegment {
			s.stretches = append(s.stretches, stretch{first: v.Index, last: v.Index - 1})
		}
		return
	}
	s.cut(v.Index)
	s.add(v.Kind, v.Index, v.Data, false)
}

// opened ends what is told at open: all up to an entry is applied.
func (s *Streams) opened(applied uint64, visible id.VersionVector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut(applied + 1)
	s.visible, s.live = visible, true
}

// restarted forgets everything: the log goes on behind an entry, after which the events of a vector are here.
func (s *Streams) restarted(applied uint64, visible id.VersionVector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stretches = []stretch{{first: applied + 1, last: applied}}
	s.visible = visible
	s.recent = [recentCursors]streamCursor{}
}

// take takes an entry that was applied. It has no effect for what is replayed at open, which was told of before.
func (s *Streams) take(e *consensus.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return
	}
	s.add(toLog(e.Kind), e.Index, e.Data, s.base.Log.Begins(e.Index))
}

// shown says which events are visible.
func (s *Streams) shown(visible id.VersionVector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visible = visible
}

// end is the last entry that is known; s.mu is held, as for all below.
func (s *Streams) end() uint64 {
	if n := len(s.stretches); n > 0 {
		return s.stretches[n-1].last
	}
	return 0
}

// cut forgets the entries from an index on.
func (s *Streams) cut(from uint64) {
	for n := len(s.stretches); n > 0; n-- {
		x := &s.stretches[n-1]
		if x.last < from {
			return
		}
		if x.first < from {
			*x = stretch{first: x.first, last: from - 1, unread: true}
			return
		}
		s.stretches = s.stretches[:n-1]
	}
}

// add enters an entry behind the last one.
func (s *Streams) add(kind wal.Kind, index uint64, data []byte, begins bool) {
	n := len(s.stretches)
	if n > 0 && s.end()+1 != index { // nobody told of what lies between
		s.stretches = append(s.stretches, stretch{first: s.end() + 1, last: index - 1, unread: true})
		n, begins = n+1, true
	}
	if n == 0 || begins || s.stretches[n-1].bytes >= stretchBytes || s.stretches[n-1].unread {
		s.stretches = append(s.stretches, stretch{first: index, last: index - 1})
		n++
	}
	s.stretches[n-1].add(kind, index, data)
}

// add enters the next entry of a stretch. Bytes that are no batch are left to who applies them.
func (x *stretch) add(kind wal.Kind, index uint64, data []byte) {
	x.last = index
	x.bytes += int64(len(data))
	if kind != wal.KindBatch {
		return
	}
	at, err := glance(data)
	if err != nil {
		return
	}
	x.newest = max(x.newest, at.written)
	span := x.span(at.origin, at.first)
	if span == nil && at.first > 1 {
		span = x.span(at.origin, at.first-1)
	}
	switch {
	case span == nil:
		x.spans = append(x.spans, streamSpan{origin: at.origin, first: at.first, last: at.last, at: index})
		span = &x.spans[len(x.spans)-1]
	case at.last <= span.last:
		return // it came twice
	}
	span.last = at.last
	span.bytes += int64(len(data))
	if at.ranged {
		span.behind = max(span.behind, at.last+1)
	}
}

// holding is what an entry of the log holds: a batch, or a range in its place.
type holding struct {
	origin      id.Origin
	first, last id.Seq
	written     int64 // Unix milliseconds
	ranged      bool
}

// glance looks at the head of an entry's data.
func glance(data []byte) (holding, error) {
	if engine.IsRange(data) {
		g, err := engine.GlanceRange(data)
		return holding{g.Origin, g.First, g.Last, g.Highest.Millis(), true}, err
	}
	origin, h, err := record.Glance(data)
	return holding{origin, h.First, h.Last, int64(h.Timestamp / 1e6), false}, err
}

// span returns what a stretch holds around an event, nil for nothing.
func (x *stretch) span(origin id.Origin, seq id.Seq) *streamSpan {
	for i := range x.spans {
		if p := &x.spans[i]; p.origin == origin && p.first <= seq && seq <= p.last {
			return p
		}
	}
	return nil
}

// tidy drops what the log doesn't hold any more and reads what isn't known.
func (s *Streams) tidy() error {
	base := s.base.Log.FirstIndex()
	n := 0
	for n < len(s.stretches) && s.stretches[n].last < base {
		n++
	}
	s.stretches = s.stretches[n:]
	for i := range s.stretches {
		x := &s.stretches[i]
		if x.first < base {
			x.first, x.unread = base, true // it was of two files
		}
		if !x.unread {
			continue
		}
		known := stretch{first: x.first, last: x.last}
		for next := x.first; next <= x.last; {
			entries, err := s.base.Log.Entries(next, x.last+1, replayBytes)
			if err != nil {
				return err
			}
			for _, e := range entries {
				known.add(e.Kind, e.Index, e.Data)
			}
			next += uint64(len(entries))
		}
		*x = known
	}
	return nil
}

// segment says what a sealed file holds, if that is known without reading it.
func (s *Streams) segment(f wal.File) (retention.Segment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := retention.Segment{First: f.First, Last: f.Last, Bytes: f.Bytes}
	next := f.First
	for i := range s.stretches {
		x := &s.stretches[i]
		if x.last < f.First || x.last < x.first {
			continue
		}
		if x.first != next || x.last > f.Last || x.unread {
			return out, false
		}
		out.Newest = max(out.Newest, x.newest)
		for _, p := range x.spans {
			out.Spans = addSpan(out.Spans, retention.Span{Origin: p.origin, First: p.first, Last: p.last})
		}
		if next = x.last + 1; next > f.Last {
			return out, true
		}
	}
	return out, false
}

// addSpan widens the span of an origin, or adds it.
func addSpan(spans []retention.Span, x retention.Span) []retention.Span {
	for i := range spans {
		if s := &spans[i]; s.Origin == x.Origin {
			s.First, s.Last = min(s.First, x.First), max(s.Last, x.Last)
			return spans
		}
	}
	return append(spans, x)
}
