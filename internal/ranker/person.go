package ranker

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/internal/vector"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// marks are what a user did to an item, as bits.
type marks uint8

const (
	markSeen marks = 1 << iota
	markLiked
	markSaved
	markInProgress
	markHidden
)

// met is one item of a user's history.
type met struct {
	n    state.Ord
	time int64
	seq  uint64 // of the event that the time is of: it orders what happened in one instant
	// timed is set if the time is an event's, not that of a register's write.
	timed bool
	// liking is above 0 if what the user did there says that they like it, below 0 if that they don't.
	liking int8
}

// person is what ranking needs of a user, read in one walk over their records.
type person struct {
	name  string
	known bool // of whom anything is known that can rank
	items table[marks]
	// creators by code: what the user decided about them, and how much they liked what came from them.
	creators table[tie]
	// history is what the user met, newest first, an item once.
	history []met
	// Codes of creators whom the user follows, as they came.
	follows []uint32

	byItem table[int32] // where an item is in the history, from 1
	// wanted are the names of the collections that the query is about, collected their items.
	wanted    []string
	collected []ordSet
	cell      algebra.SignalState
}

// tie is what holds between a user and a creator.
type tie struct {
	hard     bool // muted or blocked
	follows  bool
	affinity float64
	// sum is affinity in parts of affinityUnit. Records come in no order, and whole numbers add up to the same in any.
	sum int64
}

// A weight counts in parts of one affinityUnit-th, and no more than affinityMost: 64 types together stay within an int64.
const (
	affinityUnit = 1 << 30
	affinityMost = 1e8
)

func (p *person) reset(name string) {
	p.name, p.known = name, false
	p.items.reset()
	p.creators.reset()
	p.byItem.reset()
	p.history, p.follows = p.history[:0], p.follows[:0]
	for len(p.collected) < len(p.wanted) {
		p.collected = append(p.collected, ordSet{})
	}
	for i := range p.collected {
		p.collected[i].reset()
	}
}

