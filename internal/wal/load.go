package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/vfs"
)

// maxFile is the largest file that can be a segment: the largest configured size and one entry that didn't fit.
const maxFile = maxSegmentBytes + 2*MaxEntryBytes

// loaded is what a directory holds, read and judged, nothing changed.
type loaded struct {
	index   index
	unused  []string // files whose creation never became durable
	tail    []byte   // bytes of the last file
	ending  ending   // of the last file
	started bool     // there is at least one file
}

// visitor is called for each valid record in order.
type visitor func(s *segment, r record, offset int64)

// load reads the log in dir. A nil want accepts any identity as long as all files agree. visit may be nil; it is
// also called for what precedes the damage that load returns as *[fault.Corrupt], together with that part of the log.
func load(fsys vfs.FS, dir string, want *Identity, visit visitor) (*loaded, error) {
	segments, unused, err := loadHeaders(fsys, dir, want)
	if err != nil {
		return nil, err
	}
	ld := &loaded{unused: unused, started: len(segments) > 0}
	for i, s := range segments {
		path := fsys.PathJoin(dir, s.name)
		last := i+1 == len(segments)
		var gap error
		if !last {
			next := segments[i+1]
			gap = follows(fsys.PathJoin(dir, next.name), next, s, unused)
		}
		var data []byte
		if last || gap != nil {
			data, err = ld.readLast(fsys, path, s)
		} else {
			data, err = readSealed(fsys, path, segments[i+1])
		}
		// An error of the replay concerns bytes in front of those that the reading stumbled over.
		if bad := ld.replay(path, s, data, visit); bad != nil {
			return ld, bad
		}
		if err != nil {
			return ld, err
		}
		if gap != nil {
			return ld, gap
		}
	}
	return ld, nil
}

// loadHeaders reads the first record of each file and returns the files in order of creation, and the names of
// those that were never used.
func loadHeaders(fsys vfs.FS, dir string, want *Identity) (segments []*segment, unused []string, err error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("list %s: %w", dir, err)
	}
	slices.Sort(names)
	var unreadable []error
	for _, name := range names {
		if !isSegmentName(name) {
			continue
		}
		path := fsys.PathJoin(dir, name)
		h, err := readHeader(fsys, path)
		if errors.Is(err, fault.ErrCorrupt) {
			unused, unreadable = append(unused, name), append(unreadable, err)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if want == nil {
			want = &h.identity
		}
		if h.identity != *want {
			return nil, nil, fmt.Errorf("%s belongs to %v, not to %v: %w", path, h.identity, *want, fault.ErrForeign)
		}
		if name != h.name(false) && name != h.name(true) {
			return nil, nil, fault.Damaged(path, 0, "file was renamed; it was created as %s", h.name(false))
		}
		segments = append(segments, &segment{name: name, header: h})
	}
	slices.SortFunc(segments, func(a, b *segment) int { return int(int64(a.header.sequence) - int64(b.header.sequence)) })
	longest := size(headerFixed + id.MaxLen)
	if want != nil {
		longest = size(headerFixed + len(want.Tenant))
	}
	for i, name := range unused {
		if err := neverUsed(fsys, fsys.PathJoin(dir, name), segments, longest, unreadable[i]); err != nil {
			return nil, nil, err
		}
	}
	if n := len(segments) - 1; planted.LoseSegment && n > 0 {
		segments, unused = segments[:n], append(unused, segments[n].name)
	}
	return segments, unused, nil
}

func readHeader(fsys vfs.FS, path string) (segmentHeader, error) {
	b, err := readFile(fsys, path, size(headerFixed+1<<16))
	if err != nil {
		return segmentHeader{}, err
	}
	return decodeSegmentHeader(path, b)
}

// neverUsed returns why the file can't be disregarded. A file whose creation was interrupted holds zeros and perhaps a
// part of its first record, which has at most longest bytes. With anything behind that it was in use, and so was one
// of which any record can be read; but records with the number of another file are leftovers of the file system.
func neverUsed(fsys vfs.FS, path string, segments []*segment, longest int64, why error) error {
	data, err := readFile(fsys, path, maxFile)
	if err != nil {
		return err
	}
	at, used := findRecord(data, func(sequence uint32) bool {
		return !slices.ContainsFunc(segments, func(s *segment) bool { return s.header.sequence == sequence })
	})
	proof := "record"
	if rest := data[min(longest, int64(len(data))):]; !used && !allZero(rest) {
		at, used, proof = int64(len(data)-len(bytes.TrimLeft(rest, "\x00"))), true, "data"
	}
	if !used {
		return nil
	}
	var c *fault.Corrupt
	if errors.As(why, &c) {
		return fault.Damaged(path, 0, "%s; the %s at offset %d proves that the file was in use", c.Reason, proof, at)
	}
	return why
}

