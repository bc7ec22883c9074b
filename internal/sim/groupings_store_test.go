package sim_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/store"
)

// stores brings a receiver's log into stores, in different ways, and holds what they then are against its engine.
func (g *grouping) stores(r *receiver) error {
	memory := store.NewMemory()
	disk := pebblevfs.NewMem()
	ways := []struct {
		name string
		open func() (*store.Store, error)
		// merge: flush, compact and restart in between
		merge bool
	}{
		{"in memory", func() (*store.Store, error) { return store.OpenMemory(memory, store.Identity{}) }, true},
		{"on Pebble", func() (*store.Store, error) {
			return store.Open(store.Options{FS: disk, Dir: "store", MemtableBytes: 64 << 10, CacheBytes: 1 << 20})
		}, g.rng.IntN(4) > 0},
	}
	for _, way := range ways {
		m := &materialiser{grouping: g, open: way.open, merge: way.merge, log: r.log}
		err := m.run()
		if err == nil {
			err = m.compare(r.engine)
		}
		if m.store != nil {
			err = errors.Join(err, m.store.Close())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return nil
}

// materialiser folds a log into a store.
type materialiser struct {
	*grouping
	open  func() (*store.Store, error)
	merge bool
	log   []entry

	store *store.Store
	fold  *engine.Fold
	index int // entries folded
	sent  *engine.Engine
}

func (m *materialiser) run() (err error) {
	if err = m.start(); err != nil {
		return err
	}
	longest := 1 + m.rng.IntN(2*len(m.log))
	snapshot := m.rng.IntN(2 * len(m.log)) // half of the runs send none
	for m.index < len(m.log) {
		to := min(m.index+1+m.rng.IntN(longest), len(m.log))
		for ; m.index < to; m.index++ {
			if _, err := m.log[m.index].apply(m.fold); err != nil {
				return err
			}
			if m.skipEntry && m.index == to-2 {
				m.index++
			}
		}
		if err := m.commit(); err != nil {
			return err
		}
		if m.sent == nil && m.index >= snapshot {
			if err := m.send(); err != nil {
				return err
			}
		}
		if m.merge {
			if err := m.between(); err != nil {
				return err
			}
		}
	}
	return nil
}

// start opens the store and makes a fold of what it holds.
func (m *materialiser) start() (err error) {
	if m.store, err = m.open(); err != nil {
		return err
	}
	m.fold = engine.NewFold(m.cfg)
	m.index = int(m.store.Meta().Applied)
	return load(m.store, m.fold)
}

// loader is an engine or a fold.
type loader interface {
	Load(r engine.Record) error
	LoadLocal(key, value []byte) error
	Loaded(v id.VersionVector)
}

func load(s *store.Store, into loader) error {
	for r, err := range s.Records() {
		if err == nil {
			err = into.Load(engine.Record{
				Kind: r.Kind, OwnerKind: r.OwnerKind, Owner: r.Owner, Gen: r.Generation, Sub: r.Sub, Value: r.Value,
			})
		}
		if err != nil {
			return err
		}
	}
	locals, failed := s.Locals()
	for key, value := range locals {
		if err := into.LoadLocal(key, value); err != nil {
			return err
		}
	}
	into.Loaded(s.Meta().Vector)
	return failed()
}

// commit merges what was folded into the store.
func (m *materialiser) commit() error {
	m.Commits++
	b := store.NewBatch(store.Meta{Applied: uint64(m.index), Term: 1, Vector: m.fold.Vector()})
	m.fold.Deleted(func(kind id.Kind, owner string, gen hlc.Timestamp) { b.Raise(kind, owner, gen) })
	times := 1
	if m.commitTwice {
		times = 2
	}
	for range times {
		m.fold.Effects(func(r engine.Record) bool {
			k := store.Key{OwnerKind: r.OwnerKind, Owner: r.Owner, Gen: r.Gen, Kind: r.Kind, Sub: r.Sub}
			switch r.Kind {
			case algebra.KindGeneration:
				k.Gen, r.Value = 0, binary.AppendUvarint(nil, uint64(r.Gen))
			case algebra.KindEntity:
				k.Gen = 0
			}
			b.Merge(k, r.Value)
			return true
		})
	}
	m.fold.Locals(func(key, value []byte) {
		switch {
		case m.loseLocals:
		case value == nil:
			b.DeleteLocal(key)
		default:
			b.SetLocal(key, value)
		}
	})
	m.fold.Reset()
	return m.store.Commit(b)
}

// between does what a store's background work, and the end of a process, do at some time.
func (m *materialiser) between() error {
	switch m.rng.IntN(8) {
	case 0, 1:
		_, err := m.store.Flush()
		return err
	case 2:
		m.Compactions++
		return m.store.Compact()
	case 3, 4:
		m.Compactions++
		kind := id.Kind(m.rng.IntN(id.Kinds + 1))
		a, b := string(rune('a'+m.rng.IntN(26))), string(rune('a'+m.rng.IntN(26)))
		return m.store.CompactOwners(kind, min(a, b), max(a, b))
	case 5:
		// What isn't flushed is lost, and folded again.
		if m.rng.IntN(2) == 0 {
			if _, err := m.store.Flush(); err != nil {
				return err
			}
		}
		m.Restarts++
		if err := m.store.Close(); err != nil {
			return err
		}
		return m.start()
	}
	return nil
}

// send installs a snapshot in another store, and makes an engine of that to which the rest of the log is applied.
func (m *materialiser) send() error {
	m.Snapshots++
	var wire bytes.Buffer
	x, err := m.store.Snapshot()
	if err != nil {
		return err
	}
	_, err = x.WriteTo(&wire)
	if err := errors.Join(err, x.Close()); err != nil {
		return err
	}
	other, err := store.OpenMemory(store.NewMemory(), store.Identity{})
	if err != nil {
		return err
	}
	if err := other.Install(&wire); err != nil {
		return err
	}
	m.sent = engine.New(m.cfg)
	if err := load(other, m.sent); err != nil {
		return err
	}
	for i := int(other.Meta().Applied); i < len(m.log); i++ {
		if _, err := m.log[i].apply(m.sent); err != nil {
			return err
		}
	}
	return other.Close()
}

// compare holds what the store and the snapshot became against the engine that applied the log.
func (m *materialiser) compare(want *engine.Engine) error {
	got := engine.New(m.cfg)
	if err := load(m.store, got); err != nil {
		return err
	}
	if err := equal(got, want); err != nil {
		return err
	}
	if m.sent == nil {
		return nil
	}
	if err := equal(m.sent, want); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

// equal compares engines that applied one log.
func equal(got, want *engine.Engine) error {
	a, b := got.Counters(), want.Counters()
	for _, c := range []*engine.Counters{&a, &b} {
		c.Stale, c.Undecided, c.Reused, c.Fallen = 0, 0, 0, 0 // they begin anew with a restart
	}
	switch {
	case !slices.Equal(got.Pending(1<<20), want.Pending(1<<20)):
		return fmt.Errorf("pending are %v, want %v", got.Pending(1<<20), want.Pending(1<<20))
	case fmt.Sprintf("%+v", got.Regions()) != fmt.Sprintf("%+v", want.Regions()) || got.Role() != want.Role():
		return fmt.Errorf("regions are %+v, want %+v", got.Regions(), want.Regions())
	case got.Digest() != want.Digest():
		return fmt.Errorf("digest %v, want %v", got.Digest(), want.Digest())
	case got.DigestCells() != want.DigestCells():
		return fmt.Errorf("digest of cells %v, want %v", got.DigestCells(), want.DigestCells())
	case !got.Vector().Equal(want.Vector()) || got.Parked() != want.Parked():
		return fmt.Errorf("vector %v, %d wait; want %v, %d", got.Vector(), got.Parked(), want.Vector(), want.Parked())
	case !bytes.Equal(got.Lanes().AppendBinary(nil), want.Lanes().AppendBinary(nil)):
		return errors.New("lanes differ")
	case a != b:
		return fmt.Errorf("counters %+v, want %+v", a, b)
	case got.Highest() != want.Highest() || got.HighestOwn() != want.HighestOwn() ||
		got.HighestRegister() != want.HighestRegister() || got.Level() != want.Level():
		return errors.New("stamps or level differ")
	}
	return nil
}
