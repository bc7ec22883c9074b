package wal

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
)

// Append writes entries in order, then the hard state if it isn't nil. Nothing is durable until [Log.Sync] returns;
// after a crash before that, the log holds some prefix of what was appended, entry by entry, the hard state last.
//
// The indexes are consecutive and begin at most one above the last index. When they begin below that, the entries
// from there on are superseded, as a Raft follower does with a suffix that conflicts; below [Log.FirstIndex] nothing
// can be. After a crash superseded entries may be gone although those that supersede them aren't there.
//
// A gap is our own mistake and panics. Data is copied. An entry longer than [MaxEntryBytes] is refused with a
// *[fault.Input], before anything is written; a full or failing disk is [fault.ErrDisk], and final.
func (l *Log) Append(entries []Entry, hs *HardState) error {
	if err := l.writable("append"); err != nil {
		return err
	}
	if err := l.check(entries); err != nil {
		return err
	}
	w := &l.writer
	for i := range entries {
		e := &entries[i]
		var before uint64
		if i > 0 {
			before = entries[i-1].Term
		} else {
			before, _ = l.index.term(e.Index - 1)
		}
		// A file holds no entry below its first, so that files can be released from the front.
		below := e.Index < w.segment.header.first
		if err := l.room(len(e.Data), below, e.Index, before); err != nil {
			return err
		}
		w.put(record{kind: e.Kind, term: e.Term, index: e.Index, data: e.Data})
	}
	if hs != nil {
		last, term := l.appended(entries)
		if err := l.room(hardStateLen, false, last+1, term); err != nil {
			return err
		}
		w.put(hardStateRecord(*hs))
	}
	return l.flush()
}

// appended returns the index and term of the last entry, written or about to be.
func (l *Log) appended(entries []Entry) (last, term uint64) {
	if n := len(entries); n > 0 {
		return entries[n-1].Index, entries[n-1].Term
	}
	term, _ = l.index.term(l.index.last)
	return l.index.last, term
}

// room sees to it that a record with n bytes of payload can be put: it rolls when the file is full, and writes when
// the buffer is.
func (l *Log) room(n int, always bool, first, term uint64) error {
	w := &l.writer
	need := size(n)
	if w.markDue {
		need += size(markLen)
	}
	if always || w.end()+need > l.options.SegmentBytes && w.end() > w.prologue {
		return l.roll(first, term, false)
	}
	if len(w.buf) > flushBytes {
		return l.flush()
	}
	return nil
}

// check refuses entries that can't be written and panics on those that show a mistake in the caller.
func (l *Log) check(entries []Entry) error {
	for i := range entries {
		e := &entries[i]
		if n := len(e.Data); n > MaxEntryBytes {
			return fmt.Errorf("append: %w", fault.At(i,
				fault.Refuse("data", "entry %d has %d bytes; the limit is %d", e.Index, n, MaxEntryBytes)))
		}
		switch {
		case !e.Kind.entry() || e.Kind == KindEmpty && len(e.Data) > 0:
			panic(fmt.Sprintf("wal: append of entry %d of kind %v with %d bytes", e.Index, e.Kind, len(e.Data)))
		case i > 0 && e.Index != entries[i-1].Index+1:
			panic(fmt.Sprintf("wal: append of entry %d behind entry %d", e.Index, entries[i-1].Index))
		case i == 0 && (e.Index < l.index.base || e.Index > l.index.last+1):
			panic(fmt.Sprintf("wal: append of entry %d to a log of %d to %d", e.Index, l.index.base, l.index.last))
		}
	}
	return nil
}

// Truncate voids the entries from an index on. Nothing is durable until [Log.Sync]. An index above the last one is
// without effect; one below [Log.FirstIndex] panics.
func (l *Log) Truncate(from uint64) error {
	if err := l.writable("truncate"); err != nil {
		return err
	}
	if from < l.index.base {
		panic(fmt.Sprintf("wal: truncation at %d of a log that begins at %d", from, l.index.base))
	}
	if from > l.index.last {
		return nil
	}
	term, _ := l.index.term(from - 1)
	if err := l.room(0, from < l.writer.segment.header.first, from, term); err != nil {
		return err
	}
	if from <= l.index.last { // or else a new file has voided them
		l.writer.put(record{kind: KindTruncation, index: from})
	}
	return l.flush()
}

// Sync makes everything appended so far durable. Many appends may share one Sync. A failure is [fault.ErrDisk] and
// final; what an earlier Sync covered stays durable.
func (l *Log) Sync() error {
	if err := l.writable("sync"); err != nil {
		return err
	}
	if err := l.flush(); err != nil {
		return err
	}
	return l.sync()
}

// Roll ends the present file, if it holds entries, and goes on in a new one, so that [Log.Release] can take it. The log
// does so by itself when a file is full.
func (l *Log) Roll() error {
	if err := l.writable("roll"); err != nil {
		return err
	}
	if err := l.flush(); err != nil {
		return err
	}
	if len(l.writer.segment.offsets) == 0 {
		return nil
	}
	term, _ := l.index.term(l.index.last)
	return l.roll(l.index.last+1, term, false)
}

// Mark writes the sync mark that the next append would begin with, without waiting for the disk. Once the mark is on
// disk, damage to what the last [Log.Sync] covered is recognised as such instead of being cut as a torn tail; so a
// driver calls it when it has answered and has nothing else to append.
func (l *Log) Mark() error {
	if err := l.writable("mark"); err != nil {
		return err
	}
	l.writer.mark()
	return l.flush()
}
