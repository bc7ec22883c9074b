package backup

import (
	"fmt"
	"io"

	"github.com/tidaldb/tidal/internal/wal"
	"github.com/zeebo/blake3"
)

// Writer writes a backup. Its calls come in the order of the parts. After an error it's of no use any more.
type Writer struct {
	to      io.Writer
	sealer  sealer
	scratch []byte
	entries []byte // that aren't in a frame yet
	count   uint64
	sums    sums
	bytes   int64
}

// NewWriter begins with the head.
func NewWriter(to io.Writer, h Head) (*Writer, error) {
	w := &Writer{to: to}
	return w, w.put(PartHead, h.encode())
}

// Keys writes the file KEYS.
func (w *Writer) Keys(b []byte) error { return w.put(PartKeys, b) }

// Chunk writes the next chunk of the checkpoint's snapshot.
func (w *Writer) Chunk(b []byte) error { return w.put(PartStore, b) }

// Entry writes the next entry of the log.
func (w *Writer) Entry(e *wal.Entry) error {
	w.entries = appendEntry(w.entries, e)
	w.count++
	if len(w.entries) < frameGoal {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	if len(w.entries) == 0 {
		return nil
	}
	err := w.put(PartLog, w.entries)
	w.entries = w.entries[:0]
	return err
}

// Close writes what is left, and the manifest, of which it knows Entries and Parts by itself. It doesn't close the
// stream below.
func (w *Writer) Close(m Manifest) (Manifest, error) {
	if err := w.flush(); err != nil {
		return m, err
	}
	m.Entries, m.Parts = w.count, w.sums.list()
	return m, w.put(PartManifest, m.encode())
}

// Bytes is how much was written.
func (w *Writer) Bytes() int64 { return w.bytes }

func (w *Writer) put(p Part, payload []byte) error {
	if len(payload) > maxPayload {
		panic(fmt.Sprintf("backup: frame of %d bytes in part %v", len(payload), p))
	}
	w.scratch = w.sealer.seal(w.scratch[:0], p, payload)
	if p != PartManifest {
		w.sums.add(p, payload)
	}
	n, err := w.to.Write(w.scratch)
	w.bytes += int64(n)
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// sums are those of the parts so far.
type sums [PartManifest]struct {
	frames, bytes uint64
	hash          *blake3.Hasher
}

func (s *sums) add(p Part, payload []byte) {
	x := &s[p]
	if x.hash == nil {
		x.hash = blake3.New()
	}
	x.hash.Write(payload)
	x.frames, x.bytes = x.frames+1, x.bytes+uint64(len(payload))
}

func (s *sums) list() (out []Sum) {
	for p := range s {
		if x := &s[p]; x.frames > 0 {
			sum := Sum{Part: Part(p), Frames: x.frames, Bytes: x.bytes}
			x.hash.Sum(sum.Hash[:0])
			out = append(out, sum)
		}
	}
	return out
}
