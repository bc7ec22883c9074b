package tidal_test

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// oracle is what a database of one process holds, in plain maps: entities, users' state, and counts. It takes records in
// the order in which they were written.
type oracle struct {
	schema   *schema.Schema
	entities map[named]*oracleEntity
	users    map[string]*oracleUser
	counts   map[[2]string]*oracleCount // by item and type
	events   map[tidal.Position]*oracleEvent
	lives    map[string]int // of items: how often each was deleted
	keys     map[string]tidal.Position
}

type named struct {
	kind tidal.EntityKind
	id   string
}

type oracleEntity struct {
	fields  tidal.Fields
	touched time.Time
}

type oracleCount struct {
	total int64
	sum   float64
}

type oracleEvent struct {
	tidal.Signal
	at     tidal.Position
	life   int // of its item
	undone bool
}

type oracleUser struct {
	events []*oracleEvent
	ties   map[named]*oracleTie
}

type oracleTie struct {
	relations map[tidal.Relation]bool
	marks     map[schema.Mark]bool
	seen      time.Time
	// collections by name: the number of the write that put the item there
	collections map[string]tidal.Position
}

func newOracle(s *schema.Schema) *oracle {
	return &oracle{
		schema: s, entities: map[named]*oracleEntity{}, users: map[string]*oracleUser{},
		counts: map[[2]string]*oracleCount{}, events: map[tidal.Position]*oracleEvent{}, lives: map[string]int{},
		keys: map[string]tidal.Position{},
	}
}

// take enters a request that was accepted at a position and a time.
func (o *oracle) take(records []tidal.Record, at tidal.Position, now time.Time) {
	for _, rec := range records {
		switch x := rec.(type) {
		case tidal.Put:
			delete(o.entities, named{x.Kind, x.ID})
			o.patch(x.Kind, x.ID, x.Fields, now)
		case tidal.Patch:
			o.patch(x.Kind, x.ID, x.Fields, now)
		case tidal.Delete:
			o.remove(x.Kind, x.ID)
		case tidal.Erase:
			o.remove(tidal.User, x.User)
		case tidal.Relate:
			kind := tidal.Creator
			if x.What == tidal.Hides {
				kind = tidal.Item
			}
			o.tie(x.User, kind, x.Target).relations[x.What] = !x.Off
		case tidal.Collect:
			lists := o.tie(x.User, tidal.Item, x.Item).collections
			if lists[x.Collection] = at; x.Off {
				delete(lists, x.Collection)
			}
		case tidal.SetMark:
			o.tie(x.User, tidal.Item, x.Item).marks[x.Mark] = !x.Off
		case tidal.Signal:
			o.signal(x, at, now)
		}
		at.Seq++
	}
}

func (o *oracle) patch(kind tidal.EntityKind, id string, fields tidal.Fields, now time.Time) {
	e := o.entities[named{kind, id}]
	if e == nil {
		e = &oracleEntity{fields: tidal.Fields{}}
		o.entities[named{kind, id}] = e
	}
	e.touched = now
	for name, v := range fields {
		if v.IsZero() {
			delete(e.fields, name)
		} else {
			e.fields[name] = v
		}
	}
}

func (o *oracle) remove(kind tidal.EntityKind, id string) {
	delete(o.entities, named{kind, id})
	switch kind {
	case tidal.User:
		delete(o.users, id)
	case tidal.Item:
		o.lives[id]++
		maps.DeleteFunc(o.counts, func(k [2]string, _ *oracleCount) bool { return k[0] == id })
	}
}

func (o *oracle) user(id string) *oracleUser {
	if o.users[id] == nil {
		o.users[id] = &oracleUser{ties: map[named]*oracleTie{}}
	}
	return o.users[id]
}

func (o *oracle) tie(user string, kind tidal.EntityKind, id string) *oracleTie {
	ties := o.user(user).ties
	if ties[named{kind, id}] == nil {
		ties[named{kind, id}] = &oracleTie{
			relations: map[tidal.Relation]bool{}, marks: map[schema.Mark]bool{}, collections: map[string]tidal.Position{},
		}
	}
	return ties[named{kind, id}]
}

