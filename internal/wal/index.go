package wal

import (
	"fmt"
	"sort"

	"github.com/tidaldb/tidal/internal/planted"
)

// index is the live view of the log: which entry is where, with what was superseded left out. It is built by adding
// records in order, at replay and at append alike, so both arrive at the same view.
type index struct {
	base      uint64 // index of the first entry, present or to come
	baseTerm  uint64 // term of the entry before it
	last      uint64 // base−1 when there are no entries
	hardState HardState
	segments  []*segment // in order of creation
	runs      []termRun  // terms of the entries from base to last
}

// segment is one file. The live entries of a file have consecutive indexes, and those of a later file follow those
// of an earlier one: whatever a later record supersedes is dropped from all files before.
type segment struct {
	name    string
	header  segmentHeader
	length  int64    // valid bytes
	first   uint64   // index of the entry at offsets[0]
	offsets []uint32 // where the live entries begin, in units of 8 bytes
}

// termRun says that the entries from an index on, up to the next run, have a term.
type termRun struct {
	from, term uint64
}

// begin adds a file; it voids the entries from its first index on. It returns what is wrong with its place in the log,
// or "".
func (x *index) begin(s *segment) string {
	h := &s.header
	switch {
	case len(x.segments) == 0 || h.restart || h.first < x.base:
		// The last case: the files that held the entries below were released, and this one supersedes the rest.
		x.clear(h.first, h.term)
	case h.first > x.last+1:
		return fmt.Sprintf("file begins at index %d, the entries before it end at %d", h.first, x.last)
	default:
		if term, _ := x.term(h.first - 1); term != h.term {
			return fmt.Sprintf("file follows term %d, the entry before it has term %d", h.term, term)
		}
		x.truncate(h.first)
	}
	x.hardState = h.hardState
	x.segments = append(x.segments, s)
	return ""
}

// committed raises a hard state to what a restart of the log behind an index says: that entry is committed.
func committed(hs HardState, index, term uint64) HardState {
	if term > hs.Term {
		hs.Term, hs.Vote = term, 0
	}
	hs.Commit = max(hs.Commit, index)
	return hs
}

// add applies a record that stands at offset of the newest file. It returns what is wrong with it, or "".
func (x *index) add(r record, offset int64) string {
	switch {
	case r.kind.entry():
		if r.index < x.base || r.index > x.last+1 {
			return fmt.Sprintf("entry %d comes where entries %d to %d may", r.index, x.base, x.last+1)
		}
		if planted.KeepConflict && r.index <= x.last {
			x.truncate(r.index + 1)
			return ""
		}
		x.truncate(r.index)
		x.push(r.index, r.term, offset)
	case r.kind == KindHardState:
		x.hardState = r.hardState()
	case r.kind == KindTruncation:
		if r.index < x.base || r.index > x.last {
			return fmt.Sprintf("entries from %d on are voided, but the log holds %d to %d", r.index, x.base, x.last)
		}
		x.truncate(r.index)
	}
	return ""
}

func (x *index) push(i, term uint64, offset int64) {
	s := x.segments[len(x.segments)-1]
	if len(s.offsets) == 0 {
		s.first = i
	}
	s.offsets = append(s.offsets, uint32(offset/align))
	if n := len(x.runs); n == 0 || x.runs[n-1].term != term {
		x.runs = append(x.runs, termRun{i, term})
	}
	x.last = i
}

// truncate drops the entries from an index on.
func (x *index) truncate(from uint64) {
	if from > x.last {
		return
	}
	for n := len(x.segments) - 1; n >= 0; n-- {
		s := x.segments[n]
		if len(s.offsets) == 0 {
			continue
		}
		if s.first < from {
			s.offsets = s.offsets[:min(uint64(len(s.offsets)), from-s.first)]
			break
		}
		s.offsets = nil
	}
	for n := len(x.runs); n > 0 && x.runs[n-1].from >= from; n-- {
		x.runs = x.runs[:n-1]
	}
	x.last = from - 1
}

// clear drops all entries; the log goes on at first.
func (x *index) clear(first, termBefore uint64) {
	for _, s := range x.segments {
		s.offsets = nil
	}
	x.base, x.baseTerm, x.last, x.runs = first, termBefore, first-1, nil
}

// term returns the term of an entry, or of the one before the first.
func (x *index) term(i uint64) (uint64, bool) {
	if i+1 == x.base {
		return x.baseTerm, true
	}
	if i < x.base || i > x.last {
		return 0, false
	}
	n := sort.Search(len(x.runs), func(n int) bool { return x.runs[n].from > i })
	return x.runs[n-1].term, true
}

// find returns the file that holds entry i, which must be live. The newest files are asked most.
func (x *index) find(i uint64) *segment {
	for n := len(x.segments) - 1; n >= 0; n-- {
		s := x.segments[n]
		if len(s.offsets) > 0 && s.first <= i {
			return s
		}
	}
	panic(fmt.Sprintf("wal: entry %d of %d to %d is in no file", i, x.base, x.last))
}

// dropFront forgets the n oldest files, n > 0; none of their entries may be wanted any more. The first index of a file
// that has files before it is never below base, nor above last+1 once entries follow, so base only rises.
func (x *index) dropFront(n int) {
	x.segments = append([]*segment(nil), x.segments[n:]...)
	h := &x.segments[0].header
	x.base, x.baseTerm = h.first, h.term
	for len(x.runs) > 1 && x.runs[1].from <= x.base {
		x.runs = x.runs[1:]
	}
	switch {
	case x.last < x.base:
		x.runs = nil
	default:
		x.runs[0].from = max(x.runs[0].from, x.base)
	}
}
