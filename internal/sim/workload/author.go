package workload

import (
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/schema"
)

// author is the leader of one origin: what it has written and what it knows.
type author struct {
	g       *generator
	rng     *rand.Rand
	log     Log
	builder *record.Builder

	skew   int64
	last   hlc.Timestamp
	stamps map[hlc.Timestamp]bool // given out, as HLC or as stamp of a register: no two writes share one
	newest int                    // the newest schema version it knows
	gens   map[entity]hlc.Timestamp
	heard  map[id.Origin]int // batches of others that it knows
	// undoable are signals that it may compensate, once each.
	undoable []Event
	requests map[string]uint64
	keys     map[string]bool // that it used
}

type entity struct {
	kind id.Kind
	name string
}

func newAuthor(g *generator, origin id.Origin) *author {
	return &author{
		g:        g,
		rng:      g.rng,
		log:      Log{Origin: origin},
		builder:  record.NewBuilder(),
		skew:     []int64{0, 0, -900, 1500}[g.rng.IntN(4)],
		stamps:   map[hlc.Timestamp]bool{},
		gens:     map[entity]hlc.Timestamp{},
		heard:    map[id.Origin]int{},
		requests: map[string]uint64{},
		keys:     map[string]bool{},
	}
}

// found writes the first batch of all: the schema, under no schema.
func (a *author) found() {
	b := a.begin(nil)
	a.add(b, record.Proposed{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{
		Encoded: a.g.schemas[0].Encode(),
	}}, record.Lane{}, 0, 0)
	a.end(b)
}

// pad writes notes that change nothing, so that sequence numbers come near 1,024, where undone marks turn a page.
func (a *author) pad() {
	b := a.begin(a.version())
	for range 960 + a.rng.IntN(80) {
		note := record.Annotation{Name: "pad"}
		a.add(b, record.Proposed{Kind: record.KindAnnotation, Annotation: note}, record.Lane{}, 0, 0)
	}
	a.end(b)
}

// binge writes one user's signals with many items, and many users' with one item: of what two authors write so, lists of
// different items or users overflow.
func (a *author) binge(half int) {
	b := a.begin(a.version())
	n := &a.g.names
	for i := half; i < 90; i += 2 {
		other := "binge" + strconv.Itoa(i)
		for _, s := range []record.Signal{{Item: other, User: n.users[0]}, {Item: n.items[0], User: other}} {
			s.Type, s.Weight = likes, a.weight()
			a.add(b, record.Proposed{Kind: record.KindSignal, Signal: s, HasTime: true, Time: a.time()}, record.Lane{}, 0, 0)
		}
	}
	a.end(b)
}

// enter writes the second schema version, behind other records; from the next batch on it is used.
func (a *author) enter() {
	b := a.begin(a.version())
	for range a.rng.IntN(4) {
		a.request(b)
	}
	s := a.g.schemas[1]
	a.add(b, record.Proposed{Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{
		Parent: s.Parent, Encoded: s.Encode(),
	}}, record.Lane{}, 0, 0)
	a.end(b)
	a.newest = 1
}

// write makes one batch, now and then after hearing from the others.
func (a *author) write(all []*author) {
	for _, other := range all {
		if other != a && a.rng.IntN(4) == 0 {
			a.hear(other)
		}
	}
	b := a.begin(a.version())
	for range 1 + a.rng.IntN(1+a.rng.IntN(12)) {
		a.request(b)
	}
	a.end(b)
}

// succeed takes over what a frozen incarnation knew, also of itself.
func (a *author) succeed(old *author) {
	a.newest, a.last, a.undoable = old.newest, old.last, old.undoable
	for e, gen := range old.gens {
		a.gens[e] = gen
	}
	for origin, n := range old.heard {
		a.heard[origin] = n
	}
	a.heard[old.log.Origin] = len(old.log.Batches)
	old.undoable = nil
}

// hear learns some of another origin's batches, in order.
func (a *author) hear(other *author) {
	news := other.log.Batches[a.heard[other.log.Origin]:]
	news = news[:a.rng.IntN(len(news)+1)]
	a.heard[other.log.Origin] += len(news)
	observe := a.rng.IntN(2) == 0
	for _, b := range news {
		for i := range b.Events {
			a.learn(&b.Events[i])
			if observe {
				a.last = max(a.last, b.Events[i].Meta.HLC)
			}
		}
	}
}

func (a *author) learn(e *Event) {
	body := &e.Body
	switch body.Kind {
	case record.KindDelete:
		a.raise(body.Entity.Kind, body.Entity.ID, e.Stamp())
	case record.KindErase:
		a.raise(id.KindUser, body.Erase.User, e.Stamp())
	case record.KindSchemaVersion:
		for i, s := range a.g.schemas {
			if string(s.Encode()) == string(body.Schema.Encoded) {
				a.newest = max(a.newest, i)
			}
		}
	}
}

func (a *author) raise(kind id.Kind, name string, gen hlc.Timestamp) {
	e := entity{kind, name}
	a.gens[e] = max(a.gens[e], gen)
}

func (a *author) gen(kind id.Kind, name string) hlc.Timestamp { return a.gens[entity{kind, name}] }

func (a *author) version() *schema.Schema { return a.g.schemas[a.newest] }

// begin opens a batch under a schema version, nil for none.
func (a *author) begin(s *schema.Schema) *Batch {
	b := &Batch{Origin: a.log.Origin, First: 1, Schema: s}
	if n := len(a.log.Batches); n > 0 {
		b.First = a.log.Batches[n-1].Last + 1
	}
	head := record.Head{
		Origin:    b.Origin,
		First:     b.First,
		Timestamp: uint64(a.g.wall+a.skew) * 1e6,
		Base:      a.last + 1,
		Epoch:     1,
		Level:     record.Level,
	}
	if s != nil {
		head.Schema = s.Hash()
	}
	must(a.builder.Reset(head))
	return b
}