func (o *oracle) signal(s tidal.Signal, at tidal.Position, now time.Time) {
	if limit := now.Add(o.schema.FutureBound); s.Time.After(limit) {
		s.Time = limit
	}
	e := &oracleEvent{Signal: s, at: at, life: o.lives[s.Item]}
	o.events[at] = e
	if s.Key != "" {
		o.keys[s.Key] = at
	}
	c := o.counts[[2]string{s.Item, s.Type}]
	if c == nil {
		c = &oracleCount{}
		o.counts[[2]string{s.Item, s.Type}] = c
	}
	c.total, c.sum = c.total+1, c.sum+s.Weight
	if s.User == "" {
		return
	}
	_, t, _ := o.schema.Signal(s.Type)
	if t.Meaning != schema.Neutral {
		u := o.user(s.User)
		u.events = append(u.events, e)
	}
	if t.Seen || len(t.Sets)+len(t.Clears) > 0 || t.Meaning == schema.HardNegative {
		tie := o.tie(s.User, tidal.Item, s.Item)
		if t.Seen && (tie.seen.IsZero() || s.Time.After(tie.seen)) {
			tie.seen = s.Time
		}
		for _, m := range t.Sets {
			tie.marks[m] = true
		}
		for _, m := range t.Clears {
			tie.marks[m] = false
		}
		if t.Meaning == schema.HardNegative {
			tie.relations[tidal.Hides] = true
		}
	}
}

// undo takes back the event at a position; false if there is none or it was taken back before.
func (o *oracle) undo(at tidal.Position) bool {
	e := o.events[at]
	if e == nil || e.undone {
		return false
	}
	e.undone = true
	if c := o.counts[[2]string{e.Item, e.Type}]; c != nil && e.life == o.lives[e.Item] {
		c.total, c.sum = c.total-1, c.sum-e.Weight
	}
	return true
}

// recents is the definition: the newest of each item, of these the 64 newest of the year before the newest, then without
// those of deleted items.
func (o *oracle) recents(user string) []tidal.Interaction {
	u := o.users[user]
	if u == nil {
		return nil
	}
	events := slices.Clone(u.events)
	slices.SortFunc(events, func(a, b *oracleEvent) int {
		return cmp.Or(b.Time.Compare(a.Time), b.at.Compare(a.at))
	})
	var out []tidal.Interaction
	met := map[string]bool{}
	for _, e := range events {
		if len(met) == 64 || events[0].Time.Sub(e.Time) > 366*24*time.Hour {
			break
		}
		if met[e.Item] {
			continue
		}
		met[e.Item] = true
		if e.life == o.lives[e.Item] {
			out = append(out, tidal.Interaction{
				Type: e.Type, Item: e.Item, Time: e.Time, Position: e.at, Undone: e.undone,
			})
		}
	}
	return out
}

func (o *oracle) ties(user string) []tidal.Tie {
	u := o.users[user]
	if u == nil {
		return nil
	}
	var out []tidal.Tie
	for k, x := range u.ties {
		t := tidal.Tie{Kind: k.kind, ID: k.id, Seen: x.seen, Collections: slices.Sorted(maps.Keys(x.collections))}
		for _, r := range []tidal.Relation{tidal.Hides, tidal.Mutes, tidal.Blocks, tidal.Follows} {
			if x.relations[r] {
				t.Relations = append(t.Relations, r)
			}
		}
		for _, m := range []schema.Mark{schema.Liked, schema.Saved, schema.InProgress} {
			if x.marks[m] {
				t.Marks = append(t.Marks, m)
			}
		}
		if len(t.Relations)+len(t.Marks)+len(t.Collections) > 0 || !t.Seen.IsZero() {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b tidal.Tie) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return out
}

// collection is what is in one of a user's collections, put there last first.
func (o *oracle) collection(user, name string) (items []string) {
	u := o.users[user]
	if u == nil {
		return nil
	}
	for k, x := range u.ties {
		if _, ok := x.collections[name]; ok {
			items = append(items, k.id)
		}
	}
	slices.SortFunc(items, func(a, b string) int {
		return u.ties[named{tidal.Item, b}].collections[name].Compare(u.ties[named{tidal.Item, a}].collections[name])
	})
	return items
}

// list is every existing entity of a kind, in order.
func (o *oracle) list(kind tidal.EntityKind) []tidal.Entity {
	var out []tidal.Entity
	for k, e := range o.entities {
		if k.kind == kind {
			out = append(out, tidal.Entity{Kind: kind, ID: k.id, Fields: e.fields, Touched: e.touched})
		}
	}
	slices.SortFunc(out, func(a, b tidal.Entity) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
