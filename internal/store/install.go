package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
)

// Installer takes the chunks of a [Snapshot] in and, when all are there, puts them in the place of everything that the
// store holds: durably, and in one step. Until then the store is as it was and goes on; after a crash before that step
// it is what it was. It is one goroutine's; [Store.Commit] and [Store.Flush] may run beside all of it but Finish.
type Installer struct {
	store    *Store
	next     form
	progress Progress
	cp       checkpoint
	complete bool
	adopt    func(Meta) (Meta, error) // nil: the snapshot is of the store's own group
}

// Installer begins to receive a snapshot. One at a time may be under way; it ends with [Installer.Finish] or
// [Installer.Abort].
func (s *Store) Installer() (*Installer, error) {
	f, err := s.writable()
	if err != nil {
		return nil, err
	}
	next, err := f.begin()
	if err != nil {
		return nil, s.fail("begin install into", err)
	}
	return &Installer{store: s, next: next}, nil
}

// Adopt says, before the first chunk is added, that the snapshot is of another region's group of the same database, with whose
// records the store's own group begins. The meta record becomes what meta makes of it.
func (in *Installer) Adopt(meta func(Meta) (Meta, error)) { in.adopt = meta }

// Progress returns how far it has come, for [Snapshot.Chunk] of the same or of another replica that holds a snapshot of
// the same entry.
func (in *Installer) Progress() Progress { return in.progress }

// Meta returns what the snapshot is the state after, once the first chunk is there.
func (in *Installer) Meta() Meta { return in.cp.meta }

// Add takes the next chunk. A chunk that is damaged is a *fault.Corrupt, one that isn't next is fault.ErrGap; neither
// has an effect, and the right one may follow. A snapshot of another group is [fault.ErrForeign], a newer program's
// [fault.ErrFormatTooNew], an older one's [fault.ErrFormatTooOld], one behind the store [fault.ErrOutOfStep].
func (in *Installer) Add(chunk []byte) error {
	if in.complete {
		return fmt.Errorf("chunk behind the last: %w", fault.ErrGap)
	}
	moved := in.progress
	payload, last, err := moved.advance(chunk)
	if err != nil {
		return err
	}
	switch {
	case in.progress.Chunks == 0:
		err = in.head(payload)
	case last:
		err = in.seal()
	default:
		err = in.records(payload)
	}
	if err != nil {
		return err
	}
	in.progress, in.complete = moved, last
	return nil
}

// Complete reports whether the last chunk is there.
func (in *Installer) Complete() bool { return in.complete }

// seal says in the new form what it's the state after, once all is in it.
func (in *Installer) seal() error {
	b := NewBatch(in.cp.meta)
	b.addRaw(opSet, metaKey, in.cp.append(nil))
	if err := in.next.commit(b); err != nil {
		return in.store.fail("install into", err)
	}
	return nil
}

// Staged returns what was received as a store to read from, so that what is made of it is ready when it is installed, and
// makes it durable, so that [Installer.Finish] has less to wait for. It fails with fault.ErrGap while chunks are missing.
// Nobody writes to it or closes it, and it's read no more once the installer has ended.
func (in *Installer) Staged() (*Store, error) {
	if !in.complete {
		return nil, in.missing()
	}
	if err := in.next.flush(); err != nil {
		return nil, in.store.fail("install into", err)
	}
	return &Store{dir: in.store.dir, identity: in.store.identity, held: &held{form: in.next}, meta: in.cp.meta}, nil
}

func (in *Installer) missing() error {
	return fmt.Errorf("install of %d chunks, the last of which isn't there: %w", in.progress.Chunks, fault.ErrGap)
}

func (in *Installer) head(payload []byte) error {
	cp, err := decodeCheckpoint(payload)
	if err != nil {
		return fmt.Errorf("read head of snapshot: %w", err)
	}
	s := in.store
	if in.adopt != nil {
		cp.identity.Region = s.identity.Region
		if cp.meta, err = in.adopt(cp.meta); err != nil {
			return err
		}
	}
	if cp.identity != s.identity {
		return foreign("the snapshot", cp.identity, s.identity)
	}
	if now := s.Meta(); cp.meta.Applied < now.Applied || !cp.meta.Vector.Includes(now.Vector) {
		return fmt.Errorf("snapshot of entry %d with %v for the store in %s, which holds entry %d with %v: %w",
			cp.meta.Applied, cp.meta.Vector, s.dir, now.Applied, now.Vector, fault.ErrOutOfStep)
	}
	in.cp = cp
	return nil
}

func (in *Installer) records(payload []byte) error {
	b := NewBatch(in.cp.meta)
	for p, err := range pairs(payload, in.progress.After) {
		if err == nil {
			err = checkPair(p)
		}
		if err != nil {
			return err
		}
		b.addRaw(opSet, p.key, p.value)
	}
	if err := in.next.commit(b); err != nil {
		return in.store.fail("install into", err)
	}
	return nil
}

// checkPair refuses what no store would hold. The hash tells transport's mistakes; this tells the sender's.
func checkPair(p pair) error {
	if p.key[0] == spaceLocal {
		if n := len(p.key) - 1; n == 0 || n > maxLocalKey {
			return fault.Damaged("", 0, "group-local key of %d bytes", n)
		}
		return nil
	}
	k, err := decodeKey(p.key)
	if err == nil && len(p.value) == 0 {
		err = fault.Damaged("", 0, "record without a value")
	}
	if err == nil {
		err = algebra.Check(k.Kind, p.value)
	}
	return err
}

// Finish replaces what the store holds. It fails with fault.ErrGap, and without effect, while chunks are missing.
func (in *Installer) Finish() error {
	if !in.complete {
		return in.missing()
	}
	s := in.store
	f, err := s.writable()
	if err != nil {
		return errors.Join(err, in.Abort())
	}
	if now := s.Meta(); in.cp.meta.Applied < now.Applied {
		return errors.Join(fmt.Errorf("store went on to entry %d, beyond the snapshot's %d: %w",
			now.Applied, in.cp.meta.Applied, fault.ErrOutOfStep), in.Abort())
	}
	if err = f.adopt(in.next); err != nil {
		return errors.Join(s.fail("install into", err), in.next.close())
	}
	return s.retire(in.next, in.cp.meta)
}

// Abort drops what was received.
func (in *Installer) Abort() error { return in.next.close() }

// Install reads what [Snapshot.WriteTo] wrote, and installs it. A stream that ends early, or is damaged, changes
// nothing.
func (s *Store) Install(r io.Reader) error {
	in, err := s.Installer()
	if err != nil {
		return err
	}
	if err := in.readAll(bufio.NewReader(r)); err != nil {
		return errors.Join(fmt.Errorf("install snapshot: %w", err), in.Abort())
	}
	return in.Finish()
}

func (in *Installer) readAll(r io.Reader) error {
	for !in.complete {
		chunk := make([]byte, chunkHeader)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return fmt.Errorf("read chunk %d: %w", in.progress.Chunks, err)
		}
		n, err := payloadLength(chunk)
		if err != nil {
			return err
		}
		chunk = append(chunk, make([]byte, n+chunkHash)...)
		if _, err := io.ReadFull(r, chunk[chunkHeader:]); err != nil {
			return fmt.Errorf("read chunk %d: %w", in.progress.Chunks, err)
		}
		if err := in.Add(chunk); err != nil {
			return err
		}
	}
	return nil
}
