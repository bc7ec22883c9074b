package lane

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
)

// Restore enters one record that [Table.Changes] yielded into a table that doesn't have it yet; it counts as known to
// the next walk. Records come by ascending key, since a lane's own comes before its pages. When all are in, the table
// is equal to the one that they are of.
//
// Anything but the canonical bytes of a record that fits what is there is [fault.ErrCorrupt], a later version is
// [fault.ErrFormatTooNew]; both leave the table as it was.
func (t *Table) Restore(key, value []byte) error {
	d := decoder{b: value}
	if len(key) == 0 {
		d.fail("record without a key")
		return d.err
	}
	if err := d.version(); err != nil {
		return err
	}
	switch name := key[1:]; key[0] {
	case recordKey:
		t.restoreKey(&d, string(name))
	case recordLane:
		t.restoreLane(&d, string(name))
	case recordRuns:
		if len(name) < 8 {
			d.fail("key of a page has %d bytes", len(key))
			break
		}
		at := len(name) - 8
		t.restorePage(&d, string(name[:at]), binary.BigEndian.Uint64(name[at:]))
	default:
		d.fail("record of kind %q", key[0])
	}
	if d.err != nil {
		return fmt.Errorf("restore %q: %w", key, d.err)
	}
	return nil
}

func (d *decoder) version() error {
	d.format = d.byte()
	if d.err == nil && d.format > encodingVersion {
		return fmt.Errorf("read lane table of version %d: %w", d.format, fault.ErrFormatTooNew)
	} else if d.format == 0 {
		d.fail("version is 0")
	}
	return d.err
}

// end refuses bytes that nothing was read from.
func (d *decoder) end() {
	if len(d.b) > 0 {
		d.fail("%d bytes behind the end", len(d.b))
	}
}

func (t *Table) restoreKey(d *decoder, name string) {
	k := d.keyValue(name)
	d.end()
	if _, twice := t.keys[name]; twice {
		d.fail("key %q is there already", name)
	}
	if d.err != nil {
		return
	}
	t.keys[name] = k
	heap.Push(&t.keysByAge, k)
}

func (t *Table) restoreLane(d *decoder, producer string) {
	l := d.head(producer)
	l.runs = d.runs(l)
	d.end()
	if _, twice := t.lanes[producer]; twice {
		d.fail("lane %q is there already", producer)
	}
	if n := len(l.runs); n > 0 && l.runs[0].page() != l.runs[n-1].page() {
		d.fail("runs of two pages")
	}
	if d.err != nil {
		return
	}
	l.countHashes(l.runs)
	if t.tracker != nil {
		l.trail = &trail{saved: l.newestPage()}
	}
	t.lanes[producer] = l
	t.runs += len(l.runs)
	heap.Push(&t.byAge, l)
}

func (t *Table) restorePage(d *decoder, producer string, page uint64) {
	l, ok := t.lanes[producer]
	if !ok || len(l.runs) == 0 || page >= l.newestPage() {
		d.fail("page %d is not below one of lane %q", page, producer)
		return
	}
	runs := d.runs(l)
	d.end()
	if d.err == nil && len(runs) == 0 {
		d.fail("page without runs")
	}
	if d.err != nil {
		return
	}
	first, last := &runs[0], &runs[len(runs)-1]
	at, within := l.find(first.first)
	behind := &l.runs[at] // there is one: the page is below the newest
	switch {
	case first.page() != page || last.page() != page:
		d.fail("runs of other pages than %d", page)
	case within || last.end() >= behind.first || behind.page() == page || at > 0 && l.runs[at-1].page() == page:
		d.fail("page %d overlaps what is there", page)
	case last.follows(behind) || at > 0 && l.runs[at-1].follows(first):
		d.fail("two runs are one")
	default:
		l.countHashes(runs)
		l.runs = slices.Insert(l.runs, at, runs...)
		t.runs += len(runs)
		t.byAge.moved(l)
	}
}

// countHashes adds those of runs.
func (l *lane) countHashes(runs []run) {
	for i := range runs {
		l.hashes += len(runs[i].known)
	}
}
