package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
)

// FirstIndex returns the index of the first entry, present or to come; 1 for a new log.
func (l *Log) FirstIndex() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.index.base
}

// LastIndex returns the index of the last entry appended, durable or not; FirstIndex−1 when there is none.
func (l *Log) LastIndex() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.index.last
}

// DurableIndex returns the index of the last entry that a successful [Log.Sync] covered.
func (l *Log) DurableIndex() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.durable
}

// HardState returns the last one appended, durable or not.
func (l *Log) HardState() HardState {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.index.hardState
}

// Term returns the term of entry i, from FirstIndex−1 to LastIndex; outside, the error is [fault.ErrNotFound].
func (l *Log) Term(i uint64) (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	term, ok := l.index.term(i)
	if !ok {
		return 0, fmt.Errorf("term of entry %d of %d to %d: %w", i, l.index.base, l.index.last, fault.ErrNotFound)
	}
	return term, nil
}

// Entries returns the entries from lo up to, but without, hi: at least one, and then as many as have at most maxBytes
// of data in all; sometimes fewer. The caller owns them. The checksums are verified again; a record that changed
// since Open is a *[fault.Corrupt]. Outside of FirstIndex to LastIndex+1, the error is [fault.ErrNotFound].
func (l *Log) Entries(lo, hi uint64, maxBytes int) ([]Entry, error) {
	if lo > hi {
		panic(fmt.Sprintf("wal: entries from %d to %d", lo, hi))
	}
	var out []Entry
	for at := lo; at < hi; {
		span, err := l.locate(at, hi, maxBytes)
		if err != nil {
			return nil, err
		}
		entries, err := l.read(span)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if maxBytes -= len(e.Data); maxBytes < 0 && len(out) > 0 {
				return out, nil
			}
			out = append(out, e)
		}
		if maxBytes <= 0 {
			return out, nil
		}
		at += uint64(len(entries))
	}
	return out, nil
}

// span is a run of entries within one file.
type span struct {
	name     string
	sequence uint32
	first    uint64
	offsets  []uint32 // of the entries
	end      int64    // at or behind the end of the last one
}

// locate returns the run that begins at entry lo, at most up to hi, the end of the file, or about maxBytes.
func (l *Log) locate(lo, hi uint64, maxBytes int) (span, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.closed:
		return span{}, fmt.Errorf("read entry %d: %w", lo, fault.ErrClosed)
	case lo < l.index.base || hi > l.index.last+1:
		return span{}, fmt.Errorf("read entries %d to %d of %d to %d: %w",
			lo, hi-1, l.index.base, l.index.last, fault.ErrNotFound)
	}
	s := l.index.find(lo)
	from := int(lo - s.first)
	to := from + 1
	limit := int(min(hi-s.first, uint64(len(s.offsets))))
	start := int64(s.offsets[from]) * align
	for to < limit && int64(s.offsets[to])*align-start <= int64(maxBytes) {
		to++
	}
	end := s.length
	if to < len(s.offsets) {
		end = int64(s.offsets[to]) * align
	} else {
		// Hard states and superseded entries may follow the last entry; an entry is never longer than this.
		end = min(end, int64(s.offsets[to-1])*align+size(MaxEntryBytes))
	}
	return span{
		name: s.name, sequence: s.header.sequence, first: lo, offsets: slices.Clone(s.offsets[from:to]), end: end,
	}, nil
}

// read reads a run of entries and checks that they are what the index says.
func (l *Log) read(sp span) ([]Entry, error) {
	path := l.fs.PathJoin(l.options.Dir, sp.name)
	f, err := l.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read entry %d: %s was released: %w", sp.first, sp.name, fault.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read entry %d: %w", sp.first, err)
	}
	defer func() { _ = f.Close() }() // reading is all that was done
	start := int64(sp.offsets[0]) * align
	b := make([]byte, sp.end-start)
	n, err := f.ReadAt(b, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	b = b[:n]
	out := make([]Entry, 0, len(sp.offsets))
	for i, offset := range sp.offsets {
		at := int64(offset) * align
		want := sp.first + uint64(i)
		if at-start > int64(len(b)) {
			return nil, fault.Damaged(path, at, "file ends in front of entry %d", want)
		}
		r, _, v, why := decodeRecord(b[at-start:], sp.sequence)
		if v != whole {
			return nil, fault.Damaged(path, at, "entry %d: %s", want, why)
		}
		if !r.kind.entry() || r.index != want {
			return nil, fault.Damaged(path, at, "entry %d was here, now a %v record with index %d is", want, r.kind, r.index)
		}
		out = append(out, Entry{Kind: r.kind, Term: r.term, Index: r.index, Data: r.data})
	}
	return out, nil
}

// BytesFrom returns how much of the log's files lies from an entry on: the entry itself and all behind it. It's 0 behind
// the last entry, and all of it in front of the first.
func (l *Log) BytesFrom(i uint64) int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if i > l.index.last {
		return 0
	}
	total := int64(0)
	for _, s := range l.index.segments {
		n := uint64(len(s.offsets))
		switch {
		case n == 0 || s.first+n <= i:
		case s.first >= i:
			total += s.length
		default:
			total += s.length - int64(s.offsets[i-s.first])*align
		}
	}
	return total
}

// Begins reports whether an entry is the first of its file.
func (l *Log) Begins(i uint64) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for n := len(l.index.segments) - 1; n >= 0; n-- {
		if s := l.index.segments[n]; len(s.offsets) > 0 && s.first <= i {
			return s.first == i
		}
	}
	return false
}

// File is one file of a log.
type File struct {
	Name string
	// First and Last are its entries, Last = First−1 for none. What later entries superseded doesn't count.
	First, Last uint64
	// Bytes is how much of it is written.
	Bytes int64
}

// Files returns the log's files, the oldest first. All but the last are sealed.
func (l *Log) Files() []File {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]File, len(l.index.segments))
	first := l.index.base
	for i, s := range l.index.segments {
		f := File{Name: s.name, First: first, Last: first - 1, Bytes: s.length}
		if n := len(s.offsets); n > 0 {
			f.First, f.Last = s.first, s.first+uint64(n)-1
			first = f.Last + 1
		}
		out[i] = f
	}
	return out
}
