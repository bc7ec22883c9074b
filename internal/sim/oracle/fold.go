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

// State is what should be there after a set of events. Create it with [Fold] or [New].
//
// It keeps, by record, the events that the record is made of; the record is computed when it is asked for, from all of
// them.
type State struct {
	rules    Rules
	versions map[schema.Hash]*schema.Schema
	newest   *schema.Schema
	undone   map[id.Position]bool
	level    uint64
	owners   map[entity]*owner
	room     []byte // for keys
}

// entity names an item, a user or a creator, or with kind 0 what belongs to none.
type entity struct {
	kind id.Kind
	name string
}

// owner is an entity with its records. They are those of its generation.
type owner struct {
	entity
	gen     hlc.Timestamp
	records map[string]*target // by kind and sub-key
}

// target is a record to be: what it is made of, and what that gives.
type target struct {
	kind algebra.Kind
	sub  string
	made ingredients
	want any
	// stale says that want isn't computed from all of made; right are the bytes that were found to be want since.
	stale bool
	right []byte
}

// ingredients are what a record is computed from.
type ingredients interface {
	// fold returns the record: *[Cell], [algebra.TopN], [algebra.PairMarks], [algebra.MaxPair], [algebra.Entity], [algebra.Session], [algebra.SealingKey], or
	// the bytes of one that has no inner parts.
	fold(Rules) (any, error)
}

// New returns the state of no events, by the [Definition].
func New() *State { return empty(Definition()) }

func empty(rules Rules) *State {
	return &State{
		rules:    rules,
		versions: map[schema.Hash]*schema.Schema{},
		undone:   map[id.Position]bool{},
		owners:   map[entity]*owner{},
	}
}

// Fold returns the state after a set of events, in any order.
func Fold(events []*workload.Event, rules Rules) (*State, error) {
	s := empty(rules)
	return s, s.Add(events)
}

// Add adds events to the set. By the [Definition] it makes no difference how the set was divided: nothing but
// generations and schema versions changes what another event means, an event never comes before the version that it
// was stamped under, and a generation that ends takes its records along. Rules that look ahead need all at once.
func (s *State) Add(events []*workload.Event) error {
	for _, e := range events {
		if err := s.survey(e); err != nil {
			return err
		}
	}
	for _, e := range events {
		s.collect(e)
	}
	return nil
}

// survey finds what the meaning of other events depends on: schema versions, generations, what is undone.
func (s *State) survey(e *workload.Event) error {
	b := &e.Body
	switch b.Kind {
	case record.KindSchemaVersion:
		v, err := schema.Decode(b.Schema.Encoded)
		if err != nil {
			return fmt.Errorf("schema at %v: %w", e.Position, err)
		}
		hash := v.Hash()
		s.versions[hash] = v
		s.put("schema", string(hash[:]), algebra.KindSchemaVersion, b.Schema.Encoded)
		if s.newest == nil || v.Version > s.newest.Version {
			s.newest = v
		}
	case record.KindDelete:
		s.raise(b.Entity.Kind, b.Entity.ID, e.Stamp())
	case record.KindErase:
		s.raise(id.KindUser, b.Erase.User, e.Stamp())
	case record.KindSignal:
		s.raise(id.KindItem, b.Signal.Item, b.Signal.ItemGen)
		s.raise(id.KindUser, b.Signal.User, b.Signal.UserGen)
	case record.KindCompensate, record.KindDuplicate:
		x := &b.Compensation.Signal
		s.raise(id.KindItem, x.Item, x.ItemGen)
		s.raise(id.KindUser, x.User, x.UserGen)
		s.undone[b.Compensation.Original] = true
	case record.KindMark:
		// A mark is its user's: it says nothing about the item.
		s.raise(id.KindUser, b.Mark.User, b.Mark.UserGen)
	case record.KindRelation:
		s.raise(id.KindUser, b.Relation.User, b.Relation.UserGen)
	case record.KindSession:
		s.raise(id.KindUser, b.Session.User, b.Session.UserGen)
	}
	return nil
}

// raise begins a generation. What was collected for the one before doesn't count any more, but for the entity's own
// record, which outlives generations.
func (s *State) raise(kind id.Kind, name string, gen hlc.Timestamp) {
	if gen == 0 {
		return
	}
	o := s.owner(kind, name)
	if gen <= o.gen {
		return
	}
	o.gen = gen
	for key, t := range o.records {
		if t.kind != algebra.KindEntity {
			delete(o.records, key)
		}
	}
}

// live returns the owner of what was written for a generation, nil if that doesn't count.
func (s *State) live(kind id.Kind, name string, gen hlc.Timestamp) *owner {
	o := s.owner(kind, name)
	if s.rules.AnyGeneration || gen == o.gen {
		return o
	}
	return nil
}

func (s *State) owner(kind id.Kind, name string) *owner {
	o := s.owners[entity{kind, name}]
	if o == nil {
		o = &owner{entity: entity{kind, name}, records: map[string]*target{}}
		s.owners[o.entity] = o
	}
	return o
}

// at returns what an owner's record is made of, to be added to. The sub-key is given in parts.
func at[T ingredients](s *State, o *owner, kind algebra.Kind, fresh func() T, sub ...string) T {
	s.room = append(s.room[:0], byte(kind))
	for _, part := range sub {
		s.room = append(s.room, part...)
	}
	t := o.records[string(s.room)]
	if t == nil {
		key := string(s.room)
		t = &target{kind: kind, sub: key[1:], made: fresh()}
		o.records[key] = t
	}
	t.stale, t.right = true, t.right[:0]
	return t.made.(T)
}

// plain is a record without inner parts.
type plain struct{ value []byte }

