package wal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
)

// Record is one valid record as it stands in a file.
type Record struct {
	// File is the name within the directory, Offset where the record begins, Length that of the payload.
	File   string
	Offset int64
	Length int
	// Segment is what the file is called elsewhere. A log doesn't know incarnations: that is 0.
	Segment id.Segment
	// Kind, Term and Index are the header's. A hard state has its commit as index.
	Kind        Kind
	Term, Index uint64
	// Data is the payload. It must not be kept or changed.
	Data []byte
}

// Scan calls visit for each record of the log in dir, in order, superseded ones included; an error of visit ends the
// scan and is returned. Scan takes no lock and changes nothing. Like [Open] it ends without an error at a torn
// tail, and with a *[fault.Corrupt] at damage, after everything in front of it was visited.
func Scan(fsys vfs.FS, dir string, visit func(Record) error) error {
	var stop error
	_, err := load(fsys, dir, nil, func(s *segment, r record, offset int64) {
		if stop == nil {
			stop = visit(Record{
				File: s.name, Offset: offset, Length: len(r.data), Segment: s.header.id(),
				Kind: r.kind, Term: r.term, Index: r.index, Data: r.data,
			})
		}
	})
	if stop != nil {
		return stop
	}
	return err
}

// Report is what [Verify] found.
type Report struct {
	// Recovery is what Open would return.
	Recovery
	// Identity is whose log it is.
	Identity Identity
	// Bytes is the length of all valid records, Records and Entries their number, superseded ones included.
	Bytes            int64
	Records, Entries int64
	// Unused names the files whose creation a crash interrupted; the next Open removes them.
	Unused []string
}

// Verify reads every byte of the log in dir, as [Open] does, without taking the lock or changing anything. With
// a *[fault.Corrupt] the report covers what precedes the damage. Without files the error is [fault.ErrNotFound].
func Verify(fsys vfs.FS, dir string) (Report, error) {
	var r Report
	ld, err := load(fsys, dir, nil, func(_ *segment, rec record, _ int64) {
		r.Records++
		if rec.kind.entry() {
			r.Entries++
		}
	})
	if ld == nil {
		return r, err
	}
	if err == nil && !ld.started {
		return r, fmt.Errorf("no log in %s: %w", dir, fault.ErrNotFound)
	}
	r.Recovery, r.Unused = ld.recovery(), ld.unused
	for i, s := range ld.index.segments {
		if i == 0 {
			r.Identity = s.header.identity
		}
		r.Bytes += s.length
	}
	return r, err
}

// Dump writes one line for each file of the log in dir, one for each record, and one for how the log ends. What it returns is
// what [Scan] returns; damage is also the last line. A file's line has the segment's id, if incarnation says by the file's name
// under which one its own entries were stamped; nil leaves the ids out.
func Dump(fsys vfs.FS, dir string, incarnation func(file string) id.Incarnation, w io.Writer) error {
	out := bufio.NewWriter(w)
	file := ""
	ld, err := load(fsys, dir, nil, func(s *segment, r record, offset int64) {
		if s.name != file {
			file = s.name
			fmt.Fprintln(out, fileLine(s, incarnation))
		}
		fmt.Fprintf(out, "%10d  %-13v  term %d  index %d  length %d  crc ok%s\n",
			offset, r.kind, r.term, r.index, len(r.data), details(s, r))
	})
	if ld != nil {
		if e := ld.ending; e.torn > 0 {
			fmt.Fprintf(out, "%10d  torn tail of %d bytes: %s\n", e.end, e.torn, e.why)
		}
		for _, name := range ld.unused {
			fmt.Fprintf(out, "%s\n%10s  never used\n", name, "")
		}
	}
	var c *fault.Corrupt
	if errors.As(err, &c) {
		fmt.Fprintf(out, "%s\n%10d  DAMAGED: %s\n", c.File, c.Offset, c.Reason)
	}
	if ferr := out.Flush(); err == nil && ferr != nil {
		err = fmt.Errorf("write dump: %w", ferr)
	}
	return err
}

// fileLine begins what is said of a file.
func fileLine(s *segment, incarnation func(file string) id.Incarnation) string {
	if incarnation == nil {
		return s.name
	}
	named := s.header.id()
	named.Origin.Incarnation = incarnation(s.name)
	return fmt.Sprintf("%s  segment %v", s.name, named)
}

// details is what a record says beside its header's fields.
func details(s *segment, r record) string {
	var b strings.Builder
	switch r.kind {
	case KindSegment:
		h := &s.header
		fmt.Fprintf(&b, "  number %d  %v", h.sequence, h.identity)
		if h.sequence > 1 {
			fmt.Fprintf(&b, "  after %d bytes of the file from %d", h.prevLength, h.prevFirst)
		}
		if h.restart {
			b.WriteString("  restart")
		}
	case KindHardState:
		hs := r.hardState()
		fmt.Fprintf(&b, "  vote %d  commit %d", hs.Vote, hs.Commit)
	}
	return b.String()
}
