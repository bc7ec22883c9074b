package client

import (
	"time"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/tidalpb"
)

// Kind is the kind of an entity: [Item], [User] or [Creator].
type Kind = id.Kind

// The kinds of entities.
const (
	Item    = id.KindItem
	User    = id.KindUser
	Creator = id.KindCreator
)

// Position names one event for ever, as an [Undo] takes it.
type Position = id.Position

// Record is one record of a write: a Signal, Put, Patch, Delete, Erase, Relate, SetMark, Collect or Undo. Ids are 1–512
// arbitrary bytes.
type Record interface {
	message() (*tidalpb.Record, error)
}

// Signal is one event: a user did something with an item.
type Signal struct {
	// Type is the name of a signal type of the schema.
	Type string
	// Item is what it's about; it need not exist yet. User is who did it, empty for an event without a known user, which then
	// counts for the item alone. Creator is the item's; empty takes the one that the item's field "creator" names.
	Item, User, Creator string
	// Weight is in (0, 1,000,000]; 0 stands for 1.
	Weight float64
	// Time is when it happened, to the millisecond; zero is when the server gets it.
	Time time.Time
	// Cohorts are up to 8 groups that the event also counts for.
	Cohorts []string
	// Key makes the event count once for 24 hours, whichever client sends it how often: the same key with other content is
	// [ErrKeyReused]. Such a signal is a request of its own and has no number in the client's lane.
	Key string
	// Ref echoes the reference that a list gave the item, [RankedItem.Ref].
	Ref []byte
}

// Put sets an entity: fields that aren't named are gone.
type Put struct {
	Kind   Kind
	ID     string
	Fields Fields
}

// Patch changes the fields named, and makes the entity if there is none. A nil value clears a field.
type Patch struct {
	Kind   Kind
	ID     string
	Fields Fields
}

// Delete removes an entity with everything that was counted for it.
type Delete struct {
	Kind Kind
	ID   string
}

// Erase removes everything that is known of a user; [Receipt.Forgotten] says by when the log has forgotten them, too.
type Erase struct{ User string }

// Relation is what a user decides about an item or a creator.
type Relation uint8

// The relations.
const (
	Hides   Relation = Relation(tidalpb.Relation_RELATION_HIDES)   // an item
	Mutes   Relation = Relation(tidalpb.Relation_RELATION_MUTES)   // a creator
	Blocks  Relation = Relation(tidalpb.Relation_RELATION_BLOCKS)  // a creator
	Follows Relation = Relation(tidalpb.Relation_RELATION_FOLLOWS) // a creator
)

// Relate begins a relation, or ends it with Off.
type Relate struct {
	User   string
	What   Relation
	Target string
	Off    bool
}

// Mark is something that a user has done with an item and can undo.
type Mark uint8

// The marks.
const (
	Liked      Mark = Mark(tidalpb.Mark_MARK_LIKED)
	Saved      Mark = Mark(tidalpb.Mark_MARK_SAVED)
	InProgress Mark = Mark(tidalpb.Mark_MARK_IN_PROGRESS)
)

// SetMark sets a mark of a user on an item, or clears it with Off, without counting as a signal.
type SetMark struct {
	User, Item string
	Mark       Mark
	Off        bool
}

// Collect puts an item into one of the user's collections, or takes it out with Off.
type Collect struct {
	User       string
	Collection string
	Item       string
	Off        bool
}

// Undo takes an event's counts and scores back, once. The event is named by its position; or by its key; or by the lane
// and number of its request and its place among the records there, from 0.
type Undo struct {
	Position Position
	Key      string
	Lane     string
	Number   uint64
	Index    int
}

func (r Signal) message() (*tidalpb.Record, error) {
	m := &tidalpb.Signal{
		Type: r.Type, Item: idText(r.Item), User: idText(r.User), Creator: idText(r.Creator), Weight: r.Weight,
		Cohorts: r.Cohorts, Ref: r.Ref,
	}
	if !r.Time.IsZero() {
		ms := r.Time.UnixMilli()
		m.TimeMs = &ms
	}
	return &tidalpb.Record{Record: &tidalpb.Record_Signal{Signal: m}}, nil
}

func (r Put) message() (*tidalpb.Record, error) {
	fields, err := fieldMessages(r.Fields)
	m := &tidalpb.Put{Kind: tidalpb.Kind(r.Kind), Id: idText(r.ID), Fields: fields}
	return &tidalpb.Record{Record: &tidalpb.Record_Put{Put: m}}, err
}

func (r Patch) message() (*tidalpb.Record, error) {
	fields, err := fieldMessages(r.Fields)
	m := &tidalpb.Patch{Kind: tidalpb.Kind(r.Kind), Id: idText(r.ID), Fields: fields}
	return &tidalpb.Record{Record: &tidalpb.Record_Patch{Patch: m}}, err
}

func (r Delete) message() (*tidalpb.Record, error) {
	m := &tidalpb.Delete{Kind: tidalpb.Kind(r.Kind), Id: idText(r.ID)}
	return &tidalpb.Record{Record: &tidalpb.Record_Delete{Delete: m}}, nil
}

func (r Erase) message() (*tidalpb.Record, error) {
	return &tidalpb.Record{Record: &tidalpb.Record_Erase{Erase: &tidalpb.Erase{User: idText(r.User)}}}, nil
}

func (r Relate) message() (*tidalpb.Record, error) {
	m := &tidalpb.Relate{User: idText(r.User), Relation: tidalpb.Relation(r.What), Target: idText(r.Target), Off: r.Off}
	return &tidalpb.Record{Record: &tidalpb.Record_Relate{Relate: m}}, nil
}

func (r SetMark) message() (*tidalpb.Record, error) {
	m := &tidalpb.SetMark{User: idText(r.User), Item: idText(r.Item), Mark: tidalpb.Mark(r.Mark), Off: r.Off}
	return &tidalpb.Record{Record: &tidalpb.Record_SetMark{SetMark: m}}, nil
}

func (r Collect) message() (*tidalpb.Record, error) {
	m := &tidalpb.Collect{User: idText(r.User), Collection: r.Collection, Item: idText(r.Item), Off: r.Off}
	return &tidalpb.Record{Record: &tidalpb.Record_Collect{Collect: m}}, nil
}

func (r Undo) message() (*tidalpb.Record, error) {
	m := &tidalpb.Undo{Key: r.Key, Lane: r.Lane, Number: int64(r.Number), Index: int32(r.Index)}
	if !r.Position.IsZero() {
		m.Position = r.Position.String()
	}
	return &tidalpb.Record{Record: &tidalpb.Record_Undo{Undo: m}}, nil
}
