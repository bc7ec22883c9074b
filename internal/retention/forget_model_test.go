package retention_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/retention"
)

// What stands here is a model of regions that delete, bring back and forget, small enough to be read: docs/decisions/0054 has the
// rules. An entity has sums under a generation, and a field that survives generations.

// entry is a batch of one record.
type entry struct {
	at    id.Position
	known retention.Known
	kind  entryKind
	x     int           // the entity
	named hlc.Timestamp // the generation that a signal names
	stamp hlc.Timestamp // of a put or delete
	add   int
	mark  retention.Mark // of a step
}

type entryKind uint8

const (
	signal entryKind = iota
	put
	remove
	announce
	complete
	settle
)

func (e *entry) step() bool { return e.kind >= announce }

// lowest is the lowest stamp that it gives a register of an entity.
func (e *entry) lowest() hlc.Timestamp {
	if e.kind == put || e.kind == remove {
		return e.stamp
	}
	return 0
}

// being is what is known of an entity; the zero value is one that nobody knows.
type being struct {
	gen              hlc.Timestamp
	sum, records     int
	written, deleted hlc.Timestamp
	value            int
}

// raise is what a record of a generation meets: it has no part if the present one is higher.
func (b *being) raise(gen hlc.Timestamp) (counts bool) {
	if gen > b.gen {
		b.gen, b.sum, b.records = gen, 0, 0
	}
	return gen == b.gen
}

func (b *being) put(stamp hlc.Timestamp, value int) {
	if stamp > b.written || stamp == b.written && value > b.value {
		b.written, b.value = stamp, value
	}
	b.drop(0)
}

// drop deletes it at a stamp. Nothing stays of what was written before the latest delete: else what is forgotten of it would
// depend on which of two deletes was here first.
func (b *being) drop(stamp hlc.Timestamp) {
	if b.deleted = max(b.deleted, stamp); b.written <= b.deleted {
		b.written, b.value = 0, 0
	}
}

// forget lets go what is forgotten below a limit, of an entity of which all is known that was stamped without it.
func (b *being) forget(limit hlc.Timestamp) {
	if b.gen <= limit {
		b.gen = 0
	}
	if b.deleted != 0 && b.deleted <= limit {
		b.deleted = 0
	}
}

// beings are the state. take has the effect of an entry on it, with generations as they are normalised by f.
type beings map[int]being

func (s beings) take(e *entry, f retention.Floor) {
	b := s[e.x]
	switch e.kind {
	case signal:
		if b.raise(f.Generation(e.named)) {
			b.sum, b.records = b.sum+e.add, b.records+1
		}
	case put:
		b.put(e.stamp, e.add)
	case remove:
		b.drop(e.stamp)
		b.raise(f.Generation(e.stamp))
	}
	s.set(e.x, b)
}

func (s beings) set(x int, b being) {
	if b == (being{}) {
		delete(s, x)
	} else {
		s[x] = b
	}
}

// stretch is a range: what some entries of one origin amount to.
type stretch struct {
	origin      id.Origin
	first, last id.Seq
	known       retention.Known
	lowest      hlc.Timestamp
	step        *entry // alone, if there is one
	effect      beings
}

// place is a region's replica.
type place struct {
	number id.Region
	origin id.Origin
	rules  *rules
	state  beings
	floor  retention.Floor
	vector id.VersionVector
	clock  hlc.Timestamp
	logs   map[id.Origin][]entry
	// reports are what others were last heard to hold.
	reports map[id.Region]id.VersionVector
	// queue is its group's log behind what is applied: own entries that were stamped, and what came from others.
	queue []queued
	own   id.Seq             // the last one stamped
	stuck map[id.Origin]bool // somebody who strayed
	// stopped says that it can't go on.
	stopped bool
	forgot  int
}

// queued is an entry, or a range with the log that it was made of.
type queued struct {
	entry entry
	rng   *stretch
	log   []entry
}

func newPlace(n int, r *rules) *place {
	return &place{
		number: id.Region(n), origin: id.Origin{Region: id.Region(n)}, rules: r, state: beings{}, logs: map[id.Origin][]entry{},
		reports: map[id.Region]id.VersionVector{}, stuck: map[id.Origin]bool{},
	}
}

