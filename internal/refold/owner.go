package refold

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/schema"
)

// owner compares the records of one item, user or creator.
func (c *comparison) owner(o entity, records []engine.Record) {
	c.visited[o] = true
	want := map[key][]uint32{}
	if n, ok := c.names.find(o.name); ok {
		switch o.kind {
		case id.KindItem:
			c.wantOfItem(want, c.items.at(n))
		case id.KindUser:
			c.wantOfUser(want, c.users.at(n))
		}
	}
	puts := c.puts[o]
	exists := len(puts) > 0 || c.made[o]
	for i := range records {
		r := &records[i]
		if r.Kind == algebra.KindEntity && exists {
			c.Entities++
			c.report(o, r, c.sameEntity(r, puts))
			exists = false
			continue
		}
		k, ok := c.keyOf(r)
		events := want[k]
		if !ok || len(events) == 0 {
			c.unexpected(o, r)
			continue
		}
		delete(want, k)
		c.report(o, r, c.record(k, r, events))
	}
	if exists {
		c.Missing++
		c.differ("%v %q: its fields are missing", o.kind, o.name)
	}
	c.missing(o, want)
}

// report counts a record that differs.
func (c *comparison) report(o entity, r *engine.Record, differs string) {
	if differs != "" {
		c.differ("%v %q, %v %q: %s", o.kind, o.name, r.Kind, r.Sub, differs)
	}
}

// unexpected counts a record that no event accounts for.
func (c *comparison) unexpected(o entity, r *engine.Record) {
	c.Unexpected++
	if r.Kind == algebra.KindCell {
		if got, err := readCell(r.Value); err == nil {
			c.Signals += got.total
			c.Double += max(0, got.total)
		}
	}
	c.report(o, r, "nothing accounts for it")
}

// missing counts the records that aren't there.
func (c *comparison) missing(o entity, want map[key][]uint32) {
	if len(want) == 0 {
		return
	}
	keys := make([]key, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.typ, b.typ), cmp.Compare(a.name, b.name))
	})
	for _, k := range keys {
		c.Missing++
		if k.kind == algebra.KindCell {
			c.Lost += int64(len(want[k]))
		}
		c.differ("%v %q: %v %s %s is missing", o.kind, o.name, k.kind, c.schema.Signals[k.typ].Name, c.names.all[k.name])
	}
}

// wantOfItem says which records an item has, and of which events each is made.
func (c *comparison) wantOfItem(want map[key][]uint32, events []uint32) {
	for _, i := range events {
		e := &c.events[i]
		add(want, key{kind: algebra.KindCell, typ: e.kind}, i)
		for _, cohort := range c.of[e.cohorts] {
			add(want, key{algebra.KindCohortCell, e.kind, cohort}, i)
		}
		if e.user != 0 && c.schema.Signals[e.kind].Meaning == schema.Positive {
			add(want, key{kind: algebra.KindEngagers}, i)
		}
	}
}

// wantOfUser does the same for a user.
func (c *comparison) wantOfUser(want map[key][]uint32, events []uint32) {
	for _, i := range events {
		e := &c.events[i]
		t := &c.schema.Signals[e.kind]
		if t.Meaning != schema.Neutral {
			add(want, key{kind: algebra.KindRecents}, i)
			if e.creator != 0 {
				add(want, key{algebra.KindCreatorCell, e.kind, e.creator}, i)
			}
		}
		if t.Seen || len(t.Sets)+len(t.Clears) > 0 {
			add(want, key{kind: algebra.KindPairMarks, name: e.item}, i)
		}
		if t.Meaning == schema.HardNegative {
			add(want, key{kind: algebra.KindRelation, name: e.item}, i)
		}
	}
}

func add(want map[key][]uint32, k key, event uint32) { want[k] = append(want[k], event) }

// record compares one record and says what differs, "" if nothing does.
func (c *comparison) record(k key, r *engine.Record, events []uint32) string {
	switch k.kind {
	case algebra.KindCell, algebra.KindCohortCell, algebra.KindCreatorCell:
		c.Cells++
		got, err := readCell(r.Value)
		if err != nil {
			return err.Error()
		}
		if k.kind == algebra.KindCell {
			c.Signals += got.total
			c.Lost += max(0, int64(len(events))-got.total)
			c.Double += max(0, got.total-int64(len(events)))
		}
		return c.cell(got, &c.schema.Signals[k.typ], events, k.kind != algebra.KindCreatorCell)
	case algebra.KindEngagers:
		c.ItemLists++
		return c.engagers(r.Value, events)
	case algebra.KindRecents:
		c.UserRecords++
		return c.recents(r.Value, events)
	case algebra.KindPairMarks:
		c.UserRecords++
		return c.marks(r.Value, events)
	case algebra.KindRelation:
		c.UserRecords++
		pair, err := algebra.DecodeMaxPair(r.Value)
		if err != nil || pair.On == 0 || pair.Off != 0 {
			return fmt.Sprintf("isn't a hide: %+v %v", pair, err)
		}
	}
	return ""
}

// sameEntity compares fields with those of the put that came last, or with any that may have; without puts there are none.
func (c *comparison) sameEntity(r *engine.Record, puts []put) string {
	got, err := algebra.DecodeEntity(r.Value)
	if err != nil {
		return err.Error()
	}
	if r.Gen != 0 || got.Deleted != 0 {
		return "it was deleted"
	}
	if len(puts) == 0 {
		if !sameFields(&got, nil) {
			return "it has fields, and was only made"
		}
		return ""
	}
	last := uint64(0)
	for _, p := range puts {
		last = max(last, p.request)
	}
	for i, p := range puts {
		if c.inOrder(p.request, last) || i+1 < len(puts) && puts[i+1].request == p.request {
			continue // another one came behind it
		}
		if sameFields(&got, p.fields) {
			return ""
		}
	}
	return "its fields aren't those of a put"
}

// inOrder reports whether one request was certainly written before another.
func (c *comparison) inOrder(a, b uint64) bool { return c.apart > 0 && a < b && b-a >= c.apart }

func sameFields(got *algebra.Entity, want map[string]schema.Value) bool {
	if len(got.Fields) != len(want) {
		return false
	}
	for _, f := range got.Fields {
		v, ok := want[f.Name]
		if !ok || !f.Set || string(f.Value) != string(v.Encode()) {
			return false
		}
	}
	return true
}
