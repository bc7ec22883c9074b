package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Record is one replicated record.
type Record struct {
	Key
	// Generation is the owner's, 0 if it never was deleted. For the kind algebra.KindGeneration, Value is its encoding.
	Generation hlc.Timestamp
	// Value is valid until the iteration goes on.
	Value []byte
}

// Get returns the value of a record, as a copy, and whether there is one. A record of another generation than the
// owner's doesn't count.
func (s *Store) Get(k Key) (value []byte, ok bool, err error) {
	if err := k.check(); err != nil {
		return nil, false, err
	}
	v, done, err := s.pin()
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if !lasting(k.Kind) {
		owner := Key{OwnerKind: k.OwnerKind, Owner: k.Owner, Kind: algebra.KindGeneration}
		b, _, err := v.get(owner.append(nil))
		if err != nil {
			return nil, false, err
		}
		if gen, err := generation(b); err != nil || gen != k.Gen {
			return nil, false, err
		}
	}
	return v.get(k.append(nil))
}

// Records walks all replicated records that count: by owner kind and owner, and for each of them generation and entity
// first, then by kind and sub-key. It sees one instant. An error is yielded at most once, as the last.
func (s *Store) Records() iter.Seq2[Record, error] {
	return s.walk([]byte{spaceReplicated}, []byte{spaceReplicated + 1}, nil)
}

// Owner walks the records of one owner as [Store.Records] does.
func (s *Store) Owner(kind id.Kind, owner string) iter.Seq2[Record, error] {
	prefix := appendOwner(nil, kind, owner)
	return s.walk(prefix, after(prefix), nil)
}

// walk walks a range of stored keys within one view, that check, if not nil, has nothing against.
func (s *Store) walk(from, to []byte, check func(view) error) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		v, done, err := s.pin()
		if err == nil && check != nil {
			if err = check(v); err != nil {
				err = errors.Join(err, done())
			}
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		stopped := false
		for rec, err := range counting(v, from, to) {
			if stopped = !yield(rec, err); stopped || err != nil {
				stopped = true
				break
			}
		}
		if err := done(); err != nil && !stopped {
			yield(Record{}, err)
		}
	}
}

// counting walks the records that count in a range of stored keys, which begins and ends between owners.
func counting(v view, from, to []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var owner []byte // the stored form of the present one
		var last Record
		for p, err := range v.scan(from, to) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			end, err := ownerEnd(p.key)
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !bytes.Equal(owner, p.key[:end]) { // all records of an owner share one string
				owner = append(owner[:0], p.key[:end]...)
				last = Record{Key: Key{Owner: unescape(p.key[2 : end-2]), Sub: last.Sub}}
			}
			k, err := decodeRest(p.key, end, last.Key)
			if err != nil {
				yield(Record{}, err)
				return
			}
			if k.Kind == algebra.KindGeneration {
				if last.Generation, err = generation(p.value); err != nil {
					yield(Record{}, err)
					return
				}
			}
			if !lasting(k.Kind) && k.Gen != last.Generation {
				continue // of a generation that is over
			}
			last.Sub = k.Sub
			if !yield(Record{k, last.Generation, p.value}, nil) {
				return
			}
		}
	}
}

// generation reads the value of a generation's record; there being none is generation 0.
func generation(b []byte) (hlc.Timestamp, error) {
	if len(b) == 0 {
		return 0, nil
	}
	v, n := binary.Uvarint(b)
	if n != len(b) || v == 0 {
		return 0, fault.Damaged("", 0, "generation of %d bytes", len(b))
	}
	return hlc.Timestamp(v), nil
}

// Local returns the value of a group-local record, as a copy, and whether there is one.
func (s *Store) Local(key []byte) (value []byte, ok bool, err error) {
	v, done, err := s.pin()
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return v.get(localKey(key))
}

// Locals walks all group-local records by key; keys and values are valid until the iteration goes on. After an error,
// which failed returns, it ends.
func (s *Store) Locals() (records iter.Seq2[[]byte, []byte], failed func() error) {
	var err error
	return func(yield func(key, value []byte) bool) {
		var v view
		var done func() error
		if v, done, err = s.pin(); err != nil {
			return
		}
		defer func() { err = errors.Join(err, done()) }()
		for p, walked := range v.scan([]byte{spaceLocal}, []byte{spaceLocal + 1}) {
			if err = walked; err != nil || !yield(p.key[1:], p.value) {
				return
			}
		}
	}, func() error { return err }
}
