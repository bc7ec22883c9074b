package backup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/wal"
)

// Frame is one frame that was read, and is sound.
type Frame struct {
	Part Part
	// Payload is valid until the next one is read. Entries are those in it, if it is of the log; their data aliases it.
	Payload []byte
	Entries []wal.Entry
	// Offset is where the frame begins in the stream, in bytes.
	Offset int64
}

// Reader reads a backup, and checks all of it on the way. It buffers, so it may read from the stream below beyond what
// it hands out.
type Reader struct {
	from     *bufio.Reader
	sealer   sealer
	offset   int64
	buffer   []byte
	last     Part
	sums     sums
	head     Head
	manifest Manifest
	next     uint64 // entry of the log that is due
	term     uint64 // of the entry before it
	entries  uint64
	ended    bool
}

// NewReader reads the head. What isn't a backup, or is damaged, is a *fault.Corrupt that names the part and the offset in
// the stream; a newer program's is [fault.ErrFormatTooNew]. Failures of the stream itself are returned as they are.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{from: bufio.NewReaderSize(from, 64<<10)}
	f, err := r.frame()
	if err != nil {
		return nil, err
	}
	if f.Part != PartHead {
		return nil, fault.Damaged(inPart(f.Part), f.Offset, "it stands where the head should")
	}
	if r.head, err = decodeHead(f.Payload); err != nil {
		return nil, err
	}
	r.next, r.term = r.head.After+1, r.head.AfterTerm
	return r, nil
}

// Head returns the head.
func (r *Reader) Head() Head { return r.head }

// Manifest returns the manifest, once [Reader.Next] has returned io.EOF.
func (r *Reader) Manifest() Manifest { return r.manifest }

// Offset is how much was read and checked, in bytes.
func (r *Reader) Offset() int64 { return r.offset }

// Next returns the next frame of keys, store or log. Behind the last one, when the manifest was found to fit all that
// came before and the stream ended there, the error is io.EOF; then, and only then, the backup is whole.
func (r *Reader) Next() (Frame, error) {
	if r.ended {
		return Frame{}, io.EOF
	}
	f, err := r.frame()
	if err != nil {
		return f, err
	}
	switch {
	case f.Part < r.last || f.Part > PartManifest || f.Part == r.last && f.Part.single() || f.Part == PartHead:
		return f, fault.Damaged(inPart(f.Part), f.Offset, "it comes behind part %v", r.last)
	case f.Part == PartLog:
		err = r.log(&f)
	case f.Part == PartManifest:
		if err = r.end(&f); err == nil {
			return Frame{}, io.EOF
		}
	}
	r.last = f.Part
	return f, placed(err, f.Offset+frameHeader)
}

// frame reads a frame and checks its hash. A reader that failed stays where it failed.
func (r *Reader) frame() (Frame, error) {
	f := Frame{Offset: r.offset}
	r.buffer = slices.Grow(r.buffer[:0], frameHeader)[:frameHeader]
	if err := r.fill(r.buffer); err != nil {
		return f, err
	}
	p, number, length, err := header(r.buffer, f.Offset)
	if err != nil {
		return f, err
	}
	f.Part = p
	// A length that was damaged must not take memory that the stream doesn't fill.
	for have := frameHeader; have < frameHeader+length+frameHash; have = len(r.buffer) {
		step := min(frameHeader+length+frameHash-have, 1<<20)
		r.buffer = slices.Grow(r.buffer, step)[:have+step]
		if err := r.fill(r.buffer[have:]); err != nil {
			return f, err
		}
	}
	if number != r.sealer.number {
		return f, fault.Damaged(inPart(p), f.Offset, "frame %d stands where %d is due", number, r.sealer.number)
	}
	body := r.buffer[:frameHeader+length]
	r.sealer.follow(body)
	if string(r.sealer.chain[:]) != string(r.buffer[len(body):]) {
		return f, fault.Damaged(inPart(p), f.Offset, "frame %d has another hash than it says", number)
	}
	f.Payload = body[frameHeader:]
	if p < PartManifest {
		r.sums.add(p, f.Payload)
	}
	r.offset += int64(len(r.buffer))
	return f, nil
}

// fill reads bytes that must be there: the buffer, or its end.
func (r *Reader) fill(b []byte) error {
	n, err := io.ReadFull(r.from, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Damaged(inBackup, r.offset, "the stream ends at byte %d, within frame %d and in front of its manifest",
			r.offset+int64(len(r.buffer)-len(b)+n), r.sealer.number)
	}
	if err != nil {
		return fmt.Errorf("read backup: %w", err)
	}
	return nil
}

// log reads entries, which follow each other.
func (r *Reader) log(f *Frame) (err error) {
	if f.Entries, err = decodeEntries(f.Payload); err != nil {
		return err
	}
	for i := range f.Entries {
		e := &f.Entries[i]
		if e.Index != r.next || e.Term < r.term {
			return fault.Damaged(inPart(PartLog), 0, "entry %d of term %d stands where %d of term %d or later is due",
				e.Index, e.Term, r.next, r.term)
		}
		r.next, r.term, r.entries = e.Index+1, e.Term, r.entries+1
	}
	return nil
}

// end reads the manifest and holds it against all that came before.
func (r *Reader) end(f *Frame) error {
	m, err := decodeManifest(f.Payload)
	if err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return fault.Damaged(inPart(PartManifest), 0, format, args...)
	}
	switch last := r.next - 1; {
	case !slices.Equal(m.Parts, r.sums.list()):
		return bad("the parts aren't those that came before")
	case m.Entries != r.entries:
		return bad("%d entries of the log, and %d came before", m.Entries, r.entries)
	case m.Applied != last || m.Term != r.term || m.Current < m.Term:
		return bad("it is of entry %d, term %d of %d, and what came before ends at entry %d, term %d", m.Applied, m.Term,
			m.Current, last, r.term)
	case r.head.Stored < r.head.After || r.head.Stored > last || r.head.Stored > 0 != (r.sums[PartStore].frames > 0):
		return bad("the checkpoint is of entry %d, and the log goes from %d to %d", r.head.Stored, r.head.After+1, last)
	}
	if _, err := r.from.ReadByte(); err == nil {
		return fault.Damaged(inBackup, r.offset, "something follows the manifest")
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read backup: %w", err)
	}
	r.manifest, r.ended = m, true
	return nil
}

// placed adds a frame's offset to that of damage within its payload.
func placed(err error, offset int64) error {
	var c *fault.Corrupt
	if !errors.As(err, &c) || c.File == inBackup {
		return err
	}
	return fault.Damaged(c.File, c.Offset+offset, "%s", c.Reason)
}