func (a *author) end(b *Batch) {
	data, err := a.builder.Finish(nil)
	must(err)
	b.Data, b.Last = data, b.First+id.Seq(len(b.Events))-1
	a.log.Batches = append(a.log.Batches, *b)
}

// request adds the records of one request: with a lane, with a key, with both or with neither. Producers and keys are the
// same in all origins, and what two of them accepted under one number or key is the same request, unless it takes something
// back, which is done once.
func (a *author) request(b *Batch) {
	bodies := make([]record.Proposed, 1)
	var lane record.Lane
	if a.rng.IntN(2) == 0 {
		bodies = make([]record.Proposed, 1+a.rng.IntN(4))
		lane.Producer = a.g.names.producer(a.rng)
	}
	for i := range bodies {
		bodies[i] = a.body()
	}
	key := ""
	if a.rng.IntN(8) == 0 {
		key = a.g.names.key(a.rng)
	}
	bodies[0].Key = key
	if !a.shares(bodies) && lane.Producer != "" {
		lane.Producer += a.log.Origin.String()
	}
	if lane.Producer != "" {
		a.requests[lane.Producer]++
		lane.Request = a.requests[lane.Producer]
	}
	bodies = a.share(lane, bodies)
	for i := range bodies {
		lane.Index = 0
		if lane.Producer != "" {
			lane.Index = uint32(i)
		}
		content, count := uint64(0), uint32(0)
		if i == 0 && (lane.Producer != "" || bodies[0].Key != "") {
			content, count = record.ContentHash(bodies), uint32(len(bodies))
		}
		a.add(b, bodies[i], lane, content, count)
	}
}

// shares reports whether another origin may accept the same request.
func (a *author) shares(bodies []record.Proposed) bool {
	return !slices.ContainsFunc(bodies, func(p record.Proposed) bool {
		return p.Kind == record.KindCompensate || p.Kind == record.KindDuplicate
	})
}

// share returns what another origin accepted as the same request, with the facts that this one knows, or else what is
// given. A key is used once by an origin, and for one request.
func (a *author) share(lane record.Lane, bodies []record.Proposed) []record.Proposed {
	key := bodies[0].Key
	name := "key " + key
	if lane.Producer != "" {
		name = lane.Producer + " " + strconv.FormatUint(lane.Request, 10)
		if key != "" {
			bodies[0].Key = "k " + name // the lane's request and its key are one
		}
	} else if key == "" {
		return bodies
	} else if a.keys[key] || !a.shares(bodies) {
		bodies[0].Key = "" // it is known to be used
		return bodies
	}
	a.keys[key] = true
	known := a.g.shared[name]
	if known == nil {
		a.g.shared[name] = bodies
		return bodies
	}
	again := slices.Clone(known)
	for i := range again {
		p := &again[i]
		if p.Kind == record.KindSignal && int(p.Signal.Type) >= len(a.version().Signals) {
			p.Signal.Type = 0 // it knows no such type: another request under the same name
		}
		if p.Kind == record.KindSession {
			p.Session = a.knownTypes(p.Session)
		}
		p.Signal.ItemGen, p.Signal.UserGen = a.gen(id.KindItem, p.Signal.Item), a.gen(id.KindUser, p.Signal.User)
	}
	return again
}

// knownTypes is a session's record without the types that this origin doesn't know: another request under the same name, too.
func (a *author) knownTypes(s *record.Session) *record.Session {
	unknown := func(c record.SessionCount) bool { return int(c.Type) >= len(a.version().Signals) }
	if !slices.ContainsFunc(s.Signals, unknown) {
		return s
	}
	known := *s
	known.Signals = slices.DeleteFunc(slices.Clone(s.Signals), unknown)
	return &known
}

// add stamps one record.
func (a *author) add(b *Batch, body record.Proposed, lane record.Lane, content uint64, count uint32) {
	e := Event{Position: b.Origin.At(a.builder.Next()), Schema: b.Schema, Body: body}
	e.Meta = record.Meta{
		Time: body.Time, TimeAssigned: !body.HasTime, HLC: a.stamp(),
		Lane: lane, Content: content, Count: count, Key: body.Key,
	}
	if a.rng.IntN(12) == 0 {
		e.Meta.Stamp = a.registerStamp(e.Meta.HLC)
	}
	if a.rng.IntN(6) == 0 {
		e.Meta.Trace = [16]byte{1, byte(a.rng.Uint32())}
	}
	must(a.builder.AddProposed(&e.Meta, &e.Body))
	b.Events = append(b.Events, e)
	a.learn(&e)
	if body.Kind == record.KindSignal {
		a.undoable = append(a.undoable, e)
	}
}

// stamp is the next of a clock that stands still as often as it moves.
func (a *author) stamp() hlc.Timestamp {
	t := max(hlc.Make(a.g.wall+a.skew, 0), a.last+1)
	for a.stamps[t] {
		t++
	}
	a.last, a.stamps[t] = t, true
	return t
}

// registerStamp lies above the record's own stamp, as if a wild clock's register had to be overridden.
func (a *author) registerStamp(t hlc.Timestamp) hlc.Timestamp {
	t += 1 + hlc.Timestamp(a.rng.Int64N(3)*a.rng.Int64N(60_000))<<16
	for a.stamps[t] {
		t++
	}
	a.stamps[t] = true
	return t
}
