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
func (h *half) applyUser(ev *event, s *record.Signal) error {
	at, user := h.owner(id.KindUser, s.User)
	if !at.raise(id.KindUser, user, s.UserGen) {
		h.stale++
		return nil
	}
	r := ev.rules
	if r.recent {
		at.remember(recentsKey(user), &algebra.Interaction{
			Order: ev.order, ID: s.Item, Gen: s.ItemGen, Type: r.name,
		})
		if s.Creator != "" {
			if err := at.count(creatorKey(user, s.Creator, r.name), ev, s, 0); err != nil {
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
		if err := at.mark(user, s.Item, m); err != nil {
			return err
		}
	}
	if r.hides {
		return at.relate(user, byte(record.HideItem), s.Item, algebra.MaxPair{On: ev.stamp.HLC})
	}
	return nil
}

// applyMark is a user's mark on an item, set or cleared without a signal.
func (h *half) applyMark(ev *event, m *record.Mark) error {
	at, user := h.owner(id.KindUser, m.User)
	if !at.raise(id.KindUser, user, m.UserGen) {
		h.stale++
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
	return at.mark(user, m.Item, marks)
}

// applyRelation begins or ends a relation of a user to an item or a creator.
func (h *half) applyRelation(ev *event, r *record.Relation) error {
	at, user := h.owner(id.KindUser, r.User)
	if !at.raise(id.KindUser, user, r.UserGen) {
		h.stale++
		return nil
	}
	pair := algebra.MaxPair{Off: ev.stamp.HLC}
	if r.On {
		pair = algebra.MaxPair{On: ev.stamp.HLC}
	}
	return at.relate(user, byte(r.Which), r.Target, pair)
}

func (h *half) mark(user state.Ord, item string, m algebra.PairMarks) error {
	key := marksKey(user, item)
	at := h.table.Lookup(key)
	old, err := algebra.DecodePairMarks(h.table.Value(at))
	if err != nil {
		return err
	}
	h.scratch.bytes = old.Merge(m).AppendBinary(h.scratch.bytes[:0])
	h.table.Set(key, at, h.scratch.bytes)
	return nil
}

func (h *half) relate(user state.Ord, what byte, target string, p algebra.MaxPair) error {
	key := relationKey(user, what, target)
	at := h.table.Lookup(key)
	old, err := algebra.DecodeMaxPair(h.table.Value(at))
	if err != nil {
		return err
	}
	h.scratch.bytes = old.Merge(p).AppendBinary(h.scratch.bytes[:0])
	h.table.Set(key, at, h.scratch.bytes)
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
