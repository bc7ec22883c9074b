package store

import (
	"errors"
	"fmt"
	"sync"

	"github.com/tidaldb/tidal/internal/fault"
)

// Store is one replica's checkpoint. Commit, Flush, Install and Close are for one goroutine at a time; reads may run
// beside them and beside each other, and see whole commits. After Close every call returns [fault.ErrClosed].
type Store struct {
	dir      string // for errors
	identity Identity

	mu     sync.Mutex // guards all below
	held   *held
	meta   Meta
	failed error // of a write; final
	closed bool
}

// held counts who reads from a form, so that it is closed after the last of them.
type held struct {
	form
	readers int
	retired bool
}

// start reads the checkpoint of a form that was just opened.
func start(dir string, identity Identity, f form) (*Store, error) {
	s := &Store{dir: dir, identity: identity, held: &held{form: f}}
	v, err := f.view()
	if err != nil {
		return nil, err
	}
	s.meta, err = readMeta(v, dir, identity)
	if cerr := v.close(); err == nil {
		err = cerr
	}
	return s, err
}

// readMeta returns the meta record of a view, zero when there is none yet.
func readMeta(v view, dir string, identity Identity) (Meta, error) {
	b, ok, err := v.get(metaKey)
	if err != nil || !ok {
		return Meta{}, err
	}
	c, err := decodeCheckpoint(b)
	if err != nil {
		return Meta{}, fmt.Errorf("read meta record of %s: %w", dir, err)
	}
	if c.identity != identity {
		return Meta{}, foreign(dir, c.identity, identity)
	}
	return c.meta, nil
}

func foreign(dir string, got, want Identity) error {
	return fmt.Errorf("%s is the store of %v, not of %v: %w", dir, got, want, fault.ErrForeign)
}

// Meta returns what the records are the state after: the last commit's.
func (s *Store) Meta() Meta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meta
}

// Commit makes a batch visible, records and Meta in one step. It panics when records would change without a higher
// applied index: after a crash they would be applied twice.
//
// A batch beyond [MaxBatch] is refused, without effect. A failed write is [fault.ErrDisk], and final: from then on
// nothing is written any more. Reads go on.
func (s *Store) Commit(b *Batch) error {
	f, err := s.writable()
	if err != nil {
		return err
	}
	// Writers are one at a time, so meta doesn't change meanwhile.
	switch now := s.Meta(); {
	case b.meta.Applied < now.Applied || b.meta.Term < now.Term:
		panic(fmt.Sprintf("store: commit of entry %d, term %d, after %d, term %d",
			b.meta.Applied, b.meta.Term, now.Applied, now.Term))
	case b.meta.Applied == now.Applied && len(b.ops) > 0:
		panic(fmt.Sprintf("store: commit changes records at entry %d again", now.Applied))
	case !b.meta.Vector.Includes(now.Vector) || b.meta.Incarnation < now.Incarnation:
		panic(fmt.Sprintf("store: commit loses events, from %v under incarnation %d to %v under %d",
			now.Vector, now.Incarnation, b.meta.Vector, b.meta.Incarnation))
	case len(b.meta.Configuration) > maxConfiguration:
		panic("store: configuration is too long")
	}
	whole := *b
	whole.addRaw(opSet, metaKey, checkpoint{s.identity, b.meta}.append(nil))
	if err := whole.checkSize(); err != nil {
		return err
	}
	if err := f.commit(&whole); err != nil {
		return s.fail("commit", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meta = b.meta
	return nil
}

// Flush makes everything durable that was committed, and returns the applied index up to which that is so: the log
// may go up to there. It fails as [Store.Commit] does.
func (s *Store) Flush() (applied uint64, err error) {
	f, err := s.writable()
	if err != nil {
		return 0, err
	}
	applied = s.Meta().Applied
	if err := f.flush(); err != nil {
		return 0, s.fail("flush", err)
	}
	return applied, nil
}

// Close releases the store. What was committed since the last Flush is lost, as in a crash; it is in the log.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fault.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	return s.retire(nil, Meta{})
}

// CheckLog tells whether the log, which holds the entries first to last (last = first − 1 for none), goes on from
// the store. termAt is the log's term of the entry at Meta().Applied, 0 if the log doesn't have that one any more.
// A store that is ahead of its log, behind its beginning, or of another history is [fault.ErrOutOfStep], and the text
// names the directory.
func (s *Store) CheckLog(first, last, termAt uint64) error {
	m := s.Meta()
	switch {
	case m.Applied+1 < first:
		return fmt.Errorf("store in %s ends at entry %d and its log begins at %d: entries between them are lost; "+
			"restore the log or take a snapshot of another replica: %w", s.dir, m.Applied, first, fault.ErrOutOfStep)
	case m.Applied > last:
		return fmt.Errorf("store in %s holds entry %d and its log ends at %d: the log was cut or replaced; "+
			"remove the store if the log is whole: %w", s.dir, m.Applied, last, fault.ErrOutOfStep)
	case termAt != 0 && termAt != m.Term:
		return fmt.Errorf("store in %s holds entry %d of term %d and its log has it of term %d: "+
			"they are of two histories: %w", s.dir, m.Applied, m.Term, termAt, fault.ErrOutOfStep)
	}
	return nil
}

func (s *Store) writable() (form, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, fault.ErrClosed
	case s.failed != nil:
		return nil, s.failed
	}
	return s.held.form, nil
}

// fail remembers the first failed write.
func (s *Store) fail(verb string, err error) error {
	if !errors.Is(err, fault.ErrDisk) {
		err = fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = fmt.Errorf("%s store in %s: %w", verb, s.dir, err)
	}
	return s.failed
}

// retire puts another form in the place of the present one, nil for none, and closes that after its last reader.
func (s *Store) retire(next form, meta Meta) error {
	s.mu.Lock()
	old := s.held
	old.retired = true
	last := old.readers == 0
	if next != nil {
		s.held, s.meta = &held{form: next}, meta
	}
	s.mu.Unlock()
	if last {
		return old.close()
	}
	return nil
}

// pin returns a view and what releases it.
func (s *Store) pin() (view, func() error, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, nil, fault.ErrClosed
	}
	h := s.held
	h.readers++
	s.mu.Unlock()
	v, err := h.view()
	if err != nil {
		return nil, nil, errors.Join(err, s.release(h))
	}
	return v, func() error { return errors.Join(v.close(), s.release(h)) }, nil
}

func (s *Store) release(h *held) error {
	s.mu.Lock()
	h.readers--
	last := h.readers == 0 && h.retired
	s.mu.Unlock()
	if last {
		return h.close()
	}
	return nil
}