// read reads a user as of time q. A user whom nobody knows is empty.
func (p *person) read(e *engine.Engine, v *Views, s *schema.Schema, name string, q int64) (err error) {
	p.reset(name)
	if name == "" {
		return nil
	}
	undone := e.AnyUndone()
	e.WalkUser(name, func(kind algebra.Kind, sub, value []byte) bool {
		switch kind {
		case algebra.KindPairMarks:
			err = p.readMarks(e, sub, value)
		case algebra.KindRelation:
			err = p.readRelation(e, v, sub, value)
		case algebra.KindCreatorCell:
			err = p.readCreator(v, s, sub, value, q)
		case algebra.KindRecents:
			p.readRecents(e, s, value, undone)
		}
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("read user %q: %w", name, err)
	}
	p.finish(e)
	return nil
}

func (p *person) readMarks(e *engine.Engine, item, value []byte) error {
	m, err := algebra.DecodePairMarks(value)
	if err != nil {
		return err
	}
	n, ok := e.ItemOrdOf(item)
	if !ok {
		return nil // it was named by a user's record alone, and is nothing that could be shown
	}
	var bits marks
	if !m.Seen.IsZero() {
		bits |= markSeen
	}
	for _, f := range [...]struct {
		on  bool
		bit marks
	}{{m.Liked.On, markLiked}, {m.Saved.On, markSaved}, {m.InProgress.On, markInProgress}} {
		if f.on {
			bits |= f.bit
		}
	}
	*p.items.at(uint32(n)) |= bits
	if bits == 0 {
		return nil
	}
	t, seq := m.Seen.Time, uint64(m.Seen.Seq)
	if m.Seen.IsZero() {
		// Registers have stamps, not times of events; where nothing else is known that is when it was written.
		t = max(m.Liked.Stamp.HLC, m.Saved.Stamp.HLC, m.InProgress.Stamp.HLC).Millis()
	}
	liking := int8(0)
	if bits&(markLiked|markSaved) != 0 {
		liking = 1
	}
	p.meet(n, t, seq, liking, !m.Seen.IsZero())
	return nil
}

func (p *person) readRelation(e *engine.Engine, v *Views, sub, value []byte) error {
	pair, err := algebra.DecodeMaxPair(value)
	if err != nil {
		return err
	}
	if !pair.Holds() {
		return nil
	}
	which := record.RelationKind(sub[0])
	if which == record.HideItem {
		if n, ok := e.ItemOrdOf(sub[1:]); ok {
			*p.items.at(uint32(n)) |= markHidden
		}
		return nil
	}
	if which == record.CollectItem {
		name, item, ok := record.SplitCollection(sub[1:])
		at := slices.IndexFunc(p.wanted, func(wanted string) bool { return wanted == string(name) })
		if n, known := e.ItemOrdOf(item); ok && known && at >= 0 {
			p.collected[at].add(n)
		}
		return nil
	}
	code := v.creatorCode(string(sub[1:]))
	if code == 0 {
		return nil // no item has them for a creator
	}
	t := p.creators.at(code)
	switch {
	case which.Hard():
		t.hard = true
	case which == record.FollowCreator:
		t.follows = true
		p.follows = append(p.follows, code)
		p.known = true
	}
	return nil
}

// readCreator adds what the user did with a creator's items: the decayed weights under the type's first half-life, or
// their plain number where it keeps none, counting against the creator for negative types.
func (p *person) readCreator(v *Views, s *schema.Schema, sub, value []byte, q int64) error {
	creator, typeName := engine.SplitSub(sub)
	i, ok := v.typeOf(typeName)
	if !ok {
		return nil // a type of another version of the schema
	}
	code := v.creatorCode(string(creator))
	if code == 0 {
		return nil
	}
	if err := algebra.ViewSignalState(value, &p.cell); err != nil {
		return err
	}
	t := &s.Signals[i]
	weight := float64(max(0, p.cell.Total()))
	if len(t.HalfLives) > 0 {
		weight = 0
		if score, ok := p.cell.Score(t.HalfLives[0].Milliseconds(), q); ok {
			weight = score.Float()
		}
	}
	part := int64(min(weight, affinityMost) * affinityUnit)
	switch t.Meaning {
	case schema.Positive:
		p.creators.at(code).sum += part
	case schema.Negative, schema.HardNegative:
		p.creators.at(code).sum -= part
	}
	return nil
}

// readRecents reads the newest interactions. Those with an item that was deleted since, and those that were undone, are
// none any more.
func (p *person) readRecents(e *engine.Engine, s *schema.Schema, list []byte, undone bool) {
	algebra.ScanList(list, func(m *algebra.Met) bool {
		n, ok := e.ItemOrdOf(m.ID)
		if !ok || m.Gen < hlc.Timestamp(e.ItemGeneration(n)) || undone && e.Undone(m.Origin.At(m.Seq)) {
			return true
		}
		liking := int8(0)
		if t := typeNamed(s, m.Type); t != nil {
			liking = likingOf(t)
		}
		p.meet(n, m.Time, uint64(m.Seq), liking, true)
		return true
	})
}

// likingOf is what one signal of a type says: 2 is more than a mere visit.
func likingOf(t *schema.SignalType) int8 {
	switch {
	case t.Meaning == schema.Positive && !t.Seen:
		return 2
	case t.Meaning == schema.Positive:
		return 1
	case t.Meaning == schema.Negative, t.Meaning == schema.HardNegative:
		return -2
	}
	return 0
}

func typeNamed(s *schema.Schema, name []byte) *schema.SignalType {
	for i := range s.Signals {
		if s.Signals[i].Name == string(name) {
			return &s.Signals[i]
		}
	}
	return nil
}

// meet enters an item into the history, or adds to what is known of it there. Registers' times count only where nothing
// else has one.
func (p *person) meet(n state.Ord, t int64, seq uint64, liking int8, timed bool) {
	at := p.byItem.at(uint32(n))
	if *at == 0 {
		p.history = append(p.history, met{n: n, time: t, seq: seq, timed: timed, liking: liking})
		*at = int32(len(p.history))
		return
	}
	m := &p.history[*at-1]
	// Records come in no order, so none may matter.
	if timed && !m.timed || timed == m.timed && (t > m.time || t == m.time && seq > m.seq) {
		m.time, m.seq, m.timed = t, seq, timed
	}
	// What was said most clearly rules; against it counts more than for it.
	if abs8(liking) > abs8(m.liking) || abs8(liking) == abs8(m.liking) && liking < m.liking {
		m.liking = liking
	}
}

func abs8(x int8) int8 { return max(x, -x) }

// finish brings the history in order, one that all replicas share.
func (p *person) finish(e *engine.Engine) {
	slices.SortFunc(p.history, func(a, b met) int {
		if c := cmp.Or(cmp.Compare(b.time, a.time), cmp.Compare(b.seq, a.seq)); c != 0 {
			return c
		}
		return e.CompareItems(a.n, b.n)
	})
	p.creators.each(func(_ uint32, t *tie) { t.affinity = float64(t.sum) / affinityUnit })
	p.known = p.known || len(p.history) > 0
}

// hidden reports whether an item must not be shown to the user, by what was read.
func (p *person) hidden(v *Views, n state.Ord) bool {
	if m, _ := p.items.get(uint32(n)); m&markHidden != 0 {
		return true
	}
	if p.creators.len() == 0 {
		return false
	}
	t, _ := p.creators.get(v.creatorOf(n))
	return t.hard
}

// weights are what the user met, for finding interests: an item counts half of what one counts that is twenty items newer.
// What says nothing about liking is left out.
func (p *person) weights(out []vector.Weighted) []vector.Weighted {
	const (
		newest   = 128
		halfLife = 20
	)
	for i, m := range p.history[:min(newest, len(p.history))] {
		if m.liking != 0 {
			w := float64(m.liking) * math.Exp2(-float64(i)/halfLife)
			out = append(out, vector.Weighted{Ord: m.n, Weight: float32(w)})
		}
	}
	return out
}

// collection returns the items of a collection that the query is about, nil for another one.
func (p *person) collection(name string) *ordSet {
	if i := slices.Index(p.wanted, name); i >= 0 && p.name != "" {
		return &p.collected[i]
	}
	return nil
}

// collectionsIn appends the names of the collections that a filter is about.
func collectionsIn(x query.Expr, out []string) []string {
	switch x := x.(type) {
	case query.And:
		for _, y := range x {
			out = collectionsIn(y, out)
		}
	case query.Or:
		for _, y := range x {
			out = collectionsIn(y, out)
		}
	case query.Not:
		return collectionsIn(x.X, out)
	case query.InCollection:
		if !slices.Contains(out, x.Name) {
			out = append(out, x.Name)
		}
	}
	return out
}
