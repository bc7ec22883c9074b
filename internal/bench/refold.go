package bench

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/workload"
)

// expected is every signal that was acknowledged. What a record has to hold is computed from them when it is met,
// without any of the code that the database counts with; the database's decoders are trusted.
type expected struct {
	w      *workload.Workload
	newest int64
	events []workload.Event
}

func repeat(w *workload.Workload, times [][]int64) *expected {
	x := &expected{w: w, newest: math.MinInt64}
	events := make([]workload.Event, Batch)
	for connection, of := range times {
		source := w.Source(connection)
		for _, at := range of {
			source.Next(at, events)
			x.events = append(x.events, events...)
		}
	}
	for i := range x.events {
		x.newest = max(x.newest, x.events[i].Time)
	}
	return x
}

// compare goes through every replicated record but the schema's.
func (x *expected) compare(e *engine.Engine) Checked {
	c := Checked{Signals: int(e.Counters().Signals)}
	if c.Signals != len(x.events) {
		c.Different++
	}
	byItem := byOwner(x.events, func(e workload.Event) string { return x.w.Item(e.Item) })
	byUser := byOwner(x.events, func(e workload.Event) string { return x.w.User(e.User) })
	delete(byUser, "") // signals without a user
	owner := ownerRecords{}
	settle := func() {
		switch owner.kind {
		case id.KindItem:
			x.item(&c, owner.records, byItem[owner.name])
			delete(byItem, owner.name)
		case id.KindUser:
			x.user(&c, owner.records, byUser[owner.name])
			delete(byUser, owner.name)
		}
	}
	e.Records(func(r engine.Record) bool {
		if r.OwnerKind != owner.kind || r.Owner != owner.name {
			settle()
			owner = ownerRecords{kind: r.OwnerKind, name: r.Owner}
		}
		owner.records = append(owner.records, r)
		return true
	})
	settle()
	c.Different += len(byItem) + len(byUser) // no record at all
	return c
}

// ownerRecords are the records of one item or user, which come one after another.
type ownerRecords struct {
	kind    id.Kind
	name    string
	records []engine.Record
}

// byOwner groups events by the name of their item or user.
func byOwner(events []workload.Event, name func(workload.Event) string) map[string][]workload.Event {
	groups := map[string][]workload.Event{}
	for _, e := range events {
		n := name(e)
		groups[n] = append(groups[n], e)
	}
	return groups
}

// wanted are the records that are still to come, with the events that make them.
type wanted map[string][]workload.Event

func (w wanted) add(name string, e workload.Event) { w[name] = append(w[name], e) }

// take returns the events of a record and forgets them: a second record of that name has no reason.
func (w wanted) take(name string) []workload.Event {
	events := w[name]
	delete(w, name)
	return events
}

// item compares the records of an item: its cells, those of cohorts, and who met it last.
func (x *expected) item(c *Checked, records []engine.Record, events []workload.Event) {
	want := wanted{}
	for _, e := range events {
		name := workload.TypeName(e.Type)
		want.add("cell "+name, e)
		for _, cohort := range x.w.Cohorts(e.User) {
			want.add("cohort "+subKey(cohort, name), e)
		}
		if x.w.Config().Users > 0 && name != "skip" { // only who liked it
			want.add("engagers", e)
		}
	}
	for _, r := range records {
		same := false
		switch r.Kind {
		case algebra.KindCell:
			same = x.sameCell(r.Value, want.take("cell "+r.Sub))
			c.Cells++
		case algebra.KindCohortCell:
			same = x.sameCell(r.Value, want.take("cohort "+r.Sub))
			c.Cells++
		case algebra.KindEngagers:
			same = x.sameEngagers(r.Value, want.take("engagers"))
			c.ItemLists++
		}
		if !same {
			c.Different++
		}
	}
	c.Different += len(want)
}

// subKey is the name of a cohort's cell at its item: the length of the cohort's name, that, and the type.
func subKey(cohort, name string) string {
	return string(binary.AppendUvarint(nil, uint64(len(cohort)))) + cohort + name
}

