package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// inventor makes up what clients write.
type inventor struct {
	rng    *rand.Rand
	ledger *ledger
	now    *int64 // simulated nanoseconds
	types  int    // signal types of the first schema
}

// invent makes up one record. Few names, so that everything meets.
func (w *inventor) invent(p *record.Proposed) {
	rng := w.rng
	switch n := rng.IntN(100); {
	case n < 63:
		w.inventSignal(p)
	case n < 66:
		p.Kind, p.Session = record.KindSession, w.inventSession()
	case n < 72:
		p.Kind = record.KindMark
		m := &p.Mark
		m.Which, m.User, m.Item = record.MarkKind(1+rng.IntN(4)), w.user(), w.item()
		m.On = m.Which == record.MarkSeen || rng.IntN(2) == 0
	case n < 82:
		p.Kind = record.KindRelation
		r := &p.Relation
		r.Which, r.On, r.User = record.RelationKind(1+rng.IntN(5)), rng.IntN(2) == 0, w.user()
		r.Target = w.item()
		switch {
		case r.Which == record.CollectItem:
			r.Target = record.CollectionTarget(collections[rng.IntN(len(collections))], r.Target)
		case r.Which.Target() == id.KindCreator:
			r.Target = w.creator()
		}
	case n < 86:
		p.Kind, p.Entity = record.KindPut, w.entity(record.KindPut)
	case n < 89:
		p.Kind, p.Entity = record.KindPatch, w.entity(record.KindPatch)
	case n < 91:
		p.Kind, p.Entity = record.KindDelete, w.entity(record.KindDelete)
	case n < 92:
		p.Kind, p.Erase.User = record.KindErase, w.user()
	default:
		at, ok := w.ledger.original(rng)
		if !ok {
			w.inventSignal(p)
			return
		}
		p.Kind, p.Compensation.Original = record.KindCompensate, at
	}
}

// inventSignal makes up a signal.
func (w *inventor) inventSignal(p *record.Proposed) {
	rng := w.rng
	p.Kind = record.KindSignal
	s := &p.Signal
	s.Type, s.Weight, s.Item = uint16(rng.IntN(w.types)), fixed.One, w.item()
	if rng.IntN(4) == 0 {
		s.Weight = 1 + fixed.Weight(rng.Int64N(int64(fixed.MaxWeight)))
	}
	if rng.IntN(6) > 0 {
		s.User = w.user()
	}
	s.Cohorts = append(s.Cohorts, cohorts[:rng.IntN(3)]...)
	if rng.IntN(2) == 0 {
		p.HasTime = true
		p.Time = (epoch+*w.now)/milli + between(rng, -40*24*3600*1000, 5000)
	}
}

// inventSession makes up something that happens in one of a few sessions.
func (w *inventor) inventSession() *record.Session {
	rng := w.rng
	s := &record.Session{
		What: record.SessionWhat(1 + rng.IntN(5)), User: w.user(), ID: string("ab"[rng.IntN(2)]),
		Place: uint8(rng.IntN(2)), Opened: 1 + rng.Int64N(3),
	}
	switch s.What {
	case record.SessionOpens:
		s.Agent, s.Until, s.Taste = "helper", rng.Int64N(1000), []byte{1, 2}
	case record.SessionWrites:
		s.Signals = []record.SessionCount{{Type: uint16(rng.IntN(w.types)), N: 1}}
		s.Refused = rng.Uint64N(9)
	case record.SessionNotes:
		s.Name = "mood"
	case record.SessionSearches:
		s.Text, s.Results = "slow jazz", []string{w.item()}
	case record.SessionCloses:
		s.At, s.Auto = 1+rng.Int64N(1000), true
	}
	return s
}

// The names that there are.
var (
	items = [...]string{
		"item-0", "item-1", "item-2", "item-3", "item-4", "item-5", "item-6", "item-7", "item-8", "item-9", "item-10",
		"item-11",
	}
	users    = [...]string{"user-0", "user-1", "user-2", "user-3", "user-4", "user-5"}
	creators = [...]string{"creator-0", "creator-1", "creator-2"}
	cohorts  = [...]string{"cohort-0", "cohort-1"}

	collections = [...]string{"collection-0", "collection-1"}
)

func (w *inventor) item() string    { return items[w.rng.IntN(len(items))] }
func (w *inventor) user() string    { return users[w.rng.IntN(len(users))] }
func (w *inventor) creator() string { return creators[w.rng.IntN(len(creators))] }

func (w *inventor) entity(kind record.Kind) record.Entity {
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
func (l *ledger) original(rng *rand.Rand) (id.Position, bool) {
	if len(l.signals) == 0 {
		return id.Position{}, false
	}
	i := rng.IntN(len(l.signals))
	at := l.signals[i]
	if rng.IntN(8) > 0 {
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
