package engine

import (
	"sync/atomic"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/zeebo/xxh3"
)

// How many users at most are looked at after a batch, in any case and for each of its records.
const (
	trimForBatch  = 64
	trimForRecord = 4
)

// floor is what users are evicted down to: the rest of the budget is for what comes while the store follows.
func (c *cold) floor() int64 { return c.budget / 4 * 3 }

// bytes is what the budget is about.
func (c *cold) bytes(t *state.Table) int64 { return t.Bytes(id.KindUser) + c.queued() }

// Pressed reports whether the store should follow now, because users who can't leave take too much memory: those that
// changed since, and what is queued.
func (e *Engine) Pressed() bool {
	c := e.cold
	return c != nil && c.used > c.floor() && c.grown >= c.budget/8
}

// Full reports whether users take the whole budget: the driver should apply nothing more until the store has followed.
func (e *Engine) Full() bool { return e.cold != nil && e.cold.used >= e.cold.budget }

// Trim evicts users if they take too much memory. It looks at so many at most, and reports whether there is more to do
// at once.
//
// It is a clock: its hand goes round, whoever was touched since it came by last is let off once, and so is for now
// whoever changed behind the store's mark.
func (e *Engine) Trim(steps int) (more bool) {
	c := e.cold
	if c == nil {
		return false
	}
	used := c.bytes(e.table)
	if used > c.used {
		c.grown += used - c.used
	}
	queued := used - e.table.Bytes(id.KindUser)
	known := e.table.Owners(id.KindUser)
	rounds := 2 * int(known)
	for ; known > 0 && used > c.floor() && steps > 0 && c.idle <= rounds; steps-- {
		if c.hand >= known {
			c.hand = 0
		}
		n := c.hand
		c.hand++
		c.idle++
		if !e.table.Live(id.KindUser, n) {
			continue
		}
		if s := c.seats.at(n); s.touched.Swap(0) == 0 && s.changed <= c.stored {
			e.evict(n)
			c.idle = 0
			used = e.table.Bytes(id.KindUser) + queued
		}
	}
	c.used = used
	return known > 0 && used > c.floor() && c.idle <= rounds
}

// evict makes a user cold. All of it is in the store.
func (e *Engine) evict(n state.Ord) {
	c := e.cold
	name, gen := e.table.Name(id.KindUser, n), e.table.Generation(id.KindUser, n)
	if gen != 0 {
		c.bury(name, gen)
	}
	if gen != 0 || e.hasRecords(n) { // of the others the store knows nothing either
		c.away.add(xxh3.HashString(name))
		c.count++
		c.evicted++
	}
	e.table.Evict(id.KindUser, n)
	c.vacant++
}

func (e *Engine) hasRecords(n state.Ord) bool {
	for range e.table.All(id.KindUser, n) {
		return true
	}
	return false
}

// seats are what is noted of resident users beside their records, by ordinal. They lie in pieces, so that growing copies
// nothing.
type seats [][]seat

// seat is one user's: the number of the window in which it changed last, and whether anybody touched it since the hand
// came by. Readers touch side by side.
type seat struct {
	changed uint32
	touched atomic.Uint32
}

const seatsPerPiece = 4096

func (x seats) at(n state.Ord) *seat { return &x[n/seatsPerPiece][n%seatsPerPiece] }

// sit begins a seat anew.
func (x *seats) sit(n state.Ord) {
	for int(n/seatsPerPiece) >= len(*x) {
		*x = append(*x, make([]seat, seatsPerPiece))
	}
	s := x.at(n)
	s.changed = 0
	s.touched.Store(0)
}

func (s *seat) touch() {
	if s.touched.Load() == 0 {
		s.touched.Store(1)
	}
}