// follows checks that nothing is missing between two files.
func follows(path string, s, prev *segment, unused []string) error {
	h, p := &s.header, &prev.header
	switch {
	case h.sequence == p.sequence:
		return fault.Damaged(path, 0, "file has number %d, as %s has", h.sequence, prev.name)
	case h.sequence != p.sequence+1:
		return fault.Damaged(path, 0, "file has number %d and follows number %d (%s); files between are missing %q",
			h.sequence, p.sequence, prev.name, unused)
	case h.prevFirst != p.first:
		return fault.Damaged(path, 0, "file follows one that begins at index %d, not %s", h.prevFirst, prev.name)
	}
	return nil
}

// readSealed returns the valid bytes of a file that has a successor. With damage it returns what precedes it too.
func readSealed(fsys vfs.FS, path string, next *segment) ([]byte, error) {
	data, err := readFile(fsys, path, maxFile)
	if err != nil {
		return nil, err
	}
	if next.header.prevLength > uint64(len(data)) {
		err = fault.Damaged(path, int64(len(data)), "file ends here, %s says that %d bytes are valid",
			next.name, next.header.prevLength)
	} else {
		data = data[:next.header.prevLength]
	}
	end, v, why := walk(data, next.header.sequence-1, func(record, int64) {})
	switch {
	case v == newer:
		return data[:end], tooNew(path, end, why)
	case end == 0:
		return nil, fault.Damaged(path, 0, "%s says that %d bytes are valid, less than the segment record",
			next.name, next.header.prevLength)
	case end == int64(len(data)):
		return data, err
	case why == "":
		why = "zeros where a record should begin"
	}
	return data[:end], fault.Damaged(path, end, "%s; %s says that the file was durable up to %d",
		why, next.name, next.header.prevLength)
}

// readLast returns the valid bytes of the last file and notes how it ends. A process that writes at the same time
// can show its bytes out of order; so damage is believed only when a second reading finds the same bytes.
func (ld *loaded) readLast(fsys vfs.FS, path string, s *segment) ([]byte, error) {
	var before []byte
	for {
		data, err := readFile(fsys, path, maxFile)
		if err != nil {
			return nil, err
		}
		e, v := examine(data, s.header.sequence)
		if v == whole {
			ld.tail, ld.ending = data, e
			return data[:e.end], nil
		}
		if !slices.Equal(before, data) {
			before = data
			continue
		}
		if v == newer {
			return data[:e.end], tooNew(path, e.end, e.why)
		}
		return data[:e.end], fault.Damaged(path, e.end, "%s", e.why)
	}
}

// replay adds the records of a file to the index.
func (ld *loaded) replay(path string, s *segment, data []byte, visit visitor) error {
	if len(data) == 0 {
		return nil // the file couldn't be read
	}
	s.length = int64(len(data))
	if why := ld.index.begin(s); why != "" {
		return fault.Damaged(path, 0, "%s", why)
	}
	var bad error
	walk(data, s.header.sequence, func(r record, offset int64) {
		if bad != nil {
			return
		}
		if why := ld.index.add(r, offset); why != "" {
			bad = fault.Damaged(path, offset, "%s", why)
			return
		}
		if visit != nil {
			visit(s, r, offset)
		}
	})
	return bad
}

// readFile returns the first limit bytes of a file; one that is larger than any segment is refused.
func readFile(fsys vfs.FS, path string, limit int64) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = f.Close() }() // reading is all that was done
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat %s: %w", path, err)
	}
	if info.Size() > maxFile {
		return nil, fault.Damaged(path, 0, "file has %d bytes, no segment has more than %d", info.Size(), int64(maxFile))
	}
	data := make([]byte, min(info.Size(), limit))
	n, err := f.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data[:n], nil
}
