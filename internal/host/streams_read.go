package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/remnant"
	"github.com/tidaldb/tidal/internal/wal"
)

const (
	// streamChunk is how much of the log is read at a time.
	streamChunk = 256 << 10
	// streamWork is how much of it is read for one answer, if there is something to answer by then.
	streamWork = 4 << 20
)

// First returns the sequence number of an origin from which on all its batches are there, up to the last event that is
// visible here; one above that if there are none.
func (s *Streams) First(origin id.Origin) id.Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first(origin, 0, false)
}

// begins is [Streams.First] for who reads the log from an entry on, whatever there is before it; compacted ranges count.
func (s *Streams) begins(origin id.Origin, from uint64) id.Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.part(from)
	return s.first(origin, from, true)
}

// part has a stretch begin at an entry. What its two parts hold is read when somebody asks.
func (s *Streams) part(from uint64) {
	for i := range s.stretches {
		if x := s.stretches[i]; x.first < from && from <= x.last {
			s.stretches[i] = stretch{first: x.first, last: from - 1, unread: true}
			s.stretches = slices.Insert(s.stretches, i+1, stretch{first: from, last: x.last, unread: true})
			return
		}
	}
}

func (s *Streams) first(origin id.Origin, from uint64, ranges bool) id.Seq {
	first := s.visible.Get(origin) + 1
	if s.tidy() != nil {
		return first // who reads on learns why
	}
	for before := first + 1; first < before; { // what came twice may lie behind what follows it
		before = first
		for i := len(s.stretches) - 1; i >= 0 && s.stretches[i].first >= from; i-- {
			for j := range s.stretches[i].spans {
				p := &s.stretches[i].spans[j]
				switch {
				case p.origin != origin || p.last+1 < first || p.first >= first:
				case p.behind != 0 && !ranges:
					return min(first, p.behind)
				default:
					first = p.first
				}
			}
		}
		for i := range s.pieces {
			p := &s.pieces[i]
			if p.Origin == origin && p.err == nil && p.Form == remnant.Batches && p.Last+1 >= first && p.First < first && !ranges {
				first = p.First
			}
		}
	}
	return first
}

// Bytes returns about how many bytes the batches have that follow a sequence number, as far as they are there.
func (s *Streams) Bytes(origin id.Origin, after id.Seq) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tidy() != nil {
		return 0
	}
	var total int64
	for i := range s.stretches {
		for j := range s.stretches[i].spans {
			p := &s.stretches[i].spans[j]
			if p.origin != origin || p.last <= after {
				continue
			}
			part := p.last - max(p.first-1, after)
			total += int64(float64(p.bytes) * float64(part) / float64(p.last-p.first+1))
		}
	}
	for i := range s.pieces {
		if p := &s.pieces[i]; p.Origin == origin && p.Last > after {
			total += p.bytes
		}
	}
	return total
}

// Read returns batches of an origin that follow a sequence number: one at least if there is one, and then as many as have at
// most maxBytes, sometimes fewer; none when nothing follows that is visible here. The first one may begin earlier, where the
// number lies inside a batch.
//
// It stops in front of a compacted range. The error is a *[fault.LetGo] if no batch follows right behind the number; what
// follows may then be had from [Streams.Range].
func (s *Streams) Read(origin id.Origin, after id.Seq, maxBytes int) ([][]byte, error) {
	r := streamReader{s: s, origin: origin, next: after + 1, maxBytes: maxBytes}
	for {
		at, until, err := s.find(origin, r.next, r.from, !r.afresh)
		if err != nil {
			return nil, err
		}
		if until == 0 && !r.afresh {
			r.from, r.afresh = 0, true // what came twice may lie in front of what it follows
			continue
		}
		if until == 0 {
			if err := r.readPiece(); err != nil {
				return nil, err
			}
			break
		}
		err = r.read(at, until)
		if errors.Is(err, fault.ErrNotFound) && s.base.Log.FirstIndex() > at {
			continue // it was let go meanwhile
		}
		if err != nil {
			return nil, err
		}
		if len(r.out) > 0 {
			break
		}
		r.from = until + 1
	}
	if len(r.out) == 0 && r.next <= s.limit(origin) {
		return nil, &fault.LetGo{After: uint64(after), First: uint64(s.firstBehind(origin, r.next))}
	}
	return r.out, nil
}

// limit is the last event of an origin that is visible.
func (s *Streams) limit(origin id.Origin) id.Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visible.Get(origin)
}

