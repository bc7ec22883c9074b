package store

import "context"

// Compact merges everything in a store on disk, as its background work would at some time.
func (s *Store) Compact() error {
	f, ok := s.held.form.(*pebbleForm)
	if !ok {
		return nil
	}
	return f.watch.guard(func() error {
		return f.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false)
	})
}
