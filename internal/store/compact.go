package store

import (
	"context"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Compact merges everything that is stored on disk, as the background work would at some time: it takes less room
// afterwards, and reads are faster. It is for the goroutine that commits. A store in memory is always compact.
func (s *Store) Compact() error { return s.compact([]byte{0}, []byte{0xff}) }

// CompactOwners is [Store.Compact] for the owners of a kind from one id up to another, both included.
func (s *Store) CompactOwners(kind id.Kind, from, to string) error {
	if kind > id.Kinds || from > to {
		return fault.Refuse("owners", "of kind %d from %q to %q", kind, from, to)
	}
	return s.compact(appendOwner(nil, kind, from), after(appendOwner(nil, kind, to)))
}

func (s *Store) compact(from, to []byte) error {
	f, err := s.writable()
	if err != nil {
		return err
	}
	p, ok := f.(*pebbleForm)
	if !ok {
		return nil
	}
	return p.damage("compact", p.watch.guard(func() error {
		return p.db.Compact(context.Background(), from, to, false)
	}))
}