// copy is an image of its disk.
func (p *place) copy() *place {
	c := *p
	c.queue = nil
	c.state, c.logs = maps.Clone(p.state), maps.Clone(p.logs)
	c.reports, c.stuck = maps.Clone(p.reports), maps.Clone(p.stuck)
	return &c
}

// hears lets it hear of others what they hold.
func (p *place) hears(of []*place) {
	for _, o := range of {
		p.reports[o.number] = o.vector
	}
}

// has reports whether a replica may apply what needs this, right now.
func (p *place) has(first id.Position, k retention.Known, lowest hlc.Timestamp, needs id.VersionVector) bool {
	switch {
	case !p.rules.noStrays && p.floor.Strays(first, k, lowest):
		p.stuck[first.Origin()] = true
		return false
	case !p.rules.noWaiting && p.floor.Waits(k):
		return false
	}
	return p.rules.noNeeds || p.vector.With(first.Origin(), first.Seq-1).Includes(needs)
}

// advance applies what is next in its log. What can't have its effect has none, and is asked for again later.
func (p *place) advance() {
	if len(p.queue) == 0 || p.stopped {
		p.queue = nil
		return
	}
	q := p.queue[0]
	p.queue = p.queue[1:]
	switch have := p.vector.Get(q.origin()); {
	case q.rng != nil && q.rng.first <= have+1 && have < q.rng.last:
		p.applyRange(q.rng, q.log)
	case q.rng == nil && q.entry.at.Seq == have+1:
		if !p.apply(q.entry) && q.entry.at.Origin() == p.origin {
			p.stopped = true // it finds that it strayed itself: what it has can't be told apart any more
		}
	}
}

// expects is the last number of an origin that is applied or under way.
func (p *place) expects(o id.Origin) id.Seq {
	have := p.vector.Get(o)
	for i := range p.queue {
		q := &p.queue[i]
		switch {
		case q.origin() != o:
		case q.rng != nil:
			have = max(have, q.rng.last)
		default:
			have = max(have, q.entry.at.Seq)
		}
	}
	return have
}

func (q *queued) origin() id.Origin {
	if q.rng != nil {
		return q.rng.origin
	}
	return q.entry.at.Origin()
}

// under returns the own entries that are under way.
func (p *place) under(yield func(*entry) bool) {
	for i := range p.queue {
		if e := &p.queue[i].entry; p.queue[i].rng == nil && e.at.Origin() == p.origin && !yield(e) {
			return
		}
	}
}

// apply takes the next entry of an origin, if it may.
func (p *place) apply(e entry) bool {
	if !p.has(e.at, e.known, e.lowest(), e.mark.Needs) {
		return false
	}
	p.vector = p.vector.With(e.at.Origin(), e.at.Seq)
	p.logs[e.at.Origin()] = append(slices.Clip(p.logs[e.at.Origin()]), e)
	if e.step() {
		p.takeStep(&e)
		return true
	}
	p.state.take(&e, p.floor)
	return true
}

func (p *place) takeStep(e *entry) {
	m := e.mark
	m.At = e.at
	before := p.floor
	switch e.kind {
	case announce:
		p.floor = p.floor.Merge(retention.Floor{Announced: m})
	case complete:
		p.floor = p.floor.Merge(retention.Floor{Complete: m})
	case settle:
		p.floor = p.floor.Merge(retention.Floor{Settled: m})
	}
	if p.rules.noEquality { // generations are compared as they were named
		p.floor.Settled.Limit = before.Settled.Limit
	}
	if e.kind != settle || m.Limit <= before.Settled.Limit {
		return
	}
	for x, b := range p.state {
		if b.forget(m.Limit); b == (being{}) {
			p.forgot++
		}
		p.state.set(x, b)
	}
}

// oldest is the oldest delete that is here.
func (p *place) oldest() (stamp hlc.Timestamp) {
	for _, b := range p.state {
		for _, s := range []hlc.Timestamp{b.deleted, b.gen} {
			if s != 0 && (stamp == 0 || s < stamp) {
				stamp = s
			}
		}
	}
	return stamp
}

