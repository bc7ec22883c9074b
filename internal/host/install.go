package host

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/retention"
	"github.com/tidaldb/tidal/internal/store"
)

// A snapshot of another replica takes the place of everything that a directory holds, in steps of which each may be the
// last before a crash:
//
//  1. All of it is staged beside the store, and an engine is made of it. Nothing has changed.
//  2. The file INSTALL says which entry's state it is.
//  3. The staged store takes the place of the old one ([store.Installer.Finish]).
//  4. The log goes on behind that entry ([wal.Log.Reset]). Term and vote stay.
//  5. The engine is exchanged, and INSTALL removed.
//
// What is opened between 3 and 4 is a store that is ahead of its log, as if that had lost its end; INSTALL tells the two
// apart. It's a note about what is allowed, not a plan: opened before 3 it means nothing.

// install puts a staged snapshot, with the engine made of it, in the place of what the directory holds. Nothing may be on
// its way to the disk, and the materialiser has to stand still. reset is the log's, called where the log is written. After
// an error nothing but opening the directory again helps.
//
// The caller has made sure that the log doesn't have the snapshot's entry: what a log holds behind an entry that isn't the
// committed one can't have been acknowledged by anybody.
func (b *Base) install(in *store.Installer, l *loaded, reset func(index, term uint64) error) error {
	at := l.place
	note := installing{Format: installingFormat, Index: at.Applied, Term: at.AppliedTerm}
	if err := note.write(b.opts.FS, b.opts.Dir); err != nil {
		return err
	}
	if err := b.exchange(in, l, reset); err != nil {
		return fmt.Errorf("install the snapshot of entry %d: %w", at.Applied, err)
	}
	return removeInstalling(b.opts.FS, b.opts.Dir)
}

// exchange does what readers must see as one step.
func (b *Base) exchange(in *store.Installer, l *loaded, reset func(index, term uint64) error) error {
	defer b.arrivals.ring() // behind the lock
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := in.Finish(); err != nil {
		return ofDisk(err)
	}
	if err := reset(l.place.Applied, l.place.AppliedTerm); err != nil {
		return err
	}
	b.retracted += b.Engine.Retractions() + 1
	b.Engine, b.fold, b.place, b.checkpointed = l.engine, l.fold, l.place, l.place
	b.latest.Store(&l.place)
	b.applied.Store(l.place.Applied)
	b.configured.Add(1)
	b.streams.restarted(l.place.Applied, l.engine.Vector())
	b.storedBytes.Store(b.appliedBytes.Load())
	b.compacted = 0
	b.segments = map[string]retention.Segment{} // files may get the names of earlier ones
	b.memory.cuts, b.memory.bytes = nil, 0
	b.memory.urgent.Store(0)
	b.memory.full.Store(b.Engine.Full())
	if b.materialiser != nil {
		b.materialiser.begin(l.fold, l.place)
	}
	return nil
}

// Retractions counts as [engine.Engine.Retractions] does, from open, through all engines since. It isn't for who reads the
// engine at the same time.
func (b *Base) Retractions() uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.retracted + b.Engine.Retractions()
}

// restored is what consensus must know to begin anew on what is in memory and in the log, which is at rest.
func (b *Base) restored() (consensus.Restored, error) {
	hs := b.Log.HardState()
	b.mu.RLock()
	out := b.place
	b.mu.RUnlock()
	out.HardState = consensus.HardState{Term: hs.Term, Vote: hs.Vote, Commit: hs.Commit}
	for next := out.Applied + 1; next <= b.Log.LastIndex(); {
		entries, err := b.Log.Entries(next, b.Log.LastIndex()+1, replayBytes)
		if err != nil {
			return out, fmt.Errorf("read log at entry %d: %w", next, err)
		}
		for _, e := range entries {
			out.Tail = append(out.Tail, consensus.Entry{Kind: fromLog(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data})
		}
		next += uint64(len(entries))
	}
	return out, nil
}

// mendInstall ends an install that a crash interrupted, before anybody compares the store with the log. s is nil if there
// is no store.
func (b *Base) mendInstall(s *store.Store) error {
	note, found, err := readInstalling(b.opts.FS, b.opts.Dir)
	if err != nil || !found {
		return err
	}
	if s != nil {
		m := s.Meta()
		term, err := b.Log.Term(m.Applied)
		behind := err != nil || term != m.Term // the log isn't that of the store
		if behind && m.Applied == note.Index && m.Term == note.Term {
			if b.opts.ReadOnly {
				return fmt.Errorf("an install of the snapshot of entry %d was interrupted in %s; open it for writing once: %w",
					note.Index, b.opts.Dir, fault.ErrOutOfStep)
			}
			if err := b.restartLog(note.Index, note.Term); err != nil {
				return err
			}
		}
	}
	if b.opts.ReadOnly {
		return nil
	}
	return removeInstalling(b.opts.FS, b.opts.Dir)
}

// restartLog empties a log that nobody writes to yet.
func (b *Base) restartLog(index, term uint64) error {
	if err := b.Log.Reset(index, term); err != nil {
		return err
	}
	return b.Log.Release(index + 1)
}
