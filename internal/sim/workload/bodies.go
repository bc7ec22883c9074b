package workload

import (
	"slices"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// body invents what one record says, with the facts that a leader would have resolved.
func (a *author) body() record.Proposed {
	p := a.anyBody()
	if a.rng.IntN(10) > 0 {
		p.HasTime = true
	}
	p.Time = a.time()
	if (p.Kind == record.KindCompensate || p.Kind == record.KindDuplicate) && a.rng.IntN(3) == 0 {
		p.Time = p.Compensation.Time
	}
	return p
}

func (a *author) anyBody() record.Proposed {
	switch n := a.rng.IntN(100); {
	case n < 55, n >= 84 && n < 87 && a.g.calm:
		return record.Proposed{Kind: record.KindSignal, Signal: a.signal()}
	case n < 57:
		return record.Proposed{Kind: record.KindUndo, Undo: a.undo()}
	case n < 58:
		return a.region()
	case n < 61:
		return record.Proposed{Kind: record.KindSession, Session: a.session()}
	case n < 67:
		return record.Proposed{Kind: record.KindMark, Mark: a.mark()}
	case n < 74:
		return record.Proposed{Kind: record.KindRelation, Relation: a.relation()}
	case n < 79:
		return record.Proposed{Kind: record.KindPut, Entity: a.entity(record.KindPut)}
	case n < 84:
		return record.Proposed{Kind: record.KindPatch, Entity: a.entity(record.KindPatch)}
	case n < 86:
		return record.Proposed{Kind: record.KindDelete, Entity: a.entity(record.KindDelete)}
	case n < 87:
		return record.Proposed{Kind: record.KindErase, Erase: record.Erase{User: a.g.names.user(a.rng)}}
	case n < 96:
		if c, ok := a.compensation(); ok {
			kind := record.KindCompensate
			if a.rng.IntN(4) == 0 {
				kind = record.KindDuplicate
			}
			return record.Proposed{Kind: kind, Compensation: c}
		}
		return record.Proposed{Kind: record.KindSignal, Signal: a.signal()}
	case n < 97:
		return record.Proposed{Kind: record.KindSealingKey, SealingKey: a.sealingKey()}
	case n < 98:
		return record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level}}
	}
	return record.Proposed{Kind: record.KindAnnotation, Annotation: record.Annotation{Name: "note", Note: []byte("x")}}
}

func (a *author) signal() record.Signal {
	n := &a.g.names
	s := record.Signal{
		Type:   uint16(a.rng.IntN(len(a.version().Signals))),
		Weight: a.weight(),
		Item:   n.item(a.rng),
	}
	s.ItemGen = a.gen(id.KindItem, s.Item)
	if a.rng.IntN(5) > 0 {
		s.User = n.user(a.rng)
		s.UserGen = a.gen(id.KindUser, s.User)
	}
	if a.rng.IntN(2) == 0 {
		s.Creator = n.creator(a.rng)
	}
	for range a.rng.IntN(3) {
		s.Cohorts = append(s.Cohorts, n.cohort(a.rng))
	}
	slices.Sort(s.Cohorts)
	s.Cohorts = slices.Compact(s.Cohorts)
	if a.rng.IntN(10) == 0 {
		s.Ref = "feed"
	}
	return s
}

func (a *author) weight() fixed.Weight {
	switch a.rng.IntN(6) {
	case 0:
		return fixed.MaxWeight
	case 1:
		return 1
	case 2:
		return 1 + fixed.Weight(a.rng.Int64N(int64(fixed.MaxWeight)))
	}
	return fixed.One
}

func (a *author) mark() record.Mark {
	m := record.Mark{
		Which: record.MarkKind(1 + a.rng.IntN(4)),
		User:  a.g.names.user(a.rng),
		Item:  a.g.names.item(a.rng),
	}
	m.On = m.Which == record.MarkSeen || a.rng.IntN(2) == 0
	m.UserGen, m.ItemGen = a.gen(id.KindUser, m.User), a.gen(id.KindItem, m.Item)
	return m
}

func (a *author) relation() record.Relation {
	r := record.Relation{
		Which: record.RelationKind(1 + a.rng.IntN(5)),
		On:    a.rng.IntN(2) == 0,
		User:  a.g.names.user(a.rng),
	}
	r.UserGen = a.gen(id.KindUser, r.User)
	r.Target = a.g.names.item(a.rng)
	switch {
	case r.Which == record.CollectItem:
		r.Target = record.CollectionTarget([]string{"later", "gifts"}[a.rng.IntN(2)], r.Target)
	case r.Which.Target() == id.KindCreator:
		r.Target = a.g.names.creator(a.rng)
	}
	return r
}

func (a *author) entity(kind record.Kind) record.Entity {
	n := &a.g.names
	x := record.Entity{Kind: id.KindItem, ID: n.item(a.rng)}
	switch a.rng.IntN(5) {
	case 0:
		x = record.Entity{Kind: id.KindUser, ID: n.user(a.rng)}
	case 1:
		x = record.Entity{Kind: id.KindCreator, ID: n.creator(a.rng)}
	}
	if kind == record.KindDelete {
		return x
	}
	for _, name := range []string{"creator", "language", "price", "title"} {
		if a.rng.IntN(2) == 0 {
			continue
		}
		f := record.Field{Name: name, Value: schema.Int(a.rng.Int64N(1000)).Encode()}
		if kind == record.KindPatch && a.rng.IntN(3) == 0 {
			f.Value = nil
		}
		x.Fields = append(x.Fields, f)
	}
	return x
}

// compensation takes back one of the signals that are this origin's to take back.
func (a *author) compensation() (record.Compensation, bool) {
	if len(a.undoable) == 0 {
		return record.Compensation{}, false
	}
	i := a.rng.IntN(len(a.undoable))
	e := a.undoable[i]
	a.undoable = slices.Delete(a.undoable, i, i+1)
	return record.Compensation{
		Original: e.Position,
		Time:     e.Meta.Time,
		Schema:   e.Schema.Hash(),
		Signal:   e.Body.Signal,
	}, true
}

const (
	minute = 60_000
	hour   = 60 * minute
	day    = 24 * hour
)

// time is an event's: about now, late by anything up to a few years, at an edge, or wild.
func (a *author) time() int64 {
	t := a.g.now + a.rng.Int64N(minute)
	switch a.rng.IntN(10) {
	case 0:
		t -= a.rng.Int64N(2 * hour)
	case 1:
		t -= a.rng.Int64N(10 * day)
	case 2:
		t -= a.rng.Int64N(100 * day)
	case 3:
		t += a.rng.Int64N(3 * hour)
	case 4:
		if a.rng.IntN(8) == 0 {
			t -= a.rng.Int64N(900 * day)
		}
	}
	if a.rng.IntN(3) == 0 {
		unit := []int64{minute, hour, day, 8 * minute, 8 * hour, 48 * hour, 8 * day, 56 * day}[a.rng.IntN(8)]
		t -= t % unit
		t += a.rng.Int64N(3) - 1
		t -= unit * []int64{0, 0, 1, 4, 5, 29, 30, 59, 60, 167, 168}[a.rng.IntN(11)]
	}
	if a.rng.IntN(2000) == 0 {
		t = []int64{record.MinTime, record.MaxTime}[a.rng.IntN(2)]
	}
	return t
}
