package host

import (
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/wal"
)

// older reads the log for followers that lag by more than what consensus has in memory.
type older struct{ log *wal.Log }

func (o older) FirstIndex() uint64 { return o.log.FirstIndex() }

func (o older) Term(i uint64) (uint64, error) { return o.log.Term(i) }

func (o older) Entries(lo, hi uint64, maxBytes int) ([]consensus.Entry, error) {
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
