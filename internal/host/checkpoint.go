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
	b.makeFold = func() *engine.Fold { return engine.NewFold(engine.Config{Origin: b.Origin()}) }
	b.Engine = b.makeEngine()
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
	if s != nil {
		b.store.Store(s)
	}
	if err := b.mendInstall(s); err != nil {
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
	m := s.Meta()
	term, err := b.Log.Term(m.Applied)
	if err != nil {
		term = 0 // the log doesn't reach back so far, or not so far ahead
	}
	if err := s.CheckLog(b.Log.FirstIndex(), b.Log.LastIndex(), term); err != nil {
		return out, err
	}
	made, err := b.load(s, b.Engine)
	if err != nil {
		return out, err
	}
	b.fold = made.fold
	return made.place, nil
}

// madeStore returns the store, which is made if there is none.
func (b *Base) madeStore() (*store.Store, error) {
	b.making.Lock()
	defer b.making.Unlock()
	if s := b.store.Load(); s != nil {
		return s, nil
	}
	s, err := b.makeStore()
	if err == nil {
		b.store.Store(s)
	}
	return s, err
}

// makeEngine returns an engine without any events.
func (b *Base) makeEngine() *engine.Engine {
	cfg := engine.Config{
		Origin: b.Origin(), Both: b.opts.both, UserMemory: max(0, b.opts.UserMemory), SessionDue: b.opts.SessionDue,
	}
	if b.opts.Views != nil {
		cfg.Views = b.opts.Views()
	}
	return engine.New(cfg)
}

// loaded is what a checkpoint amounts to in memory.
type loaded struct {
	engine *engine.Engine
	fold   *engine.Fold
	place  consensus.Restored // Applied, AppliedTerm and Members
}

// load makes an engine, which is new, and a fold of what a store holds.
func (b *Base) load(s *store.Store, e *engine.Engine) (*loaded, error) {
	m := s.Meta()
	l := &loaded{engine: e, fold: b.makeFold(), place: consensus.Restored{Applied: m.Applied, AppliedTerm: m.Term}}
	if len(m.Configuration) > 0 {
		var err error
		if l.place.Members, err = consensus.DecodeMembers(m.Configuration); err != nil {
			return nil, err
		}
	}
	if err := l.read(s); err != nil {
		return nil, fmt.Errorf("load checkpoint of entry %d: %w", m.Applied, err)
	}
	return l, nil
}

// read enters the store's records. They are read on one goroutine and entered on another.
func (l *loaded) read(s *store.Store) error {
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
			if err = l.enter(c.records[i]); err != nil {
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
		if err := l.engine.LoadLocal(key, value); err != nil {
			return err
		}
		if err := l.fold.LoadLocal(key, value); err != nil {
			return err
		}
	}
	v := s.Meta().Vector
	l.engine.Loaded(v)
	l.engine.Stored(s.Meta().Applied)
	l.fold.Loaded(v)
	if err := ended(); err != nil {
		return err
	}
	return l.engine.Show()
}

func (l *loaded) enter(r engine.Record) error {
	if err := l.engine.Load(r); err != nil {
		return err
	}
	return l.fold.Load(r)
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