// stretchFrom makes a range of a log that holds what follows a number, of at most so many entries. It begins at or before the number.
func (p *place) stretchFrom(o id.Origin, have id.Seq, before, length int) *stretch {
	log := p.logs[o]
	first := max(0, int(have)-before)
	fits := func(a, b *entry) bool {
		return (p.rules.anyRange || a.known == b.known) && !a.step() && !b.step()
	}
	for at := int(have); at > first; at-- { // it may not begin before a border
		if !fits(&log[at-1], &log[at]) {
			first = at
		}
	}
	r := &stretch{origin: o, first: id.Seq(first) + 1, effect: beings{}}
	for i := first; i < len(log) && i < int(have)+length && (i == first || fits(&log[i-1], &log[i])); i++ {
		r.last, r.known = id.Seq(i)+1, log[i].known
		e := log[i]
		if e.step() {
			r.step = &e
			continue
		}
		r.effect.take(&e, retention.Floor{})
		if l := e.lowest(); l != 0 && (r.lowest == 0 || l < r.lowest) {
			r.lowest = l
		}
	}
	return r
}

// applyRange takes a range in the place of its entries, without what is here of it.
func (p *place) applyRange(r *stretch, log []entry) bool {
	have := p.vector.Get(r.origin)
	var needs id.VersionVector
	if r.step != nil {
		needs = r.step.mark.Needs
	}
	if !p.has(r.origin.At(have+1), r.known, r.lowest, needs) {
		return false
	}
	overlap := beings{}
	for i := range log[r.first-1 : have] {
		if e := &log[r.first-1:][i]; !e.step() {
			overlap.take(e, retention.Floor{})
		}
	}
	p.vector = p.vector.With(r.origin, r.last)
	p.logs[r.origin] = append(slices.Clip(p.logs[r.origin]), log[have:r.last]...)
	if r.step != nil {
		p.takeStep(r.step)
	}
	for _, x := range slices.Sorted(maps.Keys(r.effect)) {
		from, b := r.effect[x], p.state[x]
		if o := overlap[x]; o.gen == from.gen {
			from.sum, from.records = from.sum-o.sum, from.records-o.records
		}
		b.drop(from.deleted)
		b.put(from.written, from.value)
		if b.raise(p.floor.Generation(from.gen)) {
			b.sum, b.records = b.sum+from.sum, b.records+from.records
		}
		p.state.set(x, b)
	}
	return true
}

// asIfNothingWasForgotten is what a set of events is by definition, for those who remember all of them.
func asIfNothingWasForgotten(logs map[id.Origin][]entry) beings {
	out, gens := beings{}, map[int]hlc.Timestamp{}
	all := slices.Concat(slices.Collect(maps.Values(logs))...)
	for i := range all {
		switch e := &all[i]; e.kind {
		case signal:
			gens[e.x] = max(gens[e.x], e.named)
		case remove:
			gens[e.x] = max(gens[e.x], e.stamp)
		}
	}
	for i := range all {
		e := &all[i]
		b := out[e.x]
		switch e.kind {
		case signal:
			if max(e.named, e.known.Settled) >= gens[e.x] { // who stamped it knew of every delete up to there
				b.sum, b.records = b.sum+e.add, b.records+1
			}
		case put:
			b.put(e.stamp, e.add)
		case remove:
			b.drop(e.stamp)
		}
		out.set(e.x, b)
	}
	return out
}

// shows compares what readers see.
func shows(x int, got, want being) error {
	exists := func(b being) bool { return b.written > b.deleted }
	switch {
	case got.sum != want.sum || got.records != want.records:
		return fmt.Errorf("entity %d has %d of %d records, not %d of %d", x, got.sum, got.records, want.sum, want.records)
	case exists(got) != exists(want), exists(got) && got.value != want.value:
		return fmt.Errorf("entity %d: exists %v with %d, not %v with %d", x, exists(got), got.value, exists(want), want.value)
	}
	return nil
}

// same compares two states of the same events.
func same(a, b *place) error {
	if a.floor.Known() == b.floor.Known() && maps.Equal(a.state, b.state) {
		return nil
	}
	return fmt.Errorf("after %v region %d has %v above %v, region %d %v above %v", a.vector, a.number, a.state,
		a.floor.Settled.Limit, b.number, b.state, b.floor.Settled.Limit)
}

// pick draws one.
func pick[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

// origins are all that a replica has something of, in order.
func (p *place) origins() []id.Origin {
	return slices.SortedFunc(maps.Keys(p.logs), func(a, b id.Origin) int { return cmp.Compare(a.Packed(), b.Packed()) })
}
