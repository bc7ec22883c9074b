package wal

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/vfs"
)

// writer is the end of the log: the last file and what goes into it next. It belongs to the goroutine that writes.
type writer struct {
	file     vfs.File
	segment  *segment
	offset   int64 // where the next write goes; a multiple of 8
	prologue int64 // length of the first record; 0 when the file wasn't begun by this process
	unproven bool  // there are records that no mark covers
	markDue  bool  // there are, and all of them are durable
	unsynced bool  // something was written since the last sync

	buf     []byte    // records not yet written
	pending []pending // the same, for the index
}

type pending struct {
	record record // without data, unless it is the log's own
	offset int64
}

// category labels the log's writes for file systems that count them.
const category vfs.Category = "tidal-wal"

// flushBytes bounds the buffer of one write.
const flushBytes = 1 << 20

// put adds a record to the buffer. A due mark goes first: it must be the first record of the first write after a
// sync, or recovery couldn't take it for a proof.
func (w *writer) put(r record) {
	w.mark()
	r.sequence = w.segment.header.sequence
	at := w.end()
	w.buf = appendRecord(w.buf, r)
	if r.kind.entry() {
		r.data = nil // the caller's; the index doesn't need it
	}
	w.pending = append(w.pending, pending{record: r, offset: at})
	w.unproven = true
}

// mark adds the mark that is due, if one is.
func (w *writer) mark() {
	if !w.markDue {
		return
	}
	if len(w.buf) > 0 {
		panic("wal: mark is due in the middle of a write")
	}
	w.buf = appendRecord(w.buf, markAt(w.segment.header.sequence, w.offset, w.offset))
	w.markDue, w.unproven = false, false
}

// end is the offset behind the buffered records.
func (w *writer) end() int64 { return w.offset + int64(len(w.buf)) }

// flush writes the buffer and moves the index. Nothing is durable yet.
func (l *Log) flush() error {
	w := &l.writer
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := w.file.WriteAt(w.buf, w.offset); err != nil {
		return l.fail("write "+w.segment.name, err)
	}
	w.offset += int64(len(w.buf))
	w.unsynced = true
	l.mu.Lock()
	w.segment.length = w.offset
	for _, p := range w.pending {
		l.follow(p)
	}
	l.mu.Unlock()
	w.pending = w.pending[:0]
	if w.buf = w.buf[:0]; cap(w.buf) > 2*flushBytes+MaxEntryBytes {
		w.buf = nil
	}
	return nil
}

// follow adds a written record to the index; l.mu is held.
func (l *Log) follow(p pending) {
	r := p.record
	if r.kind.entry() || r.kind == KindTruncation {
		l.supersede(r.index)
	}
	if why := l.index.add(r, p.offset); why != "" {
		panic("wal: wrote a record that can't be read back: " + why)
	}
}

// supersede tells everyone that the entries from an index on are void; l.mu is held.
func (l *Log) supersede(from uint64) {
	if from > l.index.last {
		return
	}
	l.durable = min(l.durable, from-1)
	l.superseded++
	for t := range l.tails {
		t.stepBack(from)
	}
}

// sync makes the last file durable and moves the durable index.
func (l *Log) sync() error {
	w := &l.writer
	if !w.unsynced {
		return nil
	}
	if err := w.file.SyncData(); err != nil {
		return l.fail("sync "+w.segment.name, err)
	}
	w.unsynced, w.markDue = false, w.unproven
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.durable != l.index.last {
		l.durable = l.index.last
		l.announce()
	}
	return nil
}

// roll goes on in a new file that begins at index first, behind an entry of the given term; entries from there on are
// void. The old file is durable before the new one exists, and the new one's first record before anything follows it.
func (l *Log) roll(first, term uint64, restart bool) error {
	if err := l.flush(); err != nil {
		return err
	}
	if err := l.sync(); err != nil {
		return err
	}
	w := &l.writer
	h := segmentHeader{
		identity: l.options.Identity, sequence: 1, first: first, term: term, restart: restart,
		hardState: l.index.hardState,
	}
	if restart {
		h.hardState = committed(h.hardState, first-1, term)
	}
	if prev := w.segment; prev != nil {
		h.sequence = prev.header.sequence + 1
		h.prevFirst, h.prevLength = prev.header.first, uint64(prev.length)
	}
	file, s, err := createSegment(l.fs, l.options.Dir, h, l.options.SegmentBytes)
	if err != nil {
		return l.fail("create segment", err)
	}
	if w.file != nil {
		if err := w.file.Close(); err != nil {
			_ = file.Close()
			return l.fail("close "+w.segment.name, err)
		}
	}
	*w = writer{
		file: file, segment: s, offset: s.length, prologue: s.length, unproven: true, markDue: true,
		buf: w.buf[:0], pending: w.pending[:0],
	}
	l.mu.Lock()
	l.supersede(first)
	why := l.index.begin(s)
	if restart {
		l.durable = l.index.last
		l.announce()
	}
	l.mu.Unlock()
	if why != "" {
		panic("wal: began a file that can't be read back: " + why)
	}
	return nil
}

// createSegment makes a file of zeros with its first record and its name durable. The zeros are written, not only
// reserved: later syncs then change no metadata, and a full disk shows here and not in the middle of a file.
func createSegment(
	fsys vfs.FS, dir string, h segmentHeader, bytes int64,
) (_ vfs.File, _ *segment, err error) {
	s := &segment{name: h.name(false), header: h}
	if _, err := fsys.Stat(fsys.PathJoin(dir, s.name)); err == nil {
		s.name = h.name(true)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("stat %s: %w", s.name, err)
	}
	file, err := fsys.OpenReadWrite(fsys.PathJoin(dir, s.name), category)
	if err != nil {
		return nil, nil, fmt.Errorf("create %s: %w", s.name, err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	// Some file systems can't reserve; those that can lay the file out in one piece.
	_ = file.Preallocate(0, bytes)
	chunk := make([]byte, min(bytes, flushBytes))
	for at := int64(0); at < bytes; at += int64(len(chunk)) {
		clear(chunk) // WriteAt may have changed it
		if _, err := file.WriteAt(chunk[:min(bytes-at, int64(len(chunk)))], at); err != nil {
			return nil, nil, fmt.Errorf("fill %s: %w", s.name, err)
		}
	}
	first := appendRecord(nil, h.record())
	s.length = int64(len(first))
	if _, err := file.WriteAt(first, 0); err != nil {
		return nil, nil, fmt.Errorf("write %s: %w", s.name, err)
	}
	if err := file.Sync(); err != nil {
		return nil, nil, fmt.Errorf("sync %s: %w", s.name, err)
	}
	if planted.NoDirSync {
		return file, s, nil
	}
	if err := vfs.SyncDir(fsys, dir); err != nil {
		return nil, nil, err
	}
	return file, s, nil
}
