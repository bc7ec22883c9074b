package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/remnant"
	"github.com/tidaldb/tidal/internal/vfs"
)

// piecesDir is the folder of what is left of files of the log that were let go, for regions that lack it.
const piecesDir = "pieces"

// heldPiece is one of its files. A damaged one is kept, served to nobody, and named to whoever would need it.
type heldPiece struct {
	remnant.Head
	name  string
	bytes int64
	err   error
}

// pieceContent is the last content that was read: who reads batches comes back for more of them.
type pieceContent struct {
	name    string
	content []byte
}

// openPieces reads what pieces there are. What an interrupted write left is removed, unless nothing may be changed.
func (s *Streams) openPieces() error {
	b := s.base
	fsys, dir := b.opts.FS, b.opts.FS.PathJoin(b.opts.Dir, piecesDir)
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w: %w", dir, fault.ErrDisk, err)
	}
	for _, name := range names {
		path := fsys.PathJoin(dir, name)
		switch {
		case strings.HasSuffix(name, ".tmp") && !b.opts.ReadOnly:
			if err := fsys.Remove(path); err != nil {
				return fmt.Errorf("remove %s: %w: %w", path, fault.ErrDisk, err)
			}
		case remnant.IsName(name):
			p := heldPiece{name: name}
			p.Head, p.bytes, p.err = b.pieceHead(path)
			if errors.Is(p.err, fs.ErrNotExist) {
				continue // a writer beside this reader let it go
			}
			if p.err == nil && p.Name() != name {
				p.err = fault.Damaged(path, 0, "file was renamed; it was written as %s", p.Name())
			}
			if p.err != nil {
				p.Head, _ = remnant.Named(name) // who needs it is told
			}
			s.pieces = append(s.pieces, p)
		}
	}
	s.sortPieces()
	return nil
}

// pieceHead reads the head of a piece, and how long its file is.
func (b *Base) pieceHead(path string) (remnant.Head, int64, error) {
	data, size, err := readUpTo(b.opts.FS, path, remnant.HeadSize)
	if err != nil {
		return remnant.Head{}, size, err
	}
	h, err := remnant.DecodeHead(path, data)
	if err == nil && h.Cluster != b.clusterID() {
		err = fmt.Errorf("%s: %w", path, fault.ErrForeign)
	}
	return h, size, err
}

// readUpTo reads the first bytes of a file, and says how many it has; all of them if limit is 0.
func readUpTo(fsys vfs.FS, path string, limit int64) (data []byte, size int64, err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = f.Close() }() // reading is all that was done
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("stat %s: %w", path, err)
	}
	size = info.Size()
	if limit == 0 {
		limit = size
	}
	data = make([]byte, min(size, limit))
	if n, err := f.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) || n < len(data) {
		return nil, size, fmt.Errorf("read %s: %w: %w", path, fault.ErrDisk, err)
	}
	return data, size, nil
}

// clusterID is the database's id.
func (b *Base) clusterID() [16]byte {
	who, err := b.identity.wal()
	if err != nil {
		return [16]byte{} // it was checked when the identity was read
	}
	return who.Cluster
}

func (s *Streams) sortPieces() {
	slices.SortFunc(s.pieces, func(x, y heldPiece) int {
		return x.Origin.At(x.First).Compare(y.Origin.At(y.First))
	})
}

// pieceAt returns the piece that an event lies in: the one that reaches furthest, a damaged one if there is no other. s.mu is held.
func (s *Streams) pieceAt(origin id.Origin, seq id.Seq) (out heldPiece, found bool) {
	for i := range s.pieces {
		p := &s.pieces[i]
		if p.Origin == origin && p.First <= seq && seq <= p.Last &&
			(!found || p.err == nil && (out.err != nil || p.Last > out.Last)) {
			out, found = *p, true
		}
	}
	return out, found
}

