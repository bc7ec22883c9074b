package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
	"github.com/tidaldb/tidal/schema"
)

// Log is what a database's log says about users and items. Users, items and creators are numbers into names.
type Log struct {
	Schema *schema.Schema
	// From is the number of the log's first entry: above 1 if older ones were let go, whose events are missing here.
	From uint64
	// Compacted is how many records of other regions are in the log as compacted ranges alone, so that they can't be told apart and
	// are missing here.
	Compacted uint64
	// Events are the signals in order of their time. At equal times those of one lane are in the order of its numbers,
	// which is the same however often a file is imported, and others in that of the log. Those that were undone, and
	// those on items and by users that were deleted or erased afterwards, aren't among them.
	Events []Event
	// Acts are what users set and decided beside signals, in the same order.
	Acts []Act
	// Entities are items, users and creators as they are at the log's end.
	Entities []tidal.Entity
	// Users, Items and Creators are the names of what events are about.
	Users, Items, Creators []string
}

// Event is one signal.
type Event struct {
	// Time is in Unix milliseconds; order counts events and acts together in their order.
	Time  int64
	order int32
	// Type is an index into the schema's signals.
	Type   uint16
	Weight float64
	// User and Creator are [Nobody] where there is none.
	User, Item, Creator uint32
	Cohorts             []string
	// Ref is the reference of the list that the signal answers, empty for none.
	Ref string

	at    id.Position
	place place
}

// place is where a record stands in the log.
type place struct {
	order   int32 // of the record among all
	lane    int32 // the order of the lane's first record; of a record without a lane its own
	index   uint32
	request uint64
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.lane, q.lane), cmp.Compare(p.request, q.request), cmp.Compare(p.index, q.index),
		cmp.Compare(p.order, q.order))
}

// Nobody stands for no user and no creator.
const Nobody = ^uint32(0)

// Act is a relation or a mark that a user set or ended.
type Act struct {
	Time  int64
	order int32
	User  string
	// Item is what it is about, if that is an item.
	Item   string
	record tidal.Record
	place  place
}

