package refold

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/schema"
)

// A list keeps the newest entry of each item or user, the newest of these, and none that is a year (of 366 days) older
// than the newest.
const (
	listLength    = 64
	listRetention = 366 * day
)

// entry is one of a list. In which order events of one millisecond were stamped isn't known, so lists are compared as
// sets, their times in order.
type entry struct {
	time int64
	name uint32
	kind uint8
}

// recents compares a list with the newest events of its user, one for each item.
func (c *comparison) recents(value []byte, events []uint32) string {
	return c.newest(algebra.KindRecents, value, events, func(e *event) uint32 { return e.item })
}

// engagers compares a list with the newest events of its item, one for each user.
func (c *comparison) engagers(value []byte, events []uint32) string {
	return c.newest(algebra.KindEngagers, value, events, func(e *event) uint32 { return e.user })
}

// newest compares a list with the newest events, one for each name.
func (c *comparison) newest(kind algebra.Kind, value []byte, events []uint32, name func(*event) uint32) string {
	got, differs := c.list(kind, value)
	if differs != "" {
		return differs
	}
	all, untimed := c.entries(events, name)
	chosen := map[uint32]uint8{}
	for _, e := range got {
		if _, twice := chosen[e.name]; twice {
			return fmt.Sprintf("has %q twice", c.names.all[e.name])
		}
		chosen[e.name] = e.kind
	}
	if untimed {
		return sameList(got, all, true)
	}
	newest := map[uint32]int64{}
	for _, e := range all {
		if at, ok := newest[e.name]; !ok || e.time > at {
			newest[e.name] = e.time
		}
	}
	// Of a name's events in one millisecond any may stand for it, but only one.
	kept := all[:0]
	had := map[uint32]bool{}
	for _, e := range all {
		if kind, ok := chosen[e.name]; e.time < newest[e.name] || ok && kind != e.kind || had[e.name] {
			continue
		}
		had[e.name] = true
		kept = append(kept, e)
	}
	return sameList(got, kept, false)
}

// list decodes a list.
func (c *comparison) list(kind algebra.Kind, value []byte) ([]entry, string) {
	got, err := kind.List().Decode(value)
	if err != nil {
		return nil, err.Error()
	}
	out := make([]entry, len(got))
	for i, e := range got {
		name, ok := c.names.find(e.ID)
		typ, known := c.types[e.Type]
		if !ok || !known || e.Gen != 0 {
			return nil, fmt.Sprintf("has %q by %q, which nothing accounts for", e.ID, e.Type)
		}
		out[i] = entry{e.Time, name, typ}
	}
	return out, ""
}

func (c *comparison) entries(events []uint32, name func(*event) uint32) (all []entry, untimed bool) {
	all = make([]entry, len(events))
	for n, i := range events {
		e := &c.events[i]
		all[n] = entry{e.time, name(e), e.kind}
		untimed = untimed || e.untimed
	}
	return all, untimed
}

// sameList compares a list with the newest of all: their times in order, and each entry as often as at most it happened.
// Without times it asks only that every entry happened.
func sameList(got, all []entry, untimed bool) string {
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(b.time, a.time) })
	most := len(all)
	for !untimed && most > 0 && all[most-1].time < all[0].time-listRetention {
		most--
	}
	most = min(most, listLength)
	if len(got) > most || len(got) == 0 || len(got) < most && !untimed {
		return fmt.Sprintf("has %d entries, want %d", len(got), most)
	}
	happened := map[entry]int{}
	for _, e := range all {
		happened[timeless(e, untimed)]++
	}
	for i, e := range got {
		if !untimed && e.time != all[i].time {
			return fmt.Sprintf("entry %d is of %d ms, want %d", i, e.time, all[i].time)
		}
		e = timeless(e, untimed)
		if happened[e]--; happened[e] < 0 {
			return fmt.Sprintf("entry %d didn't happen, or not so often", i)
		}
	}
	return ""
}

func timeless(e entry, untimed bool) entry {
	if untimed {
		e.time = 0
	}
	return e
}

// marks compares what a user's events with one item say: when it was seen last, and which marks are on.
func (c *comparison) marks(value []byte, events []uint32) string {
	got, err := algebra.DecodePairMarks(value)
	if err != nil {
		return err.Error()
	}
	seen, untimed, latest := false, false, int64(0)
	for _, i := range events {
		if e := &c.events[i]; c.schema.Signals[e.kind].Seen {
			if !seen || e.time > latest {
				latest = e.time
			}
			seen, untimed = true, untimed || e.untimed
		}
	}
	switch {
	case seen == got.Seen.IsZero():
		return fmt.Sprintf("seen is %t, want %t", !got.Seen.IsZero(), seen)
	case seen && !untimed && got.Seen.Time != latest:
		return fmt.Sprintf("was seen at %d ms, want %d", got.Seen.Time, latest)
	}
	for _, m := range []struct {
		mark schema.Mark
		flag algebra.Flag
	}{{schema.Liked, got.Liked}, {schema.Saved, got.Saved}, {schema.InProgress, got.InProgress}} {
		if on, off := c.outcomes(events, m.mark); m.flag.Stamp.HLC == 0 && (on || off) ||
			m.flag.Stamp.HLC != 0 && (m.flag.On && !on || !m.flag.On && !off) {
			return fmt.Sprintf("%v is %t, want %t", m.mark, m.flag.On, on)
		}
	}
	return ""
}

// outcomes says how a mark may stand: on, off, both if it isn't known which of two writes came last, or neither if it
// was never written. It may be any of the last writes of requests that no other was certainly behind.
func (c *comparison) outcomes(events []uint32, mark schema.Mark) (on, off bool) {
	last := map[uint64]bool{} // the last write of each request
	newest := uint64(0)
	for _, i := range events {
		e := &c.events[i]
		t := &c.schema.Signals[e.kind]
		sets := slices.Contains(t.Sets, mark)
		if sets || slices.Contains(t.Clears, mark) {
			last[e.request] = sets
			newest = max(newest, e.request)
		}
	}
	for request, set := range last {
		if !c.inOrder(request, newest) {
			on, off = on || set, off || !set
		}
	}
	return on, off
}