// inPiece returns the content of the piece that an event lies in, nil for none.
func (s *Streams) inPiece(origin id.Origin, seq id.Seq) (remnant.Head, []byte, error) {
	s.mu.Lock()
	p, found := s.pieceAt(origin, seq)
	kept := s.content
	s.mu.Unlock()
	if !found || p.err != nil {
		return remnant.Head{}, nil, p.err
	}
	if kept.name == p.name {
		return p.Head, kept.content, nil
	}
	path := s.base.piecePath(p.name)
	data, _, err := readUpTo(s.base.opts.FS, path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return remnant.Head{}, nil, nil // nobody lacks it any more
	}
	if err != nil {
		return remnant.Head{}, nil, err
	}
	h, content, err := remnant.Decode(path, data)
	if err != nil {
		return remnant.Head{}, nil, err
	}
	s.mu.Lock()
	s.content = pieceContent{p.name, content}
	s.mu.Unlock()
	return h, content, nil
}

func (b *Base) piecePath(name string) string {
	return b.opts.FS.PathJoin(b.opts.Dir, piecesDir, name)
}

// splitBatches takes batches apart that stand behind one another.
func splitBatches(content []byte) (out [][]byte, err error) {
	for len(content) > 0 {
		h, err := record.DecodeHeader(content)
		if err != nil {
			return nil, err
		}
		if h.Size() > len(content) {
			return nil, fault.Damaged("", 0, "a batch of %d bytes in %d", h.Size(), len(content))
		}
		out, content = append(out, content[:h.Size():h.Size()]), content[h.Size():]
	}
	return out, nil
}

// readPiece collects batches from a piece, as far as the event that is looked for lies in one.
func (r *streamReader) readPiece() error {
	h, content, err := r.s.inPiece(r.origin, r.next)
	if err != nil || content == nil || h.Form != remnant.Batches {
		return err
	}
	limit := r.s.limit(r.origin)
	batches, err := splitBatches(content)
	if err != nil {
		return fmt.Errorf("read piece %s: %w", h.Name(), err)
	}
	for _, b := range batches {
		x, err := glance(b)
		if err != nil {
			return fmt.Errorf("read piece %s: %w", h.Name(), err)
		}
		switch {
		case x.last < r.next:
			continue
		case x.first > r.next || x.last > limit || len(r.out) > 0 && r.bytes+len(b) > r.maxBytes:
			return nil
		}
		r.out = append(r.out, b)
		r.bytes += len(b)
		r.next = x.last + 1
	}
	return nil
}

// writePiece keeps some content outside of the log, durably.
func (s *Streams) writePiece(h remnant.Head, content []byte) error {
	b := s.base
	h.Cluster = b.clusterID()
	data := remnant.Encode(&h, content)
	dir := b.opts.FS.PathJoin(b.opts.Dir, piecesDir)
	if err := vfs.MkdirAll(b.opts.FS, dir); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	if err := vfs.WriteFileAtomic(b.opts.FS, b.piecePath(h.Name()), data); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces = slices.DeleteFunc(s.pieces, func(p heldPiece) bool { return p.name == h.Name() })
	s.pieces = append(s.pieces, heldPiece{Head: h, name: h.Name(), bytes: int64(len(data))})
	s.content = pieceContent{}
	s.sortPieces()
	return nil
}

// dropPieces removes the pieces that nobody needs.
func (s *Streams) dropPieces(needed func(*remnant.Head) bool) error {
	s.mu.Lock()
	var gone []string
	s.pieces = slices.DeleteFunc(s.pieces, func(p heldPiece) bool {
		drop := p.err == nil && !needed(&p.Head)
		if drop {
			gone = append(gone, p.name)
		}
		return drop
	})
	s.mu.Unlock()
	for _, name := range gone {
		if err := s.base.opts.FS.Remove(s.base.piecePath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w: %w", name, fault.ErrDisk, err)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := vfs.SyncDir(s.base.opts.FS, s.base.opts.FS.PathJoin(s.base.opts.Dir, piecesDir)); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	return nil
}

// pieceBytes is how much pieces take, and how many there are.
func (s *Streams) pieceBytes() (bytes int64, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.pieces {
		bytes += s.pieces[i].bytes
	}
	return bytes, len(s.pieces)
}

// kept returns up to where pieces hold an origin's events without a gap, beginning with one; the number before it if none does.
func (s *Streams) kept(origin id.Origin, from id.Seq) (last id.Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last = from - 1
	for {
		p, found := s.pieceAt(origin, last+1)
		if !found || p.err != nil {
			return last
		}
		last = p.Last
	}
}
