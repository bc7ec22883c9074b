package lane

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// A table is stored as records, each with a key and a value of its own, so that a checkpoint writes what changed and
// not everything. Words are those of the encoding of a table, from which only names and counts are missing:
//
//	'l' producer                    version byte (2) · high · window · newest stamp · floor · runs of the newest page
//	'r' producer · page (8 bytes)   version byte (2) · runs of that page, one at least
//	'k' key                         version byte (2) · position · records · content · stamp
//
// The page of a run is its first request divided by 256, big endian in the key. A lane of one run has one record; one
// with a run for each request, as producers have that share batches, changes in its newest page and in the ones where
// runs expire or lose their hashes.
const (
	recordKey  = 'k'
	recordLane = 'l'
	recordRuns = 'r'
)

const pageBits = 8

func (r *run) page() uint64 { return r.first >> pageBits }

// trail is what is remembered of a lane between two walks of its changes.
type trail struct {
	listed bool
	saved  uint64   // page that was in the lane's own record; those below it had theirs
	pages  []uint64 // in which runs changed, in order
}

// tracker lists what changed, each once; what was forgotten stays in it until the next walk.
type tracker struct {
	lanes []*lane
	keys  []*key
}

// Track remembers from now on what changes, for [Table.Changes]; what the table holds already counts as known.
func (t *Table) Track() {
	if t.tracker != nil {
		return
	}
	t.tracker = &tracker{}
	for _, l := range t.byAge {
		l.trail = &trail{saved: l.newestPage()}
	}
}

// changed lists a lane.
func (t *Table) changed(l *lane) {
	if t.tracker != nil && !l.trail.listed {
		l.trail.listed = true
		t.tracker.lanes = append(t.tracker.lanes, l)
	}
}

// changedKey lists a key.
func (t *Table) changedKey(k *key) {
	if t.tracker != nil && !k.listed {
		k.listed = true
		t.tracker.keys = append(t.tracker.keys, k)
	}
}

// touch notes that the runs changed that begin in the page of a request.
func (l *lane) touch(first uint64) {
	if l.trail == nil {
		return
	}
	page := first >> pageBits
	if at, known := slices.BinarySearch(l.trail.pages, page); !known {
		l.trail.pages = slices.Insert(l.trail.pages, at, page)
	}
}

func (l *lane) newestPage() uint64 {
	if len(l.runs) == 0 {
		return 0
	}
	return l.runs[len(l.runs)-1].page()
}

// inPage returns the runs of a page.
func (l *lane) inPage(page uint64) []run {
	byPage := func(r run, page uint64) int { return cmp.Compare(r.page(), page) }
	from, _ := slices.BinarySearchFunc(l.runs, page, byPage)
	to, _ := slices.BinarySearchFunc(l.runs[from:], page+1, byPage)
	return l.runs[from : from+to]
}

// Changes yields the records that changed since the last walk that came to its end, by ascending key; a value of nil
// says that there is no such record any more, and perhaps never was one that was yielded. Written over each other they
// always are what the table is made of: [Table.Restore] makes an equal one from them. What is yielded stays valid, and
// the table must not change meanwhile. It panics without [Table.Track].
func (t *Table) Changes(yield func(key, value []byte) bool) {
	if t.tracker == nil {
		panic("lane: changes of a table that doesn't track them")
	}
	var scratch []byte
	for _, k := range t.tracker.names() {
		scratch = t.appendRecord(scratch[:0], k)
		var value []byte
		if len(scratch) > 0 {
			value = bytes.Clone(scratch)
		}
		if !yield([]byte(k), value) {
			return
		}
	}
	for _, l := range t.tracker.lanes {
		l.trail.listed, l.trail.saved, l.trail.pages = false, l.newestPage(), l.trail.pages[:0]
	}
	for _, k := range t.tracker.keys {
		k.listed = false
	}
	*t.tracker = tracker{}
}

// names returns the keys of the records that changed, in order. A producer or key may be listed twice, when it was
// forgotten and came again.
func (c *tracker) names() []string {
	names := make([]string, 0, len(c.lanes)+len(c.keys))
	for _, k := range c.keys {
		names = append(names, string(recordKey)+k.name)
	}
	for _, l := range c.lanes {
		names = append(names, string(recordLane)+l.producer)
		names = l.appendPages(names)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// appendPages appends the keys of pages that have, or had, records of their own and changed.
func (l *lane) appendPages(names []string) []string {
	newest, saved := l.newestPage(), l.trail.saved
	add := func(page uint64) {
		key := append([]byte{recordRuns}, l.producer...)
		names = append(names, string(binary.BigEndian.AppendUint64(key, page)))
	}
	for _, page := range l.trail.pages {
		// What lies between the two had no record, and has none unless runs are there.
		if page < saved || page < newest && len(l.inPage(page)) > 0 {
			add(page)
		}
	}
	if saved < newest && len(l.inPage(saved)) > 0 {
		add(saved) // it was in the lane's own record
	} else if newest < saved {
		add(newest) // it had one of its own
	}
	return names
}

// appendRecord appends the value of the record under a key; nothing if there is none.
func (t *Table) appendRecord(dst []byte, name string) []byte {
	kind, name := name[0], name[1:]
	switch kind {
	case recordKey:
		if k, ok := t.keys[name]; ok {
			dst = k.appendValue(append(dst, encodingVersion))
		}
	case recordLane:
		if l, ok := t.lanes[name]; ok {
			dst = appendRuns(l.appendHead(append(dst, encodingVersion)), l.inPage(l.newestPage()))
		}
	case recordRuns:
		producer, page := name[:len(name)-8], binary.BigEndian.Uint64([]byte(name[len(name)-8:]))
		l, ok := t.lanes[producer]
		if !ok || page == l.newestPage() {
			return dst
		}
		if runs := l.inPage(page); len(runs) > 0 {
			dst = appendRuns(append(dst, encodingVersion), runs)
		}
	}
	return dst
}
