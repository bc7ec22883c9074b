package host

import (
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/remnant"
)

// rangeWork is how much of the log is folded for one range at most, in bytes of its batches.
const rangeWork = 16 << 20

// Range returns a compacted range of an origin's events, as an entry of the log, that follow a sequence number: it begins right
// behind it, or earlier, if the batches are gone. Then whoever lacks only its end takes out what they have
// ([engine.Compacted.Without]). It has about maxBytes at most, so more of them may follow.
//
// Where the batches are still there it's made of them, for who prefers fewer bytes. A *[fault.LetGo] says that neither batches
// nor a range are there.
func (s *Streams) Range(origin id.Origin, after id.Seq, maxBytes int) (entry []byte, err error) {
	if entry, err = s.ranged(origin, after+1); entry != nil || err != nil {
		return entry, err
	}
	if h, content, err := s.inPiece(origin, after+1); err != nil || h.Form == remnant.Range {
		if err == nil && h.Last > s.limit(origin) {
			err = &fault.LetGo{After: uint64(after), First: uint64(h.Last) + 1}
		}
		return content, err
	}
	c, err := s.fold(origin, after, maxBytes)
	if err != nil {
		return nil, err
	}
	return c.AppendEntry(nil), nil
}

// ranged returns the range in the log that an event lies in, nil if there is none.
func (s *Streams) ranged(origin id.Origin, seq id.Seq) ([]byte, error) {
	from := uint64(0)
	for {
		at, until, err := s.find(origin, seq, from, false)
		if err != nil || until == 0 {
			return nil, err
		}
		from = until + 1
		if !s.rangeIn(origin, seq, at) {
			continue
		}
		for at <= until {
			entries, err := s.base.Log.Entries(at, until+1, streamChunk)
			if errors.Is(err, fault.ErrNotFound) && s.base.Log.FirstIndex() > at {
				break // it was let go meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("read log at entry %d: %w", at, err)
			}
			for i := range entries {
				if data := entries[i].Data; engine.IsRange(data) {
					x, err := glance(data)
					if err != nil {
						return nil, fmt.Errorf("open entry %d: %w", entries[i].Index, err)
					}
					if x.origin == origin && x.first <= seq && seq <= x.last {
						return data, nil
					}
				}
			}
			at += uint64(len(entries))
		}
	}
}

// rangeIn reports whether an event may lie in a range in the stretch of an entry.
func (s *Streams) rangeIn(origin id.Origin, seq id.Seq, entry uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.stretches {
		if x := &s.stretches[i]; x.first <= entry && entry <= x.last {
			p := x.span(origin, seq)
			return p != nil && seq < p.behind
		}
	}
	return false
}

// fold makes a range of batches that the log has.
func (s *Streams) fold(origin id.Origin, after id.Seq, maxBytes int) (*engine.Compacted, error) {
	f := folding{c: s.base.compactor(), maxBytes: maxBytes}
	read := after
	for !f.full {
		batches, err := s.Read(origin, read, min(maxBytes, streamWork))
		if err != nil && read == after {
			return nil, err
		}
		if len(batches) == 0 || err != nil {
			break
		}
		for _, b := range batches {
			if f.full {
				break
			}
			if err := f.add(b); err != nil {
				return nil, fmt.Errorf("compact %v: %w", origin.At(read+1), err)
			}
		}
		read = f.c.Last()
	}
	if read == after {
		return nil, fmt.Errorf("nothing of %v follows number %d: %w", origin, after, fault.ErrNotFound)
	}
	return f.c.Finish()
}

// folding adds batches to a range until it's full.
type folding struct {
	c        *engine.Compactor
	maxBytes int
	work     int  // bytes of the batches so far
	size     int  // when it was looked at last
	look     int  // from which on the size is looked at, since that costs about as much as folding so much
	full     bool // one more batch might be too much
}

func (f *folding) add(batch []byte) error {
	if err := f.c.Add(batch); err != nil {
		return err
	}
	f.work += len(batch)
	if f.work < f.look {
		return nil
	}
	size := f.c.Size()
	f.size = size
	f.full = size >= f.maxBytes || f.work >= rangeWork
	room := float64(max(f.maxBytes-size, 0)) * float64(f.work) / float64(size)
	f.look = f.work + max(int(room/2), foldStep)
	return nil
}

// foldStep is how many bytes of batches are folded at least between two looks at the size.
const foldStep = 32 << 10

// compactor returns one that keeps the requests that may still be tried again.
func (b *Base) compactor() *engine.Compactor {
	horizon := time.Duration(b.opts.Retention.Horizon()) * time.Millisecond
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.Engine.Compactor(hlc.Make(max(b.opts.Now().Add(-horizon).UnixMilli(), 0), 0))
}
