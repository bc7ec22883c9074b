package host

import (
	"sync/atomic"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/wal"
)

// Written is an append that the journal is done with.
type Written struct {
	*consensus.Append
	// Err is the disk's failure. It is final: all that follows has it, too.
	Err error
	// When the log began to write it, had written it, began to sync and had synced, in nanoseconds of the journal's
	// clock.
	writing, written, syncing, synced int64
	// flush numbers the sync that served it; 0 when it needed none.
	flush uint64
}

// Journal gives appends to the log, in groups: many appends, one sync. It is the disk's work without the disk's
// goroutine: one caller at a time writes some appends, syncs them as one group, and then marks.
type Journal struct {
	log  *wal.Log
	mono func() int64

	// lazy is a commit index that nobody waits for. It rides along with the next append, or is written at the end.
	lazy  *wal.HardState
	dirty bool // written since the last sync
	// release is the entry below which the log may go, 0 for nothing new; roll asks for a new file.
	release atomic.Uint64
	roll    atomic.Bool
	flushes uint64
	failed  error
	syncs   syncCounts
}

// NewJournal returns a journal on a log. mono is a clock of nanoseconds that never goes back.
func NewJournal(log *wal.Log, mono func() int64) *Journal { return &Journal{log: log, mono: mono} }

// Write gives one append to the log. After a failure nothing is written any more.
func (j *Journal) Write(a *consensus.Append) Written {
	w := Written{Append: a, writing: j.mono()}
	if hs := a.HardState; hs != nil {
		j.lazy = &wal.HardState{Term: hs.Term, Vote: hs.Vote, Commit: hs.Commit}
	}
	mustWrite := len(a.Entries) > 0 || a.HardState != nil && a.Sync
	if j.failed == nil && mustWrite {
		entries := make([]wal.Entry, len(a.Entries))
		for i, e := range a.Entries {
			entries[i] = wal.Entry{Kind: toLog(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data}
		}
		j.failed = j.log.Append(entries, j.lazy)
		j.lazy, j.dirty = nil, true
	}
	w.written, w.Err = j.mono(), j.failed
	return w
}

// Sync makes a group durable if one of it needs that, and enters the outcome.
func (j *Journal) Sync(group []Written) {
	need := false
	for i := range group {
		need = need || group[i].Sync
	}
	if need && j.dirty && j.failed == nil {
		syncing := j.mono()
		if !planted.AckBeforeSync {
			j.failed = j.log.Sync()
		}
		j.flushes++
		synced := j.mono()
		j.syncs.add(synced - syncing)
		j.dirty = false
		for i := range group {
			if group[i].Sync {
				group[i].syncing, group[i].synced, group[i].flush = syncing, synced, j.flushes
			}
		}
	}
	for i := range group {
		group[i].Err = j.failed
	}
}

// Mark writes a sync mark, unless something waits to be synced: it proves to a later recovery that what was just
// acknowledged had been durable. It is not synced itself; nobody waits for it.
func (j *Journal) Mark() {
	if j.failed == nil && !j.dirty {
		j.failed = j.log.Mark()
	}
	j.Tidy()
}

// Tidy does what [Journal.Release] and [Journal.Roll] asked for. Mark does so, too.
func (j *Journal) Tidy() {
	if j.failed == nil && j.roll.Swap(false) {
		j.failed = j.log.Roll()
	}
	if below := j.release.Swap(0); below > 0 && j.failed == nil {
		j.failed = j.log.Release(below)
	}
}

// Release lets the log go below an entry, and Roll lets it go on in a new file, when the journal tidies next. They may
// be called from anywhere.
func (j *Journal) Release(below uint64) { j.release.Store(below) }

// Roll is described with Release.
func (j *Journal) Roll() { j.roll.Store(true) }

// Finish writes what was left for later.
func (j *Journal) Finish() {
	if j.lazy != nil && j.failed == nil {
		j.failed = j.log.Append(nil, j.lazy)
	}
}

// Reset empties the log behind an entry, as [wal.Log.Reset] does. Its earlier files go when the journal tidies next: there may
// be many, and somebody waits. It's called between groups.
func (j *Journal) Reset(index, term uint64) error {
	if j.failed == nil {
		j.lazy, j.dirty = nil, false // what it says is in the log's hard state, or below the entry
		j.failed = j.log.Reset(index, term)
	}
	if j.failed == nil {
		j.release.Store(index + 1)
	}
	return j.failed
}
