package engine

import (
	"bytes"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
)

// Record is one replicated record as other replicas would name it: by ids, not by ordinals.
type Record struct {
	Kind      algebra.Kind
	OwnerKind id.Kind // state.KindGlobal for none
	Owner     string
	Gen       hlc.Timestamp
	Sub       string
	Value     []byte
}

// Records calls yield with every replicated record, ordered by owner kind, owner, kind and sub-key. A generation is a
// record of its own kind without a value. It sorts, and is meant for checks and dumps. With cold users it is
// [Engine.RecordsWith], and panics here.
func (e *Engine) Records(yield func(Record) bool) {
	e.mustBeWhole()
	for kind := state.KindGlobal; kind <= id.Kinds; kind++ {
		for _, n := range e.sorted(kind) {
			if !ownerRecords(e.table, kind, n, yield) {
				return
			}
		}
	}
}

func ownerRecords(t *state.Table, kind id.Kind, n state.Ord, yield func(Record) bool) bool {
	owner, gen := t.Name(kind, n), t.Generation(kind, n)
	var all []Record
	for key, v := range t.All(kind, n) {
		all = append(all, Record{key.Kind, kind, owner, gen, key.Sub, bytes.Clone(v)})
	}
	if gen != 0 {
		all = append(all, Record{Kind: algebra.KindGeneration, OwnerKind: kind, Owner: owner, Gen: gen})
	}
	slices.SortFunc(all, func(a, b Record) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return bytes.Compare([]byte(a.Sub), []byte(b.Sub))
	})
	for _, r := range all {
		if !yield(r) {
			return false
		}
	}
	return true
}

func (e *Engine) sorted(kind id.Kind) []state.Ord {
	out := make([]state.Ord, 0, e.table.Owners(kind))
	for n := range e.table.Owners(kind) {
		if e.table.Live(kind, n) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b state.Ord) int {
		return bytes.Compare([]byte(e.table.Name(kind, a)), []byte(e.table.Name(kind, b)))
	})
	return out
}