// user compares the records of a user: what they met last, and what they saw.
func (x *expected) user(c *Checked, records []engine.Record, events []workload.Event) {
	want := wanted{}
	for _, e := range events {
		want.add("recents", e)
		want.add("marks "+x.w.Item(e.Item), e)
	}
	for _, r := range records {
		same := false
		switch r.Kind {
		case algebra.KindRecents:
			same = x.sameRecents(r.Value, want.take("recents"))
		case algebra.KindPairMarks:
			same = sameMarks(r.Value, want.take("marks "+r.Sub))
		}
		c.UserRecords++
		if !same {
			c.Different++
		}
	}
	c.Different += len(want)
}

func (x *expected) sameCell(value []byte, events []workload.Event) bool {
	var cell algebra.SignalState
	if len(events) == 0 || algebra.DecodeSignalState(value, &cell) != nil {
		return false
	}
	half := workload.HalfLife(events[0].Type)
	return readingOf(&cell, half, x.newest).same(expectedReading(events, half, x.newest))
}

func sameMarks(value []byte, events []workload.Event) bool {
	got, err := algebra.DecodePairMarks(value)
	if err != nil || len(events) == 0 || got.Seen.Time != latest(events) {
		return false
	}
	got.Seen = algebra.Order{}
	return got.IsZero() // no type sets a mark
}

func latest(events []workload.Event) int64 {
	return slices.MaxFunc(events, func(a, b workload.Event) int { return cmp.Compare(a.Time, b.Time) }).Time
}

// listed is an entry of a list as the workload knows it. In which order events of one millisecond were stamped it
// doesn't know, so lists are compared as sets, the times in order.
type listed struct {
	time       int64
	name, kind string
}

// listLength is how many entries a list keeps.
const listLength = 64

// sameRecents compares a list with the newest events of its user.
func (x *expected) sameRecents(value []byte, events []workload.Event) bool {
	var all []listed
	for _, e := range events {
		all = append(all, listed{e.Time, x.w.Item(e.Item), workload.TypeName(e.Type)})
	}
	got, err := algebra.KindRecents.List().Decode(value)
	return err == nil && sameList(got, all)
}

// sameEngagers compares a list with the newest events of its item, one for each user.
func (x *expected) sameEngagers(value []byte, events []workload.Event) bool {
	newest := map[uint32]int64{}
	for _, e := range events {
		newest[e.User] = max(newest[e.User], e.Time)
	}
	var all []listed
	for _, e := range events {
		if e.Time == newest[e.User] {
			all = append(all, listed{e.Time, x.w.User(e.User), workload.TypeName(e.Type)})
		}
	}
	got, err := algebra.KindEngagers.List().Decode(value)
	if err != nil || !oneEach(got) {
		return false
	}
	// Of a user's events in one millisecond any may stand for them, but only one.
	chosen := map[string]string{}
	for _, e := range got {
		chosen[e.ID] = e.Type
	}
	kept := all[:0]
	had := map[string]bool{}
	for _, l := range all {
		if kind, ok := chosen[l.name]; ok && kind != l.kind || had[l.name] {
			continue
		}
		had[l.name] = true
		kept = append(kept, l)
	}
	return sameList(got, kept)
}

func oneEach(list algebra.TopN) bool {
	seen := map[string]bool{}
	for _, e := range list {
		if seen[e.ID] {
			return false
		}
		seen[e.ID] = true
	}
	return true
}

// sameList reports whether a list holds the newest of all: their times in order, and each entry as often as at most
// it happened.
func sameList(got algebra.TopN, all []listed) bool {
	slices.SortStableFunc(all, func(a, b listed) int { return cmp.Compare(b.time, a.time) })
	if len(got) != min(listLength, len(all)) || len(got) == 0 {
		return false
	}
	times := map[listed]int{}
	for _, l := range all {
		times[l]++
	}
	for i, e := range got {
		l := listed{e.Time, e.ID, e.Type}
		times[l]--
		if e.Time != all[i].time || times[l] < 0 {
			return false
		}
	}
	return true
}
