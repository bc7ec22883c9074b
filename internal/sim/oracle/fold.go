package oracle

import (
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim/workload"
	"github.com/tidaldb/tidal/schema"
)

// entity names an item, user or creator.
type entity struct {
	kind id.Kind
	name string
}

// folder collects what each record is made of; the records are computed when everything is known.
type folder struct {
	rules    Rules
	versions map[schema.Hash]*schema.Schema
	newest   *schema.Schema
	gens     map[entity]hlc.Timestamp
	undone   map[id.Position]bool

	cells    map[Key][]contribution
	lists    map[Key][]algebra.Interaction
	marks    map[Key]*markWrites
	pairs    map[Key]*pairWrites
	entities map[Key]*entityWrites
	level    uint64
	state    State
}

// Fold returns the state after a set of events, in any order.
func Fold(events []*workload.Event, rules Rules) (State, error) {
	f := &folder{
		rules:    rules,
		versions: map[schema.Hash]*schema.Schema{},
		gens:     map[entity]hlc.Timestamp{},
		undone:   map[id.Position]bool{},
		cells:    map[Key][]contribution{},
		lists:    map[Key][]algebra.Interaction{},
		marks:    map[Key]*markWrites{},
		pairs:    map[Key]*pairWrites{},
		entities: map[Key]*entityWrites{},
		state:    State{},
	}
	for _, e := range events {
		if err := f.survey(e); err != nil {
			return nil, err
		}
	}
	for _, e := range events {
		f.collect(e)
	}
	return f.state, f.finish()
}

// survey finds what the meaning of other events depends on: schema versions, generations, what is undone.
func (f *folder) survey(e *workload.Event) error {
	b := &e.Body
	switch b.Kind {
	case record.KindSchemaVersion:
		s, err := schema.Decode(b.Schema.Encoded)
		if err != nil {
			return fmt.Errorf("schema at %v: %w", e.Position, err)
		}
		f.versions[s.Hash()] = s
		if f.newest == nil || s.Version > f.newest.Version {
			f.newest = s
		}
	case record.KindDelete:
		f.raise(b.Entity.Kind, b.Entity.ID, e.Stamp())
	case record.KindErase:
		f.raise(id.KindUser, b.Erase.User, e.Stamp())
	case record.KindSignal:
		f.raise(id.KindItem, b.Signal.Item, b.Signal.ItemGen)
		f.raise(id.KindUser, b.Signal.User, b.Signal.UserGen)
	case record.KindCompensate:
		s := &b.Compensation.Signal
		f.raise(id.KindItem, s.Item, s.ItemGen)
		f.raise(id.KindUser, s.User, s.UserGen)
		f.undone[b.Compensation.Original] = true
	case record.KindMark:
		// A mark is its user's: it says nothing about the item.
		f.raise(id.KindUser, b.Mark.User, b.Mark.UserGen)
	case record.KindRelation:
		f.raise(id.KindUser, b.Relation.User, b.Relation.UserGen)
	}
	return nil
}

func (f *folder) raise(kind id.Kind, name string, gen hlc.Timestamp) {
	if gen > 0 {
		f.gens[entity{kind, name}] = max(f.gens[entity{kind, name}], gen)
	}
}

// live reports whether what was written for a generation counts.
func (f *folder) live(kind id.Kind, name string, gen hlc.Timestamp) bool {
	return f.rules.AnyGeneration || gen == f.gens[entity{kind, name}]
}

func (f *folder) key(kind algebra.Kind, owner id.Kind, name, sub string) Key {
	return Key{kind, owner, name, f.gens[entity{owner, name}], sub}
}

// collect files an event under every record that it has an effect on.
func (f *folder) collect(e *workload.Event) {
	b := &e.Body
	switch b.Kind {
	case record.KindSignal:
		f.signal(e)
	case record.KindCompensate:
		f.compensation(b.Compensation)
	case record.KindMark:
		f.mark(e)
	case record.KindRelation:
		r := &b.Relation
		if f.live(id.KindUser, r.User, r.UserGen) {
			f.relate(r.User, byte(r.Which), r.Target, e.Stamp(), r.On)
		}
	case record.KindPut, record.KindPatch, record.KindDelete:
		f.entity(e, b.Kind, b.Entity)
	case record.KindErase:
		f.entity(e, record.KindDelete, record.Entity{Kind: id.KindUser, ID: b.Erase.User})
	case record.KindSchemaVersion:
		s, _ := schema.Decode(b.Schema.Encoded) // survey has read it
		hash := s.Hash()
		f.state[Key{Kind: algebra.KindSchemaVersion, Owner: "schema", Sub: string(hash[:])}] = b.Schema.Encoded
	case record.KindFormatLevel:
		f.level = max(f.level, uint64(b.Level.Level))
	}
}