// ReadLog reads a directory, beside the process that writes to it if there is one. It changes nothing.
//
// Errors are those of [tidal.Open]; damage is a [tidal.CorruptError] with file and offset.
func ReadLog(ctx context.Context, dir string) (*Log, error) {
	l := &Log{}
	if err := l.readEntities(ctx, dir); err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	r := reader{
		log: l, types: map[schema.Hash][]uint16{}, lanes: map[string]int32{}, users: newNames(), items: newNames(),
		creators: newNames(),
	}
	path := filepath.Join(dir, "wal")
	err := wal.Scan(vfs.Default, path, func(rec wal.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return placeIn(path, rec, r.entry(rec))
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", dir, err)
	}
	l.Events, l.Acts = r.standing()
	l.Creators = r.creators.all
	l.renumber(r.users.all, r.items.all)
	return l, nil
}

// renumber numbers users and items in the order of their events, so that what is decided by number, such as the order
// of equal scores, doesn't depend on how requests met in the log.
func (l *Log) renumber(users, items []string) {
	u, i := newNames(), newNames()
	for n := range l.Events {
		e := &l.Events[n]
		e.Item = i.number(items[e.Item])
		if e.User != Nobody {
			e.User = u.number(users[e.User])
		}
	}
	l.Users, l.Items = u.all, i.all
}

// readEntities takes schema and entities from the state, which has them whole however old their puts are.
func (l *Log) readEntities(ctx context.Context, dir string) (err error) {
	db, err := tidal.Open(dir, nil, &tidal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	l.Schema = db.Schema()
	for _, kind := range []tidal.EntityKind{tidal.Item, tidal.User, tidal.Creator} {
		q := tidal.ListQuery{Kind: kind, Limit: 10_000}
		for whole := false; !whole; {
			if err := ctx.Err(); err != nil {
				return err
			}
			page, err := db.List(ctx, q)
			if err != nil {
				return err
			}
			l.Entities = append(l.Entities, page...)
			if whole = len(page) < q.Limit; !whole {
				q.After = page[len(page)-1].ID
			}
		}
	}
	return nil
}

// reader goes through a log once. Entries that later ones supersede are always its newest so far, so what an entry
// added can be taken back by cutting lists to what they were.
type reader struct {
	log                    *Log
	entries                []lengths // of the lists before each entry that stands
	events                 []Event
	acts                   []Act
	removals               []removal
	undone                 []id.Position
	records                int32
	types                  map[schema.Hash][]uint16 // of each version: from its numbers to the current schema's
	lanes                  map[string]int32         // by producer, the order of the first record
	users, items, creators names

	signal record.Signal
}

type lengths struct {
	index                          uint64
	events, acts, removals, undone int
}

// removal is a delete or an erase: what came before it doesn't count any more.
type removal struct {
	kind  id.Kind
	name  string
	order int32
}

// entry takes in one record of the log.
func (r *reader) entry(rec wal.Record) error {
	switch rec.Kind {
	case wal.KindTruncation:
		r.cut(rec.Index)
		return nil
	case wal.KindBatch, wal.KindEmpty, wal.KindConfiguration:
	default:
		return nil
	}
	if r.log.From == 0 {
		r.log.From = rec.Index
	}
	r.cut(rec.Index)
	r.entries = append(r.entries, lengths{rec.Index, len(r.events), len(r.acts), len(r.removals), len(r.undone)})
	if rec.Kind != wal.KindBatch {
		return nil
	}
	if engine.IsRange(rec.Data) {
		g, err := engine.GlanceRange(rec.Data)
		r.log.Compacted += g.Counters.Records
		return err
	}
	// A batch keeps what it is made from, and the scan's bytes are only lent.
	b, err := record.Open(slices.Clone(rec.Data))
	if err != nil {
		return err
	}
	for one, err := range b.Records() {
		if err != nil {
			return err
		}
		if err := r.record(&b, &one); err != nil {
			return err
		}
	}
	return nil
}

// cut takes back the entries from an index on.
func (r *reader) cut(from uint64) {
	for n := len(r.entries); n > 0 && r.entries[n-1].index >= from; n-- {
		l := r.entries[n-1]
		r.entries, r.events, r.acts = r.entries[:n-1], r.events[:l.events], r.acts[:l.acts]
		r.removals, r.undone = r.removals[:l.removals], r.undone[:l.undone]
	}
}

func (r *reader) record(b *record.Batch, rec *record.Record) error {
	r.records++
	var p record.Proposed
	switch rec.Kind {
	case record.KindSignal:
		if err := record.DecodeSignal(rec.Body, &r.signal); err != nil {
			return err
		}
		r.addEvent(b, rec)
		return nil
	case record.KindMark, record.KindRelation, record.KindDelete, record.KindErase, record.KindCompensate,
		record.KindDuplicate, record.KindUndo, record.KindSchemaVersion:
		if err := p.DecodeBody(rec.Kind, rec.Body); err != nil {
			return err
		}
	}
	switch rec.Kind {
	case record.KindMark:
		r.addMark(rec, &p.Mark)
	case record.KindRelation:
		r.addRelation(rec, &p.Relation)
	case record.KindDelete:
		r.removals = append(r.removals, removal{p.Entity.Kind, strings.Clone(p.Entity.ID), r.records})
	case record.KindErase:
		r.removals = append(r.removals, removal{id.KindUser, strings.Clone(p.Erase.User), r.records})
	case record.KindCompensate, record.KindDuplicate:
		r.undone = append(r.undone, p.Compensation.Original)
	case record.KindUndo:
		if !p.Undo.Void {
			r.undone = append(r.undone, p.Undo.Original)
		}
	case record.KindSchemaVersion:
		return r.addSchema(p.Schema.Encoded)
	}
	return nil
}

// place says where a record stands that was counted just now.
func (r *reader) place(rec *record.Record) place {
	p := place{order: r.records, lane: r.records}
	if lane := &rec.Meta.Lane; lane.Producer != "" {
		first, ok := r.lanes[lane.Producer]
		if !ok {
			first = r.records
			r.lanes[strings.Clone(lane.Producer)] = first
		}
		p.lane, p.request, p.index = first, lane.Request, lane.Index
	}
	return p
}

func (r *reader) addSchema(encoded []byte) error {
	s, err := schema.Decode(encoded)
	if err != nil {
		return err
	}
	types := make([]uint16, len(s.Signals))
	for i := range s.Signals {
		n, _, ok := r.log.Schema.Signal(s.Signals[i].Name)
		if !ok {
			return fmt.Errorf("signal type %q of an earlier schema is in no later one", s.Signals[i].Name)
		}
		types[i] = uint16(n)
	}
	r.types[s.Hash()] = types
	return nil
}

func (r *reader) addEvent(b *record.Batch, rec *record.Record) {
	s := &r.signal
	e := Event{
		Time: rec.Meta.Time, Type: s.Type, Weight: s.Weight.Float(), User: Nobody, Creator: Nobody,
		Item: r.items.number(s.Item), Ref: strings.Clone(s.Ref), at: b.Origin().At(rec.Seq), place: r.place(rec),
	}
	// A version whose record left the log is an earlier one of this history: types are added behind those that are
	// there.
	if types, ok := r.types[b.Ext.Schema]; ok && int(s.Type) < len(types) {
		e.Type = types[s.Type]
	}
	if s.User != "" {
		e.User = r.users.number(s.User)
	}
	if s.Creator != "" {
		e.Creator = r.creators.number(s.Creator)
	}
	for _, c := range s.Cohorts {
		e.Cohorts = append(e.Cohorts, strings.Clone(c))
	}
	r.events = append(r.events, e)
}

func (r *reader) addMark(rec *record.Record, m *record.Mark) {
	mark, ok := map[record.MarkKind]schema.Mark{
		record.MarkLiked: schema.Liked, record.MarkSaved: schema.Saved, record.MarkInProgress: schema.InProgress,
	}[m.Which]
	if !ok {
		return // "seen" comes from signals
	}
	user, item := strings.Clone(m.User), strings.Clone(m.Item)
	r.acts = append(r.acts, Act{Time: rec.Meta.Time, User: user, Item: item, place: r.place(rec), record: tidal.SetMark{
		User: user, Item: item, Mark: mark, Off: !m.On,
	}})
}

func (r *reader) addRelation(rec *record.Record, x *record.Relation) {
	a := Act{Time: rec.Meta.Time, User: strings.Clone(x.User), place: r.place(rec)}
	target := strings.Clone(x.Target)
	if name, item, ok := record.SplitCollection(target); ok && x.Which == record.CollectItem {
		a.Item = item
		a.record = tidal.Collect{User: a.User, Collection: name, Item: item, Off: !x.On}
		r.acts = append(r.acts, a)
		return
	}
	if x.Which.Target() == id.KindItem {
		a.Item = target
	}
	a.record = tidal.Relate{User: a.User, What: tidal.Relation(x.Which), Target: target, Off: !x.On}
	r.acts = append(r.acts, a)
}

// standing returns what is left of events and acts, in order.
func (r *reader) standing() ([]Event, []Act) {
	gone := map[id.Kind]map[string]int32{id.KindItem: {}, id.KindUser: {}, id.KindCreator: {}}
	for _, x := range r.removals {
		gone[x.kind][x.name] = x.order
	}
	undone := make(map[id.Position]bool, len(r.undone))
	for _, p := range r.undone {
		undone[p] = true
	}
	events := slices.DeleteFunc(r.events, func(e Event) bool {
		return undone[e.at] || gone[id.KindItem][r.items.all[e.Item]] > e.place.order ||
			e.User != Nobody && gone[id.KindUser][r.users.all[e.User]] > e.place.order
	})
	acts := slices.DeleteFunc(r.acts, func(a Act) bool {
		return gone[id.KindUser][a.User] > a.place.order || a.Item != "" && gone[id.KindItem][a.Item] > a.place.order
	})
	slices.SortFunc(events, func(a, b Event) int { return inOrder(a.Time, b.Time, a.place, b.place) })
	slices.SortFunc(acts, func(a, b Act) int { return inOrder(a.Time, b.Time, a.place, b.place) })
	for i, j := 0, 0; i < len(events) || j < len(acts); {
		event := j == len(acts)
		if !event && i < len(events) {
			event = inOrder(events[i].Time, acts[j].Time, events[i].place, acts[j].place) < 0
		}
		if event {
			events[i].order = int32(i + j)
			i++
		} else {
			acts[j].order = int32(i + j)
			j++
		}
	}
	return events, acts
}

func inOrder(time1, time2 int64, place1, place2 place) int {
	if c := cmp.Compare(time1, time2); c != 0 {
		return c
	}
	return place1.compare(place2)
}

// placeIn names file and offset for damage inside a batch, which knows only its own bytes.
func placeIn(path string, rec wal.Record, err error) error {
	var bad *fault.Corrupt
	if !errors.As(err, &bad) || bad.File != "" {
		return err
	}
	return fault.Damaged(filepath.Join(path, rec.File), rec.Offset, "batch of entry %d, at byte %d: %s", rec.Index,
		bad.Offset, bad.Reason)
}

// names numbers names in the order in which they come.
type names struct {
	all []string
	of  map[string]uint32
}

func newNames() names { return names{of: map[string]uint32{}} }

func (n *names) number(name string) uint32 {
	i, ok := n.of[name]
	if !ok {
		i = uint32(len(n.all))
		name = strings.Clone(name) // it lies in a batch
		n.all = append(n.all, name)
		n.of[name] = i
	}
	return i
}
