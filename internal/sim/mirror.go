package sim

import (
	"bytes"
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/wal"
)

// mirror is what a machine's log holds, as far as it's known from what was written to it.
type mirror struct {
	before  uint64 // index of the entry in front of the first one
	entries []consensus.Entry
	synced  uint64 // up to here it's durable
}

func (x *mirror) last() uint64 { return x.before + uint64(len(x.entries)) }

// at returns an entry, nil if it isn't there.
func (x *mirror) at(i uint64) *consensus.Entry {
	if i <= x.before || i > x.last() {
		return nil
	}
	return &x.entries[i-x.before-1]
}

// begins notes that entries are about to be written: from here on what they take the place of may be gone.
func (x *mirror) begins(entries []consensus.Entry) {
	if len(entries) > 0 {
		x.synced = min(x.synced, entries[0].Index-1)
	}
}

// write appends entries; an index that is there voids it and what follows.
func (x *mirror) write(entries []consensus.Entry) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].Index
	if len(x.entries) == 0 && first > x.before {
		x.before = first - 1
	}
	if first <= x.last() {
		x.entries = x.entries[:first-x.before-1]
	}
	x.entries = append(x.entries, entries...)
}

// sync makes durable what was written.
func (x *mirror) sync() { x.synced = x.last() }

// holds reports whether an entry is durable.
func (x *mirror) holds(i, term uint64) bool {
	e := x.at(i)
	return i <= x.synced && e != nil && e.Term == term
}

// reread makes the mirror of a log that was just opened.
func (x *mirror) reread(log *wal.Log) error {
	first, last := log.FirstIndex(), log.LastIndex()
	if x.synced > last {
		return fmt.Errorf("it ends at entry %d, up to %d all was durable", last, x.synced)
	}
	// Power may be cut while it's read.
	now := mirror{before: first - 1, entries: make([]consensus.Entry, 0, last+1-min(first, last+1)), synced: last}
	for next := first; next <= last; {
		entries, err := log.Entries(next, last+1, 1<<20)
		if err != nil {
			return err
		}
		for _, e := range entries {
			entry := host.EntryOf(e)
			switch old := x.at(e.Index); {
			case old == nil:
			case same(old, &entry):
				entry.Data = old.Data // one array serves all who hold an entry
			case e.Index <= x.synced:
				return fmt.Errorf("%s was durable, and is %s", nameOf(old), nameOf(&entry))
			}
			now.entries = append(now.entries, entry)
		}
		next += uint64(len(entries))
	}
	*x = now
	return nil
}

// same reports whether two entries are one.
func same(a, b *consensus.Entry) bool {
	if a.Term != b.Term || a.Index != b.Index || a.Kind != b.Kind || len(a.Data) != len(b.Data) {
		return false
	}
	return len(a.Data) == 0 || &a.Data[0] == &b.Data[0] || bytes.Equal(a.Data, b.Data)
}

func nameOf(e *consensus.Entry) string {
	return fmt.Sprintf("entry %d of term %d with %d bytes", e.Index, e.Term, len(e.Data))
}
