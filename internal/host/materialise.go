package host

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/store"
	"github.com/tidaldb/tidal/internal/wal"
)

// Materialiser brings the checkpoint after the log: it folds applied entries into one effect and merges that into the
// store, with everything else that is true after the last of them, in one step. It is the one writer of the store, and
// reads the log beside those who append to it.
//
// It starts nothing and decides nothing about when: package host drives it from a goroutine, package sim from a
// simulated clock. What was folded and not committed is lost with the process, and folded again.
type Materialiser struct {
	base    *Base
	fold    *engine.Fold
	members consensus.Members
	// index and term are those of the last entry folded, committed and flushed the last ones in the store.
	index, term        uint64
	committed, flushed uint64
	until              uint64 // end of the range that is folded; committed when there is none
	bytes              int64  // folded since the last commit
	failed             error  // final
}

// foldBytes is how much of the log is folded at a time.
const foldBytes = 1 << 20

// Materialiser returns the directory's one. It begins behind the checkpoint, also behind one that is installed later.
func (b *Base) Materialiser() *Materialiser {
	if b.materialiser == nil {
		b.materialiser = &Materialiser{base: b}
		b.materialiser.begin(b.fold, b.checkpointed)
	}
	return b.materialiser
}

// begin forgets everything and goes on behind a checkpoint, without one if fold is nil.
func (m *Materialiser) begin(fold *engine.Fold, at consensus.Restored) {
	if fold == nil {
		fold = m.base.makeFold()
	}
	*m = Materialiser{base: m.base, fold: fold, members: at.Members, index: at.Applied, term: at.AppliedTerm}
	m.committed, m.flushed, m.until = m.index, m.index, m.index
}

// Behind is how much of the log, in bytes, is applied and not yet committed to the store.
func (m *Materialiser) Behind() int64 { return m.base.appliedBytes.Load() - m.base.storedBytes.Load() }

// Pending is how much of the log, in bytes, is folded and not yet committed.
func (m *Materialiser) Pending() int64 { return m.bytes }

// Flushed is the last entry that the store holds durably.
func (m *Materialiser) Flushed() uint64 { return m.flushed }

// Fold folds some more entries, and reports whether the range is whole and may be committed, or there is none. A range
// ends where a window of the engine's users does, so that what is stored and what is queued meet.
func (m *Materialiser) Fold() (done bool, err error) {
	if m.failed == nil && m.until == m.committed {
		m.until = m.base.rangeEnd(m.committed)
	}
	if m.failed != nil || m.index >= m.until {
		return true, m.failed
	}
	entries, err := m.base.Log.Entries(m.index+1, m.until+1, foldBytes)
	if err != nil {
		return true, m.fail(fmt.Errorf("read log at entry %d: %w", m.index+1, err))
	}
	for _, e := range entries {
		if err := m.entry(e); err != nil {
			return true, m.fail(fmt.Errorf("fold entry %d: %w", e.Index, err))
		}
	}
	return m.index >= m.until, nil
}

func (m *Materialiser) entry(e wal.Entry) (err error) {
	switch e.Kind {
	case wal.KindBatch:
		_, err = m.fold.ApplyEntry(e.Data)
	case wal.KindConfiguration:
		m.members, err = m.members.After(consensus.Entry{
			Kind: consensus.Configuration, Term: e.Term, Index: e.Index, Data: e.Data,
		})
	}
	m.index, m.term = e.Index, e.Term
	m.bytes += int64(len(e.Data))
	return err
}

