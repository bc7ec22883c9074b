package lane

import "github.com/tidaldb/tidal/internal/id"

// FindKey returns the position of what was accepted under an idempotency key; false when nothing was, or when the key
// has expired.
func (t *Table) FindKey(name string) (id.Position, bool) {
	k, ok := t.keys[name]
	if !ok {
		return id.Position{}, false
	}
	return k.Position, true
}

// FindRequest returns the position of the first record of a producer's request, and how many records follow each other
// from there; false when the request wasn't accepted, or so long ago that its place isn't known any more.
func (t *Table) FindRequest(producer string, request uint64) (first id.Position, count uint32, ok bool) {
	l, ok := t.lanes[producer]
	if !ok {
		return id.Position{}, 0, false
	}
	i, ok := l.find(request)
	if !ok {
		return id.Position{}, 0, false
	}
	run := &l.runs[i]
	return run.position(request), run.count, true
}
