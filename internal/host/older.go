package host

import (
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/wal"
)

// older reads the log for followers that lag by more than what consensus has in memory.
type older struct {
	log *wal.Log
	// begins is the group's first entry: what the log has before that is of another group, which it began with a copy of.
	// 0 is none.
	begins uint64
}

func (o older) FirstIndex() uint64 { return max(o.log.FirstIndex(), o.begins) }

func (o older) Term(i uint64) (uint64, error) {
	if i+1 < o.begins {
		return 0, fault.ErrNotFound
	}
	return o.log.Term(i)
}

func (o older) Entries(lo, hi uint64, maxBytes int) ([]consensus.Entry, error) {
	if lo < o.begins {
		return nil, fault.ErrNotFound
	}
	entries, err := o.log.Entries(lo, hi, maxBytes)
	if err != nil {
		return nil, err
	}
	out := make([]consensus.Entry, len(entries))
	for i, e := range entries {
		out[i] = consensus.Entry{Kind: fromLog(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data}
	}
	return out, nil
}