// find returns the entries among which an event may be: the first stretch, from an entry on, that may hold it, or what is left of
// that, if goOn is set, where somebody read up to there. until is 0 when there are none.
func (s *Streams) find(origin id.Origin, seq id.Seq, from uint64, goOn bool) (at, until uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq > s.visible.Get(origin) {
		return 0, 0, nil
	}
	if err := s.tidy(); err != nil {
		return 0, 0, err
	}
	from = max(from, s.base.Log.FirstIndex())
	for i := range s.recent {
		if c := &s.recent[i]; goOn && c.origin == origin && c.after+1 == seq {
			from = max(from, c.entry)
		}
	}
	for i := range s.stretches {
		x := &s.stretches[i]
		if x.last < from {
			continue
		}
		if p := x.span(origin, seq); p != nil {
			return max(p.at, from), x.last, nil
		}
	}
	return 0, 0, nil
}

// firstBehind returns the first number, from one on, that lies in a batch that is there; one above what is visible if none does.
func (s *Streams) firstBehind(origin id.Origin, seq id.Seq) id.Seq {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.visible.Get(origin) + 1
	for i := range s.stretches {
		for j := range s.stretches[i].spans {
			if p := &s.stretches[i].spans[j]; p.origin == origin && p.last >= seq {
				out = min(out, max(p.first, p.behind, seq))
			}
		}
	}
	for i := range s.pieces {
		if p := &s.pieces[i]; p.Origin == origin && p.Last >= seq && p.Form == remnant.Batches {
			out = min(out, max(p.First, seq))
		}
	}
	return out
}

// shows is what is visible.
func (s *Streams) shows() id.VersionVector {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visible
}

// lacks is about how many bytes of the log and of pieces somebody lacks.
func (s *Streams) lacks(v id.VersionVector) (total int64) {
	for o := range s.shows().All {
		total += s.Bytes(o, v.Get(o))
	}
	return total
}

// applied is the last entry that is known.
func (s *Streams) applied() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end()
}

// remember notes where who read up to an event goes on.
func (s *Streams) remember(origin id.Origin, after id.Seq, entry uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent[s.next] = streamCursor{origin, after, entry}
	s.next = (s.next + 1) % recentCursors
}

// streamReader is one call of [Streams.Read].
type streamReader struct {
	s        *Streams
	origin   id.Origin
	next     id.Seq // the event to look for
	from     uint64 // entries below aren't looked at
	afresh   bool   // wherever somebody ended
	maxBytes int
	bytes    int
	out      [][]byte
}

// read collects batches from an entry on. The first is looked for up to an entry; what follows it may lie behind that.
func (r *streamReader) read(at, until uint64) error {
	limit, work := r.s.limit(r.origin), 0
	for at <= until && r.next <= limit {
		entries, err := r.s.base.Log.Entries(at, until+1, streamChunk)
		if err != nil {
			return fmt.Errorf("read log at entry %d: %w", at, err)
		}
		for i := range entries {
			e := &entries[i]
			work += len(e.Data)
			more, err := r.take(e, limit)
			if err != nil {
				return fmt.Errorf("open entry %d: %w", e.Index, err)
			}
			if !more {
				r.end(e.Index)
				return nil
			}
			at = e.Index + 1
		}
		if len(r.out) > 0 {
			if until = r.s.applied(); work >= streamWork {
				break
			}
		}
	}
	r.end(at)
	return nil
}

// end notes that who reads on begins at an entry, if anything was found.
func (r *streamReader) end(entry uint64) {
	if len(r.out) > 0 {
		r.s.remember(r.origin, r.next-1, entry)
	}
}

// take takes an entry's batch if it is the one that follows, and reports whether there may be more.
func (r *streamReader) take(e *wal.Entry, limit id.Seq) (more bool, err error) {
	if e.Kind != wal.KindBatch {
		return true, nil
	}
	x, err := glance(e.Data)
	switch {
	case err != nil:
		return false, err
	case x.origin != r.origin || x.last < r.next || x.first > r.next && len(r.out) == 0:
		return true, nil // another's, or one without effect
	case x.first > r.next || x.last > limit || x.ranged:
		return false, nil
	case len(r.out) > 0 && r.bytes+len(e.Data) > r.maxBytes:
		return false, nil
	}
	r.out = append(r.out, e.Data)
	r.bytes += len(e.Data)
	r.next = x.last + 1
	return r.next <= limit, nil
}
