package replica

import (
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// facts fills in what apply must not look up: generations, and the creator of a signal's item. What is unresolved now
// has no effect, for ever.
func (c *Core) facts(w *waiting, p *record.Proposed, current *schema.Schema) error {
	if w.takesBack.Seq != 0 {
		return c.takesBack(p, w.takesBack)
	}
	switch p.Kind {
	case record.KindSignal:
		s := &p.Signal
		s.ItemGen = c.generation(id.KindItem, s.Item)
		if s.User == "" {
			return nil
		}
		s.UserGen = c.generation(id.KindUser, s.User)
		if s.Creator == "" && hasCreators(current) {
			s.Creator = c.creator(s.Item)
		}
	case record.KindMark:
		p.Mark.UserGen = c.generation(id.KindUser, p.Mark.User)
		p.Mark.ItemGen = c.generation(id.KindItem, p.Mark.Item)
	case record.KindRelation:
		p.Relation.UserGen = c.generation(id.KindUser, p.Relation.User)
	case record.KindSession:
		p.Session.UserGen = c.generation(id.KindUser, p.Session.User)
	case record.KindCompensate:
		return c.undo(p)
	case record.KindUndo:
		return c.negatable(p.Undo.Original)
	}
	return nil
}

// undoable refuses to compensate what this group doesn't answer for, or what is undone, also by something under way.
func (c *Core) undoable(p id.Position) error {
	if _, undone := c.suffix.facts[undoneKey(p)]; undone {
		return fmt.Errorf("event %v: %w", p, fault.ErrUndone)
	}
	return c.engine.Undoable(p)
}

// undo compensates an event, or asks for that where it isn't known yet whether an earlier incarnation did so before its end was
// lost: this group takes it back itself then, once it is known.
func (c *Core) undo(p *record.Proposed) error {
	at := p.Compensation.Original
	if err := c.undoable(at); err != nil {
		return err
	}
	if !c.mayTakeBack(at) {
		p.Kind, p.Compensation, p.Undo = record.KindUndo, record.Compensation{}, record.Undo{Original: at}
	}
	return nil
}

// negatable refuses to undo what isn't here, or is undone already.
func (c *Core) negatable(p id.Position) error {
	_, undone := c.suffix.facts[undoneKey(p)]
	switch {
	case p.IsZero() || !c.engine.Vector().Covers(p):
		return fmt.Errorf("event %v: %w", p, fault.ErrNotFound)
	case undone || c.engine.Negated(p):
		return fmt.Errorf("event %v: %w", p, fault.ErrUndone)
	}
	return nil
}

func (c *Core) generation(kind id.Kind, name string) hlc.Timestamp {
	return max(c.engine.Generation(kind, name), c.suffix.facts[generationKey(kind, name)].stamp)
}

// creator is the item's creator as of everything stamped so far.
func (c *Core) creator(item string) string {
	if f, ok := c.suffix.facts[creatorKey(item)]; ok {
		return f.text
	}
	return c.engine.Creator(item)
}

func hasCreators(s *schema.Schema) bool {
	if s == nil {
		return false
	}
	_, ok := s.Items.Field(schema.CreatorField)
	return ok
}

// creator enters the creator that a put or patch of an item names. A put without one leaves none; a patch without
// one changes nothing.
func (s *suffix) creator(p *record.Proposed) {
	i := slices.IndexFunc(p.Entity.Fields, func(f record.Field) bool { return f.Name == schema.CreatorField })
	switch {
	case i >= 0 && p.Entity.Fields[i].Value != nil:
		v, err := schema.DecodeValue(p.Entity.Fields[i].Value)
		if err != nil {
			panic(fmt.Sprintf("replica: checked value of field %q can't be read: %v", schema.CreatorField, err))
		}
		name, _ := v.Text()
		s.set(creatorKey(p.Entity.ID), fact{text: name})
	case i >= 0 || p.Kind == record.KindPut:
		s.set(creatorKey(p.Entity.ID), fact{})
	}
}

// registerFloor is one above the highest stamp that unapplied records gave the registers that p writes.
func (s *suffix) registerFloor(p *record.Proposed) hlc.Timestamp {
	floor := hlc.Timestamp(0)
	for _, k := range registerKeys(p) {
		if f, ok := s.facts[k]; ok {
			floor = max(floor, f.stamp+1)
		}
	}
	return floor
}

func generationKey(kind id.Kind, name string) factKey {
	return factKey{kind: factGeneration, entity: kind, a: name}
}

func creatorKey(item string) factKey { return factKey{kind: factCreator, a: item} }

func undoneKey(p id.Position) factKey {
	return factKey{kind: factUndone, number: uint64(p.Seq), a: p.Origin().String()}
}

// registerKeys names the registers that a record writes. A signal may write, on the side, any mark of its user and
// item, and hide the item; what its type does is not looked up.
func registerKeys(p *record.Proposed) []factKey {
	switch p.Kind {
	case record.KindSignal:
		if s := &p.Signal; s.User != "" {
			return []factKey{
				markKey(record.MarkLiked, s.User, s.Item), markKey(record.MarkSaved, s.User, s.Item),
				markKey(record.MarkInProgress, s.User, s.Item), relationKey(record.HideItem, s.User, s.Item),
			}
		}
	case record.KindMark:
		return []factKey{markKey(p.Mark.Which, p.Mark.User, p.Mark.Item)}
	case record.KindRelation:
		return []factKey{relationKey(p.Relation.Which, p.Relation.User, p.Relation.Target)}
	case record.KindPut, record.KindPatch, record.KindDelete:
		return []factKey{entityKey(p.Entity.Kind, p.Entity.ID)}
	case record.KindErase:
		return []factKey{entityKey(id.KindUser, p.Erase.User)}
	case record.KindRegion:
		return []factKey{regionKey(p.Kind, p.Region.Number)}
	case record.KindEndpoints:
		return []factKey{regionKey(p.Kind, p.Endpoints.Number)}
	case record.KindHome:
		return []factKey{regionKey(p.Kind, 0)}
	}
	return nil
}

// regionKey names a register of the region table.
func regionKey(kind record.Kind, number id.Region) factKey {
	return factKey{kind: factRegister, sub: 0x80 | byte(kind), number: uint64(number)}
}

func markKey(which record.MarkKind, user, item string) factKey {
	return factKey{kind: factRegister, sub: byte(which), a: user, b: item}
}

func relationKey(which record.RelationKind, user, target string) factKey {
	return factKey{kind: factRegister, entity: id.KindUser, sub: byte(which), a: user, b: target}
}

func entityKey(kind id.Kind, name string) factKey {
	return factKey{kind: factRegister, entity: kind, sub: 0xff, a: name}
}

// writesRegisters reports whether a record may write registers, and so must lie above what its session has seen.
func writesRegisters(p *record.Proposed) bool {
	switch p.Kind {
	case record.KindSignal, record.KindMark, record.KindRelation, record.KindPut, record.KindPatch, record.KindDelete,
		record.KindErase, record.KindRegion, record.KindEndpoints, record.KindHome:
		return true
	}
	return false
}

// sizeBound is at least what the request takes in a batch, without the creators that the leader fills in.
func sizeBound(r *Request) int {
	n := len(r.Producer) + 2
	for i := range r.Records {
		n += recordBound(&r.Records[i])
	}
	return n
}

// sizeLeast is at most what the request takes in a batch: the ids, texts and values in it.
func sizeLeast(r *Request) int {
	n := 0
	for i := range r.Records {
		p := &r.Records[i]
		n += len(p.Key) + len(p.Signal.Item) + len(p.Signal.User) + len(p.Signal.Creator) + len(p.Signal.Ref) +
			len(p.Mark.User) + len(p.Mark.Item) + len(p.Relation.User) + len(p.Relation.Target) + len(p.Entity.ID) +
			len(p.Erase.User) + len(p.Schema.Encoded) + len(p.Annotation.Note)
		for _, c := range p.Signal.Cohorts {
			n += len(c)
		}
		for _, f := range p.Entity.Fields {
			n += len(f.Name) + len(f.Value)
		}
		if p.Session != nil {
			n += len(p.Session.User) + len(p.Session.ID) + len(p.Session.Text)
		}
	}
	return n
}

// metaBound is at least the size of a record's length, kind and meta without its key: a length and a kind, flags,
// four varints, the lane, content and count, the trace.
const metaBound = 5 + 1 + 1 + 4*10 + 3*10 + 8 + 5 + 16

func recordBound(p *record.Proposed) int {
	n := metaBound + len(p.Key) + 2
	switch p.Kind {
	case record.KindSignal:
		n += signalBound(&p.Signal)
	case record.KindMark:
		n += 40 + len(p.Mark.User) + len(p.Mark.Item)
	case record.KindRelation:
		n += 40 + len(p.Relation.User) + len(p.Relation.Target)
	case record.KindPut, record.KindPatch, record.KindDelete:
		n += 16 + len(p.Entity.ID)
		for _, f := range p.Entity.Fields {
			n += 16 + len(f.Name) + len(f.Value)
		}
	case record.KindErase:
		n += 16 + len(p.Erase.User)
	case record.KindCompensate, record.KindDuplicate:
		n += 64 + len(p.Compensation.Schema) + signalBound(&p.Compensation.Signal)
	case record.KindSchemaVersion:
		n += 64 + len(p.Schema.Encoded)
	case record.KindFormatLevel:
		n += 16
	case record.KindSession:
		n += sessionBound(p.Session)
	case record.KindSealingKey:
		n += 16 + len(p.SealingKey.Secret)
	case record.KindUndo:
		n += 64
	case record.KindRegion:
		n += 32 + len(p.Region.Name)
	case record.KindHome:
		n += 16
	case record.KindEndpoints:
		n += 32
		for _, m := range p.Endpoints.Members {
			n += 32 + len(m.Address) + len(m.URL)
		}
	case record.KindAnnotation:
		n += 16 + len(p.Annotation.Name) + len(p.Annotation.Note)
	}
	return n
}

func sessionBound(s *record.Session) int {
	n := 96 + len(s.User) + len(s.ID) + len(s.Agent) + len(s.Policy) + len(s.Taste) + 8*len(s.Signals) + len(s.Name) +
		len(s.Text)
	for _, item := range s.Results {
		n += 2 + len(item)
	}
	return n
}

func signalBound(s *record.Signal) int {
	n := 64 + len(s.Item) + len(s.User) + len(s.Creator) + len(s.Ref)
	for _, c := range s.Cohorts {
		n += 2 + len(c)
	}
	return n
}
