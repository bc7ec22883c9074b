package store

import (
	"errors"
	"iter"

	"github.com/tidaldb/tidal/internal/id"
)

// View is one instant of a store, records and [Meta] together. What is written later doesn't show. It must be closed.
type View struct {
	view view
	done func() error
	meta Meta
}

// View pins what is committed.
func (s *Store) View() (*View, error) {
	v, done, err := s.pin()
	if err != nil {
		return nil, err
	}
	meta, err := readMeta(v, s.dir, s.identity)
	if err != nil {
		return nil, errors.Join(err, done())
	}
	return &View{v, done, meta}, nil
}

// Meta returns what the view's records are the state after.
func (v *View) Meta() Meta { return v.meta }

// Owner walks the records of one owner as [Store.Records] does.
func (v *View) Owner(kind id.Kind, owner string) iter.Seq2[Record, error] {
	prefix := appendOwner(nil, kind, owner)
	return counting(v.view, prefix, after(prefix))
}

// Owners walks the records of all owners of a kind whose ids lie behind one, as [Store.Records] does.
func (v *View) Owners(kind id.Kind, behind string) iter.Seq2[Record, error] {
	first := []byte{spaceReplicated, byte(kind)}
	from := first
	if behind != "" {
		from = after(appendOwner(nil, kind, behind))
	}
	return counting(v.view, from, after(first))
}

// Close releases the view.
func (v *View) Close() error { return v.done() }
