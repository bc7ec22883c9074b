package engine

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/zeebo/xxh3"
)

// Users are resident up to a budget. Beyond it the ones that were touched least recently are evicted, and are cold: their
// records are in the store alone. Effects are blind, so a record about a cold user needs nothing of what is stored: its
// effect is queued. Items, creators and what belongs to nobody are always resident.
//
// The log is cut into windows, and each has a queue. The store is the state after some window's end, its mark, and
//
//	a cold user = what the store has of it  ⊕  the queues of the windows behind the store's mark
//
// as a [Fold] of these windows would be merged. That holds at every moment, because a window's queue goes in the same
// step in which the store's mark here passes it, and because only users leave that didn't change behind that mark. The
// driver sees to the rest: it materialises up to where a window ends ([Engine.Cut]), tells when the store has that
// ([Engine.Stored]), and brings what a read needs ([Engine.Warm]).
//
// A read of a cold user that wasn't made resident first is a mistake of the driver's, and panics.

// cold is what an engine with a budget knows of its users.
type cold struct {
	budget int64
	away   idSet // whoever was evicted, or left out when the checkpoint was loaded; also those that came back
	// buried are the generations of users that aren't resident: stamping asks for them.
	buried  *state.Table
	windows []window // the oldest first; the last one is open
	mark    uint64   // the store's
	stored  uint32   // number of the last window that the store has
	count   int      // cold users
	seats   seats
	vacant  int       // ordinals that stand for nobody
	hand    state.Ord // who is looked at next
	idle    int       // looked at in vain since the last eviction

	used, grown     int64 // bytes as of the last look; gained since the last cut
	evicted, warmed uint64
}

// window is a stretch of the log.
type window struct {
	number uint32
	end    uint64 // mark of its last entry; 0 while it's open
	queue  *half  // effects on cold users; nil for none
}

func newCold(budget int64) *cold {
	return &cold{budget: budget, buried: state.New(), windows: []window{{number: 1}}}
}

// UserMemory says where users are, and what they take.
type UserMemory struct {
	// Resident users are in memory, Cold ones in the store alone.
	Resident, Cold int
	// Bytes hang on resident users and QueuedBytes are effects on cold ones, of Budget; a budget of 0 is none.
	Bytes, QueuedBytes, Budget int64
	// Evicted and Warmed count users that left and came back since the database was opened.
	Evicted, Warmed uint64
}

// UserMemory says where users are.
func (e *Engine) UserMemory() UserMemory {
	m := UserMemory{Resident: int(e.table.Owners(id.KindUser)), Bytes: e.table.Bytes(id.KindUser)}
	if c := e.cold; c != nil {
		m.Resident -= c.vacant
		m.Cold, m.QueuedBytes, m.Budget = c.count, c.queued(), c.budget
		m.Evicted, m.Warmed = c.evicted, c.warmed
	}
	return m
}

func (c *cold) queued() (bytes int64) {
	for i := range c.windows {
		if q := c.windows[i].queue; q != nil {
			bytes += q.table.Bytes(id.KindUser)
		}
	}
	return bytes
}

// Cold reports whether a user has to be made resident before it's read. It may say so of a user that nothing is known
// of.
func (e *Engine) Cold(user string) bool {
	if e.cold == nil || e.cold.away.len() == 0 {
		return false
	}
	_, ok := e.table.Find(id.KindUser, user)
	return !ok && e.cold.away.has(xxh3.HashString(user))
}

// AllResident reports whether no user can be cold.
func (e *Engine) AllResident() bool { return e.cold == nil || e.cold.away.len() == 0 }

// owner returns where an owner's records are written: in the table; or, for a cold user, in the open window's queue.
func (h *half) owner(kind id.Kind, name string) (*half, state.Ord) {
	c := h.cold
	if c == nil || kind != id.KindUser {
		return h, h.table.Owner(kind, name)
	}
	n, ok := h.table.Find(kind, name)
	if !ok && c.away.len() > 0 && c.away.has(xxh3.HashString(name)) {
		return c.enqueue(name)
	}
	if !ok {
		n = c.newUser(h.table, name)
	}
	s := c.seats.at(n)
	s.changed = c.open().number
	s.touch()
	return h, n
}

// newUser gives a user that isn't resident a place.
func (c *cold) newUser(t *state.Table, name string) state.Ord {
	before := t.Owners(id.KindUser)
	n := t.Owner(id.KindUser, name)
	if t.Owners(id.KindUser) == before {
		c.vacant--
	}
	c.seats.sit(n)
	return n
}

// staysCold decides whether the owner whose records are loaded next is left in the store, and notes that.
func (e *Engine) staysCold(kind id.Kind, name string) bool {
	c := e.cold
	if c == nil || kind != id.KindUser || e.table.Bytes(id.KindUser) < c.floor() {
		return false
	}
	if _, resident := e.table.Find(kind, name); resident {
		return false
	}
	c.away.add(xxh3.HashString(name))
	c.count++
	return true
}

// newOwner is the place of an owner that is loaded.
func (e *Engine) newOwner(kind id.Kind, name string) state.Ord {
	if n, ok := e.table.Find(kind, name); ok || e.cold == nil || kind != id.KindUser {
		if !ok {
			n = e.table.Owner(kind, name)
		}
		return n
	}
	return e.cold.newUser(e.table, name)
}

func (c *cold) open() *window { return &c.windows[len(c.windows)-1] }