// Commit merges the range into the store, which is made if there is none. What isn't folded of the range yet is folded
// before. Users may be evicted then.
func (m *Materialiser) Commit() error {
	for done := m.index >= m.until; !done; {
		var err error
		if done, err = m.Fold(); err != nil {
			return err
		}
	}
	if m.failed != nil || m.index == m.committed {
		return m.failed
	}
	s, err := m.base.madeStore()
	if err != nil {
		return m.fail(fmt.Errorf("make a checkpoint: %w", ofDisk(err)))
	}
	if planted.MaterialiseWithoutIndex && m.index > m.committed+1 {
		behind := m.meta()
		behind.Applied = m.committed + 1
		behind.Term, _ = m.base.Log.Term(behind.Applied)
		if err := s.Commit(m.batch(behind)); err != nil {
			return m.fail(err)
		}
		if _, err := s.Flush(); err != nil {
			return m.fail(err)
		}
		m.fold.Reset()
	}
	if err := s.Commit(m.batch(m.meta())); err != nil {
		return m.fail(err)
	}
	m.fold.Reset()
	m.base.latest.Store(&consensus.Restored{Applied: m.index, AppliedTerm: m.term, Members: m.members})
	m.base.wanted.Store(false)
	m.base.storedBytes.Add(m.bytes)
	m.committed, m.until, m.bytes = m.index, m.index, 0
	m.base.stored(m.committed)
	return nil
}

// ofDisk says that a failure is the disk's, unless it is of a kind of its own.
func ofDisk(err error) error {
	for _, known := range []error{fault.ErrDisk, fault.ErrForeign, fault.ErrCorrupt, fault.ErrFormatTooNew, fault.ErrLocked} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", fault.ErrDisk, err)
}

// Flush makes durable what was committed. The log may go up to [Materialiser.Flushed] then.
func (m *Materialiser) Flush() error {
	if m.failed != nil || m.flushed == m.committed {
		return m.failed
	}
	index, err := m.base.store.Load().Flush()
	if err != nil {
		return m.fail(err)
	}
	m.flushed = index
	return nil
}

// Releasable returns the entry below which the log may go now. If it's larger than it may be, a piece of what regions lack is made
// ([Replica.LogHeld] says how it is), and more reports that there is more to do, which isn't urgent.
func (m *Materialiser) Releasable() (below uint64, more bool, err error) {
	if err := m.base.keepReports(false); err != nil {
		return 0, false, err
	}
	below, compact, err := m.base.releasable(m.flushed)
	if m.base.putOff = compact != 0 && m.base.unheard(); err != nil || compact == 0 || m.base.putOff {
		return below, false, err
	}
	if more, err = m.base.compactTo(compact, m.base.standings()); err != nil || more {
		return below, more, err
	}
	below, _, err = m.base.releasable(m.flushed)
	return below, false, err
}

func (m *Materialiser) fail(err error) error {
	m.failed = err
	return err
}

// meta says what the store is the state after once the fold is merged.
func (m *Materialiser) meta() store.Meta {
	return store.Meta{
		Applied: m.index, Term: m.term, Vector: m.fold.Vector(), Incarnation: m.base.Origin().Incarnation,
		Configuration: m.members.AppendBinary(nil),
	}
}

// batch is the fold as one change of the store.
func (m *Materialiser) batch(meta store.Meta) *store.Batch {
	b := store.NewBatch(meta)
	m.fold.Deleted(func(kind id.Kind, owner string, gen hlc.Timestamp) { b.Raise(kind, owner, gen) })
	m.fold.Effects(func(r engine.Record) bool {
		k := store.Key{OwnerKind: r.OwnerKind, Owner: r.Owner, Gen: r.Gen, Kind: r.Kind, Sub: r.Sub}
		switch r.Kind {
		case algebra.KindGeneration:
			k.Gen = 0
			b.Merge(k, binary.AppendUvarint(nil, uint64(r.Gen)))
		case algebra.KindEntity:
			k.Gen = 0
			b.MergeTrusted(k, r.Value)
		default:
			b.MergeTrusted(k, r.Value)
		}
		return true
	})
	m.fold.Locals(func(key, value []byte) {
		if value == nil {
			b.DeleteLocal(key)
		} else {
			b.SetLocal(key, value)
		}
	})
	return b
}
