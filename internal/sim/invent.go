package sim

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// invent makes up one record. Few names, so that everything meets.
func (w *world) invent() record.Proposed {
	rng := w.rng
	switch n := rng.IntN(100); {
	case n < 66:
		return w.inventSignal()
	case n < 72:
		m := record.Mark{Which: record.MarkKind(1 + rng.IntN(4)), User: w.user(), Item: w.item()}
		m.On = m.Which == record.MarkSeen || rng.IntN(2) == 0
		return record.Proposed{Kind: record.KindMark, Mark: m}
	case n < 82:
		r := record.Relation{Which: record.RelationKind(1 + rng.IntN(4)), On: rng.IntN(2) == 0, User: w.user()}
		r.Target = w.item()
		if r.Which.Target() == id.KindCreator {
			r.Target = w.creator()
		}
		return record.Proposed{Kind: record.KindRelation, Relation: r}
	case n < 86:
		return record.Proposed{Kind: record.KindPut, Entity: w.entity(record.KindPut)}
	case n < 89:
		return record.Proposed{Kind: record.KindPatch, Entity: w.entity(record.KindPatch)}
	case n < 91:
		return record.Proposed{Kind: record.KindDelete, Entity: w.entity(record.KindDelete)}
	case n < 92:
		return record.Proposed{Kind: record.KindErase, Erase: record.Erase{User: w.user()}}
	}
	if at, ok := w.ledger.original(w); ok {
		return record.Proposed{Kind: record.KindCompensate, Compensation: record.Compensation{Original: at}}
	}
	return w.inventSignal()
}

func (w *world) inventSignal() record.Proposed {
	rng := w.rng
	types := len(w.admin.versions[0].Signals)
	s := record.Signal{Type: uint16(rng.IntN(types)), Weight: fixed.One, Item: w.item()}
	if rng.IntN(4) == 0 {
		s.Weight = 1 + fixed.Weight(rng.Int64N(int64(fixed.MaxWeight)))
	}
	if rng.IntN(6) > 0 {
		s.User = w.user()
	}
	for n := range rng.IntN(3) {
		s.Cohorts = append(s.Cohorts, fmt.Sprintf("cohort-%d", n))
	}
	p := record.Proposed{Kind: record.KindSignal, Signal: s}
	if rng.IntN(2) == 0 {
		p.HasTime = true
		p.Time = (epoch+w.now)/milli + w.between(-40*24*3600*1000, 5000)
	}
	return p
}

func (w *world) item() string    { return fmt.Sprintf("item-%d", w.rng.IntN(12)) }
func (w *world) user() string    { return fmt.Sprintf("user-%d", w.rng.IntN(6)) }
func (w *world) creator() string { return fmt.Sprintf("creator-%d", w.rng.IntN(3)) }

func (w *world) entity(kind record.Kind) record.Entity {
	x := record.Entity{Kind: id.KindItem, ID: w.item()}
	if w.rng.IntN(5) == 0 {
		x = record.Entity{Kind: id.KindUser, ID: w.user()}
	}
	if kind == record.KindDelete || x.Kind != id.KindItem {
		return x
	}
	for _, f := range []record.Field{
		{Name: schema.CreatorField, Value: schema.String(w.creator()).Encode()},
		{Name: "price", Value: schema.Int(w.rng.Int64N(1000)).Encode()},
	} {
		if kind == record.KindPatch && w.rng.IntN(3) == 0 {
			f.Value = nil
		}
		if w.rng.IntN(2) == 0 {
			x.Fields = append(x.Fields, f)
		}
	}
	return x
}

// accept remembers what an acknowledged record makes possible: a signal can be taken back.
func (l *ledger) accept(p *record.Proposed, at id.Position) {
	if p.Kind == record.KindSignal {
		l.signals = append(l.signals, at)
	}
}

// original picks a signal to take back: mostly a new one, and now and then one that was tried before.
func (l *ledger) original(w *world) (id.Position, bool) {
	if len(l.signals) == 0 {
		return id.Position{}, false
	}
	i := w.rng.IntN(len(l.signals))
	at := l.signals[i]
	if w.rng.IntN(8) > 0 {
		l.signals = slices.Delete(l.signals, i, i+1)
	}
	l.tried[at]++
	return at, true
}

// undone reports whether a request takes back what another one may have taken back: then it may be refused.
func (l *ledger) undone(o *op) bool {
	p := &o.request[0]
	return p.Kind == record.KindCompensate && l.tried[p.Compensation.Original] > 1
}
