package engine

import (
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
)

// View is one instant of the store in which cold users lie.
type View interface {
	// Mark is the entry that it is the state after.
	Mark() uint64
	// Users calls yield with the records of all users whose ids lie behind after, by id, and of each its generation
	// first. It returns the failure that ended it early. Values are valid until yield returns.
	Users(after string, yield func(Record) bool) error
}

// eachCold calls yield with every cold user, whole, in ascending order of ids. The table is valid until yield returns.
// Nothing may change meanwhile.
func (e *Engine) eachCold(v View, yield func(t *state.Table, n state.Ord) bool) error {
	if e.AllResident() {
		return nil
	}
	x := coldWalk{e: e, mark: v.Mark(), yield: yield, table: state.New(), queued: e.queuedUsers(v.Mark())}
	err := v.Users("", func(r Record) bool {
		if r.Owner != x.name {
			if !x.end() || !x.queuedBefore(r.Owner) {
				return false
			}
			x.begin(r.Owner)
		}
		if !x.skip {
			enter(x.table, x.n, &r)
		}
		return true
	})
	if err == nil && !x.stopped && x.end() {
		x.rest()
	}
	if err == nil {
		err = x.err
	}
	return err
}

// coldWalk unites what the store has of users, which comes by id, with what is queued of them.
type coldWalk struct {
	e       *Engine
	mark    uint64
	yield   func(t *state.Table, n state.Ord) bool
	table   *state.Table
	queued  []string // those of whom something is queued, by id, from the next one on
	name    string   // the user under way; skip: who is resident
	n       state.Ord
	skip    bool
	stopped bool
	err     error
	scratch []byte
}

func (x *coldWalk) begin(name string) {
	x.name = name
	if _, x.skip = x.e.table.Find(id.KindUser, name); !x.skip {
		x.n = x.table.Owner(id.KindUser, name)
	}
}

// end yields the user under way, and reports whether to go on.
func (x *coldWalk) end() bool {
	if x.name == "" || x.skip {
		x.name = ""
		return true
	}
	if _, x.err = x.e.cold.join(x.table, x.n, x.name, x.mark, &x.scratch); x.err == nil {
		x.stopped = !x.yield(x.table, x.n)
	}
	x.table.Evict(id.KindUser, x.n)
	x.name = ""
	x.stopped = x.stopped || x.err != nil
	return !x.stopped
}

// queuedBefore yields the queued users before one whom the store has, of whom it has nothing.
func (x *coldWalk) queuedBefore(name string) bool {
	for len(x.queued) > 0 && x.queued[0] <= name {
		next := x.queued[0]
		x.queued = x.queued[1:]
		if next == name {
			break
		}
		x.begin(next)
		if !x.end() {
			return false
		}
	}
	return true
}

func (x *coldWalk) rest() {
	for len(x.queued) > 0 {
		x.begin(x.queued[0])
		if x.queued = x.queued[1:]; !x.end() {
			return
		}
	}
}

// queuedUsers returns whom something is queued of behind a mark, by id.
func (e *Engine) queuedUsers(mark uint64) (names []string) {
	for i := range e.cold.windows {
		w := &e.cold.windows[i]
		if w.queue == nil || w.end != 0 && w.end <= mark {
			continue
		}
		for n := range w.queue.table.Owners(id.KindUser) {
			names = append(names, w.queue.table.Name(id.KindUser, n))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// DigestWith is [Engine.Digest] with cold users. The view's mark is at least what [Engine.Stored] told last.
func (e *Engine) DigestWith(v View) (d state.Digest, err error) {
	d = e.table.DigestWith(e.coldFor(v, &err))
	return d, err
}

// DigestCellsWith is [Engine.DigestCells] with cold users; see [Engine.DigestWith].
func (e *Engine) DigestCellsWith(v View) (d state.Digest, err error) {
	d = e.table.DigestCellsWith(e.coldFor(v, &err))
	return d, err
}

func (e *Engine) coldFor(v View, err *error) func(add func(*state.Table, id.Kind, state.Ord)) {
	return func(add func(*state.Table, id.Kind, state.Ord)) {
		*err = e.eachCold(v, func(t *state.Table, n state.Ord) bool {
			add(t, id.KindUser, n)
			return true
		})
	}
}

// RecordsWith is [Engine.Records] with cold users; see [Engine.DigestWith].
func (e *Engine) RecordsWith(v View, yield func(Record) bool) error {
	if e.AllResident() {
		e.Records(yield)
		return nil
	}
	for kind := state.KindGlobal; kind <= id.Kinds; kind++ {
		resident := e.sorted(kind)
		stopped := false
		// upTo yields the resident ones before an id, all of them before "".
		upTo := func(name string) bool {
			for len(resident) > 0 && (name == "" || e.table.Name(kind, resident[0]) < name) {
				n := resident[0]
				resident = resident[1:]
				if stopped = !ownerRecords(e.table, kind, n, yield); stopped {
					return false
				}
			}
			return true
		}
		if kind == id.KindUser {
			err := e.eachCold(v, func(t *state.Table, n state.Ord) bool {
				if !upTo(t.Name(kind, n)) {
					return false
				}
				stopped = !ownerRecords(t, kind, n, yield)
				return !stopped
			})
			if err != nil {
				return err
			}
		}
		if stopped || !upTo("") {
			return nil
		}
	}
	return nil
}

// QueuedUsers returns the ids behind after, in ascending order, of users of whom an entity record is queued. With the
// entities of a view that is taken at the same moment, and those that [Engine.Advance] found before, there are all users
// that exist.
func (e *Engine) QueuedUsers(after string) (names []string) {
	if e.cold == nil {
		return nil
	}
	for i := range e.cold.windows {
		if e.cold.windows[i].queue == nil {
			continue
		}
		q := e.cold.windows[i].queue.table
		for n := range q.Owners(id.KindUser) {
			name := q.Name(id.KindUser, n)
			if _, ok := q.Get(state.Key{Kind: algebra.KindEntity, Owner: id.KindUser, Ord: n}); ok && name > after {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
