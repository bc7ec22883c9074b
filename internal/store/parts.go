package store

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/tidaldb/tidal/internal/fault"
)

// Part is a stretch of the replicated records of a store, with all records of the owners in it. [Store.Parts] makes
// them.
type Part struct {
	from, to []byte
	applied  uint64
}

// Parts divides the replicated records into at most n parts of similar size, so that several goroutines can read them,
// each with [Store.RecordsIn]; one after the other they are [Store.Records]. How many there are, and how even, depends
// on how the records lie: a small store, or one that was just written to, has one.
func (s *Store) Parts(n int) []Part {
	from, end := []byte{spaceReplicated}, []byte{spaceReplicated + 1}
	applied := s.Meta().Applied
	v, done, err := s.pin()
	if err != nil {
		return []Part{{from, end, applied}} // and reading tells it
	}
	defer func() { _ = done() }() // the parts are right in any case
	var parts []Part
	for _, key := range v.cuts(n) {
		at, err := ownerEnd(key)
		if err != nil || bytes.Compare(key[:at], from) <= 0 {
			continue // no replicated record, or of an owner that was cut before
		}
		cut := bytes.Clone(key[:at])
		parts = append(parts, Part{from, cut, applied})
		from = cut
	}
	return append(parts, Part{from, end, applied})
}

// RecordsIn walks a part as [Store.Records] walks all. Parts that were made together show one instant: when the store
// has gone on since then, the error is [fault.ErrOutOfStep].
func (s *Store) RecordsIn(p Part) iter.Seq2[Record, error] {
	return s.walk(p.from, p.to, func(v view) error {
		m, err := readMeta(v, s.dir, s.identity)
		if err == nil && m.Applied != p.applied {
			err = fmt.Errorf("read part of %s as of entry %d, at entry %d: %w", s.dir, p.applied, m.Applied,
				fault.ErrOutOfStep)
		}
		return err
	})
}

// weighed is a key and how much there is from it to the next one's.
type weighed struct {
	key  []byte
	size uint64
}

// cutsOf chooses keys that divide what all weigh into n. The keys rise.
func cutsOf(all []weighed, n int) (cuts [][]byte) {
	total := uint64(0)
	for _, w := range all {
		total += w.size
	}
	sum := uint64(0)
	for _, w := range all {
		// Up to here it's sum; the next cut is due at its share.
		if len(cuts)+1 < n && sum > 0 && sum*uint64(n) >= total*uint64(len(cuts)+1) {
			cuts = append(cuts, w.key)
		}
		sum += w.size
	}
	return cuts
}