func newPlain() *plain { return &plain{} }

func (p *plain) fold(Rules) (any, error) { return p.value, nil }

// put sets a record that belongs to no entity.
func (s *State) put(owner, sub string, kind algebra.Kind, value []byte) {
	at(s, s.owner(0, owner), kind, newPlain, sub).value = value
}

// collect files an event under every record that it has an effect on.
func (s *State) collect(e *workload.Event) {
	b := &e.Body
	switch b.Kind {
	case record.KindSignal:
		s.signal(e)
	case record.KindCompensate:
		s.compensation(&b.Compensation)
		s.takeBack(b.Compensation.Original, 1)
	case record.KindDuplicate:
		s.compensation(&b.Compensation)
		s.takeBack(b.Compensation.Original, 2)
	case record.KindUndo:
		s.undo(&b.Undo)
	case record.KindRegion, record.KindEndpoints, record.KindHome:
		s.region(e)
	case record.KindMark:
		s.mark(e)
	case record.KindRelation:
		r := &b.Relation
		if o := s.live(id.KindUser, r.User, r.UserGen); o != nil {
			s.relate(o, r.Which, r.Target, e.Stamp(), r.On)
		}
	case record.KindPut, record.KindPatch, record.KindDelete:
		s.entity(e, b.Kind, &b.Entity)
	case record.KindErase:
		s.entity(e, record.KindDelete, &record.Entity{Kind: id.KindUser, ID: b.Erase.User})
	case record.KindSession:
		s.session(e)
	case record.KindSealingKey:
		sub := binary.BigEndian.AppendUint32(nil, b.SealingKey.ID)
		w := at(s, s.owner(0, "seals"), algebra.KindSealingKey, newKeyWrites, string(sub))
		w.all = append(w.all, b.SealingKey)
	case record.KindFormatLevel:
		if s.level = max(s.level, uint64(b.Level.Level)); s.level > 0 {
			s.put("level", "", algebra.KindFormatLevel, binary.AppendUvarint(nil, s.level))
		}
	}
}

// kindOf returns the signal type that an event was stamped under.
func (s *State) kindOf(v *schema.Schema, index uint16) *schema.SignalType {
	if s.rules.CurrentShape {
		v = s.newest
	}
	return &v.Signals[index]
}

func (s *State) signal(e *workload.Event) {
	x := &e.Body.Signal
	t := s.kindOf(e.Schema, x.Type)
	c := contribution{
		time: e.Meta.Time, weight: x.Weight, kind: t, sign: 1, user: x.User, undone: s.undone[e.Position],
	}
	unlisted := c.undone && s.rules.UndoListed
	order := algebra.Order{
		Time: e.Meta.Time, HLC: e.Meta.HLC, Origin: e.Position.Origin(), Seq: e.Position.Seq,
	}
	if item := s.live(id.KindItem, x.Item, x.ItemGen); item != nil {
		s.count(item, x, t, &c)
		if t.Meaning == schema.Positive && x.User != "" && !unlisted {
			engagers := at(s, item, algebra.KindEngagers, s.newEngagers)
			engagers.all = append(engagers.all, algebra.Interaction{Order: order, ID: x.User, Gen: x.UserGen, Type: t.Name})
		}
	}
	if x.User == "" {
		return
	}
	user := s.live(id.KindUser, x.User, x.UserGen)
	if user == nil {
		return
	}
	s.countCreator(user, x, t, &c)
	if (t.Meaning != schema.Neutral || s.rules.NeutralIsRecent) && !unlisted {
		recents := at(s, user, algebra.KindRecents, s.newRecents)
		recents.all = append(recents.all, algebra.Interaction{Order: order, ID: x.Item, Gen: x.ItemGen, Type: t.Name})
	}
	s.marksOf(user, e, x, t, order)
	if t.Meaning == schema.HardNegative {
		s.relate(user, record.HideItem, x.Item, e.Stamp(), true)
	}
}

// count files a contribution under the item's cells.
func (s *State) count(item *owner, x *record.Signal, t *schema.SignalType, c *contribution) {
	cell := at(s, item, algebra.KindCell, newContributions, t.Name)
	cell.all = append(cell.all, *c)
	for _, cohort := range x.Cohorts {
		cell := at(s, item, algebra.KindCohortCell, newContributions, lengthOf(cohort), cohort, t.Name)
		cell.all = append(cell.all, *c)
	}
}

// countCreator files a contribution under the user's cell of the creator, which doesn't count users.
func (s *State) countCreator(user *owner, x *record.Signal, t *schema.SignalType, c *contribution) {
	if t.Meaning != schema.Neutral && x.Creator != "" {
		c.user = ""
		cell := at(s, user, algebra.KindCreatorCell, newContributions, lengthOf(x.Creator), x.Creator, t.Name)
		cell.all = append(cell.all, *c)
	}
}

func (s *State) compensation(c *record.Compensation) {
	x := &c.Signal
	t := s.kindOf(s.versions[c.Schema], x.Type)
	back := contribution{time: c.Time, weight: x.Weight, kind: t, sign: -1}
	if item := s.live(id.KindItem, x.Item, x.ItemGen); item != nil {
		s.count(item, x, t, &back)
	}
	if x.User != "" {
		if user := s.live(id.KindUser, x.User, x.UserGen); user != nil {
			s.countCreator(user, x, t, &back)
		}
	}
}

// lengthOf is what stands in front of a text that others follow.
func lengthOf(text string) string {
	if n := len(text); n < 0x80 {
		return string([]byte{byte(n)})
	}
	return string(binary.AppendUvarint(nil, uint64(len(text))))
}
