package host

import (
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/wal"
)

// What package sim looks at, to hold replicas against each other.

// Applied is the last entry that was applied.
func (b *Base) Applied() uint64 { return b.applied.Load() }

// Wanted reports whether a checkpoint is wanted, for a member that needs a snapshot.
func (b *Base) Wanted() bool { return b.wanted.Load() }

// EntryOf is an entry of the log as consensus has it.
func EntryOf(e wal.Entry) consensus.Entry {
	return consensus.Entry{Kind: fromLog(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data}
}
