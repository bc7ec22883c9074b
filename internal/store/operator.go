package store

import (
	"fmt"
	"io"
	"strconv"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidaldb/tidal/internal/algebra"
)

// operatorName is written into every database: one of another algebra doesn't open.
func operatorName() string { return "tidal.algebra." + strconv.Itoa(Algebra) }

// operator is the algebra as Pebble's merge operator. Pebble merges what it finds, in compactions as in reads, in
// whatever groups: that the result doesn't depend on it is what the algebra is for.
func operator() *pebble.Merger {
	return &pebble.Merger{
		Name: operatorName(),
		Merge: func(key, value []byte) (pebble.ValueMerger, error) {
			kind, err := kindOf(key)
			if err != nil {
				return nil, fmt.Errorf("merge: %w", err)
			}
			m := &merging{kind: kind}
			m.value = append(m.value, value...)
			return m, nil
		},
	}
}

// merging is the merge of one record's operands, which are older or newer to no effect.
type merging struct {
	kind           algebra.Kind
	value, scratch []byte
}

func (m *merging) MergeNewer(value []byte) error {
	out, err := algebra.Merge(m.kind, m.scratch[:0], m.value, value)
	if err != nil {
		return err
	}
	m.value, m.scratch = out, m.value
	return nil
}

func (m *merging) MergeOlder(value []byte) error { return m.MergeNewer(value) }

func (m *merging) Finish(bool) ([]byte, io.Closer, error) { return m.value, nil, nil }