// enqueue returns the place of a cold user in the queue of the open window.
func (c *cold) enqueue(name string) (*half, state.Ord) {
	w := c.open()
	if w.queue == nil {
		w.queue = &half{table: state.New(), cold: c, queue: true}
	}
	n := w.queue.table.Owner(id.KindUser, name)
	if gen := c.buried.GenerationOf(id.KindUser, name); gen != 0 {
		w.queue.table.Raise(id.KindUser, n, gen) // what is stale has no effect in the queue either
	}
	return w.queue, n
}

// raise is [state.Table.Raise] at an owner's place.
func (h *half) raise(kind id.Kind, n state.Ord, gen hlc.Timestamp) bool {
	if kind == id.KindItem {
		return h.raiseItem(n, gen)
	}
	counts := h.table.Raise(kind, n, gen)
	if counts && gen != 0 && h.queue {
		h.cold.bury(h.table.Name(kind, n), gen)
	}
	return counts
}

func (c *cold) bury(name string, gen hlc.Timestamp) {
	c.buried.Raise(id.KindUser, c.buried.Owner(id.KindUser, name), gen)
}

// Cut ends the open window behind the entry that was applied last. Marks rise with the log; the entry's index is one.
func (e *Engine) Cut(mark uint64) {
	c := e.cold
	if c == nil {
		return
	}
	w := c.open()
	w.end = mark
	c.windows = append(c.windows, window{number: w.number + 1})
	c.grown = 0
}

// Stored tells that the store is the state after a mark, at which a window ended or the engine was loaded. What was
// queued up to there is forgotten.
func (e *Engine) Stored(mark uint64) {
	c := e.cold
	if c == nil {
		return
	}
	c.mark = mark
	for c.windows[0].end != 0 && c.windows[0].end <= mark {
		c.stored = c.windows[0].number
		c.windows = c.windows[1:]
	}
	c.idle = 0
	c.used = c.bytes(e.table)
}

// Warm makes a user resident. The records are all that the store has of it, as of a mark. If that is before what
// [Engine.Stored] told last, nothing happens, and the user has to be read again. A user that is resident stays as it is.
//
// The driver calls [Engine.Trim] behind the read that this was for, which could send the user away again.
func (e *Engine) Warm(user string, mark uint64, records []Record) (ok bool, err error) {
	c := e.cold
	if _, resident := e.table.Find(id.KindUser, user); c == nil || resident {
		return true, nil
	}
	if mark < c.mark {
		return false, nil
	}
	n := c.newUser(e.table, user)
	for i := range records {
		enter(e.table, n, &records[i])
	}
	seat := c.seats.at(n)
	if seat.changed, err = c.join(e.table, n, user, mark, &e.users.scratch.bytes); err != nil {
		e.table.Evict(id.KindUser, n) // rather nobody than somebody with less than there is
		c.vacant++
		return false, fmt.Errorf("user %q: %w", user, err)
	}
	seat.touch()
	if len(records) > 0 {
		c.count = max(0, c.count-1)
		c.warmed++
	}
	c.idle = 0
	return true, nil
}

// enter puts a stored record of a user into a table.
func enter(t *state.Table, n state.Ord, r *Record) {
	t.Raise(id.KindUser, n, r.Gen)
	if r.Kind != algebra.KindGeneration {
		t.Put(state.Key{Kind: r.Kind, Owner: id.KindUser, Ord: n, Sub: r.Sub}, r.Value)
	}
}

// join merges what is queued of a user behind a mark into a table, and returns the number of the last window that had
// something.
func (c *cold) join(t *state.Table, n state.Ord, user string, mark uint64, scratch *[]byte) (last uint32, err error) {
	for i := range c.windows {
		w := &c.windows[i]
		if w.queue == nil || w.end != 0 && w.end <= mark {
			continue
		}
		from, ok := w.queue.table.Find(id.KindUser, user)
		if !ok {
			continue
		}
		last = w.number
		if err := mergeUser(t, n, w.queue.table, from, scratch); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// mergeUser merges a user's later records into its earlier ones.
func mergeUser(into *state.Table, n state.Ord, from *state.Table, at state.Ord, scratch *[]byte) (err error) {
	counts := into.Raise(id.KindUser, n, from.Generation(id.KindUser, at))
	from.Walk(id.KindUser, at, func(kind algebra.Kind, sub, value []byte) bool {
		if !counts && kind != algebra.KindEntity {
			return true
		}
		key := state.Key{Kind: kind, Owner: id.KindUser, Ord: n, Sub: string(sub)}
		place := into.Lookup(key)
		if *scratch, err = algebra.Merge(kind, (*scratch)[:0], into.Value(place), value); err != nil {
			return false
		}
		into.Set(key, place, *scratch)
		return true
	})
	return err
}

// user returns a user's ordinal for reading, and notes that somebody was interested.
func (e *Engine) user(name string) (state.Ord, bool) {
	n, ok := e.table.Find(id.KindUser, name)
	switch {
	case ok && e.cold != nil:
		e.cold.seats.at(n).touch()
	case !ok && e.Cold(name):
		panic(fmt.Sprintf("engine: user %q is read while it's cold", name))
	}
	return n, ok
}

// find is [state.Table.Find] for reading; see user.
func (e *Engine) find(kind id.Kind, name string) (state.Ord, bool) {
	if kind == id.KindUser {
		return e.user(name)
	}
	return e.table.Find(kind, name)
}
