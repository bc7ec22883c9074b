package oracle

import (
	"cmp"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/schema"
)

// write is one write to a register.
type write struct {
	stamp algebra.Stamp
	time  int64
	on    bool   // set, or of a flag: on
	value []byte // of a field
}

// latest returns the write that rules, and false if there is none.
func latest(all []write, rules Rules) (write, bool) {
	if len(all) == 0 {
		return write{}, false
	}
	return slices.MaxFunc(all, func(a, b write) int {
		if rules.RegistersByTime {
			return cmp.Or(cmp.Compare(a.time, b.time), compareStamps(a.stamp, b.stamp))
		}
		return compareStamps(a.stamp, b.stamp)
	}), true
}

func compareStamps(a, b algebra.Stamp) int {
	return cmp.Or(cmp.Compare(a.HLC, b.HLC), compareOrigins(a.Origin, b.Origin))
}

func compareOrigins(a, b id.Origin) int {
	return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Shard, b.Shard),
		cmp.Compare(a.Incarnation, b.Incarnation))
}

func compareOrders(a, b algebra.Order, rules Rules) int {
	byTime, byStamp := cmp.Compare(a.Time, b.Time), cmp.Compare(a.HLC, b.HLC)
	if rules.OrderByStamp {
		byTime, byStamp = byStamp, byTime
	}
	return cmp.Or(byTime, byStamp, compareOrigins(a.Origin, b.Origin), cmp.Compare(a.Seq, b.Seq))
}

// interactions are what a list is made of.
type interactions struct {
	all   []algebra.Interaction
	twice bool // a test's rules
}

func (s *State) newRecents() *interactions  { return &interactions{twice: s.rules.RecentsTwice} }
func (s *State) newEngagers() *interactions { return &interactions{twice: s.rules.EngagersTwice} }

func (x *interactions) fold(rules Rules) (any, error) { return foldList(x.all, x.twice, rules), nil }

// foldList returns the newest interactions, each with another item or user, newest first.
func foldList(all []algebra.Interaction, twice bool, rules Rules) algebra.TopN {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b algebra.Interaction) int { return compareOrders(b.Order, a.Order, rules) })
	met := map[string]bool{}
	var out algebra.TopN
	for _, x := range sorted {
		switch {
		case met[x.ID] && !twice:
		case x.Time < sorted[0].Time-rules.ListRetention && !rules.OrderByStamp:
		case len(out) < rules.ListLength:
			out = append(out, x)
		}
		met[x.ID] = true
	}
	return out
}

// markWrites is what was written about one user and one item.
type markWrites struct {
	seen  []algebra.Order
	flags map[schema.Mark][]write
}

func newMarkWrites() *markWrites { return &markWrites{flags: map[schema.Mark][]write{}} }

func writeOf(e *workload.Event) write {
	return write{stamp: algebra.Stamp{HLC: e.Stamp(), Origin: e.Position.Origin()}, time: e.Meta.Time}
}

// marksOf files what a signal says about its user and item.
func (s *State) marksOf(user *owner, e *workload.Event, x *record.Signal, t *schema.SignalType, order algebra.Order) {
	if !t.Seen && len(t.Sets)+len(t.Clears) == 0 {
		return
	}
	m := at(s, user, algebra.KindPairMarks, newMarkWrites, x.Item)
	if t.Seen {
		m.seen = append(m.seen, order)
	}
	w := writeOf(e)
	for _, mark := range t.Clears {
		m.flags[mark] = append(m.flags[mark], w)
	}
	w.on = true
	for _, mark := range t.Sets {
		m.flags[mark] = append(m.flags[mark], w)
	}
}

func (s *State) mark(e *workload.Event) {
	x := &e.Body.Mark
	user := s.live(id.KindUser, x.User, x.UserGen)
	if user == nil {
		return
	}
	m := at(s, user, algebra.KindPairMarks, newMarkWrites, x.Item)
	w := writeOf(e)
	w.on = x.On
	switch x.Which {
	case record.MarkSeen:
		m.seen = append(m.seen, algebra.Order{
			Time: e.Meta.Time, HLC: e.Meta.HLC, Origin: e.Position.Origin(), Seq: e.Position.Seq,
		})
	case record.MarkLiked:
		m.flags[schema.Liked] = append(m.flags[schema.Liked], w)
	case record.MarkSaved:
		m.flags[schema.Saved] = append(m.flags[schema.Saved], w)
	case record.MarkInProgress:
		m.flags[schema.InProgress] = append(m.flags[schema.InProgress], w)
	}
}

func (m *markWrites) fold(rules Rules) (any, error) {
	var out algebra.PairMarks
	if len(m.seen) > 0 {
		out.Seen = slices.MaxFunc(m.seen, func(a, b algebra.Order) int { return compareOrders(a, b, rules) })
	}
	for mark, flag := range map[schema.Mark]*algebra.Flag{
		schema.Liked: &out.Liked, schema.Saved: &out.Saved, schema.InProgress: &out.InProgress,
	} {
		if w, ok := latest(m.flags[mark], rules); ok {
			*flag = algebra.Flag{Stamp: w.stamp, On: w.on}
		}
	}
	return out, nil
}

// pairWrites are the highest stamps of either side of a relation.
type pairWrites struct{ on, off hlc.Timestamp }

func newPairWrites() *pairWrites { return &pairWrites{} }

func (w *pairWrites) fold(Rules) (any, error) { return algebra.MaxPair{On: w.on, Off: w.off}, nil }

func (s *State) relate(user *owner, which record.RelationKind, target string, stamp hlc.Timestamp, on bool) {
	w := at(s, user, algebra.KindRelation, newPairWrites, string([]byte{byte(which)}), target)
	side := &w.off
	if on {
		side = &w.on
	}
	*side = max(*side, stamp)
}

// entityWrites is what was written about one entity.
type entityWrites struct {
	touched, reset, deleted []write
	fields                  map[string][]write
}

func newEntityWrites() *entityWrites { return &entityWrites{fields: map[string][]write{}} }

func (s *State) entity(e *workload.Event, kind record.Kind, x *record.Entity) {
	all, w := at(s, s.owner(x.Kind, x.ID), algebra.KindEntity, newEntityWrites), writeOf(e)
	if kind == record.KindDelete {
		all.reset, all.deleted = append(all.reset, w), append(all.deleted, w)
		return
	}
	all.touched = append(all.touched, w)
	if kind == record.KindPut || s.rules.PatchResets {
		all.reset = append(all.reset, w)
	}
	for _, field := range x.Fields {
		w.on, w.value = field.Value != nil, field.Value
		all.fields[field.Name] = append(all.fields[field.Name], w)
	}
}

func (w *entityWrites) fold(rules Rules) (any, error) {
	var out algebra.Entity
	if x, ok := latest(w.touched, rules); ok {
		out.Touched = x.stamp
	}
	if x, ok := latest(w.reset, rules); ok {
		out.Reset = x.stamp
	}
	for _, x := range w.deleted {
		out.Deleted = max(out.Deleted, x.stamp.HLC)
	}
	for name, all := range w.fields {
		if x, ok := latest(all, rules); ok && compareStamps(x.stamp, out.Reset) >= 0 {
			out.Fields = append(out.Fields, algebra.Field{Name: name, LWWRegister: algebra.LWWRegister{
				Stamp: x.stamp, Set: x.on, Value: x.value,
			}})
		}
	}
	slices.SortFunc(out.Fields, func(a, b algebra.Field) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}
