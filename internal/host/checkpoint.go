package host

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/store"
)

// storeDir is the folder of the checkpoint within a directory.
const storeDir = "store"

// OpenStore opens the checkpoint of a group. There may be none yet: then it returns nil, or makes one if make is set.
type OpenStore func(who store.Identity, make bool) (*store.Store, error)

// openStore is the checkpoint on disk.
func (b *Base) openStore(who store.Identity, make bool) (*store.Store, error) {
	fsys := b.opts.FS
	dir := fsys.PathJoin(b.opts.Dir, storeDir)
	if _, err := fsys.Stat(dir); errors.Is(err, fs.ErrNotExist) && !make {
		return nil, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for %s: %w: %w", dir, fault.ErrDisk, err)
	}
	return store.Open(store.Options{FS: fsys, Dir: dir, Identity: who, ReadOnly: b.opts.ReadOnly})
}

// checkpoint opens the store, if there is one, and makes the engine and the fold of what it holds.
func (b *Base) checkpoint() (consensus.Restored, error) {
	var out consensus.Restored
	who, err := b.identity.store()
	if err != nil {
		return out, err
	}
	cfg := engine.Config{Origin: b.Origin()}
	b.makeFold = func() *engine.Fold { return engine.NewFold(cfg) }
	whole := cfg
	whole.Both, whole.UserMemory, whole.Views = b.opts.both, max(0, b.opts.UserMemory), b.opts.Views
	whole.SessionDue = b.opts.SessionDue
	b.Engine = engine.New(whole)
	b.makeStore = func() (*store.Store, error) { return b.opts.Store(who, true) }
	s, err := b.opts.Store(who, false)
	if b.opts.ReadOnly && errors.Is(err, fault.ErrNotFound) {
		s, err = nil, nil // a process ended just when it had made the folder
	}
	if b.opts.ReadOnly && errors.Is(err, fault.ErrLocked) && b.Log.FirstIndex() <= 1 {
		return out, nil // somebody writes; the log alone will do, for it is whole
	}
	if err != nil {
		return out, err
	}
	if s == nil {
		// State is rebuilt from the log alone, so the log must reach back to the first entry.
		if first := b.Log.FirstIndex(); first > 1 {
			return out, fault.Damaged(b.opts.FS.PathJoin(b.opts.Dir, logDir), 0,
				"the log begins at entry %d, and there is no checkpoint: its older files, or the folder %s, are missing; "+
					"restore them from a backup", first, storeDir)
		}
		return out, nil
	}
	b.store.Store(s)
	b.fold = b.makeFold()
	m := s.Meta()
	term, err := b.Log.Term(m.Applied)
	if err != nil {
		term = 0 // the log doesn't reach back so far, or not so far ahead
	}
	if err := s.CheckLog(b.Log.FirstIndex(), b.Log.LastIndex(), term); err != nil {
		return out, err
	}
	out.Applied, out.AppliedTerm = m.Applied, m.Term
	if len(m.Configuration) > 0 {
		if out.Members, err = consensus.DecodeMembers(m.Configuration); err != nil {
			return out, err
		}
	}
	if err := b.load(s); err != nil {
		return out, fmt.Errorf("load checkpoint of entry %d: %w", m.Applied, err)
	}
	return out, nil
}

// load makes the engine of the store's records. They are read on one goroutine and entered on another.
func (b *Base) load(s *store.Store) error {
	chunks, free := make(chan *chunk, loadAhead), make(chan *chunk, loadAhead)
	for range loadAhead {
		free <- &chunk{}
	}
	stop := make(chan struct{})
	var failed error
	go func() {
		defer close(chunks)
		failed = readChunks(s, chunks, free, stop)
	}()
	var err error
	for c := range chunks {
		for i := range c.records {
			if err = b.enter(c.records[i]); err != nil {
				break
			}
		}
		if err != nil {
			close(stop)
			for range chunks { // the reader ends before the store may be closed
			}
			return err
		}
		free <- c
	}
	if failed != nil {
		return failed
	}
	locals, ended := s.Locals()
	for key, value := range locals {
		if err := b.Engine.LoadLocal(key, value); err != nil {
			return err
		}
		if err := b.fold.LoadLocal(key, value); err != nil {
			return err
		}
	}
	v := s.Meta().Vector
	b.Engine.Loaded(v)
	b.Engine.Stored(s.Meta().Applied)
	b.fold.Loaded(v)
	if err := ended(); err != nil {
		return err
	}
	return b.Engine.Show()
}

func (b *Base) enter(r engine.Record) error {
	if err := b.Engine.Load(r); err != nil {
		return err
	}
	return b.fold.Load(r)
}

// chunk is a part of a store's records, with their values in one piece.
type chunk struct {
	records []engine.Record
	values  []byte
}

const (
	loadAhead  = 4
	chunkBytes = 256 << 10
)

// add copies a record. A value that lies in what is outgrown stays valid there.
func (c *chunk) add(r *store.Record) {
	from := len(c.values)
	c.values = append(c.values, r.Value...)
	c.records = append(c.records, engine.Record{
		Kind: r.Kind, OwnerKind: r.OwnerKind, Owner: r.Owner, Gen: r.Generation, Sub: r.Sub,
		Value: c.values[from:len(c.values):len(c.values)],
	})
}

// readChunks reads all records of a store, until told to stop.
func readChunks(s *store.Store, out chan<- *chunk, free <-chan *chunk, stop <-chan struct{}) error {
	c := <-free
	for r, err := range s.Records() {
		if err != nil {
			return err
		}
		c.add(&r)
		if len(c.values) < chunkBytes {
			continue
		}
		out <- c // has room for all that there are
		select {
		case c = <-free:
			c.records, c.values = c.records[:0], c.values[:0]
		case <-stop:
			return nil
		}
	}
	out <- c
	return nil
}