// kindOf returns the signal type that an event was stamped under.
func (f *folder) kindOf(s *schema.Schema, index uint16) *schema.SignalType {
	if f.rules.CurrentShape {
		s = f.newest
	}
	return &s.Signals[index]
}

func (f *folder) signal(e *workload.Event) {
	s := &e.Body.Signal
	t := f.kindOf(e.Schema, s.Type)
	x := contribution{
		time: e.Meta.Time, weight: s.Weight, kind: t, sign: 1, user: s.User, undone: f.undone[e.Position],
	}
	order := algebra.Order{
		Time: e.Meta.Time, HLC: e.Meta.HLC, Origin: e.Position.Origin(), Seq: e.Position.Seq,
	}
	if f.live(id.KindItem, s.Item, s.ItemGen) {
		f.count(s, t, x)
		if t.Meaning == schema.Positive && s.User != "" && !(x.undone && f.rules.UndoListed) {
			key := f.key(algebra.KindEngagers, id.KindItem, s.Item, "")
			in := algebra.Interaction{Order: order, ID: s.User, Gen: s.UserGen, Type: t.Name}
			f.lists[key] = append(f.lists[key], in)
		}
	}
	if s.User == "" || !f.live(id.KindUser, s.User, s.UserGen) {
		return
	}
	f.countCreator(s, t, x)
	if (t.Meaning != schema.Neutral || f.rules.NeutralIsRecent) && !(x.undone && f.rules.UndoListed) {
		key := f.key(algebra.KindRecents, id.KindUser, s.User, "")
		f.lists[key] = append(f.lists[key], algebra.Interaction{Order: order, ID: s.Item, Gen: s.ItemGen, Type: t.Name})
	}
	f.marksOf(e, s, t, order)
	if t.Meaning == schema.HardNegative {
		f.relate(s.User, byte(record.HideItem), s.Item, e.Stamp(), true)
	}
}

// count files a contribution under the item's cells.
func (f *folder) count(s *record.Signal, t *schema.SignalType, x contribution) {
	keys := []Key{f.key(algebra.KindCell, id.KindItem, s.Item, t.Name)}
	for _, cohort := range s.Cohorts {
		keys = append(keys, f.key(algebra.KindCohortCell, id.KindItem, s.Item, prefixed(cohort)+t.Name))
	}
	for _, key := range keys {
		f.cells[key] = append(f.cells[key], x)
	}
}

// countCreator files a contribution under the user's cell of the creator, which doesn't count users.
func (f *folder) countCreator(s *record.Signal, t *schema.SignalType, x contribution) {
	if t.Meaning != schema.Neutral && s.Creator != "" {
		x.user = ""
		key := f.key(algebra.KindCreatorCell, id.KindUser, s.User, prefixed(s.Creator)+t.Name)
		f.cells[key] = append(f.cells[key], x)
	}
}

func (f *folder) compensation(c record.Compensation) {
	s := &c.Signal
	t := f.kindOf(f.versions[c.Schema], s.Type)
	x := contribution{time: c.Time, weight: s.Weight, kind: t, sign: -1}
	if f.live(id.KindItem, s.Item, s.ItemGen) {
		f.count(s, t, x)
	}
	if s.User != "" && f.live(id.KindUser, s.User, s.UserGen) {
		f.countCreator(s, t, x)
	}
	owner := binary.BigEndian.AppendUint64(nil, c.Original.Origin().Packed())
	owner = binary.BigEndian.AppendUint64(owner, uint64(c.Original.Seq>>10))
	sub := binary.BigEndian.AppendUint16(nil, uint16(c.Original.Seq&1023))
	f.state[Key{Kind: algebra.KindUndone, Owner: string(owner), Sub: string(sub)}] = []byte{1}
}

// prefixed is a text behind its length.
func prefixed(s string) string {
	return string(binary.AppendUvarint(nil, uint64(len(s)))) + s
}

// finish computes the records from what was collected.
func (f *folder) finish() error {
	for key, all := range f.cells {
		cell, err := foldCell(all, f.rules)
		if err != nil {
			return fmt.Errorf("%v: %w", key, err)
		}
		f.state[key] = cell
	}
	for key, all := range f.lists {
		f.state[key] = foldList(all, key.Kind == algebra.KindEngagers, f.rules)
	}
	for key, w := range f.marks {
		f.state[key] = w.fold(f.rules)
	}
	for key, w := range f.pairs {
		f.state[key] = algebra.MaxPair{On: w.on, Off: w.off}
	}
	for key, w := range f.entities {
		f.state[key] = w.fold(f.rules)
	}
	for e, gen := range f.gens {
		f.state[Key{Kind: algebra.KindGeneration, OwnerKind: e.kind, Owner: e.name, Gen: gen}] = []byte(nil)
	}
	if f.level > 0 {
		f.state[Key{Kind: algebra.KindFormatLevel, Owner: "level"}] = binary.AppendUvarint(nil, f.level)
	}
	return nil
}
