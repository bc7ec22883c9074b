package store

import (
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidaldb/tidal/internal/algebra"
)

// operatorName is written into every database: one of another algebra doesn't open.
func operatorName() string { return "tidal.algebra." + strconv.Itoa(Algebra) }

// operator is the algebra as Pebble's merge operator. Pebble merges what it finds, in compactions as in reads, in
// whatever groups: that the result doesn't depend on it is what the algebra is for.
func operator() *pebble.Merger {
	pool := &sync.Pool{}
	pool.New = func() any { return &merging{pool: pool} }
	return &pebble.Merger{
		Name: operatorName(),
		Merge: func(key, value []byte) (pebble.ValueMerger, error) {
			kind, err := kindOf(key)
			if err != nil {
				return nil, fmt.Errorf("merge: %w", err)
			}
			m := pool.Get().(*merging)
			m.kind, m.many = kind, false
			m.value = append(m.value[:0], value...)
			return m, nil
		},
	}
}

// merging is the merge of one record's operands, which are older or newer to no effect. Most records have one operand,
// which is passed on as it is. Where there are more, cells and lists stay decoded from the second to the last.
type merging struct {
	pool *sync.Pool
	kind algebra.Kind
	many bool
	// value is the first operand; from the second on, for kinds other than cells and lists, what they amount to.
	value, scratch []byte

	cell, operand algebra.SignalState
	list          algebra.TopN
}

func (m *merging) MergeNewer(value []byte) error {
	switch {
	case m.kind.Cell():
		return m.addCell(value)
	case m.kind == algebra.KindRecents || m.kind == algebra.KindEngagers:
		return m.addList(value)
	}
	out, err := algebra.Merge(m.kind, m.scratch[:0], m.value, value)
	if err != nil {
		return err
	}
	m.value, m.scratch = out, m.value
	return nil
}

func (m *merging) addCell(value []byte) error {
	if !m.many {
		if err := algebra.DecodeSignalState(m.value, &m.cell); err != nil {
			return fmt.Errorf("merge %v: %w", m.kind, err)
		}
		m.many = true
	}
	if err := algebra.DecodeSignalState(value, &m.operand); err != nil {
		return fmt.Errorf("merge %v: %w", m.kind, err)
	}
	m.cell.Merge(&m.operand)
	return nil
}

func (m *merging) addList(value []byte) (err error) {
	rule := m.kind.List()
	if !m.many {
		if m.list, err = rule.Decode(m.value); err != nil {
			return fmt.Errorf("merge %v: %w", m.kind, err)
		}
		m.many = true
	}
	operand, err := rule.Decode(value)
	if err != nil {
		return fmt.Errorf("merge %v: %w", m.kind, err)
	}
	m.list = rule.Merge(m.list, operand)
	return nil
}

func (m *merging) MergeOlder(value []byte) error { return m.MergeNewer(value) }

// Finish returns what Close makes invalid.
func (m *merging) Finish(bool) ([]byte, io.Closer, error) {
	switch {
	case !m.many:
	case m.kind.Cell():
		m.value = m.cell.AppendBinary(m.value[:0])
	default:
		m.value = m.list.AppendBinary(m.value[:0])
	}
	return m.value, m, nil
}

// Close ends the use of what Finish returned.
func (m *merging) Close() error {
	m.list = nil
	m.pool.Put(m)
	return nil
}
