package engine

import (
	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/schema"
)

// applyUser is a signal's effect on its user: recents, the weight of the creator, marks, hard negatives. It reads
// nothing of the item.
func (e *Engine) applyUser(ev *event, s *record.Signal) error {
	user := e.table.Owner(id.KindUser, s.User)
	if !e.table.Raise(id.KindUser, user, s.UserGen) {
		e.counters.Stale++
		return nil
	}
	r := ev.rules
	if r.recent {
		e.remember(recentsKey(user), algebra.Interaction{
			Order: ev.order, ID: s.Item, Gen: s.ItemGen, Type: r.name,
		})
		if s.Creator != "" {
			if err := e.count(creatorKey(user, s.Creator, r.name), ev, s, 0); err != nil {
				return err
			}
		}
	}
	if r.seen || len(r.sets)+len(r.clears) > 0 {
		var m algebra.PairMarks
		if r.seen {
			m.Seen = ev.order
		}
		for _, mark := range r.sets {
			*flagOf(&m, mark) = algebra.Flag{Stamp: ev.stamp, On: true}
		}
		for _, mark := range r.clears {
			*flagOf(&m, mark) = algebra.Flag{Stamp: ev.stamp}
		}
		if err := e.mark(user, s.Item, m); err != nil {
			return err
		}
	}
	if r.hides {
		return e.relate(user, byte(record.HideItem), s.Item, algebra.MaxPair{On: ev.stamp.HLC})
	}
	return nil
}

// applyMark is a user's mark on an item, set or cleared without a signal.
func (e *Engine) applyMark(ev *event, m *record.Mark) error {
	user := e.table.Owner(id.KindUser, m.User)
	if !e.table.Raise(id.KindUser, user, m.UserGen) {
		e.counters.Stale++
		return nil
	}
	var marks algebra.PairMarks
	if m.Which == record.MarkSeen {
		if !m.On {
			return fault.Damaged("", 0, "record %v clears seen, which has no such form", ev.position)
		}
		marks.Seen = ev.order
	} else {
		*flagOf(&marks, markOf[m.Which]) = algebra.Flag{Stamp: ev.stamp, On: m.On}
	}
	return e.mark(user, m.Item, marks)
}

// applyRelation begins or ends a relation of a user to an item or a creator.
func (e *Engine) applyRelation(ev *event, r *record.Relation) error {
	user := e.table.Owner(id.KindUser, r.User)
	if !e.table.Raise(id.KindUser, user, r.UserGen) {
		e.counters.Stale++
		return nil
	}
	pair := algebra.MaxPair{Off: ev.stamp.HLC}
	if r.On {
		pair = algebra.MaxPair{On: ev.stamp.HLC}
	}
	return e.relate(user, byte(r.Which), r.Target, pair)
}

func (e *Engine) mark(user state.Ord, item string, m algebra.PairMarks) error {
	key := marksKey(user, item)
	at := e.table.Lookup(key)
	old, err := algebra.DecodePairMarks(e.table.Value(at))
	if err != nil {
		return err
	}
	e.scratch.bytes = old.Merge(m).AppendBinary(e.scratch.bytes[:0])
	e.table.Set(key, at, e.scratch.bytes)
	return nil
}

func (e *Engine) relate(user state.Ord, what byte, target string, p algebra.MaxPair) error {
	key := relationKey(user, what, target)
	at := e.table.Lookup(key)
	old, err := algebra.DecodeMaxPair(e.table.Value(at))
	if err != nil {
		return err
	}
	e.scratch.bytes = old.Merge(p).AppendBinary(e.scratch.bytes[:0])
	e.table.Set(key, at, e.scratch.bytes)
	return nil
}

func flagOf(m *algebra.PairMarks, mark schema.Mark) *algebra.Flag {
	switch mark {
	case schema.Liked:
		return &m.Liked
	case schema.Saved:
		return &m.Saved
	case schema.InProgress:
		return &m.InProgress
	}
	panic("engine: unknown mark " + mark.String())
}

// markOf is the schema's name for the marks that a record can set or clear.
var markOf = map[record.MarkKind]schema.Mark{
	record.MarkLiked:      schema.Liked,
	record.MarkSaved:      schema.Saved,
	record.MarkInProgress: schema.InProgress,
}
